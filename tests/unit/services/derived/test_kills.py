"""Processes that die: every call to storage of a whole run is once the last of its process."""

from collections.abc import Mapping
from contextlib import suppress

import pytest

from shoal.errors import NotFound
from shoal.model.datasets import Dataset
from shoal.model.derivations import Derivation, DerivationStatus
from shoal.services.derived.starting import start_rebuild
from shoal.services.heads import keys_of
from shoal.storage.memory.faults import Fault
from tests.unit.services.derived.deriving import DeriveWorld, call, seen
from tests.unit.services.derived.test_derivation import EVEN, evens, filled, numbered
from tests.unit.services.world import Record, record, used
from tests.workflow.kills import KilledOnce, killing
from tests.workflow.machine import Invoke

FAULTS = pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER])
STEPS = {"plan", "mask", "publish", "settle", "finish"}


def hidden_until_whole(world: DeriveWorld, expected: Mapping[str, Record]) -> None:
    """Whoever looks it up finds nothing, or all of it."""
    with suppress(NotFound):
        made = world.named("evens")
        assert world.stored(made, expected) == expected


@FAULTS
def test_a_first_run_that_is_killed_anywhere(fault: Fault) -> None:
    worlds: list[tuple[DeriveWorld, Dataset, dict[str, Record]]] = []

    def make(number: int | None) -> KilledOnce:
        world = DeriveWorld()
        worlds.append((world, *filled(world)))
        return KilledOnce(world.process, call, number=number, fault=fault)

    def one_run(invoke: Invoke) -> None:
        world, source, there = worlds[-1]
        run = world.begin(source, "evens", EVEN)
        execution = world.run_derivation(
            run, invoke, before=lambda _: hidden_until_whole(world, evens(there))
        )
        assert execution.succeeded, (execution.error, execution.cause)
        over, made = world.again(run), world.named("evens")
        assert (over.status, over.rows_removed) == (
            DerivationStatus.COMPLETED,
            len(there) - len(evens(there)),
        )
        assert seen(world, made, there) == evens(there)
        assert used(world) == len(there) + len(evens(there))

    tried = killing(make, one_run, every=4)
    assert {one.killed for one in tried[1:]} == STEPS


@FAULTS
def test_a_rebuild_that_is_killed_anywhere_undoes_nothing_that_is_written_behind_it(fault: Fault) -> None:
    """It enters the log once: what is written to the dataset right after that stays."""
    worlds: list[tuple[DeriveWorld, Dataset, Derivation, dict[str, Record]]] = []

    def make(number: int | None) -> KilledOnce:
        world = DeriveWorld()
        source, there = filled(world)
        made = world.derive(source, "evens", EVEN)
        world.upsert(source, numbered("later-", 4))
        run = start_rebuild(world.ports, world.tenant_id, dataset=made, vector_quota=None)
        worlds.append((world, made, run, evens(there | numbered("later-", 4))))
        return KilledOnce(world.process, call, number=number, fault=fault)

    def one_run(invoke: Invoke) -> None:
        world, made, run, expected = worlds[-1]
        own = {"own": record(1, 2, 3, 4)}

        def write_behind(name: str, payload: Mapping[str, object]) -> Mapping[str, object]:
            done = invoke(name, payload)
            if payload["step"] == "publish":
                world.upsert(made, own)
                world.drain(made)
            return done

        execution = world.run_derivation(run, write_behind)
        assert execution.succeeded, (execution.error, execution.cause)
        assert world.again(run).status is DerivationStatus.COMPLETED
        assert seen(world, made) == expected | own

    tried = killing(make, one_run, every=4)
    assert {one.killed for one in tried[1:]} == STEPS


@pytest.mark.parametrize("step", sorted(STEPS))
def test_a_step_that_never_succeeds_leaves_no_dataset_and_another_run_finishes(step: str) -> None:
    world = DeriveWorld()
    source, there = filled(world)
    run = world.begin(source, "evens", EVEN)

    def broken(name: str, payload: Mapping[str, object]) -> Mapping[str, object]:
        if payload["step"] == step:
            raise ValueError("no")
        return call(world.ports, name, payload)

    execution = world.run_derivation(run, broken)
    assert execution.status == "FAILED"
    over = world.again(run)
    assert over.status is DerivationStatus.FAILED
    assert str(over.error_message).endswith("; derive it again")
    with pytest.raises(NotFound):
        world.named("evens")
    world.drain_id(keys_of(source))
    assert used(world) == len(there)
    assert seen(world, world.derive(source, "evens", EVEN), there) == evens(there)


def test_a_rebuild_that_fails_leaves_the_dataset_as_it_was() -> None:
    world = DeriveWorld()
    source, there = filled(world)
    made = world.derive(source, "evens", EVEN)
    world.upsert(source, numbered("later-", 4))
    run = start_rebuild(world.ports, world.tenant_id, dataset=made, vector_quota=None)

    def broken(name: str, payload: Mapping[str, object]) -> Mapping[str, object]:
        if payload["step"] == "publish":
            raise ValueError("no")
        return call(world.ports, name, payload)

    assert world.run_derivation(run, broken).status == "FAILED"
    assert "start another rebuild" in str(world.again(run).error_message)
    assert seen(world, made, there) == evens(there)
    now = there | numbered("later-", 4)
    world.rebuild(made)
    assert seen(world, made, now) == evens(now)


def test_two_at_once_do_each_step_twice() -> None:
    """Step Functions may deliver a task twice: the second one finds what the first has done."""
    world = DeriveWorld()
    source, there = filled(world)
    run = world.begin(source, "evens", EVEN)

    def twice(name: str, payload: Mapping[str, object]) -> Mapping[str, object]:
        first = call(world.ports, name, payload)
        if payload["step"] != "finish":
            assert call(world.ports, name, payload) == first
        return first

    assert world.run_derivation(run, twice).succeeded
    made = world.named("evens")
    assert seen(world, made, there) == evens(there)
    entered = [item for item in world.table.items() if item.get("kind") == "restore"]
    assert len(entered) == 1
