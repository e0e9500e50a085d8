"""Functions that die once, at a chosen call to storage of the whole run."""

from collections.abc import Callable, Mapping
from typing import Any

from shoal.storage.memory.faults import AtCall, Fault, Faults
from shoal.storage.ports import Ports
from tests.workflow.machine import Invoke


class KilledOnce:
    """An `invoke` under which one process dies: the one that makes the `number`-th (from 0) call of all.

    Every call of a function is a new process, so that a retry finds what the dead one left. `number` None lets all
    live, and `calls` then says how many numbers there are to try; `killed` is the step that died.

    Args:
        process: the ports of a process with this bad luck, such as `World.process`.
        invoke: calls a function over ports, such as `steps.call`.
        number: which call to storage is the last of its process.
        fault: `CRASH_BEFORE` or `CRASH_AFTER` the call took effect.
    """

    def __init__(
        self,
        process: Callable[[Faults], Ports],
        invoke: Callable[[Ports, str, Mapping[str, Any]], Mapping[str, Any]],
        *,
        number: int | None = None,
        fault: Fault = Fault.CRASH_AFTER,
    ) -> None:
        self._process = process
        self._invoke = invoke
        self._number = number
        self._fault = fault
        self.calls = 0
        self.killed: str | None = None

    def __call__(self, function: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        """Call a function in a new process."""
        due = self._number is not None and self.killed is None
        faults = Faults(AtCall((self._number or 0) - self.calls, self._fault)) if due else Faults()
        try:
            return self._invoke(self._process(faults), function, payload)
        finally:
            self.calls += faults.calls
            if faults.crashed:
                self.killed = str(payload["step"])


def killing(
    make: Callable[[int | None], KilledOnce], run: Callable[[Invoke], object], *, every: int = 1
) -> list[KilledOnce]:
    """Run once unharmed, then once for each `every`-th call to storage, which is the last of its process.

    Args:
        make: the `KilledOnce` of a number, over stores of its own.
        run: one run; what it checks, it raises.
        every: 1 tries them all.
    """
    unharmed = make(None)
    run(unharmed)
    runs = []
    for number in range(0, unharmed.calls, every):
        runs.append(make(number))
        run(runs[-1])
    return runs
