"""Writes that depend on what is there: patches, conditions, deletes by selection, and what each says it did."""

import numpy as np
import orjson
import pytest

from shoal.errors import CorruptObject
from shoal.index.log_codec import LogDelete, LogDeleteWhere, LogWrite
from shoal.model.datasets import Dataset
from shoal.model.jobs import JobStatus
from shoal.model.limits import MAX_METADATA_BYTES
from shoal.model.selection import Selection
from shoal.model.writes import Outcome, WriteCondition, newer_than
from shoal.services import apply as applying
from shoal.services import resolve, write
from shoal.services.apply import affordable
from shoal.services.heads import keys_of
from shoal.services.job_items import note_outcomes
from shoal.services.jobs import JobView, get_job
from shoal.services.log_data import LogData, fail
from shoal.services.parts import PartReader
from shoal.services.restore import restore
from shoal.services.snapshot import Snapshot
from shoal.services.snapshots import create_snapshot
from shoal.storage.keys import TenantKeys
from shoal.storage.memory.faults import Call, Fault, Faults
from tests.unit.services.cell_world import Layout, add_cells
from tests.unit.services.imports.small import begun, finished, validated
from tests.unit.services.world import World, record, used

IF_ABSENT = WriteCondition("if_absent")
A, B = record(1, 2, 3, 4, n=1), record(5, 6, 7, 8, n=2)


def opened(world: World, dataset: Dataset) -> Snapshot:
    snapshot = world.searcher.snapshot(dataset.tenant_id, scope=dataset.scope, name=dataset.name)
    assert snapshot is not None
    return snapshot


def job_of(world: World, accepted: write.Accepted) -> JobView:
    return get_job(world.ports, world.tenant_id, accepted.job_id)


def test_writes_see_what_came_before_them_in_one_commit() -> None:
    world = World()
    dataset = world.create()
    world.upsert(dataset, {"a": A})
    world.drain(dataset)
    jobs = [
        world.patch(dataset, ("a", {"n": 5})),
        world.upsert(dataset, {"b": B}),
        world.delete_where(dataset, filter={"n": {"$lt": 5}}),
        world.upsert(dataset, {"a": B, "b": A}, condition=IF_ABSENT),
        world.delete_where(dataset, filter={"n": 5}),
        world.delete(dataset, ["a", "b"]),
        world.patch(dataset, ("a", {"n": 9})),
        world.upsert(dataset, {"a": B}),
        world.patch(dataset, ("a", {"n": 9}), ("a", {"m": 1}), ("c", {})),
    ]
    world.drain(dataset)
    assert world.head(dataset).version == 2, "one commit"
    assert [job_of(world, job).outcome for job in jobs] == [
        Outcome(patched=1),
        Outcome(upserted=1),
        Outcome(deleted=1),
        Outcome(upserted=1, skipped=1),
        Outcome(deleted=1),
        Outcome(deleted=1, missing=1),
        Outcome(missing=1),
        Outcome(upserted=1),
        Outcome(patched=2, missing=1),
    ]
    assert world.stored(dataset, ["a", "b"]) == {"a": (B[0], {"n": 9, "m": 1})}
    assert world.head(dataset).row_count == 1


def test_two_deletes_by_selection_in_one_commit_count_a_row_once() -> None:
    world = World()
    dataset = world.create()
    world.upsert(dataset, {f"id-{n}": record(n, 0, 0, 0, n=n) for n in range(6)})
    world.drain(dataset)
    jobs = [
        world.delete_where(dataset, filter={"n": {"$lt": 3}}),
        world.delete_where(dataset, filter={"n": {"$lt": 4}}),
        world.patch(dataset, ("id-0", {"n": 100})),
        world.delete(dataset, ["id-1", "id-5"]),
    ]
    world.drain(dataset)
    assert [job_of(world, job).outcome for job in jobs] == [
        Outcome(deleted=3),
        Outcome(deleted=1),
        Outcome(missing=1),
        Outcome(deleted=1, missing=1),
    ]
    assert world.stored(dataset, [f"id-{n}" for n in range(6)]).keys() == {"id-4"}
    assert world.head(dataset).row_count == 1


def test_a_patch_leaves_values_namespace_and_document_as_they_are() -> None:
    world = World()
    dataset = world.create()
    values = (float(np.float32(0.1)), -0.0, 1e-45, 3.4e38)
    world.upsert(dataset, {"a": record(*values, old=1)}, namespaces=["shelf"], documents=["é".encode()])
    world.drain(dataset)
    job = world.patch(dataset, ("a", {"old": None, "new": {"$gt": 1}}))
    world.drain(dataset)
    found = world.stored(dataset, ["a"])["a"]
    assert np.array(found[0], np.float32).tobytes() == np.array(values, np.float32).tobytes()
    assert found[1] == {"new": {"$gt": 1}}, "keys that look like operators are keys"
    gone = world.delete_where(dataset, namespace="shelf")
    world.drain(dataset)
    assert job_of(world, job).outcome == Outcome(patched=1)
    assert job_of(world, gone).outcome == Outcome(deleted=1)


def test_a_patch_that_makes_metadata_too_large_leaves_that_record_alone_and_says_so() -> None:
    world = World()
    dataset = world.create()
    half = "x" * (MAX_METADATA_BYTES // 2)
    world.upsert(dataset, {"a": record(1, 1, 1, 1, first=half), "b": B})
    job = world.patch(dataset, ("a", {"second": half}), ("b", {"second": half}))
    world.drain(dataset)
    outcome = job_of(world, job).outcome
    assert outcome is not None
    assert (outcome.patched, outcome.skipped, outcome.missing) == (1, 1, 0)
    assert outcome.reason is not None
    assert outcome.reason.startswith("id a: metadata would have ")
    stored = world.stored(dataset, ["a", "b"])
    assert stored["a"][1] == {"first": half}
    assert stored["b"][1] == {"n": 2, "second": half}


@pytest.mark.parametrize(
    ("stored", "new", "stores"),
    [
        ({"at": {"v": 1}}, {"at": {"v": 2}}, True),
        ({"at": {"v": 2}}, {"at": {"v": 2}}, False),
        ({"at": {"v": 2}}, {"at": {"v": 1.5}}, False),
        ({"at": {"v": 1}}, {"at": {"v": 1.5}}, True),
        ({"at": {"v": "2024-01-01"}}, {"at": {"v": "2024-01-02"}}, True),
        ({"at": {"v": "2"}}, {"at": {"v": 3}}, False),
        ({"at": {"v": 2}}, {"at": {"v": "3"}}, False),
        ({"at": {"v": 2}}, {}, False),
        ({"at": {"v": 2}}, {"at": {"v": True}}, False),
        ({"at": {"v": True}}, {"at": {"v": 0}}, True),
        ({"at": {"v": [1]}}, {}, True),
        ({"at": 1}, {"at": {"v": 0}}, True),
        ({"at.v": 5}, {"at": {"v": 4}}, False),
        ({}, {}, True),
    ],
)
def test_if_newer_than(stored: dict[str, object], new: dict[str, object], stores: bool) -> None:
    world = World()
    dataset = world.create()
    world.upsert(dataset, {"a": record(1, 1, 1, 1, **stored)})
    world.drain(dataset)
    job = world.upsert(dataset, {"a": record(2, 2, 2, 2, **new)}, condition=newer_than("at.v"))
    world.drain(dataset)
    assert job_of(world, job).outcome == Outcome(upserted=int(stores), skipped=int(not stores))
    assert world.stored(dataset, ["a"])["a"][0][0] == (2 if stores else 1)


def test_records_of_one_conditional_upsert_see_each_other() -> None:
    world = World()
    dataset = world.create()
    vectors = np.arange(12, dtype=np.float32).reshape(3, 4)
    metadata = [orjson.dumps({"n": n}) for n in (2, 1, 3)]
    once, newest = [
        write.upsert(
            world.ports,
            dataset,
            ids=[name] * 3,
            vectors=vectors,
            metadata=metadata,
            vector_quota=None,
            condition=condition,
        )
        for name, condition in (("once", IF_ABSENT), ("newest", newer_than("n")))
    ]
    world.drain(dataset)
    assert job_of(world, once).outcome == Outcome(upserted=1, skipped=2)
    assert job_of(world, newest).outcome == Outcome(upserted=2, skipped=1)
    stored = world.stored(dataset, ["once", "newest"])
    assert (stored["once"][1], stored["newest"][1]) == ({"n": 2}, {"n": 3})


def test_quota_of_what_a_condition_keeps_out_is_given_back() -> None:
    world = World()
    dataset = world.create()
    world.upsert(dataset, {"a": A}, quota=10)
    world.drain(dataset)
    world.upsert(dataset, {"a": B, "b": B}, quota=10, condition=IF_ABSENT)
    assert used(world) == 3
    world.drain(dataset)
    assert used(world) == 2


def test_deleting_everything_leaves_a_version_that_names_nothing() -> None:
    world = World()
    dataset = world.create()
    world.upsert(dataset, {f"id-{n}": A for n in range(9)}, quota=100)
    world.drain(dataset)
    world.build(dataset)
    world.upsert(dataset, {"more": A}, quota=100)
    job = world.delete_where(dataset)
    world.drain(dataset)
    assert job_of(world, job).outcome == Outcome(deleted=10)
    snapshot = world.searcher.snapshot(world.tenant_id, scope=dataset.scope, name=dataset.name)
    assert snapshot is not None
    assert (snapshot.manifest.shards, snapshot.manifest.runs, snapshot.manifest.dead_base) == ((), (), None)
    assert used(world) == 0
    world.upsert(dataset, {"id-0": B})
    world.drain(dataset)
    assert world.stored(dataset, ["id-0", "id-1"]) == {"id-0": B}


def test_rows_of_cells_are_patched_and_deleted_by_selection() -> None:
    world = World()
    dataset = world.create()
    cells = [{f"{cell}-{n}": record(cell, n, 0, 0, n=n, cell=cell) for n in range(5)} for cell in range(4)]
    world.upsert(dataset, {"flat": A})
    world.drain(dataset)
    add_cells(world, dataset, cells)
    names = [name for cell in cells for name in cell]
    before = {name: value for cell in cells for name, value in cell.items()}
    patched = world.patch(dataset, ("2-3", {"n": 100}), ("none", {}))
    job = world.delete_where(dataset, filter={"n": {"$gte": 3}}, prefix="2")
    rest = world.delete_where(dataset, filter={"cell": {"$in": [0, 3]}})
    world.drain(dataset)
    assert job_of(world, patched).outcome == Outcome(patched=1, missing=1)
    assert job_of(world, job).outcome == Outcome(deleted=2)
    assert job_of(world, rest).outcome == Outcome(deleted=10)
    left = {name: before[name] for name in names if name[0] == "1" or name in {"2-0", "2-1", "2-2"}}
    assert world.stored(dataset, names) == left
    assert world.head(dataset).row_count == len(left) + 1
    world.upsert(dataset, {"0-0": A})
    world.drain(dataset)
    world.build(dataset)
    assert world.stored(dataset, names) == {**left, "0-0": A}


class TestOpenImport:
    """Invariant 3, for writes that depend on what is there."""

    def test_a_patch_of_an_id_that_only_the_import_brings_leaves_no_row(self) -> None:
        world = World()
        dataset = world.create()
        job = begun(world, dataset)
        validated(world, job, [("a", A), ("b", B)])
        patched = world.patch(dataset, ("a", {"n": 7}))
        world.drain(dataset)
        finished(world, dataset, job)
        assert job_of(world, patched).outcome == Outcome(missing=1)
        assert world.stored(dataset, ["a", "b"]) == {"a": A, "b": B}

    def test_a_patched_record_stays_and_one_that_a_condition_kept_out_is_no_write(self) -> None:
        world = World()
        dataset = world.create()
        world.upsert(dataset, {"patched": A, "skipped": A})
        world.drain(dataset)
        job = begun(world, dataset)
        validated(world, job, [("patched", B), ("skipped", B)])
        world.patch(dataset, ("patched", {"n": 7}))
        world.upsert(dataset, {"skipped": record(9, 9, 9, 9)}, condition=IF_ABSENT)
        world.drain(dataset)
        finished(world, dataset, job)
        assert world.stored(dataset, ["patched", "skipped"]) == {"patched": (A[0], {"n": 7}), "skipped": B}
        assert world.head(dataset).row_count == 2

    @pytest.mark.parametrize("everything", [True, False])
    def test_a_delete_by_selection_keeps_out_what_it_saw_and_nothing_else(self, everything: bool) -> None:
        world = World()
        dataset = world.create()
        world.upsert(dataset, {"seen": A})
        world.drain(dataset)
        job = begun(world, dataset)
        validated(world, job, [("seen", B), ("laid", B), ("unseen", B)])
        world.upsert(dataset, {"laid": A})
        deleted = world.delete_where(dataset, filter=None if everything else {"n": 1})
        world.drain(dataset)
        world.build(dataset)
        finished(world, dataset, job)
        assert job_of(world, deleted).outcome == Outcome(deleted=2)
        assert world.stored(dataset, ["seen", "laid", "unseen"]) == {"unseen": B}
        assert world.head(dataset).row_count == 1

    def test_of_deletes_by_selection_in_one_commit_the_later_one_keeps_out_its_rows_only(self) -> None:
        world = World()
        dataset = world.create()
        world.upsert(dataset, {"before": record(1, 2, 3, 4, n=1), "after": record(1, 2, 3, 4, n=2)})
        world.upsert(dataset, {"stays": record(1, 2, 3, 4, n=3)})
        world.drain(dataset)
        version = world.head(dataset).version
        world.delete_where(dataset, filter={"n": 1})
        job = begun(world, dataset)
        validated(world, job, [("before", B), ("after", B)])
        world.delete_where(dataset, filter={"n": {"$in": [1, 2]}})
        world.drain(dataset)
        assert world.head(dataset).version == version + 1
        finished(world, dataset, job)
        assert world.stored(dataset, ["before", "after"]) == {"before": B}
        assert world.head(dataset).row_count == 2


class TestOutcomes:
    """What a job did is shown when it is true, and not before."""

    def test_it_is_not_shown_before_the_watermark_is_there(self) -> None:
        world = World()
        dataset = world.create()
        job = world.delete(dataset, ["missing"])

        def lose_the_swap(call: Call) -> Fault | None:
            swaps = call.operation == "table.update" and "HEAD" in call.target and "noted" in seen
            seen.append("noted" if "JOB#" in call.target else "other")
            return Fault.CRASH_BEFORE if swaps else None

        seen: list[str] = []
        with pytest.raises(BaseException, match=r"."):
            world.drain(dataset, ports=world.process(Faults(lose_the_swap)))
        assert job_of(world, job).status is JobStatus.PENDING
        assert job_of(world, job).outcome is None
        world.clock.pass_seconds(100)
        world.drain(dataset)
        assert job_of(world, job).outcome == Outcome(missing=1)

    def test_who_has_lost_the_lease_has_no_say_any_more(self) -> None:
        world = World()
        dataset = world.create()
        accepted = world.delete(dataset, ["missing"])
        keys = keys_of(dataset)
        job = job_of(world, accepted).job
        note_outcomes(world.ports, keys, [job], {job.sequence: Outcome(missing=1)}, fence=7)
        note_outcomes(world.ports, keys, [job], {job.sequence: Outcome(deleted=5)}, fence=6)
        assert job_of(world, accepted).job.outcome == Outcome(missing=1)
        note_outcomes(world.ports, keys, [job], {job.sequence: Outcome(deleted=0)}, fence=7)
        assert job_of(world, accepted).job.outcome == Outcome()

    def test_nor_may_it_fail_a_job_and_a_failed_one_stays_so(self) -> None:
        world = World()
        dataset = world.create()
        jobs = [world.upsert(dataset, {name: A}) for name in ("a", "b", "c")]
        reader = PartReader(world.objects, cache_bytes=1 << 20)
        current = world.head(dataset).fence
        for job, fence in ((jobs[0], current), (jobs[1], current - 1)):
            log = LogData(world.ports, reader, dataset, keys_of(dataset), fence)
            fail(log, job_of(world, job).job, "no good")
        world.drain(dataset)
        assert [job_of(world, job).status for job in jobs] == [
            JobStatus.FAILED,
            JobStatus.INDEXED,
            JobStatus.INDEXED,
        ]
        assert job_of(world, jobs[0]).job.error == "no good"
        assert world.stored(dataset, "abc") == {"b": A, "c": A}

    def test_a_job_that_did_all_that_was_asked_of_it_is_not_written_to(self) -> None:
        world = World()
        dataset = world.create()
        world.upsert(dataset, {"a": A, "b": B})
        accepted = world.delete(dataset, ["a", "b"])
        faults = Faults()
        world.drain(dataset, ports=world.process(faults))
        item = world.table.get(keys_of(dataset).job(accepted.sequence))
        assert item is not None
        assert "outcome" not in item
        assert job_of(world, accepted).outcome == Outcome(deleted=2)


class TestDamage:
    """A write that builds on something damaged fails alone: those behind it do not wait for what never passes."""

    @pytest.mark.parametrize("place", [0, 2, 6])
    @pytest.mark.parametrize("kind", ["patch", "condition", "delete"])
    def test_it_fails_and_the_others_are_applied(self, kind: str, place: int) -> None:
        world = World()
        dataset = world.create()
        add_cells(world, dataset, [{"lost": A}], Layout(shards=1, indexed=False))
        world.upsert(dataset, {"well": A})
        world.drain(dataset)
        shards = world.objects.list(f"t/{world.tenant_id}/shards/")
        damaged = next(one.key for one in shards if one.key.endswith("records.cells"))
        world.objects.put(damaged, world.objects.get(damaged)[:-1] + b"?")
        others = []
        for number in range(7):
            if number == place:
                job = {
                    "patch": lambda: world.patch(dataset, ("lost", {"n": 7}), ("well", {"n": 8})),
                    "condition": lambda: world.upsert(dataset, {"lost": B}, condition=newer_than("n")),
                    "delete": lambda: world.delete_where(dataset, filter={"n": 1}),
                }[kind]()
            others.append(world.patch(dataset, ("well", {"n": 10 + number})))
        world.drain(dataset)
        failed = job_of(world, job)
        assert (failed.status, failed.outcome) == (JobStatus.FAILED, None)
        assert failed.job.error is not None
        assert damaged in failed.job.error
        assert [job_of(world, one).outcome for one in others] == [Outcome(patched=1)] * 7
        assert world.stored(dataset, ["well"]) == {"well": (A[0], {"n": 16})}
        assert world.head(dataset).row_count == 2

    @pytest.mark.parametrize("file", ["vectors.f32", "records.sqlite"])
    def test_of_a_delta_it_holds_up_nothing_and_a_restore_brings_it_back(self, file: str) -> None:
        world = World()
        dataset = world.create()
        world.upsert(dataset, {"well": A})
        world.drain(dataset)
        create_snapshot(world.ports, dataset, "before")
        world.build(dataset)
        world.upsert(dataset, {"lost": A})
        world.drain(dataset)
        (delta,) = opened(world, dataset).manifest.deltas
        key = TenantKeys(world.tenant_id).shard_file(delta.shard_id, file)
        world.objects.put(key, world.objects.get(key)[:-1] + b"?")
        for number in range(20):
            world.upsert(dataset, {f"new-{number}": A, "lost": B} if number == 10 else {f"new-{number}": A})
            world.drain(dataset)
        assert world.stored(dataset, ["new-0", "new-19", "lost"]) == {"new-0": A, "new-19": A, "lost": B}
        assert world.head(dataset).row_count == 22
        assert len(opened(world, dataset).manifest.deltas) <= 6
        restore(world.ports, dataset, "before", vector_quota=None)
        world.drain(dataset)
        assert world.stored(dataset, ["well", "lost", "new-0"]) == {"well": A}

    def test_of_the_id_index_it_fails_none(self) -> None:
        world = World()
        dataset = world.create()
        world.upsert(dataset, {"well": A})
        world.drain(dataset)
        run = next(one.key for one in world.objects.list(f"t/{world.tenant_id}/parts/") if "run" in one.key)
        whole = world.objects.get(run)
        world.objects.put(run, whole[:-1] + b"?")
        job = world.patch(dataset, ("well", {"n": 7}))
        with pytest.raises(CorruptObject):
            world.drain(dataset)
        world.objects.put(run, whole)
        world.clock.pass_seconds(60)
        world.drain(dataset)
        assert job_of(world, job).outcome == Outcome(patched=1)


class TestBounds:
    """A commit takes what it can hold, and the rest comes with the next."""

    def test_what_one_commit_reads_back_is_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        world = World()
        dataset = world.create()
        world.upsert(dataset, {f"id-{n}": A for n in range(9)})
        world.drain(dataset)
        monkeypatch.setattr(applying, "_READ_AHEAD_BYTES", 3 * 1040)
        jobs = [world.patch(dataset, (f"id-{n}", {"n": n})) for n in range(9)]
        version = world.head(dataset).version
        world.drain(dataset)
        assert world.head(dataset).version == version + 3
        assert [job_of(world, job).outcome for job in jobs] == [Outcome(patched=1)] * 9

    def test_a_commit_tests_so_many_rows_for_deletes_by_selection_but_for_its_first(self) -> None:
        sweep = LogDeleteWhere(Selection(prefix="a"))
        plain = LogDelete(("a",))
        for rows, count in ((10, 4), (1_000_000, 3), (1_500_000, 2), (9_000_000, 2)):
            run: list[tuple[int, LogWrite]] = list(enumerate((plain, sweep, sweep, sweep)))
            assert affordable(run, dimension=4, rows=rows) == count
        assert affordable([], dimension=4, rows=1) == 0
        assert affordable([(1, sweep)], dimension=4, rows=10**9) == 1

    def test_documents_that_cannot_be_held_together_are_changed_one_commit_after_another(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world = World()
        dataset = world.create()
        documents = [b"x" * size for size in (100, 100, 100, 900)]
        world.upsert(dataset, {f"id-{n}": A for n in range(4)}, documents=documents)
        world.drain(dataset)
        monkeypatch.setattr(resolve, "READ_BYTES", 400)
        jobs = [world.patch(dataset, (f"id-{n}", {"n": 7})) for n in range(4)]
        world.drain(dataset)
        assert [job_of(world, job).status for job in jobs] == [JobStatus.INDEXED] * 3 + [JobStatus.FAILED]
        error = job_of(world, jobs[3]).job.error
        assert error is not None
        assert error.endswith("MB together; send fewer at a time")
        assert [found[1] for found in world.stored(dataset, [f"id-{n}" for n in range(4)]).values()] == [
            {"n": 7},
            {"n": 7},
            {"n": 7},
            {"n": 1},
        ]
