"""What a process that died, or was refused, leaves behind is made up for by those that come after it."""

from dataclasses import replace

import pytest

from shoal.errors import LimitReached, TryAgain
from shoal.model.datasets import NATIVE_SCOPE, Dataset
from shoal.model.jobs import JobStatus
from shoal.model.limits import BUILD_LEASE_SECONDS, GAP_SECONDS, LEASE_SECONDS, LOG_MAX_BYTES_AHEAD
from shoal.services import datasets, jobs
from shoal.services.heads import keys_of
from shoal.services.sweep import sweep
from shoal.storage.memory.faults import AtCall, AtOperation, Call, Fault, Faults, SimulatedCrash, first_of
from shoal.storage.ports import Assign, Condition, Item
from tests.unit.services.world import World, record, used


def builds_asked_for(world: World) -> int:
    """How many messages wait for the builder, which takes them."""
    taken = 0
    while messages := world.builds.receive():
        taken += len(messages)
        for message in messages:
            world.builds.delete(message.receipt)
    return taken


def deliver_again(world: World, *all_datasets: Dataset) -> None:
    """Leases and open places run out, and the wake-ups of the dead are delivered again."""
    world.clock.pass_seconds(LEASE_SECONDS + GAP_SECONDS + 1)
    for dataset in all_datasets:
        world.drain(dataset)


# --- quota -------------------------------------------------------------------------------------------------


def test_a_commit_that_died_before_it_told_the_quota_is_told_when_its_message_comes_again() -> None:
    at_call = 0
    while True:
        world = World()
        dataset = world.create()
        world.upsert(dataset, {"a": record(1, 1, 1, 1), "b": record(2, 2, 2, 2)}, quota=100)
        world.upsert(dataset, {"a": record(3, 3, 3, 3)}, quota=100)
        dying = world.process(Faults(AtCall(at_call, Fault.CRASH_BEFORE)))
        try:
            world.drain(dataset, ports=dying)
        except SimulatedCrash:
            pass
        else:
            break
        deliver_again(world, dataset)
        sweep(world.ports)
        assert used(world) == 2, f"died at call {at_call}"
        at_call += 1
    assert at_call > 10


def test_two_that_tell_the_quota_at_once_leave_it_at_the_newest() -> None:
    at_call = 0
    while True:
        world = World()
        dataset = world.create()
        world.upsert(dataset, {"a": record(1, 1, 1, 1)}, quota=100)
        met = False

        def hook(call: Call, *, at: int = at_call, where: World = world, what: Dataset = dataset) -> None:
            nonlocal met
            if call.number == at:
                met = True
                where.upsert(what, {"a": record(2, 2, 2, 2), "b": record(3, 3, 3, 3)}, quota=100)
                where.drain(what)

        world.drain(dataset, ports=world.process(Faults(hook)))
        if not met:
            break
        world.drain(dataset)
        assert used(world) == world.head(dataset).row_count == 2, f"met at call {at_call}"
        at_call += 1
    assert at_call > 10


# --- places of the log -------------------------------------------------------------------------------------


def test_writers_that_died_at_the_end_of_the_log_do_not_hold_up_writes_for_good() -> None:
    """Their bytes were counted when they took their places; nobody is going to write them."""
    world = World()
    dataset = world.create()
    dying = world.process(Faults(AtOperation("table.put", Fault.CRASH_BEFORE)))
    with pytest.raises(SimulatedCrash):
        world.upsert(dataset, {"a": record(1, 1, 1, 1)}, ports=dying)
    counter = keys_of(dataset).sequence
    world.table.update(counter, [Assign("bytes", LOG_MAX_BYTES_AHEAD)])
    with pytest.raises(LimitReached):
        world.upsert(dataset, {"b": record(2, 2, 2, 2)})
    deliver_again(world, dataset)
    assert world.head(dataset).watermark == 1
    world.upsert(dataset, {"b": record(2, 2, 2, 2)})
    deliver_again(world, dataset)
    assert world.stored(dataset, ["a", "b"]).keys() == {"b"}


@pytest.mark.parametrize(("operation", "quota"), [("table.put", None), ("table.transact", 100)])
def test_a_write_refused_by_busy_storage_does_not_hold_up_those_after_it(
    operation: str, quota: int | None
) -> None:
    world = World()
    dataset = world.create()
    busy = first_of(*(AtOperation(operation, Fault.BUSY_BEFORE, nth=nth) for nth in range(6)))
    with pytest.raises(TryAgain):
        world.upsert(dataset, {"a": record(1, 1, 1, 1)}, quota=quota, ports=world.process(Faults(busy)))
    world.upsert(dataset, {"b": record(2, 2, 2, 2)}, quota=quota)
    world.drain(dataset)
    assert world.stored(dataset, ["a", "b"]).keys() == {"b"}, "without waiting for the place of a"
    assert used(world) == 1


@pytest.mark.parametrize(("operation", "quota"), [("table.put", None), ("table.transact", 100)])
def test_a_write_whose_answers_were_all_lost_is_acknowledged(operation: str, quota: int | None) -> None:
    world = World()
    dataset = world.create()
    lost = first_of(*(AtOperation(operation, Fault.BUSY_AFTER, nth=nth) for nth in range(6)))
    accepted = world.upsert(
        dataset, {"a": record(1, 1, 1, 1)}, quota=quota, ports=world.process(Faults(lost))
    )
    world.drain(dataset)
    assert world.head(dataset).watermark == accepted.sequence
    assert world.stored(dataset, ["a"])


def test_a_writer_that_is_quicker_than_the_one_that_closes_its_place_is_applied() -> None:
    """Its job comes after the committer found the place open, and before the committer closes it."""
    world = World()
    dataset = world.create()

    class SlowTable:
        def __getattr__(self, name: str) -> object:
            return getattr(world.table, name)

        def put(self, item: Item, *, condition: Condition | None = None) -> None:
            def just_before_it_is_closed(call: Call) -> None:
                if call.operation == "table.put":
                    world.table.put(item, condition=condition)

            world.clock.pass_seconds(GAP_SECONDS + 1)
            world.drain(dataset, ports=world.process(Faults(just_before_it_is_closed)))

    slow = replace(world.ports, table=SlowTable())  # type: ignore[arg-type] # forwards the rest
    accepted = world.upsert(dataset, {"a": record(1, 1, 1, 1)}, ports=slow)
    world.drain(dataset)
    assert world.head(dataset).watermark == accepted.sequence
    assert world.stored(dataset, ["a"])


def test_a_damaged_read_does_not_fail_a_write_that_is_stored_well() -> None:
    world = World()
    dataset = world.create()
    accepted = world.upsert(dataset, {"a": record(1, 1, 1, 1)})
    damaged: list[str] = []

    class Noisy:
        def __getattr__(self, name: str) -> object:
            return getattr(world.objects, name)

        def get(self, key: str, *, byte_range: tuple[int, int] | None = None) -> bytes:
            data = world.objects.get(key, byte_range=byte_range)
            if damaged:
                return data
            damaged.append(key)
            return data[:-1] + bytes([data[-1] ^ 1])

    world.drain(dataset, ports=replace(world.ports, objects=Noisy()))  # type: ignore[arg-type] # forwards the rest
    assert damaged
    assert jobs.get_job(world.ports, world.tenant_id, accepted.job_id).status is JobStatus.INDEXED
    assert world.stored(dataset, ["a"])


@pytest.mark.parametrize("operation", ["table.batch_put", "objects.put"])
def test_jobs_of_a_commit_that_died_expire_with_those_of_the_next(operation: str) -> None:
    world = World()
    dataset = world.create()
    accepted = [world.upsert(dataset, {"a": record(number, 1, 1, 1)}) for number in range(3)]
    with pytest.raises(SimulatedCrash):
        world.drain(dataset, ports=world.process(Faults(AtOperation(operation, Fault.CRASH_BEFORE))))
    deliver_again(world, dataset)
    accepted.append(world.upsert(dataset, {"b": record(1, 1, 1, 1)}))
    world.drain(dataset)
    for one in accepted:
        item = world.table.get(keys_of(dataset).job(one.sequence))
        assert item is not None
        assert item["expires_at"] > world.clock.now


# --- deleting ----------------------------------------------------------------------------------------------


def test_a_deletion_that_cannot_give_back_the_quota_is_done_and_leaves_that_to_the_sweep() -> None:
    world = World()
    dataset = world.create()
    world.upsert(dataset, {"a": record(1, 1, 1, 1)}, quota=100)
    world.drain(dataset)
    busy = first_of(*(AtOperation("table.transact", Fault.BUSY_BEFORE, nth=nth) for nth in range(1, 40)))
    datasets.delete_dataset(world.process(Faults(busy)), world.tenant_id, scope=NATIVE_SCOPE, name="books")
    assert used(world) == 1
    sweep(world.ports)
    assert used(world) == 0


def test_whatever_call_of_a_commit_a_deletion_comes_before_all_quota_is_given_back() -> None:
    at_call = 0
    while True:
        world = World()
        dataset = world.create()
        world.upsert(dataset, {"a": record(1, 1, 1, 1), "b": record(1, 1, 1, 1)}, quota=100)
        world.upsert(dataset, {"a": record(2, 2, 2, 2)}, quota=100)
        met = False

        def hook(call: Call, *, at: int = at_call, where: World = world) -> None:
            nonlocal met
            if call.number == at:
                met = True
                datasets.delete_dataset(where.ports, where.tenant_id, scope=NATIVE_SCOPE, name="books")

        world.drain(dataset, ports=world.process(Faults(hook)))
        if not met:
            break
        assert used(world) == 0, f"deleted before call {at_call}"
        at_call += 1
    assert at_call > 10


# --- the sweep ---------------------------------------------------------------------------------------------


def test_a_dataset_that_cannot_be_looked_after_holds_up_no_other() -> None:
    world = World()
    created = sorted((world.create(name) for name in ("first", "second")), key=lambda one: one.dataset_id)
    for dataset in created:
        world.upsert(dataset, {"a": record(1, 1, 1, 1)})
    world.wakeups.receive()
    world.clock.pass_seconds(60)
    world.table.update(keys_of(created[0]).head, [Assign("version", "damaged")])
    assert sweep(world.ports) == 1
    (woken,) = world.wakeups.receive()
    assert woken.message["dataset_id"] == created[1].dataset_id


def test_a_builder_that_died_is_made_up_for_once_its_lease_has_run_out() -> None:
    world = World()
    dataset = world.create(dimension=4096)
    rows = {f"id-{number}": record(*([float(number)] * 4096)) for number in range(1000)}
    world.upsert(dataset, rows)
    world.drain(dataset)
    assert builds_asked_for(world) == 1
    dying = world.process(Faults(AtOperation("objects.put", Fault.CRASH_BEFORE)))
    with pytest.raises(SimulatedCrash):
        world.build(dataset, ports=dying)
    for _ in range(3):
        world.clock.pass_seconds(60)
        sweep(world.ports)
    assert not builds_asked_for(world), "as far as anybody knows it is still at work"
    world.clock.pass_seconds(BUILD_LEASE_SECONDS)
    sweep(world.ports)
    assert builds_asked_for(world) == 1
    assert world.build(dataset)
    sweep(world.ports)
    assert not builds_asked_for(world)
    assert sweep(world.ports) == 0
    pending = world.table.get(keys_of(dataset).sequence)
    assert pending is not None
    assert "gsi1pk" not in pending, "nothing is left to look after"


def test_a_build_that_never_succeeds_is_not_tried_for_ever() -> None:
    world = World()
    dataset = world.create(dimension=4096)
    world.upsert(dataset, {f"id-{number}": record(*([float(number)] * 4096)) for number in range(1000)})
    world.drain(dataset)
    for _ in range(48):
        world.clock.pass_seconds(3600)
        sweep(world.ports)
    assert builds_asked_for(world) > 1
    world.clock.pass_seconds(3600)
    assert sweep(world.ports) == 0
