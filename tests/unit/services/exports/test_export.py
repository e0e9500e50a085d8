"""Exports: exactly the records of one version, whatever is written meanwhile and whatever dies."""

from dataclasses import replace

import pytest

from shoal.errors import Conflict, NotFound
from shoal.model.datasets import Dataset
from shoal.model.exports import ExportStatus
from shoal.model.limits import EXPORT_DAYS
from shoal.model.manifests import FileRef, ShardRef
from shoal.services import datasets
from shoal.services.exports import plan
from shoal.services.exports.lifecycle import create_export, downloads, get_export, list_exports
from shoal.services.snapshots import create_snapshot, delete_snapshot
from shoal.storage.memory import MemoryWorkflows
from shoal.storage.memory.faults import Call, Fault, Faults
from tests.unit.services.cell_world import add_cells
from tests.unit.services.exports.exporting import (
    begun,
    call,
    completed,
    definition,
    exported,
    manifest_of,
    ports_of,
    run,
)
from tests.unit.services.world import Record, World, record
from tests.workflow.kills import KilledOnce, killing
from tests.workflow.machine import Invoke


def records(prefix: str, count: int) -> dict[str, Record]:
    return {f"{prefix}{n}": record(n, 0.1, -0.0, 3, number=n, text='é"') for n in range(count)}


def filled(world: World) -> tuple[Dataset, dict[str, Record]]:
    """Cells, a resident shard, a delta, and dead rows in each."""
    dataset = world.create()
    there: dict[str, Record] = {}
    blocks = [records(f"cell{number}-", 3) for number in range(4)]
    add_cells(world, dataset, blocks)
    for block in blocks:
        there |= block
    for prefix in ("resident-", "delta-"):
        world.upsert(dataset, records(prefix, 5))
        there |= records(prefix, 5)
        world.drain(dataset)
        if prefix == "resident-":
            world.build(dataset)
    doomed = {"cell1-0", "cell1-1", "cell1-2", "resident-3", "delta-4"}
    world.delete(dataset, doomed)
    world.drain(dataset)
    return dataset, {name: value for name, value in there.items() if name not in doomed}


def test_an_export_holds_every_live_record_once() -> None:
    world = World()
    dataset, there = filled(world)
    job = completed(world, dataset)
    assert exported(world, job) == there
    assert (job.status, job.rows, job.done) == (ExportStatus.COMPLETED, len(there), job.total)
    manifest = manifest_of(world, job)
    assert (manifest.dataset, manifest.dimension, manifest.metric) == ("books", 4, "l2")
    assert job.bytes == sum(file.size for file in manifest.files) > 0


def test_what_is_written_after_its_begin_is_not_in_it() -> None:
    world = World()
    dataset, there = filled(world)
    job = begun(world, dataset)
    world.upsert(dataset, {"new": record(1, 2, 3, 4), "delta-0": record(9, 9, 9, 9)})
    world.delete(dataset, ["cell0-0"])
    world.drain(dataset)
    world.build(dataset)
    assert run(world, job).succeeded
    assert exported(world, get_export(ports_of(world), dataset, job.export_id)) == there


def test_an_export_of_a_snapshot() -> None:
    world = World()
    dataset, there = filled(world)
    create_snapshot(world.ports, dataset, "monday")
    world.delete(dataset, list(there))
    world.drain(dataset)
    assert exported(world, completed(world, dataset, snapshot="monday")) == there
    assert exported(world, completed(world, dataset)) == {}
    with pytest.raises(NotFound, match="snapshot"):
        create_export(ports_of(world), dataset, snapshot="tuesday")


def test_a_snapshot_that_is_deleted_just_before_the_export_is_there_is_not_found() -> None:
    """Nothing keeps its version then, and the janitor may have looked already."""
    world = World()
    dataset, _ = filled(world)
    create_snapshot(world.ports, dataset, "monday")

    def deleted(call: Call) -> None:
        if call.operation == "table.transact":
            delete_snapshot(world.ports, dataset, "monday")

    ports = replace(world.process(Faults(deleted)), exports=MemoryWorkflows())
    with pytest.raises(NotFound, match="no snapshot"):
        create_export(ports, dataset, snapshot="monday")
    assert list_exports(world.ports, dataset, limit=10) == []


def test_a_dataset_without_a_version_has_nothing_to_export() -> None:
    world = World()
    with pytest.raises(Conflict, match="nothing has been indexed yet"):
        create_export(ports_of(world), world.create())


def test_a_dataset_that_is_deleted_meanwhile_ends_its_export() -> None:
    world = World()
    dataset, _ = filled(world)
    job = begun(world, dataset)
    datasets.delete_dataset(world.ports, world.tenant_id, scope=dataset.scope, name=dataset.name)
    execution = run(world, job)
    assert execution.succeeded  # nothing for an operator to look at
    ended = get_export(ports_of(world), dataset, job.export_id)
    assert (ended.status, ended.error_message) == (ExportStatus.FAILED, "the dataset has been deleted")


def test_addresses_are_those_of_a_completed_export_only() -> None:
    world = World()
    dataset, _ = filled(world)
    job = begun(world, dataset)
    assert downloads(world.ports, job) == (None, ())
    assert run(world, job).succeeded
    job = get_export(ports_of(world), dataset, job.export_id)
    manifest, files = downloads(world.ports, job)
    assert manifest is not None
    assert len(files) == job.total > 0
    assert len({each.target.url for each in files}) == len(files)


def test_the_newest_come_first_and_ten_at_once_are_enough() -> None:
    world = World()
    dataset, _ = filled(world)
    jobs = []
    for _ in range(10):
        world.clock.pass_seconds(1)
        jobs.append(begun(world, dataset))
    assert [job.export_id for job in list_exports(world.ports, dataset, limit=100)] == [
        job.export_id for job in reversed(jobs)
    ]
    with pytest.raises(Conflict, match="10 exports of the dataset are under way"):
        begun(world, dataset)


def test_an_export_whose_workflow_never_began_fails() -> None:
    world = World()
    dataset, _ = filled(world)
    job = begun(world, dataset)
    assert get_export(ports_of(world), dataset, job.export_id).status is ExportStatus.RUNNING
    world.clock.pass_seconds(121)
    ended = get_export(ports_of(world), dataset, job.export_id)
    assert ended.status is ExportStatus.FAILED
    assert "never began" in str(ended.error_message)


def test_items_of_exports_go_after_their_files() -> None:
    world = World()
    dataset, _ = filled(world)
    begun(world, dataset)
    items = [item for item in world.table.items() if "exp_" in str(item)]
    assert len(items) == 2
    for item in items:
        assert item["expires_at"] == int(world.clock()) + (EXPORT_DAYS + 1) * 86_400


@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER])
def test_a_process_that_dies_anywhere_changes_nothing(fault: Fault) -> None:
    """Every call to storage is once the last of its process; the workflow's retry goes on."""
    worlds: list[tuple[World, Dataset, dict[str, Record]]] = []

    def make(number: int | None) -> KilledOnce:
        world = World()
        worlds.append((world, *filled(world)))
        return KilledOnce(world.process, call, number=number, fault=fault)

    def one_run(invoke: Invoke) -> None:
        world, dataset, there = worlds[-1]
        job = begun(world, dataset)
        execution = run(world, job, invoke)
        assert execution.succeeded, (execution.error, execution.cause)
        assert exported(world, get_export(ports_of(world), dataset, job.export_id)) == there

    tried = killing(make, one_run, every=3)
    assert {one.killed for one in tried[1:]} == {"plan", "write", "finish"}


def test_a_file_for_each_shard_but_for_those_without_live_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "FILE_BYTES", 1)
    world = World()
    dataset, there = filled(world)
    world.delete(dataset, records("resident-", 5))
    world.drain(dataset)
    left = {name: value for name, value in there.items() if not name.startswith("resident-")}
    job = completed(world, dataset)
    assert exported(world, job) == left
    manifest = manifest_of(world, job)
    assert job.total == job.done > len(manifest.files) > 1
    assert [file.number for file in manifest.files] == sorted(file.number for file in manifest.files)
    assert all(file.rows > 0 for file in manifest.files)


def test_neighbours_share_a_file_up_to_its_size() -> None:
    def shard(number: int, size: int) -> ShardRef:
        """With an index, which is not exported and does not count."""
        sizes = {"vectors.f32": size - 1, "records.sqlite": 1, "index.hnsw": 10**12}
        files = {name: FileRef(size=each, sha256="") for name, each in sizes.items()}
        return ShardRef(shard_id=str(number), rows=1, min_sequence=1, max_sequence=1, files=files)

    sizes = [plan.FILE_BYTES // 2, plan.FILE_BYTES // 2, 2, plan.FILE_BYTES * 3, plan.FILE_BYTES - 2, 2]
    items = plan.items_of([shard(number, size) for number, size in enumerate(sizes)])
    assert [item.shards for item in items] == [("0", "1"), ("2",), ("3",), ("4", "5")]
    assert [item.number for item in items] == [0, 1, 2, 3]
    assert plan.items_of([]) == []


def test_the_definition_is_understood() -> None:
    assert set(definition()["States"]) >= {"Plan", "Write", "Finish", "Fail"}
