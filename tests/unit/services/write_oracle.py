"""What a log comes to, by the plainest means: jobs applied one by one to a dictionary, each with its outcome."""

from collections.abc import Callable, Collection, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from shoal.model.writes import Outcome

type Vector = tuple[float, ...]


@dataclass(frozen=True)
class Stored:
    """A record without its id."""

    vector: Vector
    metadata: Mapping[str, Any]
    namespace: str = ""
    document: bytes = b""


type Apply = Callable[["Oracle", int], Outcome | None]


@dataclass
class Oracle:
    """`records` as they are at `watermark`; `written` is the place of the last write that touched an id."""

    records: dict[str, Stored] = field(default_factory=dict)
    written: dict[str, int] = field(default_factory=dict)
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    waiting: list[tuple[int, Apply]] = field(default_factory=list)

    def accept(self, sequence: int, write: Apply) -> None:
        self.waiting.append((sequence, write))

    def apply_all(self) -> None:
        for sequence, write in sorted(self.waiting, key=lambda each: each[0]):
            outcome = write(self, sequence)
            if outcome is not None:
                self.outcomes[sequence] = outcome
        self.waiting.clear()

    def put(self, name: str, record: Stored, sequence: int) -> None:
        self.records[name] = record
        self.written[name] = sequence

    def drop(self, name: str, sequence: int) -> bool:
        self.written[name] = sequence
        return self.records.pop(name, None) is not None


def upsert(
    records: Mapping[str, Stored],
    lets: Callable[[Stored, Stored], bool] | None = None,
    removed: Collection[str] = (),
) -> Apply:
    """`lets` decides over the new record where there is an old one; None: always. `removed` go with it."""

    def apply(oracle: Oracle, sequence: int) -> Outcome:
        stored = 0
        for name, record in records.items():
            old = oracle.records.get(name)
            if old is None or lets is None or lets(record, old):
                oracle.put(name, record, sequence)
                stored += 1
        deleted = sum(oracle.drop(name, sequence) for name in removed)
        return Outcome(upserted=stored, skipped=len(records) - stored, deleted=deleted)

    return apply


def newer(path: str) -> Callable[[Stored, Stored], bool]:
    """The rule of `if_newer_than` on a key that is not nested."""

    def lets(new: Stored, old: Stored) -> bool:
        before, after = old.metadata.get(path), new.metadata.get(path)
        if type(before) not in (int, float, str):
            return True
        if type(after) not in (int, float, str) or (type(after) is str) != (type(before) is str):
            return False
        return after > before  # type: ignore[operator,no-any-return] # two numbers, or two strings

    return lets


def delete(ids: set[str]) -> Apply:
    def apply(oracle: Oracle, sequence: int) -> Outcome:
        deleted = sum(oracle.drop(name, sequence) for name in ids)
        return Outcome(deleted=deleted, missing=len(ids) - deleted)

    return apply


def delete_where(matches: Callable[[str, Stored], bool]) -> Apply:
    def apply(oracle: Oracle, sequence: int) -> Outcome:
        meant = [name for name, record in oracle.records.items() if matches(name, record)]
        return Outcome(deleted=sum(oracle.drop(name, sequence) for name in meant))

    return apply


def patch(changes: list[tuple[str, Mapping[str, Any]]]) -> Apply:
    def apply(oracle: Oracle, sequence: int) -> Outcome:
        done = missing = 0
        for name, change in changes:
            old = oracle.records.get(name)
            if old is None:
                missing += 1
                continue
            metadata = merged(deepcopy(dict(old.metadata)), change)
            oracle.put(name, Stored(old.vector, metadata, old.namespace, old.document), sequence)
            done += 1
        return Outcome(patched=done, missing=missing)

    return apply


def import_rows(records: Mapping[str, Stored], opened: int) -> Apply:
    """A row of an import loses to what was written to its id after the import began."""

    def apply(oracle: Oracle, sequence: int) -> None:
        for name, record in records.items():
            if oracle.written.get(name, 0) < opened:
                oracle.put(name, record, opened)

    return apply


def merged(target: Any, change: Any) -> Any:
    """The pseudo-code of RFC 7396."""
    if not isinstance(change, dict):
        return change
    if not isinstance(target, dict):
        target = {}
    for name, value in change.items():
        if value is None:
            target.pop(name, None)
        else:
            target[name] = merged(target.get(name), value)
    return target
