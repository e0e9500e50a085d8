"""Imports under faults: whatever dies, the same rows, counts and quota as without, and never half of them."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shoal.errors import ImportStopped, ShoalError, StorageBusy
from shoal.model.datasets import Dataset
from shoal.model.imports import Import, ImportStatus
from shoal.model.limits import GAP_SECONDS, LEASE_SECONDS
from shoal.services.imports.items import keys_of_import
from shoal.services.imports.lifecycle import cancel_import, complete_import
from shoal.services.imports.lookup import find_import
from shoal.services.imports.reconcile import reconcile_imports
from shoal.services.imports.starting import start_uploaded
from shoal.services.sweep import sweep
from shoal.storage.memory.faults import AtCall, Call, Fault, Faults, RandomFaults, Schedule, SimulatedCrash
from shoal.storage.ports import Ports
from tests.unit.services.imports.small import Named, begun, created, finished, settled, uploaded, validated
from tests.unit.services.world import World, record, used

QUOTA = 1000
FILE: list[Named] = [(f"id-{n}", record(n, 1, 2, 3, source="file")) for n in range(6)]
FILE.append(("id-0", record(9, 9, 9, 9, source="file")))
NAMES = list(dict(FILE))
RATES = {
    Fault.BUSY_BEFORE: 0.05,
    Fault.BUSY_AFTER: 0.05,
    Fault.TWICE: 0.05,
    Fault.CRASH_BEFORE: 0.02,
    Fault.CRASH_AFTER: 0.02,
    Fault.STALE: 0.2,
    Fault.LOST: 0.3,
}


def settle_down(world: World, dataset: Dataset) -> None:
    """What the sweep does once leases have run out and abandoned places may be closed."""
    for _ in range(3):
        world.clock.pass_seconds(LEASE_SECONDS + GAP_SECONDS + 100)
        sweep(world.ports)
        reconcile_imports(world.ports)
        world.drain(dataset)


def check_completed(world: World, dataset: Dataset, message: str = "") -> None:
    assert world.stored(dataset, NAMES) == dict(FILE), message
    assert (world.head(dataset).row_count, used(world)) == (6, 6), message
    assert world.head(dataset).open_imports == 0, message


def check_nothing(world: World, dataset: Dataset, message: str = "") -> None:
    assert world.stored(dataset, NAMES) == {}, message
    assert (world.head(dataset).row_count, used(world)) == (0, 0), message
    assert world.head(dataset).open_imports == 0, message


type Act = Callable[[World, Dataset, Import, Ports], object]


def _complete(_: World, dataset: Dataset, job: Import, ports: Ports) -> object:
    return complete_import(ports, dataset, job.import_id, parts=None)


def _event(_: World, __: Dataset, job: Import, ports: Ports) -> object:
    return start_uploaded(ports, keys_of_import(job).upload)


@pytest.mark.parametrize("act", [_complete, _event], ids=["complete", "event"])
@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.BUSY_AFTER, Fault.TWICE])
def test_a_start_that_dies_at_any_call_is_made_up_for(act: Act, fault: Fault) -> None:
    for number in range(100):
        world = World()
        dataset = world.create()
        job = created(world, dataset, quota=QUOTA)
        uploaded(world, job)
        faults = Faults(AtCall(number, fault))
        with suppress(SimulatedCrash, ShoalError):
            act(world, dataset, job, world.process(faults))
        if faults.calls <= number:
            assert number > 3
            return
        settle_down(world, dataset)
        started = find_import(world.ports, job.import_id)
        assert started is not None
        assert started.status is ImportStatus.VALIDATING, faults.describe()
        assert job.import_id in world.imports.started
        assert world.head(dataset).open_imports == 1
        validated(world, job, FILE)
        finished(world, dataset, job)
        settle_down(world, dataset)
        check_completed(world, dataset, faults.describe())


@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.BUSY_AFTER, Fault.TWICE])
def test_the_last_steps_may_die_at_any_call_and_be_tried_again(fault: Fault) -> None:
    # Every other call for one kind of death, every fifth for the others: attempts wait for the spacing of commits.
    for number in range(0, 400, 2 if fault is Fault.CRASH_AFTER else 5):
        world = World()
        dataset = world.create()
        job = begun(world, dataset, quota=QUOTA)
        validated(world, job, FILE)
        faults = Faults(AtCall(number, fault))
        with suppress(SimulatedCrash, ShoalError):
            finished(world, dataset, job, ports=world.process(faults))
        if faults.calls <= number:
            assert number > 20
            return
        for _ in range(2):  # twice: a place that the first took and left open must be waited for
            world.clock.pass_seconds(LEASE_SECONDS + GAP_SECONDS + 1)
            with suppress(ImportStopped, StorageBusy):
                finished(world, dataset, job)
        settle_down(world, dataset)
        check_completed(world, dataset, faults.describe())


@pytest.mark.parametrize("stage", ["begun", "settled"])
@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.BUSY_AFTER, Fault.TWICE])
def test_a_cancellation_may_die_at_any_call_and_be_tried_again(stage: str, fault: Fault) -> None:
    for number in range(100):
        world = World()
        dataset = world.create()
        job = begun(world, dataset, quota=QUOTA)
        validated(world, job, FILE)
        if stage == "settled":
            settled(world, job)
        faults = Faults(AtCall(number, fault))
        with suppress(SimulatedCrash, ShoalError):
            cancel_import(world.process(faults), dataset, job.import_id)
        if faults.calls <= number:
            assert number > 3
            return
        cancel_import(world.ports, dataset, job.import_id)
        settle_down(world, dataset)
        check_nothing(world, dataset, faults.describe())


@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.BUSY_AFTER, Fault.TWICE])
def test_a_creation_that_dies_leaves_an_import_or_none(fault: Fault) -> None:
    for number in range(100):
        world = World()
        dataset = world.create()
        faults = Faults(AtCall(number, fault))
        with suppress(SimulatedCrash, ShoalError):
            created(world, dataset, ports=world.process(faults))
        if faults.calls <= number:
            assert number > 1
            return
        world.clock.pass_seconds(4 * 3600)
        reconcile_imports(world.ports)
        assert world.table.query("IMPORTS", index="gsi1").items == ()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32))
def test_any_faults_end_in_all_of_it_or_nothing(seed: int) -> None:
    world = World()
    dataset = world.create()
    job = created(world, dataset, quota=QUOTA)
    uploaded(world, job)
    history = []
    for attempt in range(8):
        faults = Faults(RandomFaults(seed + attempt, RATES))
        ports = world.process(faults)
        try:
            now = find_import(world.ports, job.import_id)
            assert now is not None
            if now.status is ImportStatus.AWAITING_UPLOAD:
                start_uploaded(ports, keys_of_import(job).upload)
                continue
            if attempt < 2 and now.status is ImportStatus.VALIDATING:
                validated(world, job, FILE)
            finished(world, dataset, job, ports=ports)
        except (SimulatedCrash, ShoalError):
            pass
        history.append(faults.describe())
        world.clock.pass_seconds(LEASE_SECONDS + GAP_SECONDS + 1)
    message = "\n".join(history)
    settle_down(world, dataset)
    ended = find_import(world.ports, job.import_id)
    assert ended is not None
    if ended.status is ImportStatus.COMPLETED:
        check_completed(world, dataset, message)
    else:
        cancel_import(world.ports, dataset, job.import_id)
        settle_down(world, dataset)
        check_nothing(world, dataset, message)


def test_cancelling_and_committing_at_once_ends_in_one_of_the_two() -> None:
    for number in range(0, 200, 2):
        world = World()
        dataset = world.create()
        job = begun(world, dataset, quota=QUOTA)
        validated(world, job, FILE)
        cancelled: list[int] = []
        faults = Faults(cancel_at(number, world, dataset, job, cancelled))
        with suppress(ImportStopped):
            finished(world, dataset, job, ports=world.process(faults))
        if not cancelled:
            return
        settle_down(world, dataset)
        ended = find_import(world.ports, job.import_id)
        assert ended is not None
        if ended.status is ImportStatus.COMPLETED:
            check_completed(world, dataset, f"call {number}")
        else:
            check_nothing(world, dataset, f"call {number}")


def cancel_at(number: int, world: World, dataset: Dataset, job: Import, done: list[int]) -> Schedule:
    """Cancel the import just before a call of another process."""

    def at_call(call: Call) -> None:
        if call.number == number and not done:
            done.append(number)
            with suppress(ShoalError):
                cancel_import(world.ports, dataset, job.import_id)

    return at_call
