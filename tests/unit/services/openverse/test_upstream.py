"""INGEST_UPSTREAM: what lies in a registered bucket of others becomes records, and then an index; or neither."""

import gzip
from dataclasses import replace
from io import BytesIO
from typing import Any

import orjson
import pyarrow as pa
import pytest
from pyarrow import parquet

from shoal.errors import InvalidInput
from shoal.model.datasets import NATIVE_SCOPE
from shoal.model.imports import ImportFormat, ImportStatus
from shoal.model.limits import MAX_CELL_SETS, MAX_UPLOAD_BYTES
from shoal.model.openverse import Action, OpenverseTask, TaskState
from shoal.model.sources import UpstreamSource
from shoal.services import datasets
from shoal.services.heads import keys_of
from shoal.services.imports.lifecycle import cancel_import, list_imports
from shoal.services.openverse.pulls import Pull
from shoal.services.openverse.reconcile import reconcile_tasks
from shoal.services.openverse.upstream import AT_ONCE, MAX_KEY_BYTES, MAX_OBJECTS, check_objects
from shoal.services.sources import drop_source
from shoal.storage.memory.faults import Fault
from shoal.storage.memory.upstream import OWN, MemoryUpstream
from shoal.storage.ports import Assign, UpstreamObject
from tests.unit.services.openverse.world import BUCKET, MODEL, OpenverseWorld, ndjson
from tests.unit.services.world import Record, record, used
from tests.workflow.kills import KilledOnce, killing
from tests.workflow.machine import Invoke

GIB = 1024**3


def part(number: int, count: int = 3) -> dict[str, Record]:
    return {
        f"p{number}-{n}": record(number, n, 0.5, -1, part=number, title=f"picture {n}") for n in range(count)
    }


def as_parquet(records: dict[str, Record]) -> bytes:
    table = pa.table(
        {
            "id": list(records),
            "values": pa.array([list(values) for values, _ in records.values()], pa.list_(pa.float32())),
            "metadata": [orjson.dumps(metadata).decode() for _, metadata in records.values()],
        }
    )
    sink = BytesIO()
    parquet.write_table(table, sink)
    return sink.getvalue()


def asked(world: OpenverseWorld, **more: Any) -> OpenverseTask:
    return world.accept(Action.INGEST_UPSTREAM, index_suffix="a", **more)


def catalogue(parts: int = 2) -> tuple[OpenverseWorld, dict[str, Record]]:
    """A source of some objects, and what is in them."""
    world = OpenverseWorld()
    world.register()
    there: dict[str, Record] = {}
    for number in range(parts):
        world.put(f"dump/part-{number:03}.ndjson", part(number))
        there |= part(number)
    return world, there


def imports_of(world: OpenverseWorld) -> list[ImportStatus]:
    return [job.status for job in list_imports(world.ports, world.dataset, limit=100)]


def test_objects_become_records_and_an_index() -> None:
    world, there = catalogue(AT_ONCE + 3)
    world.fill({"before": record(1, 2, 3, 4)})
    ended = world.done(asked(world))
    assert world.stored(world.dataset, there) == there
    assert world.stored(world.found("image-a"), there) == there
    assert world.indexes() == {"image-a": len(there) + 1}
    assert ended.detail == (
        f"{len(there)} records pulled from {AT_ONCE + 3} objects; "
        f"{len(there) + 1} of {len(there) + 1} records of image are in image-a"
    )
    assert ended.work == {}
    assert imports_of(world) == [ImportStatus.COMPLETED] * (AT_ONCE + 3)
    moved = [progress for progress in world.progress if 0 < progress < 60]
    assert moved
    assert any(60 <= progress < 100 for progress in world.progress)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_ndjson(pack: Any) -> None:
    world = OpenverseWorld()
    world.register()
    world.put("dump/a.jsonl", pack(ndjson(part(1)) + b'{"id": "bad"}\nnot json\n'))
    ended = world.done(asked(world))
    assert world.stored(world.found("image-a"), part(1)) == part(1)
    assert str(ended.detail).startswith("3 records pulled from 1 objects, 2 records rejected; ")


def test_parquet() -> None:
    world = OpenverseWorld()
    world.register(file_format="parquet")
    for number in range(2):
        world.put(f"dump/part-{number}.parquet", as_parquet(part(number)))
    world.put("dump/_SUCCESS", b"")
    world.put("dump/_metadata", b"notes of who wrote it")
    world.done(asked(world))
    assert world.stored(world.found("image-a"), [*part(0), *part(1)]) == part(0) | part(1)


def test_only_what_belongs_to_the_source_is_pulled() -> None:
    world = OpenverseWorld()
    world.register()
    world.put("dump/deep/er/a.ndjson", part(1))
    for key in (
        "dumpster/b.ndjson",
        "other/c.ndjson",
        "dump/.hidden",
        "dump/_temporary",
        "dump/empty.ndjson",
    ):
        world.put(key, b"" if "empty" in key else part(2))
    world.put("dump/folder/", b"")
    world.done(asked(world))
    assert world.indexes() == {"image-a": 3}


def test_one_object_and_a_whole_bucket() -> None:
    for url, rows in (
        (f"s3://{BUCKET}/dump/a.ndjson", 3),
        (f"s3://{BUCKET}", 6),
        (f"s3://{BUCKET}/dump/", 6),
    ):
        world = OpenverseWorld()
        world.register(url)
        world.put("dump/a.ndjson", part(1))
        world.put("dump/a.ndjson2", part(2))
        world.done(asked(world))
        assert world.indexes() == {"image-a": rows}


def test_of_an_id_in_two_objects_the_later_counts() -> None:
    world = OpenverseWorld()
    world.register()
    for number in range(3):
        world.put(f"dump/{number}", {"same": record(number, 0, 0, 0)})
    world.done(asked(world))
    assert world.stored(world.found("image-a"), ["same"])["same"][0] == (2.0, 0.0, 0.0, 0.0)


class TestRefused:
    """What cannot be pulled is told, and leaves no half index and no half import."""

    def check(self, world: OpenverseWorld, task: OpenverseTask, *words: str) -> OpenverseTask:
        ended = world.failed(task)
        for word in words:
            assert word in str(ended.detail)
        assert world.indexes() == {}
        assert all(status.terminal for status in imports_of(world))
        world.others_work()
        assert world.indexes() == {}
        return ended

    def test_without_a_source_it_is_not_accepted(self) -> None:
        world = OpenverseWorld()
        task = asked(world)
        assert (task.status, task.is_bad_request) == (TaskState.FAILED, True)
        assert "no source is registered for image" in str(task.detail)
        assert f"shoal sources add {world.tenant_id} image" in str(task.detail)
        assert world.ingestions.started == {}

    def test_a_source_of_another_tenant_is_none(self) -> None:
        world, _ = catalogue()
        world.tenant_id = "ten_" + "0" * 32
        assert "no source is registered" in str(asked(world).detail)

    def test_a_source_that_is_removed_before_its_begin(self) -> None:
        world, _ = catalogue()
        task = asked(world)
        drop_source(world.ports, world.tenant_id, MODEL)
        self.check(world, task, "no source is registered")

    def test_our_own_bucket(self) -> None:
        world = OpenverseWorld()
        with pytest.raises(InvalidInput) as caught:
            world.register(f"s3://{OWN}/t/")
        assert caught.value.code == "own_bucket"
        assert "no source is registered" in str(asked(world).detail)

    def test_nothing_to_pull(self) -> None:
        world, _ = catalogue(0)
        world.put("elsewhere", b"x")
        self.check(world, asked(world), "there is nothing to pull at s3://catalogue/dump")

    def test_a_bucket_that_is_not_there(self) -> None:
        world, _ = catalogue(0)
        self.check(world, asked(world), "there is no bucket catalogue")

    def test_a_bucket_that_may_not_be_read(self) -> None:
        world, _ = catalogue()
        world.upstream.closed.add(BUCKET)
        self.check(world, asked(world), "may not read the bucket catalogue")
        assert imports_of(world) == []

    def test_an_object_that_is_replaced_meanwhile(self) -> None:
        world, _ = catalogue()
        task = asked(world)
        world.call(world.ports, "ingestion", given(task))
        world.put("dump/part-001.ndjson", part(7))
        self.check(world, task, "s3://catalogue/dump/part-001.ndjson: it was replaced or deleted")

    def test_a_file_of_another_format_ends_the_others(self) -> None:
        world, _ = catalogue(AT_ONCE + 1)
        world.put("dump/part-000.ndjson", b"PK\x03\x04 and so on")
        self.check(world, asked(world), "s3://catalogue/dump/part-000.ndjson: ", "a zip archive")
        assert imports_of(world).count(ImportStatus.FAILED) == 1
        assert set(imports_of(world)) == {ImportStatus.FAILED, ImportStatus.COMPLETED}

    def test_an_import_that_the_owner_cancels(self) -> None:
        world, _ = catalogue()
        task = asked(world)
        for _ in range(2):
            world.call(world.ports, "ingestion", given(task))
        job = list_imports(world.ports, world.dataset, limit=1)[0]
        cancel_import(world.ports, world.dataset, job.import_id)
        self.check(world, task, "cancelled")

    def test_a_dataset_that_is_not_there(self) -> None:
        world, _ = catalogue()
        datasets.delete_dataset(world.ports, world.tenant_id, scope=NATIVE_SCOPE, name=MODEL)
        task = asked(world)
        assert (task.status, task.is_bad_request) == (TaskState.FAILED, False)
        assert "there is no dataset image" in str(task.detail)

    def test_a_dataset_that_is_made_anew_meanwhile(self) -> None:
        world, _ = catalogue()
        task = asked(world)
        world.call(world.ports, "ingestion", given(task))
        datasets.delete_dataset(world.ports, world.tenant_id, scope=NATIVE_SCOPE, name=MODEL)
        world.dataset = world.create(MODEL)
        self.check(world, task, "was made anew")

    def test_a_quota_that_is_used_up(self) -> None:
        world, _ = catalogue()
        world.fill({"a": record(1, 1, 1, 1), "b": record(1, 1, 1, 1)})
        self.check(world, asked(world, quota=2), "vector quota is used up")
        assert used(world) == 2

    def test_a_quota_that_does_not_suffice(self) -> None:
        world, _ = catalogue(1)
        self.check(world, asked(world, quota=2), "s3://catalogue/dump/part-000.ndjson: ", "quota")
        assert used(world) == 0

    def test_an_index_of_that_name(self) -> None:
        world, _ = catalogue()
        task = asked(world)
        world.index("image-a")
        ended = world.failed(task)
        assert "image-a already exists" in str(ended.detail)
        assert world.indexes() == {"image-a": 0}


def given(task: OpenverseTask) -> dict[str, str]:
    return {"step": "work", "task_id": task.task_id, "tenant_id": task.tenant_id}


def source() -> UpstreamSource:
    return UpstreamSource(MODEL, BUCKET, "dump", ImportFormat.NDJSON, 0.0)


def listed(key: str, size: int = 1) -> UpstreamObject:
    return UpstreamObject(key, size, "e", 0.0)


@pytest.mark.parametrize(
    ("objects", "code"),
    [
        ([], "source_empty"),
        ([listed("a"), listed("dump/large", MAX_UPLOAD_BYTES + 1)], "object_too_large"),
        ([listed(f"{n}") for n in range(MAX_OBJECTS + 1)], "too_many_objects"),
        ([listed(f"{n:0900}") for n in range(MAX_KEY_BYTES // 900 + 1)], "too_many_objects"),
    ],
)
def test_sources_that_cannot_be_pulled(objects: list[UpstreamObject], code: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_objects(source(), objects)
    assert caught.value.code == code


def test_the_largest_that_can() -> None:
    check_objects(source(), [listed("a", MAX_UPLOAD_BYTES)])
    check_objects(source(), [listed(f"{n}") for n in range(MAX_OBJECTS)])


def test_an_object_that_is_too_large_is_named() -> None:
    with pytest.raises(InvalidInput) as caught:
        check_objects(source(), [listed("dump/large", 7 * GIB), listed("dump/b", 9 * GIB), listed("dump/c")])
    assert caught.value.message == (
        "s3://catalogue/dump/large has 7.00 GiB, and what is pulled has at most 5; split it "
        "(2 of 3 objects are too large)"
    )


def test_no_more_than_some_are_imported_at_once() -> None:
    world, _ = catalogue(AT_ONCE * 2 + 1)
    task = asked(world)
    most = 0

    def invoke(function: str, payload: Any) -> Any:
        nonlocal most
        found = world.call(world.ports, function, payload)
        most = max(most, sum(not status.terminal for status in imports_of(world)))
        return found

    assert world.run(task, invoke).succeeded
    assert most == AT_ONCE
    assert world.task(task).status is TaskState.COMPLETED


class SlowUpstream(MemoryUpstream):
    """A copy takes a second."""

    def copy(self, bucket: str, source: UpstreamObject, *, to: str) -> None:
        self._clock.pass_seconds(1)  # type: ignore[attr-defined] # that of a World
        super().copy(bucket, source, to=to)


def test_without_time_one_object_is_begun_by_a_step() -> None:
    world, there = catalogue(3)
    slow = SlowUpstream(world.objects, world.clock)
    slow.buckets = world.upstream.buckets
    world.ports = replace(world.ports, upstream=slow)
    world.budget_seconds = 0.5
    task = asked(world)
    for begun in (0, 1, 2, 3):
        world.call(world.ports, "ingestion", given(task))
        assert len(imports_of(world)) == begun
    world.done(task)
    assert world.indexes() == {"image-a": len(there)}


@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.TWICE, Fault.BUSY_AFTER])
def test_a_kill_at_any_call_changes_nothing(fault: Fault) -> None:
    worlds: list[tuple[OpenverseWorld, OpenverseTask, dict[str, Record]]] = []

    def make(number: int | None) -> KilledOnce:
        world, there = catalogue()
        worlds.append((world, asked(world), there))
        return KilledOnce(world.process, world.call, number=number, fault=fault)

    def run(killer: Invoke) -> None:
        world, task, there = worlds[-1]
        seen: list[dict[str, int]] = []

        def invoke(function: str, payload: Any) -> Any:
            try:
                return killer(function, payload)
            finally:
                seen.append(world.indexes())

        execution = world.run(task, invoke)
        assert execution.succeeded, f"killed in {getattr(killer, 'killed', None)}: {execution}"
        ended = world.task(task)
        assert ended.status is TaskState.COMPLETED, ended.detail
        assert "6 records pulled from 2 objects; 6 of 6" in str(ended.detail)
        assert all(index in ({}, {"image-a": 6}) for index in seen)
        assert world.stored(world.found("image-a"), there) == there
        assert imports_of(world) == [ImportStatus.COMPLETED] * 2

    killing(make, run, every=2 if fault is Fault.CRASH_AFTER else 5)


def test_a_task_that_is_given_up_ends_its_imports_and_its_retry_finishes() -> None:
    world, there = catalogue()
    task = asked(world)
    for _ in range(2):
        world.call(world.ports, "ingestion", given(task))
    assert set(imports_of(world)) == {ImportStatus.VALIDATING}
    world.ingestions.end(task.task_id, "TIMED_OUT")
    world.clock.pass_seconds(61)
    assert reconcile_tasks(world.ports) == 1
    assert set(imports_of(world)) == {ImportStatus.FAILED}
    assert set(world.imports.statuses.values()) == {"ABORTED"}
    world.others_work()
    assert world.indexes() == {}
    assert (world.head(world.dataset).row_count, used(world)) == (0, 0)
    world.done(asked(world))
    assert world.stored(world.found("image-a"), there) == there


def test_what_a_task_remembers_survives_the_table() -> None:
    world, _ = catalogue(3)
    task = asked(world)
    world.call(world.ports, "ingestion", given(task))
    kept = Pull.of(world.task(task))
    assert [file.key for file in kept.files] == [f"dump/part-{n:03}.ndjson" for n in range(3)]
    assert Pull.of(task) == Pull()
    assert kept.as_work() == world.task(task).work


def test_room_is_waited_for() -> None:
    world, _ = catalogue(1)
    head = keys_of(world.dataset).head
    world.table.update(head, [Assign("cell_sets", MAX_CELL_SETS)])
    task = asked(world)
    world.call(world.ports, "ingestion", given(task))
    found = world.call(world.ports, "ingestion", given(task))
    assert found == {"state": "wait", "seconds": 60}
    assert [message.message["dataset_id"] for message in world.builds.receive()] == [world.dataset.dataset_id]
    assert imports_of(world) == []
    world.table.update(head, [Assign("cell_sets", 0)])
    assert world.done(task).index == "image-a"
