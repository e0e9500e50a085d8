"""Invariant 1: what was acknowledged survives processes that die, answers that get lost, and throttling."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shoal.errors import ShoalError, TryAgain
from shoal.model.datasets import Dataset
from shoal.model.limits import GAP_SECONDS, LEASE_SECONDS
from shoal.storage.memory.faults import AtCall, AtOperation, Fault, Faults, RandomFaults, SimulatedCrash
from tests.unit.services.world import Record, World, record

RATES = {
    Fault.BUSY_BEFORE: 0.06,
    Fault.BUSY_AFTER: 0.04,
    Fault.TWICE: 0.05,
    Fault.CRASH_BEFORE: 0.015,
    Fault.CRASH_AFTER: 0.015,
    Fault.STALE: 0.2,
    Fault.LOST: 0.2,
    Fault.DUPLICATE: 0.2,
}
IDS = [f"id-{number}" for number in range(6)]


class Ledger:
    """What each id may hold: the last acknowledged write, or one after it whose answer was lost."""

    def __init__(self) -> None:
        self.possible: dict[str, list[Record | None]] = {name: [None] for name in IDS}

    def acknowledged(self, changes: dict[str, Record | None]) -> None:
        for name, value in changes.items():
            self.possible[name] = [value]

    def unknown(self, changes: dict[str, Record | None]) -> None:
        for name, value in changes.items():
            self.possible[name].append(value)

    def check(self, world: World, dataset: Dataset, message: str) -> None:
        stored = world.stored(dataset, IDS)
        for name, allowed in self.possible.items():
            assert stored.get(name) in allowed, f"{name}: {message}"
        assert world.head(dataset).row_count == len(stored), message


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**32),
    steps=st.lists(
        st.tuples(
            st.sampled_from(["upsert", "delete", "commit", "build"]),
            st.sets(st.sampled_from(IDS), min_size=1),
        ),
        min_size=4,
        max_size=14,
    ),
)
def test_acknowledged_writes_survive_any_faults(seed: int, steps: list[tuple[str, set[str]]]) -> None:
    world = World()
    dataset = world.create()
    ledger = Ledger()
    history = []
    for number, (step, ids) in enumerate(steps):
        faults = Faults(RandomFaults(seed + number, RATES))
        ports = world.process(faults)
        changes: dict[str, Record | None] = {}
        try:
            if step == "upsert":
                records = {name: record(number, len(name), 0, 1, step=number) for name in sorted(ids)}
                changes = dict(records)
                world.upsert(dataset, records, ports=ports)
            elif step == "delete":
                changes = dict.fromkeys(sorted(ids))
                world.delete(dataset, ids, ports=ports)
            elif step == "commit":
                world.drain(dataset, ports=ports)
            else:
                world.build(dataset, ports=ports)
        except (ShoalError, SimulatedCrash):
            ledger.unknown(changes)
        else:
            ledger.acknowledged(changes)
        history.append(f"{step} {sorted(ids)}: {faults.describe()}")
        world.clock.pass_seconds(1)
    settle_down(world, dataset)
    ledger.check(world, dataset, "\n".join(history))


def settle_down(world: World, dataset: Dataset) -> None:
    """What the sweep's wake-ups do once the leases of dead committers and the places of dead writers run out."""
    world.clock.pass_seconds(LEASE_SECONDS + GAP_SECONDS + 1000)
    world.drain(dataset)


def test_a_writer_that_dies_at_any_call_loses_nothing_acknowledged() -> None:
    calls = count_calls_of_a_write()
    assert calls >= 4
    for number in range(calls):
        for fault in (Fault.CRASH_BEFORE, Fault.CRASH_AFTER):
            world = World()
            dataset = world.create()
            world.upsert(dataset, {"before": record(1, 1, 1, 1)})
            dying = world.process(Faults(AtCall(number, fault)))
            with pytest.raises(SimulatedCrash):
                world.upsert(dataset, {"during": record(2, 2, 2, 2)}, ports=dying)
            world.upsert(dataset, {"after": record(3, 3, 3, 3)})
            settle_down(world, dataset)
            stored = world.stored(dataset, ["before", "during", "after"])
            assert {"before", "after"} <= stored.keys()
            assert world.head(dataset).row_count == len(stored)


def count_calls_of_a_write() -> int:
    world = World()
    dataset = world.create()
    faults = Faults()
    world.upsert(dataset, {"a": record(1, 1, 1, 1)}, ports=world.process(faults))
    return faults.calls


@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER])
def test_a_committer_that_dies_at_any_call_changes_nothing_in_the_end(fault: Fault) -> None:
    number = 0
    while True:
        world = World()
        dataset = world.create()
        world.upsert(dataset, {"a": record(1, 0, 0, 0), "b": record(2, 0, 0, 0)})
        world.drain(dataset)
        world.upsert(dataset, {"b": record(3, 0, 0, 0), "c": record(4, 0, 0, 0)})
        world.delete(dataset, ["a"])
        faults = Faults(AtCall(number, fault))
        try:
            world.drain(dataset, ports=world.process(faults))
        except SimulatedCrash:
            pass
        else:
            break  # every call has had its crash
        settle_down(world, dataset)
        assert world.stored(dataset, ["a", "b", "c"]) == {
            "b": record(3, 0, 0, 0),
            "c": record(4, 0, 0, 0),
        }, faults.describe()
        assert world.head(dataset).row_count == 2
        number += 1
    assert number > 10


def test_a_place_without_a_job_is_closed_and_its_late_writer_is_told() -> None:
    world = World()
    dataset = world.create()
    dying = world.process(Faults(AtOperation("table.put", Fault.CRASH_BEFORE)))
    with pytest.raises(SimulatedCrash):
        world.upsert(dataset, {"lost": record(1, 1, 1, 1)}, ports=dying)
    world.upsert(dataset, {"kept": record(2, 2, 2, 2)})
    world.drain(dataset)
    assert world.head(dataset).watermark == 0, "the writer might still come"
    world.clock.pass_seconds(GAP_SECONDS + 0.1)
    world.drain(dataset)
    assert world.head(dataset).watermark == 2
    assert world.stored(dataset, ["lost", "kept"]).keys() == {"kept"}


def test_a_writer_that_comes_too_late_is_not_acknowledged() -> None:
    world = World()
    dataset = world.create()

    class SlowTable:
        """Lets the committer close the place just before the job is put."""

        def __getattr__(self, name: str) -> object:
            return getattr(world.table, name)

        def put(self, item: dict[str, object], *, condition: object = None) -> None:
            world.clock.pass_seconds(GAP_SECONDS + 1)
            world.drain(dataset)
            world.table.put(item, condition=condition)  # type: ignore[arg-type] # forwards what it was given

    slow = world.process(Faults())
    slow = type(slow)(slow.objects, SlowTable(), slow.wakeups, slow.builds, slow.clock)  # type: ignore[arg-type]
    with pytest.raises(TryAgain):
        world.upsert(dataset, {"late": record(1, 1, 1, 1)}, ports=slow)
    world.drain(dataset)
    assert world.stored(dataset, ["late"]) == {}
    assert world.head(dataset).watermark == 1
