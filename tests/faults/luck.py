"""What goes wrong for one process, as data: replayed by its numbers, and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from shoal.storage.memory.faults import AtCall, Fault, RandomFaults, Schedule, Storm, no_faults

STEADY: Final = MappingProxyType({Fault.STALE: 0.3})
BUSY: Final = MappingProxyType(
    {Fault.BUSY_BEFORE: 0.10, Fault.BUSY_AFTER: 0.08, Fault.TWICE: 0.08, Fault.PARTIAL: 0.2, Fault.STALE: 0.3}
)
DYING: Final = MappingProxyType({Fault.CRASH_BEFORE: 0.03, Fault.CRASH_AFTER: 0.03, Fault.STALE: 0.3})
MIXED: Final = MappingProxyType(
    {
        Fault.BUSY_BEFORE: 0.05,
        Fault.BUSY_AFTER: 0.04,
        Fault.TWICE: 0.05,
        Fault.CRASH_BEFORE: 0.01,
        Fault.CRASH_AFTER: 0.01,
        Fault.PARTIAL: 0.1,
        Fault.STALE: 0.3,
        Fault.LOST: 0.2,
        Fault.DUPLICATE: 0.2,
        Fault.LATE: 0.2,
    }
)
RATES: Final[Mapping[str, Mapping[Fault, float]]] = {
    "steady": STEADY,
    "busy": BUSY,
    "dying": DYING,
    "mixed": MIXED,
}


@dataclass(frozen=True, slots=True)
class Luck:
    """Good without anything; `rates` with dice from `seed`; or one `fault` from call `number` on, `length` times.

    Of an operation of several processes each has dice of its own, and only the first meets the `fault`.
    """

    rates: str = ""
    seed: int = 0
    fault: Fault | None = None
    number: int = 0
    length: int = 1

    def of_process(self, place: int) -> Schedule:
        """The luck of the operation's process at that place, counting from 0."""
        if self.rates:
            return RandomFaults(self.seed * 64 + place, RATES[self.rates])
        if self.fault is None or place:
            return no_faults
        if self.length == 1:
            return AtCall(self.number, self.fault)
        return Storm(self.number, self.length, self.fault)


GOOD: Final = Luck()
