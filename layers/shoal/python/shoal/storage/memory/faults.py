"""Which calls to storage go wrong, and how: decided by a schedule, the same way every time.

One `Faults` stands for one process: give it to all the wrappers (`shoal.storage.memory.faulty`) that the
process uses. Once it crashed, every further call through it crashes too, so that no `finally` of a dead
process tidies up; a process started anew is a new `Faults` over the same stores.

::

    faults = Faults(RandomFaults(seed=7, rates={Fault.BUSY_BEFORE: 0.1, Fault.TWICE: 0.05}))
    table = FaultyTable(MemoryTable(clock), faults)
    ...
    assert rows == expected, faults.describe()
"""

import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class SimulatedCrash(BaseException):
    """The process died here. No Exception, so that no ``except Exception`` of a service survives it."""


class Fault(StrEnum):
    """What can happen to a call, in the words of the ports: `storage.aws_errors` has the table of which answers of
    AWS (409, 429, 500, 503, time-outs) come out as which error.
    """

    BUSY_BEFORE = "busy-before"
    """Throttled (429, 503), failed (500) or in conflict (TransactionConflict, S3 409): StorageBusy, nothing
    happened."""
    BUSY_AFTER = "busy-after"
    """The call took effect, every answer was lost or timed out: StorageBusy."""
    PARTIAL = "partial"
    """Half of a batch took effect, the rest stayed unprocessed: StorageBusy."""
    TWICE = "twice"
    """The answer came too late, the SDK made the call again, and that second outcome is what is seen: an Add
    counts twice, a conditional write fails over the caller's own item, S3 answers 412."""
    STALE = "stale"
    """A read of the index, or one that need not be consistent, sees the table as of some writes ago."""
    CRASH_BEFORE = "crash-before"
    """The process dies before the call."""
    CRASH_AFTER = "crash-after"
    """The process dies once the call took effect."""
    LOST = "lost"
    """A message is accepted and never delivered."""
    DUPLICATE = "duplicate"
    """A message is delivered twice."""
    LATE = "late"
    """A message is delivered `Faults.late_seconds` later than asked."""


ANY_CALL = frozenset({Fault.BUSY_BEFORE, Fault.CRASH_BEFORE, Fault.CRASH_AFTER})
WRITE = ANY_CALL | {Fault.BUSY_AFTER, Fault.TWICE}
BATCH = WRITE | {Fault.PARTIAL}
STALE_READ = ANY_CALL | {Fault.STALE}
MESSAGE = WRITE | {Fault.LOST, Fault.DUPLICATE, Fault.LATE}


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a storage port.

    `number` counts all calls of the process from 0, `nth` those of the same operation; `operation` reads
    ``table.put``, ``objects.get``, ``queue.send``; `target` names what it is about, for the reader.
    """

    number: int
    nth: int
    operation: str
    target: str
    possible: frozenset[Fault]


type Schedule = Callable[[Call], Fault | None]
"""Decides on a call. A fault that the call cannot have is ignored."""


@dataclass(frozen=True, slots=True)
class RandomFaults:
    """Faults at random, replayed by the seed.

    The dice of a call depend on the seed, its operation and its `nth`, and not on other operations or on
    keys: a change elsewhere, random ids or a second thread do not reshuffle everything.
    """

    seed: int
    rates: Mapping[Fault, float]

    def __call__(self, call: Call) -> Fault | None:
        """The fault of a call."""
        dice = random.Random(f"{self.seed}/{call.operation}/{call.nth}").random()  # noqa: S311 - replayable, no secret
        for fault, rate in self.rates.items():
            if fault in call.possible:
                if dice < rate:
                    return fault
                dice -= rate
        return None


@dataclass(frozen=True, slots=True)
class AtCall:
    """One fault at the call with that number, counting all: for dying at every step of a use case in turn."""

    number: int
    fault: Fault

    def __call__(self, call: Call) -> Fault | None:
        """The fault of a call."""
        return self.fault if call.number == self.number else None


@dataclass(frozen=True, slots=True)
class AtOperation:
    """One fault at the nth (from 0) call of an operation such as ``table.update``."""

    operation: str
    fault: Fault
    nth: int = 0

    def __call__(self, call: Call) -> Fault | None:
        """The fault of a call."""
        return self.fault if (call.operation, call.nth) == (self.operation, self.nth) else None


@dataclass(frozen=True, slots=True)
class Storm:
    """The same fault for `length` calls in a row from that number on, counting all: what outlasts retries."""

    number: int
    length: int
    fault: Fault

    def __call__(self, call: Call) -> Fault | None:
        """The fault of a call."""
        return self.fault if self.number <= call.number < self.number + self.length else None


def first_of(*schedules: Schedule) -> Schedule:
    """The schedules together: the first that has a fault for a call decides."""

    def decide(call: Call) -> Fault | None:
        return next((fault for schedule in schedules if (fault := schedule(call))), None)

    return decide


def no_faults(_call: Call) -> Fault | None:
    """The schedule of a good day; `Faults.calls` then counts what there is to break."""
    return None


class Faults:
    """The bad luck of one process: counts its calls, decides on each, and remembers what it did."""

    def __init__(
        self, schedule: Schedule = no_faults, *, late_seconds: int = 90, stale_writes: int = 3
    ) -> None:
        self.late_seconds = late_seconds
        self.stale_writes = stale_writes
        self._schedule = schedule
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._log: list[tuple[Call, Fault]] = []
        self._crashed_at: Call | None = None

    @property
    def calls(self) -> int:
        """How many calls were made."""
        return self._counts.total()

    @property
    def crashed(self) -> bool:
        """Whether the process is dead."""
        return self._crashed_at is not None

    @property
    def log(self) -> tuple[tuple[Call, Fault], ...]:
        """Every fault injected, in order."""
        with self._lock:
            return tuple(self._log)

    def last(self, operation: str) -> Fault | None:
        """What happened to the newest call of an operation; None where nothing did, or there was none."""
        with self._lock:
            newest = self._counts[operation] - 1
            return next(
                (fault for call, fault in self._log if (call.operation, call.nth) == (operation, newest)),
                None,
            )

    def describe(self) -> str:
        """The log as text, for the message of a failed test."""
        lines = [
            f"#{call.number} {call.operation}[{call.nth}] {call.target}: {fault}" for call, fault in self.log
        ]
        return "faults injected:\n  " + ("\n  ".join(lines) or "none")

    def decide(self, operation: str, target: str, possible: frozenset[Fault]) -> Fault | None:
        """Count a call and decide on it.

        Raises:
            SimulatedCrash: the process is dead.
        """
        with self._lock:
            if self._crashed_at is not None:
                raise SimulatedCrash(f"dead since {self._crashed_at.operation} {self._crashed_at.target}")
            call = Call(self._counts.total(), self._counts[operation], operation, target, possible)
            self._counts[operation] += 1
            fault = self._schedule(call)
            if fault not in possible:
                return None
            self._log.append((call, fault))
            if fault in (Fault.CRASH_BEFORE, Fault.CRASH_AFTER):
                self._crashed_at = call
            return fault
