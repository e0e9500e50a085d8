"""Single cases of the engine that need no history: jobs, poison, back-pressure, the sweep, folding, builds."""

import numpy as np
import pytest

from shoal.errors import CorruptObject, LimitReached, NotFound
from shoal.index.id_index import hash_ids
from shoal.model.datasets import NATIVE_SCOPE, Dataset, Metric
from shoal.model.jobs import JobStatus
from shoal.model.limits import (
    GAP_SECONDS,
    LEASE_SECONDS,
    LOG_MAX_JOBS_AHEAD,
    MAX_DEAD_INCREMENTS,
    MAX_DELTAS,
    MAX_RUNS,
    RESIDENT_MAX_BYTES,
)
from shoal.model.manifests import Manifest
from shoal.services import datasets, jobs, write
from shoal.services.heads import keys_of
from shoal.services.search import Searcher
from shoal.services.snapshot import WHOLE_RUN_BYTES
from shoal.services.sweep import sweep
from shoal.storage.memory.faults import AtOperation, Fault, Faults, SimulatedCrash
from shoal.storage.ports import Assign
from tests.unit.services.world import World, record


def manifest_of(world: World, dataset: Dataset) -> Manifest:
    snapshot = world.searcher.snapshot(dataset.tenant_id, scope=dataset.scope, name=dataset.name)
    assert snapshot is not None
    return snapshot.manifest


def test_a_job_becomes_indexed_with_its_commit() -> None:
    world = World()
    dataset = world.create()
    accepted = world.upsert(dataset, {"a": record(1, 2, 3, 4)})
    assert jobs.get_job(world.ports, world.tenant_id, accepted.job_id).status is JobStatus.PENDING
    assert not jobs.is_ready(world.ports, world.tenant_id, accepted.job_id)
    world.drain(dataset)
    view = jobs.get_job(world.ports, world.tenant_id, accepted.job_id)
    assert (view.status, view.job.rows, view.dataset_name) == (JobStatus.INDEXED, 1, "books")
    assert jobs.is_ready(world.ports, world.tenant_id, accepted.job_id)


def test_a_job_of_another_tenant_does_not_exist() -> None:
    world = World()
    accepted = world.upsert(world.create(), {"a": record(1, 2, 3, 4)})
    stranger = World().tenant_id
    with pytest.raises(NotFound):
        jobs.get_job(world.ports, stranger, accepted.job_id)
    assert not jobs.is_ready(world.ports, stranger, accepted.job_id)


def test_applied_jobs_expire_and_pending_ones_never() -> None:
    world = World()
    dataset = world.create()
    applied = world.upsert(dataset, {"a": record(1, 2, 3, 4)})
    world.drain(dataset)
    pending = world.upsert(dataset, {"b": record(1, 2, 3, 4)})
    keys = keys_of(dataset)
    first, second = (world.table.get(keys.job(job.sequence)) for job in (applied, pending))
    assert first is not None
    assert first["expires_at"] > world.clock.now + 6 * 86_400
    assert second is not None
    assert "expires_at" not in second


def test_poison_in_the_log_fails_its_own_job_and_no_other() -> None:
    world = World()
    dataset = world.create()
    bad = world.upsert(dataset, {"bad": record(1, 1, 1, 1)})
    good = world.upsert(dataset, {"good": record(2, 2, 2, 2)})
    item = world.table.get(keys_of(dataset).job(bad.sequence))
    assert item is not None
    data = bytearray(world.objects.get(item["log_key"]))
    data[-1] ^= 1
    world.objects.put(item["log_key"], bytes(data))
    world.drain(dataset)
    assert world.stored(dataset, ["bad", "good"]).keys() == {"good"}
    failed = jobs.get_job(world.ports, world.tenant_id, bad.job_id)
    assert failed.status is JobStatus.FAILED
    assert failed.job.error is not None
    assert item["log_key"] in failed.job.error
    assert jobs.get_job(world.ports, world.tenant_id, good.job_id).status is JobStatus.INDEXED
    view = datasets.get_dataset(world.ports, world.tenant_id, scope=NATIVE_SCOPE, name="books")
    assert view.status == "error"
    assert bad.job_id in (view.head.error_message or "")
    world.upsert(dataset, {"later": record(3, 3, 3, 3)})
    world.drain(dataset)
    assert world.head(dataset).error_message is None


def test_a_flipped_byte_in_a_shard_is_an_error_that_names_the_object() -> None:
    world = World()
    dataset = world.create()
    world.upsert(dataset, {"a": record(1, 2, 3, 4)})
    world.drain(dataset)
    shard = manifest_of(world, dataset).deltas[0]
    for name in shard.files:
        key = f"t/{dataset.tenant_id}/shards/{shard.shard_id}/{name}"
        good = world.objects.get(key)
        flipped = bytearray(good)
        flipped[len(good) // 2] ^= 0x10
        world.objects.put(key, bytes(flipped))
        world.searcher = Searcher(world.ports, cache_bytes=1)
        with pytest.raises(CorruptObject, match=name):
            world.query(dataset, (1, 2, 3, 4))
        world.objects.put(key, good)


def test_writes_are_held_back_while_the_indexer_is_behind() -> None:
    world = World()
    dataset = world.create()
    world.table.update(keys_of(dataset).sequence, [Assign("next", LOG_MAX_JOBS_AHEAD)])
    with pytest.raises(LimitReached) as held:
        world.upsert(dataset, {"a": record(1, 2, 3, 4)})
    assert held.value.code == "backlog_full"
    assert held.value.retry_after > 0


def test_who_writes_faster_than_rows_become_cells_has_to_wait() -> None:
    world = World()
    dataset = world.create(dimension=4096)
    world.table.update(
        keys_of(dataset).head,
        [Assign("row_count", RESIDENT_MAX_BYTES // (4096 * 4 + write.ROW_OVERHEAD_BYTES))],
    )
    with pytest.raises(LimitReached) as held:
        world.upsert(dataset, {"a": record(*([1.0] * 4096))})
    assert (held.value.code, held.value.retry_after) == ("backlog_full", 30)


def test_an_upsert_without_rows_still_has_a_job() -> None:
    world = World()
    dataset = world.create()
    accepted = world.upsert(dataset, {})
    world.drain(dataset)
    assert jobs.get_job(world.ports, world.tenant_id, accepted.job_id).status is JobStatus.INDEXED
    assert world.head(dataset).row_count == 0


def test_the_last_of_two_lines_with_one_id_wins() -> None:
    world = World()
    dataset = world.create()
    write.upsert(
        world.ports,
        dataset,
        ids=["a", "a"],
        vectors=np.array([[1, 1, 1, 1], [2, 2, 2, 2]], dtype=np.float32),
        metadata=[b"{}", b'{"n":2}'],
        vector_quota=None,
    )
    world.drain(dataset)
    assert world.stored(dataset, ["a"]) == {"a": ((2.0, 2.0, 2.0, 2.0), {"n": 2})}
    assert world.head(dataset).row_count == 1


def test_many_small_commits_keep_few_pieces() -> None:
    world = World()
    dataset = world.create()
    for step in range(200):
        world.upsert(
            dataset, {f"id-{step % 50}": record(step, 0, 0, 1), f"new-{step}": record(0, step, 0, 1)}
        )
        if step % 3 == 0:
            world.delete(dataset, [f"new-{step // 2}"])
        world.drain(dataset)
        manifest = manifest_of(world, dataset)
        assert len(manifest.deltas) <= MAX_DELTAS
        assert len(manifest.runs) <= MAX_RUNS
        assert len(manifest.dead_increments) <= MAX_DEAD_INCREMENTS
    assert len(manifest.deltas) <= 9
    names = {f"id-{n}" for n in range(50)} | {f"new-{n}" for n in range(200)}
    assert world.head(dataset).row_count == len(world.stored(dataset, names))


def test_the_sweep_finds_what_lost_messages_left_behind() -> None:
    world = World()
    dataset = world.create()
    world.upsert(
        dataset, {"a": record(1, 2, 3, 4)}, ports=world.process(Faults(AtOperation("queue.send", Fault.LOST)))
    )
    assert len(world.wakeups) == 0
    assert sweep(world.ports) == 0, "its own message may still be on the way"
    world.clock.pass_seconds(30)
    assert sweep(world.ports) == 1
    assert world.wakeups.receive()[0].message["dataset_id"] == dataset.dataset_id
    world.drain(dataset)
    assert sweep(world.ports) == 0, "nothing is pending any more"


def test_a_dead_committer_is_found_by_the_sweep_after_its_lease() -> None:
    world = World()
    dataset = world.create()
    world.upsert(dataset, {"a": record(1, 2, 3, 4)})
    world.wakeups.receive()
    with pytest.raises(SimulatedCrash):
        world.drain(
            dataset, ports=world.process(Faults(AtOperation("objects.put", Fault.CRASH_AFTER, nth=1)))
        )
    world.clock.pass_seconds(LEASE_SECONDS + GAP_SECONDS)
    assert sweep(world.ports) == 1
    world.drain(dataset)
    assert world.stored(dataset, ["a"])


@pytest.mark.parametrize("metric", list(Metric))
def test_a_built_shard_answers_as_the_deltas_did(metric: Metric) -> None:
    world = World()
    dataset = world.create(dimension=8, metric=metric)
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(600, 8)).astype(np.float32)
    world.upsert(
        dataset, {f"id-{n}": (tuple(map(float, row)), {"n": n}) for n, row in enumerate(vectors[:500])}
    )
    world.drain(dataset)
    query = tuple(map(float, rng.normal(size=8)))
    before = world.query(dataset, query, top_k=10)
    assert world.build(dataset)
    after = world.query(dataset, query, top_k=10)
    assert [match.id for match in after.matches] == [match.id for match in before.matches]
    np.testing.assert_allclose(
        [match.score for match in after.matches],
        [match.score for match in before.matches],
        rtol=1e-5,
        atol=1e-6,
    )
    recall = manifest_of(world, dataset).recall
    assert recall is not None
    assert recall.measured >= 0.95
    world.upsert(dataset, {f"id-{n}": (tuple(map(float, row)), {"n": n}) for n, row in enumerate(vectors)})
    world.delete(dataset, [f"id-{n}" for n in range(0, 600, 7)])
    world.drain(dataset)
    assert world.build(dataset)
    assert not world.build(dataset), "no deltas are left"
    manifest = manifest_of(world, dataset)
    assert manifest.row_count == 600 - len(range(0, 600, 7))
    assert len(manifest.runs) == 1
    everything = world.query(dataset, query, top_k=1000)
    assert len(everything.matches) == manifest.row_count


def test_queries_say_where_the_answer_came_from() -> None:
    world = World()
    dataset = world.create()
    answer = world.query(dataset, (1, 2, 3, 4))
    assert (answer.mode, answer.matches) == ("ephemeral", ())
    accepted = world.upsert(dataset, {"a": record(1, 2, 3, 4)})
    assert world.query(dataset, (1, 2, 3, 4)).job_id == accepted.job_id
    world.drain(dataset)
    assert world.query(dataset, (1, 2, 3, 4)).mode == "cold"
    answer = world.query(dataset, (1, 2, 3, 4))
    assert answer.mode == "hot"
    assert answer.matches[0].score == 0.0


def test_a_name_that_was_deleted_and_made_again_is_the_new_dataset() -> None:
    world = World()
    old = world.create()
    world.upsert(old, {"a": record(1, 2, 3, 4)})
    world.drain(old)
    assert world.query(old, (1, 2, 3, 4)).matches
    datasets.delete_dataset(world.ports, world.tenant_id, scope=NATIVE_SCOPE, name="books")
    with pytest.raises(NotFound):
        world.query(old, (1, 2, 3, 4))
    new = world.create(dimension=3)
    assert world.query(new, (1, 2, 3)).mode == "ephemeral"
    world.drain(old)
    assert world.head(old).state == "deleted"


def test_few_ids_are_found_in_single_blocks_of_a_large_run() -> None:
    world = World()
    dataset = world.create(dimension=1)
    count = 12_000
    write.upsert(
        world.ports,
        dataset,
        ids=[f"id-{n}" for n in range(count)],
        vectors=np.arange(count, dtype=np.float32).reshape(-1, 1),
        metadata=[b"{}"] * count,
        vector_quota=None,
    )
    world.drain(dataset)
    (run,) = manifest_of(world, dataset).runs
    assert run.size > WHOLE_RUN_BYTES
    snapshot = world.searcher.snapshot(dataset.tenant_id, scope=dataset.scope, name=dataset.name)
    assert snapshot is not None
    names = ("id-5", "id-11999", "nobody", "id-0")
    before = world.searcher.reader.bytes_read
    located = snapshot.locate(hash_ids(names, dataset.hash_key))
    assert world.searcher.reader.bytes_read - before < run.size / 4
    assert located.row.tolist() == [5, 11999, -1, 0]
    assert not world.searcher.reader.holds(run.key)
    whole = snapshot.locate(hash_ids(names * 40, dataset.hash_key))
    assert whole.row.tolist() == [5, 11999, -1, 0] * 40


def test_where_the_graph_misses_its_target_the_search_is_exact() -> None:
    """Dot products of vectors of very unequal lengths: the graph of the augmented rows misses many."""
    world = World()
    dataset = world.create(dimension=24, metric=Metric.DOT)
    rng = np.random.default_rng(5)
    vectors = (rng.normal(size=(3000, 24)) * rng.lognormal(sigma=2.0, size=(3000, 1))).astype(np.float32)
    write.upsert(
        world.ports,
        dataset,
        ids=[f"id-{n}" for n in range(len(vectors))],
        vectors=vectors,
        metadata=[b"{}"] * len(vectors),
        vector_quota=None,
    )
    world.drain(dataset)
    assert world.build(dataset)
    recall = manifest_of(world, dataset).recall
    assert recall is not None
    for _ in range(20):
        query = rng.normal(size=24).astype(np.float32)
        best = np.argsort(-(vectors @ query))[:10]
        answer = world.query(dataset, query, top_k=10)
        hits = {match.id for match in answer.matches} & {f"id-{n}" for n in best.tolist()}
        assert len(hits) >= (10 if recall.measured < recall.target else 8)
