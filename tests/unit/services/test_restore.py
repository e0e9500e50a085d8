"""Going back to a snapshot: in the order of the log, whole, counted exactly, and never half."""

import pytest

from shoal.errors import Conflict, InvalidInput, LimitReached, NotFound
from shoal.model.datasets import Dataset, Metric
from shoal.model.jobs import JobKind, JobStatus
from shoal.model.limits import LOG_MAX_JOBS_AHEAD
from shoal.services import jobs
from shoal.services.append import Accepted
from shoal.services.clone import clone_dataset
from shoal.services.heads import keys_of
from shoal.services.restore import restore
from shoal.services.snapshot import open_snapshot
from shoal.services.snapshots import create_snapshot, delete_snapshot
from shoal.storage.memory.faults import Call, Faults
from tests.unit.services.cell_world import add_cells
from tests.unit.services.imports.small import begun, finished, validated
from tests.unit.services.world import Record, World, record, used

IDS = [f"id-{number}" for number in range(12)]


def records(*names: str, step: int) -> dict[str, Record]:
    return {name: record(step, len(name), 1, 0, step=step) for name in names}


def go_back(
    world: World, dataset: Dataset, name: str, *, source: Dataset | None = None, quota: int | None = None
) -> Accepted:
    accepted = restore(world.ports, dataset, name, source=source, vector_quota=quota)
    world.drain(dataset)
    return accepted


def status(world: World, accepted: Accepted) -> JobStatus:
    return jobs.get_job(world.ports, world.tenant_id, accepted.job_id).status


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def dataset(world: World) -> Dataset:
    """a, b and c, named `before`; then a is another one, b is gone, d has come."""
    made = world.create()
    world.upsert(made, records("a", "b", "c", step=1), quota=1000)
    world.drain(made)
    create_snapshot(world.ports, made, "before")
    world.upsert(made, records("a", "d", step=2), quota=1000)
    world.delete(made, ["b"])
    world.drain(made)
    return made


def test_what_was_there_is_there_again(world: World, dataset: Dataset) -> None:
    version = world.head(dataset).version
    accepted = go_back(world, dataset, "before")
    assert world.stored(dataset, ["a", "b", "c", "d"]) == records("a", "b", "c", step=1)
    head = world.head(dataset)
    assert (head.row_count, head.watermark, head.version) == (3, accepted.sequence, version + 1)
    assert used(world) == 3
    view = jobs.get_job(world.ports, world.tenant_id, accepted.job_id)
    assert (view.job.kind, view.status, view.job.rows) == (JobKind.RESTORE, JobStatus.INDEXED, 3)
    assert {match.id for match in world.query(dataset, (1, 1, 1, 0)).matches} == {"a", "b", "c"}


def test_whatever_is_written_after_it_wins_over_what_it_brought_back(world: World, dataset: Dataset) -> None:
    go_back(world, dataset, "before")
    world.upsert(dataset, records("a", "d", step=3))
    world.delete(dataset, ["c"])
    world.drain(dataset)
    expected = records("b", step=1) | records("a", "d", step=3)
    for _ in range(2):
        assert world.stored(dataset, ["a", "b", "c", "d"]) == expected
        assert world.head(dataset).row_count == 3
        world.build(dataset)


def test_it_has_its_place_among_the_writes(world: World, dataset: Dataset) -> None:
    """All of it waits in the log and is applied by one drain."""
    world.upsert(dataset, records("a", "e", step=3))
    restore(world.ports, dataset, "before", vector_quota=None)
    world.upsert(dataset, records("b", "f", step=4))
    restore(world.ports, dataset, "before", vector_quota=None)
    world.upsert(dataset, records("g", step=5))
    world.delete(dataset, ["c"])
    world.drain(dataset)
    expected = records("a", "b", step=1) | records("g", step=5)
    assert world.stored(dataset, list("abcdefg")) == expected
    assert world.head(dataset).row_count == 3


def test_back_and_forth(world: World, dataset: Dataset) -> None:
    create_snapshot(world.ports, dataset, "after")
    for _ in range(3):
        go_back(world, dataset, "before")
        assert world.stored(dataset, ["a", "b", "c", "d"]) == records("a", "b", "c", step=1)
        go_back(world, dataset, "after")
        expected = records("c", step=1) | records("a", "d", step=2)
        assert world.stored(dataset, ["a", "b", "c", "d"]) == expected
        assert world.head(dataset).row_count == used(world) == 3


def test_to_before_a_build_and_to_after_it(world: World, dataset: Dataset) -> None:
    assert world.build(dataset)
    create_snapshot(world.ports, dataset, "built")
    after = records("c", step=1) | records("a", "d", step=2)
    go_back(world, dataset, "before")
    assert world.head(dataset).recall is None
    assert world.build(dataset)
    assert world.stored(dataset, list("abcd")) == records("a", "b", "c", step=1)
    go_back(world, dataset, "built")
    assert world.head(dataset).recall is not None
    assert world.stored(dataset, list("abcd")) == after


def test_cells_come_back_with_their_dead_rows(world: World) -> None:
    dataset = world.create()
    cells = [records(*IDS[:5], step=1), records(*IDS[5:10], step=1)]
    add_cells(world, dataset, cells)
    world.delete(dataset, IDS[:2])
    world.drain(dataset)
    create_snapshot(world.ports, dataset, "before")
    world.upsert(dataset, records(*IDS[:4], step=2))
    world.delete(dataset, IDS[6:9])
    world.drain(dataset)
    go_back(world, dataset, "before")
    assert world.stored(dataset, IDS) == records(*IDS[2:10], step=1)
    assert world.head(dataset).cell_sets == 1
    found = {match.id for match in world.query(dataset, (1, 4, 1, 0), top_k=20).matches}
    assert found == set(IDS[2:10])


def test_an_import_after_it_wins_over_what_it_brought_back(world: World, dataset: Dataset) -> None:
    go_back(world, dataset, "before")
    job = begun(world, dataset)
    validated(world, job, list(records("a", "z", step=9).items()))
    world.upsert(dataset, records("b", step=10))
    finished(world, dataset, job)
    expected = records("a", "z", step=9) | records("b", step=10) | records("c", step=1)
    assert world.stored(dataset, list("abcdz")) == expected


def test_what_was_deleted_while_an_import_was_open_stays_so(world: World) -> None:
    """The named version is one of while an import was open: its tombstones come back, and harm nobody."""
    dataset = world.create()
    world.upsert(dataset, records("a", "b", step=1))
    job = begun(world, dataset)
    validated(world, job, list(records("a", "b", "c", step=2).items()))
    world.delete(dataset, ["a"])
    world.drain(dataset)
    create_snapshot(world.ports, dataset, "meanwhile")
    finished(world, dataset, job)
    go_back(world, dataset, "meanwhile")
    assert world.head(dataset).open_imports == 0
    assert world.stored(dataset, list("abc")) == records("b", step=1)
    world.upsert(dataset, records("a", step=3))
    world.drain(dataset)
    assert world.stored(dataset, list("abc")) == records("b", step=1) | records("a", step=3)


# --- refused, or failed where everybody sees it -------------------------------------------------------------


def test_an_import_under_way_is_told_at_once(world: World, dataset: Dataset) -> None:
    begun(world, dataset)
    world.drain(dataset)
    with pytest.raises(Conflict) as refused:
        restore(world.ports, dataset, "before", vector_quota=None)
    assert refused.value.code == "import_open"


def test_an_import_that_was_about_to_begin_fails_the_restore(world: World, dataset: Dataset) -> None:
    before = world.stored(dataset, list("abcd"))
    job = begun(world, dataset)  # its place is in the log, not applied
    accepted = go_back(world, dataset, "before")
    view = jobs.get_job(world.ports, world.tenant_id, accepted.job_id)
    assert view.status is JobStatus.FAILED
    assert "import was under way" in str(view.job.error)
    assert "failed" in str(world.head(dataset).error_message)
    assert world.head(dataset).watermark == accepted.sequence
    assert world.stored(dataset, list("abcd")) == before
    validated(world, job, list(records("z", step=9).items()))
    finished(world, dataset, job)
    assert world.stored(dataset, list("abcdz")) == before | records("z", step=9)
    assert status(world, go_back(world, dataset, "before")) is JobStatus.INDEXED


def test_a_restore_that_was_accepted_does_not_need_the_name_any_more(world: World, dataset: Dataset) -> None:
    accepted = restore(world.ports, dataset, "before", vector_quota=None)
    item = world.table.get(keys_of(dataset).job(accepted.sequence))
    assert item is not None
    assert {"manifest", "manifest_sha256"} <= item.keys(), "its place keeps the version"
    delete_snapshot(world.ports, dataset, "before")
    world.drain(dataset)
    assert status(world, accepted) is JobStatus.INDEXED
    assert world.stored(dataset, list("abcd")) == records("a", "b", "c", step=1)


def test_a_name_that_goes_while_it_is_asked_for_is_not_accepted(world: World, dataset: Dataset) -> None:
    def gone_in_between(call: Call) -> None:
        if call.operation == "table.transact" and call.nth == 0:
            delete_snapshot(world.ports, dataset, "before")

    with pytest.raises(NotFound) as missing:
        restore(world.process(Faults(gone_in_between)), dataset, "before", vector_quota=None)
    assert missing.value.code == "snapshot_not_found"
    world.upsert(dataset, records("e", step=3))
    world.drain(dataset)
    assert world.stored(dataset, ["e"]), "its place is closed: nobody waits for it"


@pytest.mark.parametrize("what", ["root", "shard", "run", "dead"])
@pytest.mark.parametrize("how", ["gone", "cut", "flipped"])
def test_a_version_that_is_damaged_by_then_fails_the_restore(world: World, what: str, how: str) -> None:
    dataset = world.create()
    world.upsert(dataset, records(*IDS, step=1))
    world.drain(dataset)
    world.delete(dataset, IDS[:2])
    world.drain(dataset)
    named = create_snapshot(world.ports, dataset, "before")
    head = world.head(dataset)
    snapshot = open_snapshot(world.searcher.reader, dataset, head)
    assert snapshot is not None
    manifest = snapshot.manifest
    assert manifest.dead_increments
    key = {
        "root": named.manifest,
        "shard": f"t/{world.tenant_id}/shards/{manifest.deltas[-1].shard_id}/vectors.f32",
        "run": manifest.runs[-1].key,
        "dead": manifest.dead_increments[-1].key,
    }[what]
    world.upsert(dataset, records(*IDS, step=5))
    world.drain(dataset)
    world.build(dataset)
    before = world.stored(dataset, IDS)
    data = world.objects.get(key)
    if how == "gone":
        world.objects.delete([key])
    elif how == "cut":
        world.objects.put(key, data[:-1])
    else:
        world.objects.put(key, bytes([data[0] ^ 1]) + data[1:])
    accepted = go_back(world, dataset, "before")
    if how == "flipped" and what in {"shard", "run"}:
        return  # of the right size: found by whoever reads it, and named then
    view = jobs.get_job(world.ports, world.tenant_id, accepted.job_id)
    assert view.status is JobStatus.FAILED
    assert key in str(view.job.error)
    assert world.stored(dataset, IDS) == before
    world.upsert(dataset, records("later", step=6))
    world.drain(dataset)
    assert world.stored(dataset, ["later"])


def test_names_that_nobody_gave(world: World, dataset: Dataset) -> None:
    with pytest.raises(NotFound) as missing:
        restore(world.ports, dataset, "never", vector_quota=None)
    assert missing.value.code == "snapshot_not_found"


# --- another dataset's -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dimension", "metric", "kind", "code"),
    [
        (5, Metric.L2, InvalidInput, "dimension_mismatch"),
        (4, Metric.DOT, InvalidInput, "metric_mismatch"),
        (4, Metric.L2, Conflict, "not_related"),
    ],
)
def test_of_a_dataset_that_is_another_one(
    world: World,
    dataset: Dataset,
    dimension: int,
    metric: Metric,
    kind: type[InvalidInput | Conflict],
    code: str,
) -> None:
    other = world.create("other", dimension=dimension, metric=metric)
    create_snapshot(world.ports, other, "theirs")
    with pytest.raises(kind) as refused:
        restore(world.ports, dataset, "theirs", source=other, vector_quota=None)
    assert refused.value.code == code


def test_of_a_clone_and_of_what_it_was_cloned_from(world: World, dataset: Dataset) -> None:
    clone = clone_dataset(world.ports, dataset, name="trial", vector_quota=None).dataset
    for step in range(5):  # its log is far ahead of the other one
        world.upsert(clone, records("a", "x", step=10 + step))
        world.drain(clone)
    world.delete(clone, ["d"])
    world.drain(clone)
    create_snapshot(world.ports, clone, "tried")
    go_back(world, dataset, "tried", source=clone)
    expected = records("a", "x", step=14) | records("c", step=1)
    assert world.stored(dataset, list("abcdx")) == expected
    world.upsert(dataset, records("a", step=20))
    world.delete(dataset, ["x"])
    world.drain(dataset)
    assert world.stored(dataset, list("abcdx")) == records("a", step=20) | records("c", step=1)
    assert world.head(dataset).row_count == 2
    assert world.stored(clone, list("abcdx")) == expected, "the clone is as it was"
    go_back(world, clone, "before", source=dataset)
    assert world.stored(clone, list("abcdx")) == records("a", "b", "c", step=1)
    assert used(world) == 2 + 3


def test_a_log_that_is_far_ahead_holds_up_nobody(world: World, dataset: Dataset) -> None:
    clone = clone_dataset(world.ports, dataset, name="trial", vector_quota=None).dataset
    item = world.table.get(keys_of(clone).sequence)
    assert item is not None
    world.table.put({**item, "next": 50 * LOG_MAX_JOBS_AHEAD})
    head = world.table.get(keys_of(clone).head)
    assert head is not None
    world.table.put({**head, "watermark": 50 * LOG_MAX_JOBS_AHEAD})
    world.upsert(clone, records("x", step=7))
    world.drain(clone)
    create_snapshot(world.ports, clone, "tried")
    accepted = restore(world.ports, dataset, "tried", source=clone, vector_quota=None)
    assert accepted.sequence == 50 * LOG_MAX_JOBS_AHEAD + 2
    world.upsert(dataset, records("x", step=8))
    world.drain(dataset)
    assert world.stored(dataset, ["x"]) == records("x", step=8)
    assert world.head(dataset).watermark == accepted.sequence + 1


# --- quota -------------------------------------------------------------------------------------------------


def test_rows_that_come_back_take_quota_and_rows_that_go_give_it_back(world: World, dataset: Dataset) -> None:
    world.delete(dataset, ["a", "c"])
    world.drain(dataset)
    assert used(world) == 1
    with pytest.raises(LimitReached) as refused:
        restore(world.ports, dataset, "before", vector_quota=2)
    assert refused.value.code == "vector_quota_exceeded"
    accepted = restore(world.ports, dataset, "before", vector_quota=3)
    assert used(world) == 3, "reserved: nobody else can take it meanwhile"
    world.drain(dataset)
    assert used(world) == world.head(dataset).row_count == 3
    assert status(world, accepted) is JobStatus.INDEXED


def test_a_restore_that_fails_gives_its_quota_back(world: World, dataset: Dataset) -> None:
    world.delete(dataset, ["a", "c"])
    world.drain(dataset)
    begun(world, dataset)
    restore(world.ports, dataset, "before", vector_quota=3)
    assert used(world) == 3
    world.drain(dataset)
    assert used(world) == world.head(dataset).row_count == 1


# --- beside builds and readers -----------------------------------------------------------------------------


def test_a_build_that_read_another_history_does_not_bring_it_back(world: World, dataset: Dataset) -> None:
    """The shards that it reads are here again, with rows alive that it has left out (ABA)."""
    go_back(world, dataset, "before")
    world.delete(dataset, ["a", "b"])
    world.drain(dataset)
    met = []

    def back_in_between(call: Call) -> None:
        if call.operation == "objects.put" and call.nth == 0:
            go_back(world, dataset, "before")
            met.append(call)

    assert not world.build(dataset, ports=world.process(Faults(back_in_between)))
    assert met
    for _ in range(2):
        assert world.stored(dataset, list("abcd")) == records("a", "b", "c", step=1)
        assert world.head(dataset).row_count == 3
        world.build(dataset)
    assert world.head(dataset).recall is not None, "the next one is built as always"


def test_whatever_call_of_a_build_it_comes_before() -> None:
    at_call = 0
    while True:
        world = World()
        dataset = world.create()
        world.upsert(dataset, records("a", "b", "c", step=1))
        world.drain(dataset)
        create_snapshot(world.ports, dataset, "before")
        world.delete(dataset, ["b"])
        world.upsert(dataset, records("c", "d", step=2))
        world.drain(dataset)
        met = False

        def hook(call: Call, *, at: int = at_call, world: World = world, dataset: Dataset = dataset) -> None:
            nonlocal met
            if call.number == at:
                met = True
                restore(world.ports, dataset, "before", vector_quota=None)
                world.drain(dataset)

        world.build(dataset, ports=world.process(Faults(hook)))
        if not met:
            break
        world.drain(dataset)
        assert world.stored(dataset, list("abcd")) == records("a", "b", "c", step=1), f"before call {at_call}"
        assert world.head(dataset).row_count == 3
        world.build(dataset)
        assert world.stored(dataset, list("abcd")) == records("a", "b", "c", step=1), f"before call {at_call}"
        at_call += 1
    assert at_call > 10


def test_readers_see_one_version_whole(world: World, dataset: Dataset) -> None:
    reading = open_snapshot(world.searcher.reader, dataset, world.head(dataset))
    go_back(world, dataset, "before")
    assert reading is not None
    names = {name for shard in reading.manifest.shards for name in reading.rows_of(shard).ids}
    assert {"a", "d"} <= names, "what was opened before is still there"
    assert {match.id for match in world.query(dataset, (2, 1, 1, 0)).matches} == {"a", "b", "c"}


def test_what_is_named_is_not_changed_by_going_back_to_it(world: World, dataset: Dataset) -> None:
    named = create_snapshot(world.ports, dataset, "again")
    root = world.objects.get(named.manifest)
    go_back(world, dataset, "again")
    assert world.objects.get(named.manifest) == root
    assert world.head(dataset).manifest != named.manifest
