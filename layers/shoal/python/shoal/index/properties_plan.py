"""How an index of properties answers a filter: a tree of look-ups, joined as the filter's conditions are."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import reduce
from operator import and_
from typing import Protocol

from pyroaring import BitMap

from shoal.index.properties_front import Column
from shoal.index.properties_lookup import Leaf, Lookup, lookups
from shoal.index.properties_runs import Answer, Block, Place, Sections
from shoal.model.conditions import (
    All,
    AnyOf,
    Condition,
    Equals,
    Exists,
    Not,
    OneOf,
    Ordered,
    Path,
    StartsWith,
)
from shoal.model.text_conditions import HasPhrase, HasWords, Like, Wildcard

ABSENT = Column(Block(None, 1, 0, None), {}, frozenset())
"""Of a path that no row has."""

type ColumnOf = Callable[[Path], Column | None]
"""The column of a path, or None where nothing is known of it."""


class Plan(Protocol):
    """What answers a condition over `total` rows."""

    def places(self) -> Iterator[Place]:
        """What must be read; a place may come several times."""

    def rows(self, sections: Sections, total: int) -> BitMap:
        """The rows for which the condition holds, as a bitmap of the caller's own."""

    def bounds(self, total: int) -> tuple[int, int]:
        """How many rows these are at least and at most."""


def plan_of(condition: Condition, column_of: ColumnOf) -> Plan | None:
    """The plan for a condition; None where the index cannot answer it."""
    match condition:
        case Not(part=part):
            inner = plan_of(part, column_of)
            return None if inner is None else _Without(inner)
        case All(parts=parts):
            return every([plan_of(part, column_of) for part in parts])
        case AnyOf(parts=parts):
            plans = [plan_of(part, column_of) for part in parts]
            known = [plan for plan in plans if plan is not None]
            return _Any(known) if len(known) == len(plans) else None
        case Exists(path=path):
            column = column_of(path)
            return None if column is None else _Present(column.exists)
        case Equals() | OneOf() | Ordered() | StartsWith():
            return _values(column_of(condition.path), condition)
        case HasWords() | HasPhrase() | Wildcard() | Like():
            return _values(column_of(condition.path), condition)
        case _:
            return None


def _values(column: Column | None, condition: Leaf) -> Plan | None:
    found = None if column is None else lookups(column, condition)
    return None if found is None else _Values(found)


def every(plans: list[Plan | None]) -> Plan | None:
    """The plan for all conditions together; None where one of them has none."""
    known = [plan for plan in plans if plan is not None]
    return _Every(known) if len(known) == len(plans) else None


@dataclass(frozen=True, slots=True)
class _Values:
    """Rows that any of the look-ups finds."""

    found: list[Lookup]

    def places(self) -> Iterator[Place]:
        return (place for lookup in self.found for place in lookup.places())

    def rows(self, sections: Sections, total: int) -> BitMap:
        answer = Answer(total)
        for lookup in self.found:
            lookup.collect(sections, answer)
        return answer.rows()

    def bounds(self, total: int) -> tuple[int, int]:
        several = [lookup.bounds() for lookup in self.found]
        return _either(several, total)


@dataclass(frozen=True, slots=True)
class _Present:
    """Rows that have the path."""

    exists: Block

    def places(self) -> Iterator[Place]:
        return iter(() if self.exists.place is None else (self.exists.place,))

    def rows(self, sections: Sections, total: int) -> BitMap:
        answer = Answer(total)
        if self.exists.postings:
            answer.add_all(self.exists, sections)
        return answer.rows()

    def bounds(self, total: int) -> tuple[int, int]:
        count = min(self.exists.postings, total)
        return count, count


@dataclass(frozen=True, slots=True)
class _Without:
    """All rows but those of the part."""

    part: Plan

    def places(self) -> Iterator[Place]:
        return self.part.places()

    def rows(self, sections: Sections, total: int) -> BitMap:
        return self.part.rows(sections, total).flip(0, total)

    def bounds(self, total: int) -> tuple[int, int]:
        least, most = self.part.bounds(total)
        return total - most, total - least


@dataclass(frozen=True, slots=True)
class _Every:
    """Rows of all parts; with no parts, all rows."""

    parts: list[Plan]

    def places(self) -> Iterator[Place]:
        return (place for part in self.parts for place in part.places())

    def rows(self, sections: Sections, total: int) -> BitMap:
        if not self.parts:
            return BitMap(range(total))
        return reduce(and_, (part.rows(sections, total) for part in self.parts))

    def bounds(self, total: int) -> tuple[int, int]:
        several = [part.bounds(total) for part in self.parts]
        lacking = sum(total - least for least, _ in several)
        return max(total - lacking, 0), min((most for _, most in several), default=total)


@dataclass(frozen=True, slots=True)
class _Any:
    """Rows of any part."""

    parts: list[Plan]

    def places(self) -> Iterator[Place]:
        return (place for part in self.parts for place in part.places())

    def rows(self, sections: Sections, total: int) -> BitMap:
        return BitMap.union(*(part.rows(sections, total) for part in self.parts))

    def bounds(self, total: int) -> tuple[int, int]:
        return _either([part.bounds(total) for part in self.parts], total)


def _either(several: list[tuple[int, int]], total: int) -> tuple[int, int]:
    """How many rows at least one of several holds for."""
    least = max((least for least, _ in several), default=0)
    return least, min(sum(most for _, most in several), total)
