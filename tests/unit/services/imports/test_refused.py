"""Imports that end with a reason, and let the dataset's log go on."""

import pytest

from shoal.errors import Conflict, CorruptObject, ImportStopped, InvalidInput
from shoal.model.import_work import ChunkRecord, Plan, Product
from shoal.model.imports import ImportStatus
from shoal.model.limits import MAX_IMPORT_ROWS
from shoal.services import log_data
from shoal.services.imports.items import keys_of_import
from shoal.services.imports.lifecycle import cancel_import, get_import
from shoal.services.imports.workspace import open_workspace
from shoal.storage.memory.faults import Call, Fault, Faults, SimulatedCrash
from tests.unit.services.imports.small import STEPS, begun, built, created, run, settled, validated
from tests.unit.services.world import World, record, used


@pytest.mark.parametrize("in_cells", [False, True], ids=["one shard", "cells"])
@pytest.mark.parametrize("what", ["shard", "run", "cut short"])
def test_a_product_that_is_not_all_there_fails_its_import_only(what: str, in_cells: bool) -> None:
    world = World()
    dataset = world.create()
    job = begun(world, dataset, quota=100)
    validated(world, job, [(f"id-{n}", record(n, 1, 2, 3)) for n in range(5)])
    built(world, job, in_cells=in_cells)
    work = open_workspace(world.ports, job.import_id)
    product = work.needed("product", Product)
    shards = f"t/{world.tenant_id}/shards/"
    vectors = next(one.key for one in world.objects.list(shards) if one.key.endswith("vectors.f32"))
    if what == "shard":
        world.objects.delete([vectors])
    elif what == "cut short":
        world.objects.put(vectors, world.objects.get(vectors)[:-1])
    elif product.run is not None:
        world.objects.put(product.run.key, bytes(product.run.size))
    run(world.ports, job, "commit", STEPS)
    ended = get_import(world.ports, dataset, job.import_id)
    assert ended.status is ImportStatus.FAILED
    assert ended.error_message
    world.upsert(dataset, {"after": record(1, 1, 1, 1)}, quota=100)
    world.drain(dataset)
    head = world.head(dataset)
    assert (head.row_count, head.open_imports, used(world)) == (1, 0, 1)


def test_more_records_than_an_import_takes_are_refused_before_they_are_read() -> None:
    world = World()
    dataset = world.create()
    job = begun(world, dataset, quota=MAX_IMPORT_ROWS * 2)
    work = open_workspace(world.ports, job.import_id)
    rows = MAX_IMPORT_ROWS + 1
    work.record("chunk-000000", ChunkRecord(number=0, lines=rows, processed=rows, accepted=rows, rejected=0))
    work.record("plan", Plan(chunks=1, items_key="unused"))
    with pytest.raises(ImportStopped, match="split the file"):
        settled(world, job)
    assert get_import(world.ports, dataset, job.import_id).status is ImportStatus.FAILED
    assert used(world) == 0


def test_a_hundred_imports_under_way_are_enough() -> None:
    world = World()
    dataset = world.create()
    jobs = [created(world, dataset) for _ in range(100)]
    with pytest.raises(Conflict) as caught:
        created(world, dataset)
    assert caught.value.code == "too_many_imports"
    cancel_import(world.ports, dataset, jobs[50].import_id)
    assert created(world, dataset).status is ImportStatus.AWAITING_UPLOAD


def test_what_a_step_stored_is_read_only_as_it_was_stored() -> None:
    world = World()
    dataset = world.create()
    work = open_workspace(world.ports, begun(world, dataset).import_id)
    part = work.put("thing", b"as it was")
    assert work.read(part) == b"as it was"
    for damaged in (b"as it waz", b"as it wa"):
        world.objects.put(part.key, damaged)
        with pytest.raises(CorruptObject):
            work.read(part)
    world.objects.delete([part.key])
    with pytest.raises(CorruptObject, match="missing"):
        work.read(part)


def test_cancelling_gives_up_the_parts_of_a_multipart_upload() -> None:
    world = World()
    dataset = world.create()
    job = created(world, dataset, multipart=True)
    assert job.multipart is not None
    tag = world.uploads.put_part(job.multipart, 1, b"part")
    cancel_import(world.ports, dataset, job.import_id)
    with pytest.raises(InvalidInput, match="no such multipart upload"):
        world.uploads.join_parts(keys_of_import(job).upload, upload_id=job.multipart, parts=[(1, tag)])


def test_an_import_that_was_failed_stays_failed_though_there_is_room_by_now(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A committer finds no room for its cells, says so, and dies; then a compaction makes room."""
    world = World()
    dataset = world.create()
    job = begun(world, dataset)
    validated(world, job, [(f"id-{n}", record(n, 1, 2, 3)) for n in range(5)])
    built(world, job, in_cells=True)
    world.drain(dataset)

    def before_the_swap(call: Call) -> Fault | None:
        stores_a_version = call.operation == "objects.put" and "/manifests/" in call.target
        return Fault.CRASH_BEFORE if stores_a_version else None

    monkeypatch.setattr(log_data, "MAX_CELL_SETS", 0)
    with pytest.raises(SimulatedCrash):
        run(world.process(Faults(before_the_swap)), job, "commit", STEPS)
    monkeypatch.undo()
    world.clock.pass_seconds(100)
    world.drain(dataset)
    ended = get_import(world.ports, dataset, job.import_id)
    assert (ended.status, world.head(dataset).row_count) == (ImportStatus.FAILED, 0)
    assert ended.error_message
    assert world.head(dataset).open_imports == 0
