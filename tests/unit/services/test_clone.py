"""Clones: a new dataset that begins as a version of another one, and each goes its own way from there."""

import pytest

from shoal.errors import Conflict, CorruptObject, LimitReached, NotFound, TryAgain
from shoal.model.datasets import NATIVE_SCOPE, Dataset, Metric
from shoal.services import datasets
from shoal.services.clone import clone_dataset
from shoal.services.heads import keys_of
from shoal.services.restore import restore
from shoal.services.snapshots import create_snapshot, delete_snapshot, list_snapshots
from shoal.services.sweep import sweep
from shoal.storage.memory.faults import AtOperation, Call, Fault, Faults, first_of
from tests.unit.services.cell_world import add_cells
from tests.unit.services.imports.small import begun, finished, validated
from tests.unit.services.world import Record, World, record, used

NAMES = [f"id-{number}" for number in range(8)]


def records(*names: str, step: int) -> dict[str, Record]:
    return {name: record(step, len(name), 1, 0, step=step) for name in names}


def cloned(world: World, source: Dataset, name: str = "trial", **more: object) -> Dataset:
    given = {"vector_quota": None, **more}
    return clone_dataset(world.ports, source, name=name, **given).dataset  # type: ignore[arg-type] # as given


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def source(world: World) -> Dataset:
    """Five records, of which one is dead in its shard."""
    made = world.create(metric=Metric.DOT)
    world.upsert(made, records(*NAMES[:5], step=1))
    world.drain(made)
    world.delete(made, [NAMES[0]])
    world.drain(made)
    return made


LIVE = records(*NAMES[1:5], step=1)


def test_it_has_what_the_source_has(world: World, source: Dataset) -> None:
    view = clone_dataset(world.ports, source, name="trial", vector_quota=None)
    clone = view.dataset
    assert (clone.name, clone.dimension, clone.metric, clone.scope) == ("trial", 4, Metric.DOT, NATIVE_SCOPE)
    assert (clone.hash_key, clone.target_recall) == (source.hash_key, source.target_recall)
    assert (view.status, view.head.row_count) == ("indexed", 4)
    assert datasets.get_dataset(world.ports, world.tenant_id, scope=NATIVE_SCOPE, name="trial") == view
    assert world.stored(clone, NAMES) == LIVE
    assert {match.id for match in world.query(clone, (1, 1, 1, 1)).matches} == LIVE.keys()
    assert used(world) == 8


def test_it_shares_every_object_but_its_root(world: World, source: Dataset) -> None:
    before = {head.key for head in world.objects.list("t/")}
    clone = cloned(world, source)
    made = {head.key for head in world.objects.list("t/")} - before
    keys = keys_of(clone)
    assert {key for key in made if "/manifests/" in key} == {world.head(clone).manifest}
    assert made <= {world.head(clone).manifest, keys.descriptor}


def test_each_goes_its_own_way(world: World, source: Dataset) -> None:
    clone = cloned(world, source)
    for number, one in enumerate((source, clone)):
        world.upsert(one, records(NAMES[1], NAMES[6 + number], step=10 + number))
        world.delete(one, [NAMES[2 + number]])
        world.drain(one)
    kept = records(NAMES[4], step=1)
    expected = (
        kept | records(NAMES[3], step=1) | records(NAMES[1], NAMES[6], step=10),
        kept | records(NAMES[2], step=1) | records(NAMES[1], NAMES[7], step=11),
    )
    for _ in range(2):
        for one, rows in zip((source, clone), expected, strict=True):
            assert world.stored(one, NAMES) == rows
            assert world.head(one).row_count == len(rows)
            world.build(one)
    assert used(world) == 8


def test_its_log_goes_on_after_the_rows_that_it_has(world: World, source: Dataset) -> None:
    clone = cloned(world, source)
    assert world.head(clone).watermark == world.head(source).watermark == 2
    assert world.upsert(clone, records("x", step=2)).sequence == 3


def test_it_does_not_need_the_source(world: World, source: Dataset) -> None:
    create_snapshot(world.ports, source, "named")
    first = cloned(world, source, "first", snapshot="named")
    second = cloned(world, first, "second")
    for name in ("books", "first"):
        datasets.delete_dataset(world.ports, world.tenant_id, scope=NATIVE_SCOPE, name=name)
    assert used(world) == 4
    world.upsert(second, records(NAMES[1], step=3))
    world.drain(second)
    world.build(second)
    assert world.stored(second, NAMES) == LIVE | records(NAMES[1], step=3)
    datasets.delete_dataset(world.ports, world.tenant_id, scope=NATIVE_SCOPE, name="second")
    assert used(world) == 0


def test_of_a_snapshot(world: World, source: Dataset) -> None:
    create_snapshot(world.ports, source, "named")
    world.upsert(source, records(*NAMES, step=2))
    world.drain(source)
    clone = cloned(world, source, snapshot="named")
    delete_snapshot(world.ports, source, "named")
    assert world.stored(clone, NAMES) == LIVE
    assert world.head(clone).watermark == 2
    assert list_snapshots(world.ports, clone) == (), "names stay with the source"
    with pytest.raises(NotFound) as missing:
        cloned(world, source, "other", snapshot="named")
    assert missing.value.code == "snapshot_not_found"


@pytest.mark.parametrize("named", [False, True])
def test_of_an_empty_dataset(world: World, named: bool) -> None:
    source = world.create()
    snapshot = create_snapshot(world.ports, source, "empty").name if named else None
    view = clone_dataset(world.ports, source, name="trial", snapshot=snapshot, vector_quota=0)
    assert (view.status, view.head.row_count) == ("empty", 0)
    world.upsert(view.dataset, records("x", step=1))
    world.drain(view.dataset)
    assert world.stored(view.dataset, ["x"])
    assert world.head(source).row_count == 0


def test_of_cells(world: World) -> None:
    source = world.create()
    add_cells(world, source, [records(*NAMES[:4], step=1), records(*NAMES[4:], step=1)])
    clone = cloned(world, source)
    world.delete(source, NAMES[:4])
    world.drain(source)
    assert world.stored(clone, NAMES) == records(*NAMES, step=1)
    found = world.query(clone, (1, 4, 1, 0), top_k=20).matches
    assert {match.id for match in found} == set(NAMES)


def test_imports_under_way_stay_the_sources_alone(world: World, source: Dataset) -> None:
    job = begun(world, source)
    validated(world, job, list(records("x", NAMES[0], step=5).items()))
    world.delete(source, [NAMES[1]])  # leaves a tombstone for the import's sake
    world.drain(source)
    clone = cloned(world, source)
    assert world.head(clone).open_imports == 0
    finished(world, source, job)
    rows = records(*NAMES[2:5], step=1)
    assert world.stored(clone, [*NAMES, "x"]) == rows
    assert world.stored(source, [*NAMES, "x"]) == rows | records("x", NAMES[0], step=5)
    create_snapshot(world.ports, clone, "here")
    restore(world.ports, clone, "here", vector_quota=None)
    world.drain(clone)
    assert world.stored(clone, [*NAMES, "x"]) == rows


def test_writes_that_wait_are_not_in_it(world: World, source: Dataset) -> None:
    world.upsert(source, records("x", step=2))
    clone = cloned(world, source)
    world.drain(source)
    assert world.stored(clone, ["x"]) == {}
    assert world.head(clone).reserved_total == 0


# --- refused -----------------------------------------------------------------------------------------------


def test_a_name_that_is_taken(world: World, source: Dataset) -> None:
    world.create("trial")
    for name in ("trial", "books"):
        with pytest.raises(Conflict) as refused:
            cloned(world, source, name)
        assert refused.value.code == "dataset_exists"
    assert used(world) == 4


def test_quota(world: World, source: Dataset) -> None:
    for quota in (0, 3, 7):
        with pytest.raises(LimitReached) as refused:
            cloned(world, source, vector_quota=quota)
        assert refused.value.code == "vector_quota_exceeded"
        assert refused.value.details == {"limit": quota, "used": 4}
    assert used(world) == 4
    cloned(world, source, vector_quota=8)
    assert used(world) == 8


def test_it_reckons_its_own_reservations_from_the_beginning(world: World) -> None:
    source = world.create()
    for step in (1, 2, 3):
        world.upsert(source, records(*NAMES, step=step), quota=100)
        world.drain(source)
    assert used(world) == len(NAMES)
    clone = cloned(world, source, vector_quota=100)
    assert used(world) == 2 * len(NAMES)
    world.upsert(clone, records("new", NAMES[0], step=4), quota=100)
    assert used(world) == 2 * len(NAMES) + 2
    world.drain(clone)
    assert used(world) == 2 * len(NAMES) + 1
    for each in (source, clone):
        datasets.delete_dataset(world.ports, world.tenant_id, scope=NATIVE_SCOPE, name=each.name)
    assert used(world) == 0


def test_a_source_that_goes_meanwhile(world: World, source: Dataset) -> None:
    create_snapshot(world.ports, source, "named")

    def unnamed(call: Call) -> None:
        if call.operation == "table.transact" and call.nth == 0:
            delete_snapshot(world.ports, source, "named")

    with pytest.raises(NotFound) as missing:
        clone_dataset(
            world.process(Faults(unnamed)), source, name="trial", snapshot="named", vector_quota=None
        )
    assert missing.value.code == "snapshot_not_found"

    def deleted(call: Call) -> None:
        if call.operation == "table.transact" and call.nth == 0:
            datasets.delete_dataset(world.ports, world.tenant_id, scope=NATIVE_SCOPE, name="books")

    with pytest.raises(NotFound) as missing:
        clone_dataset(world.process(Faults(deleted)), source, name="trial", vector_quota=None)
    assert missing.value.code == "dataset_not_found"
    with pytest.raises(NotFound) as missing:
        cloned(world, source)
    assert missing.value.code == "dataset_not_found"
    assert used(world) == 0


def test_damage_is_not_cloned(world: World, source: Dataset) -> None:
    root = str(world.head(source).manifest)
    data = world.objects.get(root)
    world.objects.put(root, data.replace(b'"row_count":4', b'"row_count":5'))
    with pytest.raises(CorruptObject, match="manifests"):
        cloned(world, source)
    world.objects.delete([root])
    with pytest.raises(CorruptObject, match="manifests"):
        cloned(world, source)
    world.objects.put(root, data)
    cloned(world, source)


# --- storage on a bad day, and the sweep -------------------------------------------------------------------


def test_answers_that_are_lost(world: World, source: Dataset) -> None:
    lost = first_of(*(AtOperation("table.transact", Fault.BUSY_AFTER, nth=nth) for nth in range(10)))
    clone = clone_dataset(world.process(Faults(lost)), source, name="trial", vector_quota=None).dataset
    assert world.stored(clone, NAMES) == LIVE
    busy = first_of(*(AtOperation("table.transact", Fault.BUSY_BEFORE, nth=nth) for nth in range(10)))
    with pytest.raises(TryAgain):
        clone_dataset(world.process(Faults(busy)), source, name="other", vector_quota=None)
    assert used(world) == 8
    cloned(world, source, "other")
    assert used(world) == 12


def test_a_build_that_was_due_is_due_for_the_clone_too() -> None:
    world = World()
    source = world.create(dimension=4096)
    world.upsert(source, {f"id-{n}": record(*([float(n)] * 4096)) for n in range(1000)})
    world.drain(source)
    clone = cloned(world, source)
    world.build(source)
    world.builds.receive()
    world.clock.pass_seconds(60)
    sweep(world.ports)
    (asked,) = world.builds.receive()
    assert asked.message["dataset_id"] == clone.dataset_id
    assert world.build(clone)
    world.clock.pass_seconds(60)
    assert sweep(world.ports) == 0
