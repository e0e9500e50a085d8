"""What one condition asks of a column: which values to look up, in which order of which kind."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from shoal.index.properties_column import Kind
from shoal.index.properties_front import Column
from shoal.index.properties_runs import Cut, Points, Sifted, Span
from shoal.model.conditions import Equals, OneOf, Ordered, StartsWith
from shoal.model.filter_rows import Texts, Typed
from shoal.model.text_conditions import HasPhrase, HasWords, Like, TextCondition, Wildcard

type Leaf = Equals | OneOf | Ordered | StartsWith | TextCondition
"""Conditions on the values at a path."""
type Lookup = Points | Span | Sifted

_KINDS: Mapping[type, tuple[Kind, ...]] = {
    bool: (Kind.BOOL,),
    int: (Kind.INT, Kind.BIG),
    float: (Kind.FLOAT,),
    str: (Kind.STR,),
}
_NUMBERS = (Kind.INT, Kind.BIG, Kind.FLOAT)


def lookups(column: Column, condition: Leaf) -> list[Lookup] | None:
    """What to look up; the condition holds for the rows of all of it together.

    None: the column does not know the values.
    """
    match condition:
        case Equals(wanted=wanted):
            return _equal(column, (wanted,))
        case OneOf(wanted=several):
            return _equal(column, several)
        case Ordered(operator=operator, bound=bound):
            kinds = (Kind.STR,) if isinstance(bound, str) else _NUMBERS
            begin, end = _cuts(operator, bound)
        case StartsWith(prefix=prefix):
            kinds = (Kind.STR,)
            begin, end = _beginning(prefix)
        case Wildcard(glob=glob):
            kinds = (Kind.STR,)
            begin, end = _beginning(glob.beginning)
        case HasWords() | HasPhrase() | Like():
            kinds, begin, end = (Kind.STR,), None, None
    if not column.without.isdisjoint(kinds):
        return None
    spans = [column.runs[kind].span(begin, end) for kind in kinds if kind in column.runs]
    if isinstance(condition, HasWords | HasPhrase | Wildcard | Like):
        return [Sifted(span, partial(_holds, condition)) for span in spans]
    return list(spans)


def _holds(condition: TextCondition, value: str) -> bool:
    return condition.holds(Texts((value,)))


def _beginning(prefix: str) -> tuple[Cut | None, Cut | None]:
    size = len(prefix)
    return (lambda value: value >= prefix), (lambda value: value[:size] > prefix)


def _equal(column: Column, wanted: Iterable[Typed]) -> list[Lookup] | None:
    by_kind: dict[Kind, list[Any]] = {}
    for _, value in wanted:
        for kind in _KINDS.get(type(value), ()):
            by_kind.setdefault(kind, []).append(value)
    if not column.without.isdisjoint(by_kind):
        return None
    return [column.runs[kind].points(values) for kind, values in by_kind.items() if kind in column.runs]


def _cuts(operator: str, bound: Any) -> tuple[Cut | None, Cut | None]:
    """Python compares integers with floats exactly, whatever their size."""

    def at(value: Any) -> bool:
        return bool(value >= bound)

    def behind(value: Any) -> bool:
        return bool(value > bound)

    match operator:
        case "$gt":
            return behind, None
        case "$gte":
            return at, None
        case "$lt":
            return None, at
        case _:
            return None, behind
