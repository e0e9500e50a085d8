"""Doing a step to a run, and looking at what is there afterwards."""

from collections.abc import Callable, Sequence

from shoal.errors import StorageError
from shoal.storage.memory.faults import Schedule
from tests.faults.invariants import check
from tests.faults.oracle import Broken
from tests.faults.rest import settle
from tests.faults.run import Doing, Run
from tests.faults.steps import Alone, Step
from tests.faults.turns import Turns, both


class Failed(AssertionError):
    """A run broke an invariant: `step` is the number of the step, from 0, after which it was seen."""

    def __init__(self, step: int, message: str) -> None:
        super().__init__(f"after step {step}: {message}")
        self.step = step
        self.message = message


def perform(run: Run, step: Step) -> None:
    """Do a step, and check the invariants.

    Raises:
        Broken: one does not hold.
    """
    run.steps += 1
    if isinstance(step, Alone):
        doing = Doing(run, step.luck)
        step.operation.do(doing)
        run.count(doing)
    else:
        turns = Turns(step.order)
        both(turns, *(_script(run, turns, me, some) for me, some in enumerate((step.first, step.second))))
    check(run)


def _script(run: Run, turns: Turns, me: int, operations: Sequence[Alone]) -> Callable[[], None]:
    def work() -> None:
        for each in operations:

            def taking(luck: Schedule) -> Schedule:
                return turns.taking(me, luck)

            doing = Doing(run, each.luck, taking)
            each.operation.do(doing)
            run.count(doing)

    return work


def play(seed: int, steps: Sequence[Step], *, in_cells: bool | None = None) -> Run:
    """A whole run, which comes to rest at its end.

    Raises:
        Failed: an invariant did not hold.
    """
    run = Run(seed, in_cells=in_cells)
    try:
        for step in steps:
            perform(run, step)
        settle(run)
    except Broken as broken:
        raise Failed(run.steps - 1, str(broken)) from broken
    except StorageError as error:
        raise Failed(run.steps - 1, f"what is there cannot be read: {error!r}") from error
    finally:
        run.close()
    return run
