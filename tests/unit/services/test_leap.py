"""A log whose counter moves on by more than one: nothing waits for the places that nobody was given."""

from contextlib import suppress

import pytest

from shoal.errors import NotFound, TryAgain
from shoal.model.datasets import NATIVE_SCOPE
from shoal.model.limits import COMMIT_MAX_JOBS, GAP_SECONDS
from shoal.services import datasets
from shoal.services.heads import keys_of
from shoal.services.sequence import leap
from shoal.storage.memory.faults import AtCall, AtOperation, Call, Fault, Faults, SimulatedCrash, first_of
from tests.unit.services.world import World, record

FAR = 10**9


def test_places_after_a_leap_come_after_what_it_leapt_to() -> None:
    world = World()
    dataset = world.create()
    world.upsert(dataset, {"a": record(1, 1, 1, 1)})
    leap(world.ports, keys_of(dataset), up_to=FAR)
    accepted = world.upsert(dataset, {"b": record(2, 2, 2, 2)})
    assert accepted.sequence == FAR + 1
    world.drain(dataset)
    assert world.head(dataset).watermark == FAR + 1, "without waiting for anybody"
    assert world.stored(dataset, ["a", "b"]).keys() == {"a", "b"}


def test_there_is_no_leap_back() -> None:
    world = World()
    dataset = world.create()
    for _ in range(3):
        world.upsert(dataset, {"a": record(1, 1, 1, 1)})
    for up_to in (0, 2, 3):
        leap(world.ports, keys_of(dataset), up_to=up_to)
    assert world.upsert(dataset, {"a": record(2, 2, 2, 2)}).sequence == 4


@pytest.mark.parametrize("up_to", [FAR, COMMIT_MAX_JOBS - 5, 3])
def test_a_place_that_is_still_open_before_the_leap_is_waited_for_and_closed(up_to: int) -> None:
    world = World()
    dataset = world.create()
    world.upsert(dataset, {"a": record(1, 1, 1, 1)})
    dying = world.process(Faults(AtOperation("table.put", Fault.CRASH_BEFORE)))
    with pytest.raises(SimulatedCrash):
        world.upsert(dataset, {"lost": record(1, 1, 1, 1)}, ports=dying)
    leap(world.ports, keys_of(dataset), up_to=up_to)
    world.upsert(dataset, {"b": record(2, 2, 2, 2)})
    world.drain(dataset)
    assert world.head(dataset).watermark == 1
    world.clock.pass_seconds(GAP_SECONDS + 1)
    world.drain(dataset)
    assert world.head(dataset).watermark == up_to + 1
    assert world.stored(dataset, ["a", "lost", "b"]).keys() == {"a", "b"}


@pytest.mark.parametrize("up_to", [5, COMMIT_MAX_JOBS, 10 * COMMIT_MAX_JOBS])
def test_a_committer_that_reads_the_log_just_before_the_leap_closes_nothing_that_matters(up_to: int) -> None:
    """It sees a counter that has moved on and no place there; what it then closes was nobody's."""
    world = World()
    dataset = world.create()
    world.upsert(dataset, {"a": record(1, 1, 1, 1)})
    steps: list[str] = []

    def between_the_log_and_its_counter(call: Call) -> None:
        steps.append(call.operation)
        if steps[-2:] == ["table.query", "table.get"] and steps.count("table.query") == 1:
            leap(world.ports, keys_of(dataset), up_to=up_to)
            world.clock.pass_seconds(GAP_SECONDS + 1)

    world.drain(dataset, ports=world.process(Faults(between_the_log_and_its_counter)))
    world.upsert(dataset, {"b": record(2, 2, 2, 2)})
    world.drain(dataset)
    assert world.table.get(keys_of(dataset).job(2)), "it was closed"
    assert world.head(dataset).watermark == up_to + 1
    assert world.stored(dataset, ["a", "b"]).keys() == {"a", "b"}


def test_whoever_dies_or_is_not_answered_while_leaping_leaves_a_log_that_goes_on() -> None:
    for fault in (Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.BUSY_AFTER, Fault.TWICE):
        for number in range(2):
            world = World()
            dataset = world.create()
            with suppress(SimulatedCrash):
                leap(world.process(Faults(AtCall(number, fault))), keys_of(dataset), up_to=FAR)
            leap(world.ports, keys_of(dataset), up_to=FAR)
            assert world.upsert(dataset, {"a": record(1, 1, 1, 1)}).sequence == FAR + 1
            world.drain(dataset)
            assert world.head(dataset).watermark == FAR + 1


def test_a_leap_beside_a_writer_takes_its_place_into_account() -> None:
    world = World()
    dataset = world.create()

    def writes(call: Call) -> None:
        if call.operation == "table.transact" and call.nth == 0:
            world.upsert(dataset, {"a": record(1, 1, 1, 1)})

    leap(world.process(Faults(writes)), keys_of(dataset), up_to=FAR)
    world.drain(dataset)
    assert world.head(dataset).watermark == FAR
    assert world.stored(dataset, ["a"])


def test_storage_that_stays_busy_changes_nothing() -> None:
    world = World()
    dataset = world.create()
    busy = first_of(*(AtOperation("table.transact", Fault.BUSY_BEFORE, nth=nth) for nth in range(6)))
    with pytest.raises(TryAgain):
        leap(world.process(Faults(busy)), keys_of(dataset), up_to=FAR)
    assert world.upsert(dataset, {"a": record(1, 1, 1, 1)}).sequence == 1


def test_a_deleted_dataset_has_no_log() -> None:
    world = World()
    dataset = world.create()
    datasets.delete_dataset(world.ports, world.tenant_id, scope=NATIVE_SCOPE, name=dataset.name)
    with pytest.raises(NotFound):
        leap(world.ports, keys_of(dataset), up_to=FAR)
