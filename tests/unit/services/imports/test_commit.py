"""Invariant 3: an import is one write, and loses to any write of the same id after it began."""

import pytest

from shoal.errors import Conflict, ImportStopped
from shoal.model.imports import ImportStatus
from shoal.services.datasets import delete_dataset
from shoal.services.imports.lifecycle import cancel_import, get_import
from shoal.storage.keys import DatasetKeys
from tests.unit.services.imports.small import Named, begun, finished, settled, validated
from tests.unit.services.world import World, record, used

FILE: list[Named] = [(f"id-{n}", record(n, 1, 2, 3, source="file")) for n in range(6)]


def test_its_rows_appear_all_at_once_and_are_counted() -> None:
    world = World()
    dataset = world.create()
    world.upsert(dataset, {"other": record(9, 9, 9, 9)})
    world.drain(dataset)
    job = begun(world, dataset)
    validated(world, job, FILE)
    world.drain(dataset)
    assert world.stored(dataset, [name for name, _ in FILE]) == {}
    assert world.head(dataset).open_imports == 1
    done = finished(world, dataset, job)
    assert done.status is ImportStatus.COMPLETED
    assert (done.records_accepted, done.records_rejected, done.percent_complete) == (6, 0, 100)
    assert world.stored(dataset, [name for name, _ in FILE]) == dict(FILE)
    assert world.head(dataset).row_count == 7
    assert world.head(dataset).open_imports == 0


def test_a_row_loses_to_writes_after_the_import_began_and_replaces_those_before() -> None:
    world = World()
    dataset = world.create()
    names = ("id-0", "id-1", "id-2")
    world.upsert(dataset, {name: record(7, 7, 7, 7, when="before") for name in names})
    job = begun(world, dataset)
    validated(world, job, FILE)
    world.upsert(dataset, {"id-1": record(8, 8, 8, 8, when="after")})
    world.delete(dataset, ["id-2", "id-3"])
    world.drain(dataset)
    finished(world, dataset, job)
    expected = dict(FILE)
    expected["id-1"] = record(8, 8, 8, 8, when="after")
    del expected["id-2"], expected["id-3"]
    assert world.stored(dataset, dict(FILE)) == expected
    assert world.head(dataset).row_count == len(expected)
    world.build(dataset)
    assert world.stored(dataset, dict(FILE)) == expected


def test_deletes_in_the_very_commit_that_opens_it_are_remembered() -> None:
    world = World()
    dataset = world.create()
    job = begun(world, dataset)
    world.delete(dataset, ["id-0"])
    world.drain(dataset)
    world.build(dataset)
    validated(world, job, FILE)
    finished(world, dataset, job)
    assert "id-0" not in world.stored(dataset, dict(FILE))
    assert world.head(dataset).row_count == 5


def test_of_one_id_several_times_the_last_line_wins_and_all_are_accepted() -> None:
    world = World()
    dataset = world.create()
    job = begun(world, dataset)
    twice = [*FILE, ("id-0", record(5, 5, 5, 5)), ("id-4", record(6, 6, 6, 6)), ("id-0", record(4, 4, 4, 4))]
    validated(world, job, twice, chunks=3)
    done = finished(world, dataset, job)
    assert done.records_accepted == 9
    assert world.stored(dataset, dict(FILE)) == dict(twice)
    assert world.head(dataset).row_count == 6


def test_two_imports_that_overlap_are_ordered_by_when_they_began() -> None:
    world = World()
    dataset = world.create()
    first, second = begun(world, dataset), begun(world, dataset)
    validated(world, second, [("id-0", record(2, 2, 2, 2))])
    validated(world, first, [("id-0", record(1, 1, 1, 1)), ("id-9", record(9, 9, 9, 9))])
    finished(world, dataset, second)
    finished(world, dataset, first)
    assert world.stored(dataset, ["id-0", "id-9"]) == {
        "id-0": record(2, 2, 2, 2),
        "id-9": record(9, 9, 9, 9),
    }
    assert world.head(dataset).row_count == 2


def test_an_import_without_accepted_records_completes_and_changes_nothing() -> None:
    world = World()
    dataset = world.create()
    world.upsert(dataset, {"a": record(1, 1, 1, 1)})
    job = begun(world, dataset)
    validated(world, job, [])
    with pytest.raises(ImportStopped):
        finished(world, dataset, job)
    failed = get_import(world.ports, dataset, job.import_id)
    assert failed.error_message == "the file holds no records"
    world.drain(dataset)
    assert world.head(dataset).open_imports == 0
    assert world.head(dataset).row_count == 1


def test_a_cancelled_import_leaves_nothing_and_closes_its_place() -> None:
    world = World()
    dataset = world.create()
    job = begun(world, dataset)
    validated(world, job, FILE)
    world.drain(dataset)
    cancelled = cancel_import(world.ports, dataset, job.import_id)
    assert (cancelled.status, cancelled.error_message) == (ImportStatus.FAILED, "cancelled")
    with pytest.raises(ImportStopped):
        finished(world, dataset, job)
    world.drain(dataset)
    assert world.stored(dataset, dict(FILE)) == {}
    assert (world.head(dataset).open_imports, world.head(dataset).row_count) == (0, 0)
    assert cancel_import(world.ports, dataset, job.import_id).status is ImportStatus.FAILED


def test_a_completed_import_cannot_be_cancelled() -> None:
    world = World()
    dataset = world.create()
    job = begun(world, dataset)
    validated(world, job, FILE)
    finished(world, dataset, job)
    with pytest.raises(Conflict, match="completed"):
        cancel_import(world.ports, dataset, job.import_id)


def test_quota_is_charged_by_accepted_records_and_settled_to_the_rows_that_live() -> None:
    world = World()
    dataset = world.create()
    job = begun(world, dataset, quota=100)
    validated(world, job, [*FILE, *FILE])
    finished(world, dataset, job)
    assert used(world) == 6


def test_crossing_the_quota_at_settlement_fails_the_import_with_nothing_indexed() -> None:
    world = World()
    dataset = world.create()
    job = begun(world, dataset, quota=5)
    validated(world, job, FILE)
    with pytest.raises(ImportStopped):
        finished(world, dataset, job)
    failed = get_import(world.ports, dataset, job.import_id)
    assert failed.status is ImportStatus.FAILED
    assert (failed.error_message or "").startswith("vector_quota_exceeded")
    world.drain(dataset)
    assert (used(world), world.head(dataset).row_count) == (0, 0)


def test_a_cancelled_import_gives_its_reservation_back() -> None:
    world = World()
    dataset = world.create()
    job = begun(world, dataset, quota=100)
    validated(world, job, FILE)
    settled(world, job)
    assert used(world) == 6
    cancel_import(world.ports, dataset, job.import_id)
    world.drain(dataset)
    assert used(world) == 0


def test_deleting_the_dataset_during_an_import_gives_everything_back() -> None:
    world = World()
    dataset = world.create()
    world.upsert(dataset, {"a": record(1, 1, 1, 1)}, quota=100)
    world.drain(dataset)
    job = begun(world, dataset, quota=100)
    validated(world, job, FILE)
    settled(world, job)
    delete_dataset(world.ports, world.tenant_id, scope=dataset.scope, name=dataset.name)
    assert used(world) == 0
    with pytest.raises(ImportStopped):
        finished(world, dataset, job)
    assert used(world) == 0
    keys = DatasetKeys(dataset.tenant_id, dataset.dataset_id)
    assert (world.table.get(keys.head) or {})["row_count"] == 1
