"""The deployed workflow, whose processes die at every call to storage in turn; and others that fail at random."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shoal.errors import ShoalError
from shoal.model.compactions import Compaction, CompactionStatus
from shoal.model.limits import BUILD_LEASE_SECONDS, GAP_SECONDS, LEASE_SECONDS
from shoal.services.compaction.look_after import look_after
from shoal.storage.memory.faults import AtCall, Fault, Faults, RandomFaults, SimulatedCrash
from shoal.storage.ports import Ports
from tests.unit.services.compaction.work import (
    ONE_SHARD,
    STEPS,
    CompactWorld,
    Stepper,
    check,
    delete,
    imported,
    rows_named,
    write,
)
from tests.unit.services.world import Record
from tests.workflow.kills import KilledOnce, killing
from tests.workflow.machine import Invoke, run_workflow
from tests.workflow.steps import call_compaction, compaction_definition

RATES = {
    Fault.BUSY_BEFORE: 0.04,
    Fault.BUSY_AFTER: 0.04,
    Fault.TWICE: 0.05,
    Fault.CRASH_BEFORE: 0.01,
    Fault.CRASH_AFTER: 0.01,
    Fault.LOST: 0.3,
}


def begun(*, small: bool) -> tuple[CompactWorld, Any, Compaction, dict[str, Record]]:
    """A compaction that has started, writes that came after, and what is there with them."""
    world = CompactWorld()
    dataset = world.create()
    imported(world, dataset, rows_named(0, 50))
    write(world, dataset, rows_named(40, 60, "second"))
    expected = rows_named(0, 40) | rows_named(40, 60, "second")
    if small:
        delete(world, dataset, [f"id-{n:03}" for n in range(25, 60)])
        expected = rows_named(0, 25)
    job = world.started(dataset)
    write(world, dataset, rows_named(1, 3, "third"))
    delete(world, dataset, ["id-000"])
    expected |= rows_named(1, 3, "third")
    del expected["id-000"]
    return world, dataset, job, expected


@pytest.mark.parametrize("small", [False, True], ids=["cells", "one shard"])
@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER])
def test_a_process_may_die_at_any_call(fault: Fault, small: bool) -> None:
    worlds: list[tuple[CompactWorld, Any, Compaction, dict[str, Record]]] = []

    def call(ports: Ports, _: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        return call_compaction(ports, payload, STEPS)

    def make(number: int | None) -> KilledOnce:
        worlds.append(begun(small=small))
        return KilledOnce(worlds[-1][0].process, call, number=number, fault=fault)

    def run(invoke: Invoke) -> None:
        world, dataset, job, expected = worlds[-1]

        def later(function: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
            try:
                return invoke(function, payload)
            except SimulatedCrash:
                world.clock.pass_seconds(LEASE_SECONDS + 1)  # a retry comes later than that
                raise

        execution = run_workflow(compaction_definition(), world.ports, later, {"run_id": job.run_id})
        assert execution.succeeded, execution
        assert world.fresh(job).status is CompactionStatus.COMPLETED
        world.drain(dataset)
        check(world, dataset, expected)
        assert world.head(dataset).build_owner is None
        assert world.head(dataset).lease_owner is None

    runs = killing(make, run, every=3)
    killed = {each.killed for each in runs}
    assert killed >= {"plan", "extract", "commit"}
    assert killed >= ({"build_shard"} if small else {"train", "assign", "group", "build", "calibrate"})


@pytest.mark.parametrize(
    "fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.BUSY_AFTER, Fault.TWICE, Fault.STALE]
)
def test_a_start_may_die_at_any_call(fault: Fault) -> None:
    for number in range(100):
        world = CompactWorld()
        dataset = world.create()
        write(world, dataset, rows_named(0, 60))
        faults = Faults(AtCall(number, fault))
        with suppress(SimulatedCrash, ShoalError):
            look_after(
                world.process(faults),
                dataset.tenant_id,
                dataset.dataset_id,
                owner="test",
                one_shard_bytes=ONE_SHARD,
            )
        if faults.calls <= number:
            assert number > 4
            return
        world.clock.pass_seconds(BUILD_LEASE_SECONDS + 1)
        world.decide(dataset)
        newest = world.fresh_newest(dataset)
        while newest.status is not CompactionStatus.COMPLETED:
            assert newest.run_id in world.compactions.started, faults.describe()
            assert world.run(newest).succeeded
            newest = world.fresh(newest)
        check(world, dataset, rows_named(0, 60), faults.describe())


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), small=st.booleans())
def test_any_faults_end_in_all_of_it_or_nothing(seed: int, small: bool) -> None:
    world, dataset, job, expected = begun(small=small)
    stepper = Stepper(world, job)
    history = []
    for attempt in range(60):
        if stepper.over:
            break
        faults = Faults(RandomFaults(seed + attempt, RATES))
        with suppress(SimulatedCrash, ShoalError):
            stepper.step(world.process(faults))
        history.append(f"{faults.describe()}")
        world.clock.pass_seconds(LEASE_SECONDS + 1)
    message = "\n".join(history)
    world.clock.pass_seconds(LEASE_SECONDS + GAP_SECONDS + 1)
    world.drain(dataset)
    check(world, dataset, expected, message)
    world.clock.pass_seconds(BUILD_LEASE_SECONDS)
    ended = world.fresh(job)
    if ended.status is not CompactionStatus.COMPLETED:
        stepper.fail("StorageBusy")
    world.decide(dataset)
    for run_id in world.compactions.started:
        if run_id != job.run_id:
            assert world.run(world.fresh_newest(dataset)).succeeded
    check(world, dataset, expected, message)
    assert world.manifest(dataset).dead_base is None, message
