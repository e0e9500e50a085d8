"""A world left to itself: nothing goes wrong any more, and what was left behind must come to rest."""

from dataclasses import dataclass

from shoal.model.limits import BUILD_LEASE_SECONDS
from tests.faults.functions import DeliverBuilds, DeliverWakeups, Sweep
from tests.faults.imports import DeliverEvents
from tests.faults.invariants import check, check_settled, waiting
from tests.faults.luck import GOOD
from tests.faults.oracle import Broken
from tests.faults.run import Doing, Run
from tests.faults.workflows import advance, workflows_at_work

_ROUNDS = 40
_LONG_SECONDS = 4 * 3600.0
"""Longer than an upload is waited for."""


@dataclass(frozen=True, slots=True)
class Rest:
    """All messages arrive, all workflows go on, the sweep comes every minute, until nothing is left to do."""

    def do(self, doing: Doing) -> None:
        """Wait for rest, and look whether it is one."""
        settle(doing.run)


def settle(run: Run) -> None:
    """Come to rest.

    Raises:
        Broken: it does not, or not to a rest at which everything is done and told.
    """
    for number in range(_ROUNDS):
        doing = Doing(run, GOOD)
        run.stores.clock.pass_seconds(61)
        DeliverEvents().do(doing)
        for _ in range(3):
            DeliverWakeups(most=10).do(doing)
        DeliverBuilds(most=10).do(doing)
        for name in workflows_at_work(run):
            for _ in range(200):
                advance(doing, name)
        Sweep().do(doing)
        if number in (5, 15):
            run.stores.clock.pass_seconds(BUILD_LEASE_SECONDS)
        if number == 10:
            run.stores.clock.pass_seconds(_LONG_SECONDS)
        check(run)
        if number > 1 and at_rest(run):
            check_settled(run)
            return
    raise Broken(f"no rest: the sweep looks after {waiting(run)}, at work are {workflows_at_work(run)}")


def at_rest(run: Run) -> bool:
    """Whether there is nothing left to deliver, to run or to look after."""
    stores = run.stores
    return not (
        waiting(run) or len(stores.wakeups) or len(stores.builds) or run.events or workflows_at_work(run)
    )
