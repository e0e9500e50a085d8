"""What a dataset must hold: its log, replayed write by write on dictionaries.

The log says which of the writes whose answers were lost did happen; the oracle says what each of them means. So
the expected state of every version is exact, whatever died: an acknowledged write must be at the place that it was
told, a refused one at none, and a version must be what the places up to its watermark come to.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from shoal.model.datasets import Dataset

WRITES: Final = frozenset({"upsert", "delete", "patch", "restore"})


@dataclass(frozen=True, slots=True)
class Row:
    """A record as it must be found, bit for bit: `values` are floats that float32 holds exactly."""

    values: tuple[float, ...]
    metadata: Mapping[str, Any]
    namespace: str = ""
    document: str = ""


@dataclass(slots=True)
class State:
    """`rows` are alive; `written` is the place of each id's last write, deletions too."""

    rows: dict[str, Row] = field(default_factory=dict)
    written: dict[str, int] = field(default_factory=dict)

    def put(self, name: str, row: Row, place: int) -> None:
        """Store a record."""
        self.rows[name] = row
        self.written[name] = place

    def drop(self, name: str, place: int) -> None:
        """Delete a record, if there is one."""
        self.rows.pop(name, None)
        self.written[name] = place

    def after(self, change: "Change", place: int) -> tuple["State", dict[str, int]]:
        """The state after one more write, and what the write has done, without zeros."""
        following = State(dict(self.rows), dict(self.written))
        done = change(following, place)
        return following, {name: count for name, count in done.items() if count}


type Change = Callable[[State, int], Mapping[str, int]]
"""What a write means: called with the state it comes upon, which it changes, and with its own place; what it has
done is counted as `model.writes.Outcome` does."""


@dataclass(slots=True)
class Attempt:
    """One try to write. `told` is what its caller knows: a place, "refused" (nothing happened), or "unknown"."""

    what: str
    change: Change
    log_keys: list[str]
    told: int | str = "unknown"


@dataclass(frozen=True, slots=True)
class Place:
    """What of a place in the log must never change."""

    kind: str
    log_key: str | None
    import_id: str | None
    opened: int | None
    follows: int
    manifest: str | None = None


class Broken(AssertionError):
    """An invariant does not hold; the message says which."""


@dataclass
class Ledger:
    """All tries to write to one dataset, its log as last seen, and the state at every place of it."""

    dataset: Dataset
    attempts: list[Attempt] = field(default_factory=list)
    places: dict[int, Place] = field(default_factory=dict)
    imports: dict[str, Mapping[str, Row]] = field(default_factory=dict)
    """The rows that each import's file comes to."""
    base: State = field(default_factory=State)
    """What it held before its first write: of a clone, what it was made of."""
    first: int = 1
    """The first place of its log."""
    deleted: bool = False
    rows_of: Callable[[str], Mapping[str, Row]] = lambda _: {}
    """The rows of the version whose root has that key."""
    outcomes: dict[int, dict[str, int]] = field(default_factory=dict)
    """What each write has done."""
    _states: dict[int, State] = field(default_factory=dict)
    _reached: int = 0
    _restored: dict[int, Mapping[str, Row]] = field(default_factory=dict)

    def read(self, jobs: list[dict[str, Any]]) -> None:
        """Compare the stored log with what is known of it, and learn what is new.

        Raises:
            Broken: see the message.
        """
        by_key = {key: attempt for attempt in self.attempts for key in attempt.log_keys}
        seen: dict[int, Place] = {}
        errors: dict[int, str] = {}
        for job in jobs:
            number = int(job["sequence"])
            opened, follows = job.get("opened"), job.get("follows")
            place = Place(
                str(job["kind"]),
                job.get("log_key"),
                job.get("import_id"),
                None if opened is None else int(opened),
                number - 1 if follows is None else int(follows),
                job.get("manifest"),
            )
            seen[number] = place
            if self.places.get(number, place) != place:
                raise Broken(f"place {number} was {self.places[number]} and is {place}")
            if place.kind in WRITES and place.log_key is not None:
                attempt = by_key.get(place.log_key)
                if attempt is None:
                    raise Broken(f"place {number} holds {place.log_key}, which nobody wrote")
                if attempt.told == "refused":
                    raise Broken(f"a refused write stands at place {number}: {attempt.what}")
            if place.manifest is not None and number not in self._restored:
                self._restored[number] = self.rows_of(place.manifest)
            if job.get("error"):
                errors[number] = str(job["error"])
        if missing := self.places.keys() - seen.keys():
            raise Broken(f"places {sorted(missing)} of the log are gone")
        self.places = seen
        for number, error in errors.items():
            # The only write that may fail for good: its reason is in the log.
            if seen[number].kind != "restore" or not self._open_at(number):
                raise Broken(f"a write failed: place {number}: {error}")
        for attempt in self.attempts:
            self._check_told(attempt)

    def _check_told(self, attempt: Attempt) -> None:
        mine = [number for number, place in self.places.items() if place.log_key in attempt.log_keys]
        if len(mine) > 1:
            raise Broken(f"a write asked for once stands at places {mine}: {attempt.what}")
        if isinstance(attempt.told, int) and mine != [attempt.told]:
            raise Broken(f"a write acknowledged at place {attempt.told} stands at {mine}: {attempt.what}")

    def at(self, watermark: int) -> State:
        """The state that the log comes to up to a place.

        Raises:
            Broken: a place up to there is empty, or there is no such place.
        """
        self._replay()
        if watermark not in self._states:
            raise Broken(f"version of place {watermark}, but the log can be followed to {self._reached} only")
        return self._states[watermark]

    def newest(self) -> State:
        """The state that everything accepted comes to, up to the first place that is still open."""
        self._replay()
        return self._states[self._reached]

    def _replay(self) -> None:
        if not self._states:
            self._states[self.first - 1] = self.base
            self._reached = self.first - 1
        by_key = {key: attempt for attempt in self.attempts for key in attempt.log_keys}
        after = {place.follows: number for number, place in self.places.items()}
        while self._reached in after:
            number = after[self._reached]
            self._states[number] = self._next(
                self._states[self._reached], number, self.places[number], by_key
            )
            self._reached = number

    def _next(self, state: State, number: int, place: Place, by_key: Mapping[str, Attempt]) -> State:
        if place.kind == "restore":
            if self._open_at(number):
                return state
            rows = self._restored[number]
            return State(dict(rows), dict.fromkeys(state.written.keys() | rows.keys(), number))
        if place.kind in WRITES and place.log_key is not None:
            following, self.outcomes[number] = state.after(by_key[place.log_key].change, number)
            return following
        if place.kind == "import":
            rows = self.imports[str(place.import_id)]
            opened = place.opened or 0

            following = State(dict(state.rows), dict(state.written))
            for name, row in rows.items():
                if following.written.get(name, 0) < opened:
                    following.put(name, row, opened)
            return following
        return state

    def _open_at(self, number: int) -> set[int]:
        """The places of the imports that are open at a place."""
        before = {place: what for place, what in self.places.items() if place < number}
        opened = {place for place, what in before.items() if what.kind == "import_open"}
        ended = {what.opened for what in before.values() if what.kind in ("import", "import_end")}
        return opened - ended
