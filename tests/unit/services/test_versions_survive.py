"""Snapshots, restores and clones by processes that die at any call, or are not answered: all of it, or nothing."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shoal.errors import Conflict, ShoalError
from shoal.model.datasets import NATIVE_SCOPE, Dataset
from shoal.model.limits import GAP_SECONDS, LEASE_SECONDS
from shoal.services import datasets
from shoal.services.clone import clone_dataset
from shoal.services.restore import restore
from shoal.services.snapshots import create_snapshot, delete_snapshot, list_snapshots
from shoal.services.sweep import sweep
from shoal.storage.memory.faults import AtCall, Fault, Faults, RandomFaults, SimulatedCrash
from shoal.storage.ports import Ports
from tests.unit.services.world import Record, World, record, used

IDS = [f"id-{number}" for number in range(6)]
DEATHS = (Fault.CRASH_BEFORE, Fault.CRASH_AFTER)
HICCUPS = (Fault.BUSY_BEFORE, Fault.BUSY_AFTER, Fault.TWICE)
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

type State = dict[str, Record]


def rows(*numbers: int, step: int) -> State:
    return {IDS[number]: record(step, number, 0, 1, step=step) for number in numbers}


BEFORE = rows(0, 1, 2, step=1)
AFTER = rows(0, 3, step=2) | rows(2, step=1)


def begun() -> tuple[World, Dataset]:
    """`BEFORE` has a name; `AFTER` is there."""
    world = World()
    dataset = world.create()
    world.upsert(dataset, BEFORE, quota=1000)
    world.drain(dataset)
    create_snapshot(world.ports, dataset, "before")
    world.upsert(dataset, rows(0, 3, step=2), quota=1000)
    world.delete(dataset, [IDS[1]])
    world.drain(dataset)
    return world, dataset


def settle_down(world: World, dataset: Dataset) -> None:
    """What the sweep's wake-ups do once the leases of dead committers and the places of dead writers run out."""
    world.clock.pass_seconds(LEASE_SECONDS + GAP_SECONDS + 1000)
    sweep(world.ports)
    world.drain(dataset)


def each_call(work: Callable[[World, Dataset, Ports], object], faults: tuple[Fault, ...]) -> list[World]:
    """One world for each call of this work and each fault: there the call had it, and the work may have ended."""
    worlds = []
    for fault in faults:
        number = 0
        while True:
            world, dataset = begun()
            mine = Faults(AtCall(number, fault))
            died = True
            try:
                work(world, dataset, world.process(mine))
                died = False
            except (SimulatedCrash, ShoalError):
                pass
            if number >= mine.calls:
                break
            check_after(world, dataset, died=died, message=mine.describe())
            worlds.append(world)
            number += 1
    return worlds


def check_after(world: World, dataset: Dataset, *, died: bool, message: str) -> None:
    """Whatever became of the work: there is one of the states that can be, and it all goes on."""
    settle_down(world, dataset)
    stored = world.stored(dataset, IDS)
    assert stored in (BEFORE, AFTER), message
    assert world.head(dataset).row_count == len(stored), message
    world.upsert(dataset, rows(5, step=9), quota=1000)
    world.drain(dataset)
    assert world.stored(dataset, IDS) == stored | rows(5, step=9), message
    for view in datasets.list_datasets(world.ports, world.tenant_id, scope=NATIVE_SCOPE):
        if view.dataset != dataset:
            assert world.stored(view.dataset, IDS) == AFTER, message
    views = datasets.list_datasets(world.ports, world.tenant_id, scope=NATIVE_SCOPE)
    assert used(world) == sum(view.head.row_count for view in views), message
    assert died or len(views) in (1, 2)


# --- at each call ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("faults", [DEATHS, HICCUPS], ids=["deaths", "hiccups"])
def test_naming(faults: tuple[Fault, ...]) -> None:
    worlds = each_call(lambda _, dataset, ports: create_snapshot(ports, dataset, "after"), faults)
    assert len(worlds) > 6
    for world in worlds:
        dataset = datasets.resolve(world.ports, world.tenant_id, scope=NATIVE_SCOPE, name="books")
        if [found.name for found in list_snapshots(world.ports, dataset)] == ["after", "before"]:
            with pytest.raises(Conflict):
                create_snapshot(world.ports, dataset, "after")
            restore(world.ports, dataset, "after", vector_quota=1000)
            world.drain(dataset)
            assert world.stored(dataset, IDS) == AFTER
        else:
            create_snapshot(world.ports, dataset, "after")


@pytest.mark.parametrize("faults", [DEATHS, HICCUPS], ids=["deaths", "hiccups"])
def test_taking_a_name_away(faults: tuple[Fault, ...]) -> None:
    worlds = each_call(lambda _, dataset, ports: delete_snapshot(ports, dataset, "before"), faults)
    assert len(worlds) > 2


@pytest.mark.parametrize("faults", [DEATHS, HICCUPS], ids=["deaths", "hiccups"])
def test_accepting_a_restore(faults: tuple[Fault, ...]) -> None:
    def work(_: World, dataset: Dataset, ports: Ports) -> None:
        restore(ports, dataset, "before", vector_quota=1000)

    assert len(each_call(work, faults)) > 10


@pytest.mark.parametrize("faults", [DEATHS, HICCUPS], ids=["deaths", "hiccups"])
def test_applying_a_restore(faults: tuple[Fault, ...]) -> None:
    def work(world: World, dataset: Dataset, ports: Ports) -> None:
        restore(world.ports, dataset, "before", vector_quota=1000)
        world.drain(dataset, ports=ports)

    worlds = each_call(work, faults)
    assert len(worlds) > 20
    for world in worlds:
        dataset = datasets.resolve(world.ports, world.tenant_id, scope=NATIVE_SCOPE, name="books")
        assert world.stored(dataset, IDS) == BEFORE | rows(5, step=9), "it was accepted: it happens"


@pytest.mark.parametrize("faults", [DEATHS, HICCUPS], ids=["deaths", "hiccups"])
def test_cloning(faults: tuple[Fault, ...]) -> None:
    def work(_: World, dataset: Dataset, ports: Ports) -> None:
        clone_dataset(ports, dataset, name="trial", vector_quota=1000)

    worlds = each_call(work, faults)
    assert len(worlds) > 8
    for world in worlds:
        dataset = datasets.resolve(world.ports, world.tenant_id, scope=NATIVE_SCOPE, name="books")
        views = datasets.list_datasets(world.ports, world.tenant_id, scope=NATIVE_SCOPE)
        if len(views) == 2:
            with pytest.raises(Conflict):
                clone_dataset(world.ports, dataset, name="trial", vector_quota=None)
            datasets.delete_dataset(world.ports, world.tenant_id, scope=NATIVE_SCOPE, name="trial")
        clone = clone_dataset(world.ports, dataset, name="trial", vector_quota=None).dataset
        assert world.stored(clone, IDS) == world.stored(dataset, IDS)


def test_going_back_to_a_relative_that_is_far_ahead() -> None:
    """The leap, the acceptance and the commit: one after the other, at each call."""
    number = 0
    while True:
        world, dataset = begun()
        clone = clone_dataset(world.ports, dataset, name="trial", vector_quota=None).dataset
        for step in range(4):
            world.upsert(clone, rows(4, step=10 + step), quota=1000)
        world.drain(clone)
        create_snapshot(world.ports, clone, "ahead")
        mine = Faults(AtCall(number, DEATHS[number % 2]))
        ports = world.process(mine)
        try:
            restore(ports, dataset, "ahead", source=clone, vector_quota=1000)
            world.drain(dataset, ports=ports)
        except SimulatedCrash:
            pass
        else:
            break
        world.upsert(dataset, rows(4, step=20), quota=1000)
        settle_down(world, dataset)
        assert world.stored(dataset, IDS) == AFTER | rows(4, step=20), mine.describe()
        assert world.stored(clone, IDS) == AFTER | rows(4, step=13)
        assert used(world) == 4 + 4, mine.describe()
        number += 1
    assert number > 25


# --- anything, at any time ---------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**32),
    steps=st.lists(
        st.tuples(
            st.sampled_from(["upsert", "delete", "commit", "build", "restore", "restore"]),
            st.sets(st.integers(0, 5), min_size=1),
        ),
        min_size=4,
        max_size=14,
    ),
)
def test_one_of_the_states_that_can_be(seed: int, steps: list[tuple[str, set[int]]]) -> None:
    world, dataset = begun()
    possible: list[State] = [AFTER]
    history = []
    for number, (step, ids) in enumerate(steps):
        faults = Faults(RandomFaults(seed + number, RATES))
        ports = world.process(faults)
        names = {IDS[place] for place in ids}
        fresh = rows(*sorted(ids), step=10 + number)
        after: list[State] = []
        try:
            if step == "upsert":
                after = [state | fresh for state in possible]
                world.upsert(dataset, fresh, ports=ports, quota=1000)
            elif step == "delete":
                after = [
                    {name: row for name, row in state.items() if name not in names} for state in possible
                ]
                world.delete(dataset, names, ports=ports)
            elif step == "restore":
                after = [BEFORE]
                restore(ports, dataset, "before", vector_quota=1000)
            elif step == "commit":
                world.drain(dataset, ports=ports)
            else:
                world.build(dataset, ports=ports)
        except (ShoalError, SimulatedCrash):
            possible = possible + [state for state in after if state not in possible]
        else:
            possible = after or possible
        history.append(f"{step} {sorted(ids)}: {faults.describe()}")
        world.clock.pass_seconds(1)
    settle_down(world, dataset)
    message = "\n".join(history)
    stored = world.stored(dataset, IDS)
    assert stored in possible, message
    assert world.head(dataset).row_count == len(stored) == used(world), message
