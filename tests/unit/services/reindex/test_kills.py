"""Processes that die: at any call of who asks for a reindex, of its workflow, and of who ends it."""

from contextlib import suppress

import pytest

from shoal.errors import ShoalError
from shoal.model.tasks import TaskStatus
from shoal.services.tasks.family import LEASE_SECONDS
from shoal.storage.memory.faults import AtCall, Fault, Faults, SimulatedCrash
from tests.unit.services.reindex.models import NEW, OLD
from tests.unit.services.reindex.world import TextWorld, numbered
from tests.workflow.kills import KilledOnce, killing
from tests.workflow.machine import Invoke

FAULTS = pytest.mark.parametrize(
    "fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.BUSY_AFTER, Fault.TWICE]
)
DOCUMENTS = numbered(12, words=10)


def check_deployed(world: TextWorld, message: str = "") -> None:
    dest = world.found(NEW)
    assert world.task().status is TaskStatus.DONE, message
    assert world.records(dest) == world.expected(dest, DOCUMENTS), message
    assert world.blue() == NEW.model_id, message
    check_at_rest(world, message)


def check_at_rest(world: TextWorld, message: str = "") -> None:
    """Nothing is under way, nothing is held, and the source is as it was."""
    state = world.state()
    assert (state.reindexes, state.waiting) == ((), ()), message
    assert state.lease_until <= world.clock() + LEASE_SECONDS, message
    source = world.found(OLD)
    assert world.records(source) == world.expected(source, DOCUMENTS), message
    for dataset in world.live():
        assert world.head(dataset).open_imports == 0, message


@FAULTS
def test_who_asks_may_die_at_any_call(fault: Fault) -> None:
    for number in range(200):
        world = TextWorld()
        world.source(DOCUMENTS)
        faults = Faults(AtCall(number, fault))
        with suppress(SimulatedCrash, ShoalError):
            world.reindex(ports=world.process(faults), deploy_as_blue=True)
        if faults.calls <= number:
            assert number > 20
            return
        world.settle_down()
        if not world.has_task():
            check_at_rest(world, faults.describe())
            world.reindex(deploy_as_blue=True)
        assert world.task().status is TaskStatus.PROCESSING, faults.describe()
        world.run()
        check_deployed(world, faults.describe())


@pytest.mark.parametrize("in_cells", [False, True], ids=["one shard", "cells"])
def test_a_kill_in_any_state_changes_nothing(in_cells: bool) -> None:
    worlds: list[TextWorld] = []

    def make(number: int | None) -> KilledOnce:
        world = TextWorld(in_cells=in_cells)
        world.source(DOCUMENTS)
        world.reindex(deploy_as_blue=True)
        worlds.append(world)
        return KilledOnce(world.process, world.step, number=number)

    def run(killer: Invoke) -> None:
        world = worlds[-1]
        execution = world.run(invoke=killer)
        message = f"killed in {getattr(killer, 'killed', None)}: {execution}"
        assert execution.succeeded, message
        check_deployed(world, message)

    killed = {one.killed for one in killing(make, run, every=2 if not in_cells else 5)}
    wanted = {"plan", "embed", "settle", "commit", "deploy"}
    wanted |= {"train", "assign", "group", "build", "calibrate"} if in_cells else {"build_shard"}
    assert wanted <= killed
