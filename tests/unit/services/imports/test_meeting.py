"""How an import meets what was written meanwhile, as queries see it, and who is told that it was completed."""

from contextlib import suppress

import pytest

from shoal.errors import Conflict, ImportStopped
from shoal.model.datasets import Dataset
from shoal.model.imports import Import, ImportStatus
from shoal.model.manifests import RunRef
from shoal.services.imports.items import keys_of_import
from shoal.services.imports.lifecycle import cancel_import, complete_import, get_import
from shoal.services.publish_import import placed_by_size
from shoal.storage.memory.faults import Call, Fault, Faults, Schedule, SimulatedCrash
from tests.unit.services.imports.small import (
    STEPS,
    begun,
    built,
    created,
    finished,
    run,
    settled,
    uploaded,
    validated,
)
from tests.unit.services.world import World, record, used

LAYOUTS = pytest.mark.parametrize("in_cells", [False, True], ids=["one shard", "cells"])


@LAYOUTS
def test_a_row_that_lost_is_not_found_beside_the_one_that_won(in_cells: bool) -> None:
    world = World()
    dataset = world.create()
    world.upsert(dataset, {"id-0": record(7, 7, 7, 7)})
    job = begun(world, dataset)
    validated(world, job, [(f"id-{n}", record(n, 1, 2, 3)) for n in range(6)])
    world.upsert(dataset, {"id-1": record(8, 8, 8, 8)})
    world.delete(dataset, ["id-2"])
    finished(world, dataset, job, in_cells=in_cells)
    for _ in range(2):
        found = [match.id for match in world.query(dataset, (1.0, 1.0, 2.0, 3.0), top_k=20).matches]
        assert sorted(found) == ["id-0", "id-1", "id-3", "id-4", "id-5"]
        world.build(dataset)


@LAYOUTS
def test_a_build_keeps_the_tombstones_that_an_open_import_needs(in_cells: bool) -> None:
    world = World()
    dataset = world.create()
    world.upsert(dataset, {"id-0": record(7, 7, 7, 7), "other": record(9, 9, 9, 9)})
    job = begun(world, dataset)
    validated(world, job, [(f"id-{n}", record(n, 1, 2, 3)) for n in range(3)])
    world.delete(dataset, ["id-0", "id-1"])
    world.drain(dataset)
    world.build(dataset)
    assert world.head(dataset).recall is not None
    finished(world, dataset, job, in_cells=in_cells)
    assert world.stored(dataset, ["id-0", "id-1", "id-2"]).keys() == {"id-2"}
    assert world.head(dataset).row_count == 2


def test_an_import_takes_what_is_left_of_the_quota_and_no_more() -> None:
    world = World()
    dataset = world.create()
    world.upsert(dataset, {f"old-{n}": record(n, 1, 1, 1) for n in range(7)}, quota=10)
    world.drain(dataset)
    over, fits = begun(world, dataset, quota=10), begun(world, dataset, quota=10)
    validated(world, over, [(f"id-{n}", record(n, 1, 2, 3)) for n in range(4)])
    validated(world, fits, [(f"id-{n}", record(n, 1, 2, 3)) for n in range(3)])
    with pytest.raises(ImportStopped, match="vector_quota_exceeded"):
        finished(world, dataset, over)
    assert finished(world, dataset, fits).status is ImportStatus.COMPLETED
    assert get_import(world.ports, dataset, over.import_id).status is ImportStatus.FAILED
    assert world.head(dataset).row_count == 10


def test_of_two_completions_at_once_one_succeeds() -> None:
    for number in range(100):
        world = World()
        dataset = world.create()
        job = created(world, dataset)
        uploaded(world, job)
        tried: list[int] = []
        succeeded: list[str] = []
        faults = Faults(complete_at(number, world, dataset, job, tried, succeeded))
        with suppress(Conflict):
            complete_import(world.process(faults), dataset, job.import_id, parts=None)
            succeeded.append("outer")
        if not tried:
            assert number > 3
            return
        assert len(succeeded) == 1, (number, succeeded)
        world.drain(dataset)
        assert world.head(dataset).open_imports == 1


def complete_at(
    number: int, world: World, dataset: Dataset, job: Import, tried: list[int], succeeded: list[str]
) -> Schedule:
    """Complete the import just before a call of another process."""

    def at_call(call: Call) -> None:
        if call.number == number and not tried:
            tried.append(number)
            with suppress(Conflict):
                complete_import(world.ports, dataset, job.import_id, parts=None)
                succeeded.append("inner")

    return at_call


def test_of_two_settlements_at_once_one_is_charged() -> None:
    for number in range(100):
        world = World()
        dataset = world.create()
        job = begun(world, dataset, quota=100)
        validated(world, job, [(f"id-{n}", record(n, 1, 2, 3)) for n in range(6)])
        tried: list[int] = []
        with suppress(ImportStopped):
            settled(world, job, ports=world.process(Faults(settle_at(number, world, job, tried))))
        if not tried:
            assert number > 5
            return
        assert used(world) == 6, number
        cancel_import(world.ports, dataset, job.import_id)
        world.drain(dataset)
        assert used(world) == 0, number


def settle_at(number: int, world: World, job: Import, tried: list[int]) -> Schedule:
    """Settle the import just before a call of another process."""

    def at_call(call: Call) -> None:
        if call.number == number and not tried:
            tried.append(number)
            settled(world, job)

    return at_call


def run_of(entries: int) -> RunRef:
    return RunRef(key=f"run-{entries}", size=1, sha256="", entries=entries, front_size=1, front_sha256="")


@pytest.mark.parametrize("entries", [100, 50, 25, 10, 1])
def test_a_run_comes_before_those_that_are_smaller(entries: int) -> None:
    runs = placed_by_size((run_of(70), run_of(25), run_of(3)), run_of(entries))
    assert [run.entries for run in runs] == sorted([70, 25, 3, entries], reverse=True)


@pytest.mark.parametrize("step", ["settle", "commit"])
def test_a_step_within_a_cancellation_ends_in_all_of_it_or_nothing(step: str) -> None:
    ends: set[ImportStatus] = set()
    for number in range(100):
        world = World()
        dataset = world.create()
        job = begun(world, dataset, quota=100)
        validated(world, job, [(f"id-{n}", record(n, 1, 2, 3)) for n in range(6)])
        if step == "commit":
            built(world, job)
        tried: list[int] = []
        faults = Faults(step_at(number, world, job, step, tried))
        with suppress(Conflict):
            cancel_import(world.process(faults), dataset, job.import_id)
        if not tried:
            assert number > 3
            break
        world.drain(dataset)
        ended = get_import(world.ports, dataset, job.import_id)
        rows = 6 if ended.status is ImportStatus.COMPLETED else 0
        head = world.head(dataset)
        assert (head.row_count, head.open_imports, used(world)) == (rows, 0, rows), (number, ended)
        assert ended.status.terminal
        ends.add(ended.status)
    assert ImportStatus.FAILED in ends
    assert (ImportStatus.COMPLETED in ends) == (step == "commit")


def step_at(number: int, world: World, job: Import, step: str, tried: list[int]) -> Schedule:
    """Do a step of the import just before a call of another process."""

    def at_call(call: Call) -> None:
        if call.number == number and not tried:
            tried.append(number)
            with suppress(ImportStopped):
                run(world.ports, job, step, STEPS)

    return at_call


def test_what_was_charged_in_the_middle_of_a_cancellation_is_given_back() -> None:
    for number in range(100):
        world = World()
        dataset = world.create()
        job = begun(world, dataset, quota=100)
        validated(world, job, [(f"id-{n}", record(n, 1, 2, 3)) for n in range(6)])
        tried: list[int] = []
        faults = Faults(charge_at(number, world, job, tried))
        cancel_import(world.process(faults), dataset, job.import_id)
        if not tried:
            assert number > 3
            return
        world.drain(dataset)
        assert used(world) == 0, number


def charge_at(number: int, world: World, job: Import, tried: list[int]) -> Schedule:
    """Settle the import just before a call of another process, and die as soon as it is charged."""

    def dies(_: Call) -> Fault | None:
        item = world.table.get(keys_of_import(job).item) or {}
        return Fault.CRASH_BEFORE if item.get("reserved") else None

    def at_call(call: Call) -> None:
        if call.number == number and not tried:
            tried.append(number)
            with suppress(ImportStopped, SimulatedCrash):
                settled(world, job, ports=world.process(Faults(dies)))

    return at_call
