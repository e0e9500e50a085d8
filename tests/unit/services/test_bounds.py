"""Nothing grows without end: pieces of a dataset, the manifest's root, one commit, and a container's memory."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.errors import LimitReached
from shoal.model import manifests
from shoal.model.datasets import Dataset, Metric
from shoal.model.ids import new_token
from shoal.model.jobs import JobKind
from shoal.model.limits import (
    BUILD_LEASE_SECONDS,
    COMMIT_MAX_JOBS,
    COMMIT_MAX_ROWS,
    GAP_SECONDS,
    LOG_MAX_BYTES_AHEAD,
    MAX_DEAD_INCREMENTS,
    MAX_DELTAS_HELD,
    MAX_MANIFEST_BYTES,
    MAX_RUNS,
    RESIDENT_MAX_BYTES,
)
from shoal.model.manifests import FileRef, Manifest, PartRef, Recall, RunRef, ShardRef
from shoal.model.merge_policy import TIER_RATIO, build_is_due, fold_count, must_rebuild
from shoal.services.heads import keys_of
from shoal.services.leases import acquire_build
from shoal.services.log import read_tail
from shoal.services.places import job_item
from shoal.services.search import Searcher
from shoal.services.snapshot import Snapshot
from shoal.storage.keys import DatasetKeys, TenantKeys
from shoal.storage.memory.faults import Call, Faults
from shoal.storage.ports import Assign
from tests.unit.services.world import World, record

HUGE = 2**50
DIGEST = "d" * 64


def opened(world: World, dataset: Dataset) -> Snapshot:
    snapshot = world.searcher.snapshot(dataset.tenant_id, scope=dataset.scope, name=dataset.name)
    assert snapshot is not None
    return snapshot


# --- the merge policy --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sizes", "new", "folded"),
    [
        ([900, 400, 100, 30], 1, 0),
        ([900, 400, 100, 30, 1], 1, 1),
        ([900, 400, 100, 30, 20], 15, 3),
        ([], 5, 0),
    ],
)
def test_what_a_new_piece_takes_along(sizes: list[int], new: int, folded: int) -> None:
    assert fold_count(sizes, new, most=12) == folded


@given(
    news=st.lists(st.integers(1, 1000), min_size=1, max_size=200),
    most=st.integers(1, 12),
    largest=st.none() | st.integers(1, 5000),
)
def test_few_pieces_stand_and_each_is_larger_than_the_next(
    news: list[int], most: int, largest: int | None
) -> None:
    sizes: list[int] = []
    for new in news:
        count = fold_count(sizes, new, most=most, largest=largest)
        kept, taken = sizes[: len(sizes) - count], sizes[len(sizes) - count :]
        if kept and largest is None and count:
            assert kept[-1] > TIER_RATIO * (new + sum(taken)) or len(kept) < most
        sizes = [*kept, new + sum(taken)]
        assert len(sizes) <= most
        if largest is not None and count and len(sizes) < most:
            assert sizes[-1] <= largest
    assert sum(sizes) == sum(news)


def test_when_a_resident_shard_is_built_and_when_from_scratch() -> None:
    assert not build_is_due(delta_bytes=16_000_000, resident_bytes=0)
    assert build_is_due(delta_bytes=16_000_001, resident_bytes=0)
    assert not build_is_due(delta_bytes=20_000_000, resident_bytes=100_000_000)
    assert build_is_due(delta_bytes=20_000_001, resident_bytes=100_000_000)
    assert not must_rebuild(rows=10, dead=2)
    assert must_rebuild(rows=10, dead=3)


# --- the manifest ------------------------------------------------------------------------------------------


def test_the_largest_manifest_that_the_policy_allows_fits_its_root() -> None:
    keys = DatasetKeys("ten_" + "f" * 32, "f" * 16)

    def part(kind: str) -> PartRef:
        return PartRef(key=keys.part(kind, new_token()), size=HUGE, sha256=DIGEST)

    def shard(*names: str) -> ShardRef:
        files = {name: FileRef(size=HUGE, sha256=DIGEST) for name in names}
        return ShardRef(shard_id=new_token(), rows=2**32, min_sequence=HUGE, max_sequence=HUGE, files=files)

    run = RunRef(**dict(part("run")), entries=2**32, front_size=HUGE, front_sha256=DIGEST)
    largest = Manifest(
        dataset_id=keys.dataset_id,
        version=HUGE,
        dimension=4096,
        metric=Metric.COSINE,
        watermark=HUGE,
        row_count=HUGE,
        reserved_total=HUGE,
        resident=shard("vectors.f32", "records.sqlite", "index.hnsw"),
        deltas=(shard("vectors.f32", "records.sqlite"),) * (MAX_DELTAS_HELD + 1),
        runs=(run,) * MAX_RUNS,
        dead_base=part("dead"),
        dead_increments=(part("dead"),) * MAX_DEAD_INCREMENTS,
        recall=Recall(target=1 / 3, measured=1 / 3, ef=2**20, samples=2**20, sampled_at=1e10 / 3),
        created_at=1e10 / 3,
    )
    encoded = manifests.encode(largest)
    assert len(encoded) < MAX_MANIFEST_BYTES * 0.75
    assert manifests.decode(encoded) == largest


def test_builds_that_die_one_after_the_other_do_not_pile_up_deltas() -> None:
    """Each holds all that is there from being folded, until its lease runs out."""
    world = World()
    dataset = world.create()
    for step in range(MAX_DELTAS_HELD + 20):
        world.upsert(dataset, {f"id-{step}": record(step, 0, 0, 1)})
        world.drain(dataset)
        world.clock.pass_seconds(BUILD_LEASE_SECONDS + 1)
        snapshot = opened(world, dataset)
        assert len(snapshot.manifest.deltas) <= MAX_DELTAS_HELD
        inputs = tuple(shard.shard_id for shard in snapshot.manifest.shards)
        read = world.head(dataset)
        assert acquire_build(world.ports, keys_of(dataset), owner=str(step), read=read, inputs=inputs)
    assert world.head(dataset).row_count == MAX_DELTAS_HELD + 20


# --- one commit --------------------------------------------------------------------------------------------


def test_a_commit_takes_no_more_rows_than_it_can_hold() -> None:
    world = World()
    dataset = world.create(dimension=1)
    keys = keys_of(dataset)
    for sequence in range(1, 6):
        world.table.put(
            job_item(
                keys,
                sequence,
                kind=JobKind.UPSERT,
                log_key=keys.log_object(new_token()),
                sha256=DIGEST,
                size=10,
                rows=COMMIT_MAX_ROWS // 2,
                reserved=0,
                accepted_at=world.clock.now,
                log_bytes=10 * sequence,
            )
        )
    assert [job.sequence for job in read_tail(world.ports, keys, watermark=0).jobs] == [1, 2]


def test_many_abandoned_places_are_closed_in_turn() -> None:
    world = World()
    dataset = world.create()
    keys = keys_of(dataset)
    world.upsert(dataset, {"a": record(1, 0, 0, 0)})
    open_places = COMMIT_MAX_JOBS + 100
    world.table.update(keys.sequence, [Assign("next", 1 + open_places)])
    world.upsert(dataset, {"b": record(1, 0, 0, 0)})
    world.clock.pass_seconds(GAP_SECONDS + 1)
    tail = read_tail(world.ports, keys, watermark=0)
    assert len(tail.jobs) == COMMIT_MAX_JOBS
    rest = read_tail(world.ports, keys, watermark=tail.jobs[-1].sequence)
    assert [job.sequence for job in (*tail.jobs, *rest.jobs)] == list(range(1, open_places + 3))
    world.drain(dataset)
    assert world.stored(dataset, ["a", "b"]).keys() == {"a", "b"}


def test_what_waits_counts_towards_what_may_be_flat() -> None:
    """Else a whole backlog could follow the last row that fits, and every query would scan it."""
    world = World()
    dataset = world.create(dimension=4096)
    keys = keys_of(dataset)
    one = {"a": record(*([1.0] * 4096))}
    world.table.update(keys.head, [Assign("row_count", RESIDENT_MAX_BYTES // (4096 * 4 + 400))])
    world.upsert(dataset, one)
    world.table.update(keys.sequence, [Assign("bytes", 100_000_000)])
    with pytest.raises(LimitReached) as held:
        world.upsert(dataset, one)
    assert held.value.code == "backlog_full"
    world.delete(dataset, ["a"])
    world.table.update(keys.head, [Assign("log_bytes", 100_000_000)])
    world.upsert(dataset, one)


def test_patches_that_wait_count_as_the_records_that_they_touch() -> None:
    """A thousand patches of ten thousand records each are few bytes, and would make ten million rows flat."""
    world = World()
    dataset = world.create(dimension=1000)
    changes = [(f"id-{n}", {"n": 1}) for n in range(10_000)]
    for _ in range(LOG_MAX_BYTES_AHEAD // (10_000 * 4011)):
        world.patch(dataset, *changes)
    with pytest.raises(LimitReached) as refused:
        world.patch(dataset, *changes)
    assert refused.value.code == "backlog_full"
    world.drain(dataset)
    world.patch(dataset, *changes)


def test_writes_that_never_stop_leave_time_for_the_other_datasets_of_a_batch() -> None:
    world = World()
    dataset = world.create()
    world.upsert(dataset, {"a": record(0, 0, 0, 0)})
    world.wakeups.receive()
    began = world.clock.now

    def hook(call: Call) -> None:
        if call.operation == "table.query":
            world.clock.pass_seconds(1)
            world.upsert(dataset, {"a": record(call.number, 0, 0, 0)})

    waiting = len(world.wakeups)
    world.drain(dataset, ports=world.process(Faults(hook)))
    assert world.clock.now - began <= 120 / 10
    assert world.head(dataset).version >= 5, "it did work meanwhile"
    assert len(world.wakeups) - waiting > world.head(dataset).version, "and the rest has a wake-up of its own"


# --- memory ------------------------------------------------------------------------------------------------


def test_small_deltas_are_weighed_with_what_their_databases_take() -> None:
    """An open database takes 128 KB, however small: 8 MB must not hold a thousand of them."""
    world = World()
    dataset = world.create()
    world.searcher = Searcher(world.ports, cache_bytes=8_000_000)
    keys = []
    for step in range(120):
        world.upsert(dataset, {"a": record(step, 0, 0, 1)})
        world.drain(dataset)
        world.query(dataset, (0, 0, 0, 0))
        shard = opened(world, dataset).manifest.deltas[-1]
        keys.append(TenantKeys(dataset.tenant_id).shard_file(shard.shard_id, "records.sqlite"))
    held = sum(world.searcher.reader.holds(key) for key in keys)
    assert 1 <= held <= 8_000_000 // (128 * 1024)
