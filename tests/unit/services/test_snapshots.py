"""Names of versions: given once, to the version that is current, and taken away again."""

import pytest

from shoal.errors import Conflict, InvalidInput, NotFound, TryAgain
from shoal.model.datasets import NATIVE_SCOPE, Dataset, Metric
from shoal.model.limits import MAX_SNAPSHOTS
from shoal.model.snapshots import check_snapshot_name
from shoal.services import datasets
from shoal.services.heads import keys_of
from shoal.services.restore import restore
from shoal.services.snapshots import create_snapshot, delete_snapshot, get_snapshot, list_snapshots
from shoal.storage.memory.faults import AtOperation, Call, Fault, Faults, first_of
from tests.unit.services.world import World, record


def written(world: World, dataset: Dataset, *names: str) -> None:
    """Write these records and apply them."""
    world.upsert(dataset, {name: record(1, 2, 3, 4, name=name) for name in names})
    world.drain(dataset)


def test_a_snapshot_says_what_it_names() -> None:
    world = World()
    dataset = world.create()
    written(world, dataset, "a", "b")
    world.upsert(dataset, {"c": record(1, 1, 1, 1)})  # waits in the log: not in it
    made = create_snapshot(world.ports, dataset, "monday")
    head = world.head(dataset)
    assert (made.name, made.version, made.watermark, made.row_count) == ("monday", head.version, 1, 2)
    assert (made.manifest, made.manifest_sha256) == (head.manifest, head.manifest_sha256)
    assert made.created_at == world.clock.now
    assert get_snapshot(world.ports, dataset, "monday") == made
    assert list_snapshots(world.ports, dataset) == (made,)


def test_what_the_item_holds_is_what_keeps_its_objects() -> None:
    """The janitor reads these attributes."""
    world = World()
    dataset = world.create()
    written(world, dataset, "a")
    made = create_snapshot(world.ports, dataset, "monday")
    item = world.table.get(keys_of(dataset).snapshot("monday"))
    assert item is not None
    assert {name: item[name] for name in ("manifest", "manifest_sha256", "version", "row_count")} == {
        "manifest": made.manifest,
        "manifest_sha256": made.manifest_sha256,
        "version": 1,
        "row_count": 1,
    }


def test_a_dataset_without_a_commit_can_be_named_and_gone_back_to() -> None:
    world = World()
    dataset = world.create()
    made = create_snapshot(world.ports, dataset, "empty")
    assert (made.version, made.watermark, made.row_count) == (0, 0, 0)
    written(world, dataset, "a")
    restore(world.ports, dataset, "empty", vector_quota=None)
    world.drain(dataset)
    assert world.head(dataset).row_count == 0
    assert world.stored(dataset, ["a"]) == {}


def test_a_name_is_given_once() -> None:
    world = World()
    dataset = world.create()
    other = world.create("other")
    create_snapshot(world.ports, dataset, "monday")
    with pytest.raises(Conflict) as refused:
        create_snapshot(world.ports, dataset, "monday")
    assert refused.value.code == "snapshot_exists"
    create_snapshot(world.ports, other, "monday")


def test_names_are_listed_in_order_and_taken_away() -> None:
    world = World()
    dataset = world.create()
    for name in ("b", "a", "c"):
        create_snapshot(world.ports, dataset, name)
    delete_snapshot(world.ports, dataset, "b")
    assert [found.name for found in list_snapshots(world.ports, dataset)] == ["a", "c"]
    for call in (get_snapshot, delete_snapshot):
        with pytest.raises(NotFound) as missing:
            call(world.ports, dataset, "b")
        assert missing.value.code == "snapshot_not_found"
    create_snapshot(world.ports, dataset, "b")


def test_there_are_only_so_many() -> None:
    world = World()
    dataset = world.create()
    for number in range(MAX_SNAPSHOTS):
        create_snapshot(world.ports, dataset, f"n{number:03d}")
    with pytest.raises(Conflict) as refused:
        create_snapshot(world.ports, dataset, "one-more")
    assert refused.value.code == "too_many_snapshots"
    with pytest.raises(Conflict) as refused:
        create_snapshot(world.ports, dataset, "n000")
    assert refused.value.code == "snapshot_exists"
    delete_snapshot(world.ports, dataset, "n000")
    create_snapshot(world.ports, dataset, "one-more")


@pytest.mark.parametrize("name", ["", "A", "a b", "a/b", "ä", "x" * 65, "a\n", None, 1])
def test_names_that_cannot_be(name: object) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_snapshot_name(name)
    assert refused.value.code == "invalid_name"


def test_the_version_that_is_named_is_current_at_that_moment() -> None:
    """A commit between reading HEAD and naming: the snapshot is of the newer version."""
    world = World()
    dataset = world.create()
    written(world, dataset, "a")

    def commit_in_between(call: Call) -> None:
        if call.operation == "table.transact" and call.nth == 0:
            written(world, dataset, "b")

    made = create_snapshot(world.process(Faults(commit_in_between)), dataset, "monday")
    assert (made.version, made.row_count) == (2, 2)


def test_a_dataset_that_never_rests_is_not_named() -> None:
    world = World()
    dataset = world.create()

    def always(call: Call) -> None:
        if call.operation == "table.transact":
            written(world, dataset, f"id-{call.nth}")

    with pytest.raises(TryAgain):
        create_snapshot(world.process(Faults(always)), dataset, "monday")
    assert list_snapshots(world.ports, dataset) == ()


def test_a_deleted_dataset_is_not_named() -> None:
    world = World()
    dataset = world.create()

    def deleted_in_between(call: Call) -> None:
        if call.operation == "table.transact" and call.nth == 0:
            datasets.delete_dataset(world.ports, world.tenant_id, scope=NATIVE_SCOPE, name="books")

    with pytest.raises(NotFound) as gone:
        create_snapshot(world.process(Faults(deleted_in_between)), dataset, "monday")
    assert gone.value.code == "dataset_not_found"


def test_answers_that_are_lost() -> None:
    world = World()
    dataset = world.create(metric=Metric.DOT)
    written(world, dataset, "a")
    lost = first_of(*(AtOperation("table.transact", Fault.BUSY_AFTER, nth=nth) for nth in range(10)))
    made = create_snapshot(world.process(Faults(lost)), dataset, "monday")
    assert get_snapshot(world.ports, dataset, "monday") == made
    busy = first_of(*(AtOperation("table.transact", Fault.BUSY_BEFORE, nth=nth) for nth in range(10)))
    with pytest.raises(TryAgain):
        create_snapshot(world.process(Faults(busy)), dataset, "tuesday")
    create_snapshot(world.ports, dataset, "tuesday")
    for fault in (Fault.BUSY_AFTER, Fault.TWICE):
        name = "monday" if fault is Fault.BUSY_AFTER else "tuesday"
        delete_snapshot(world.process(Faults(AtOperation("table.delete", fault))), dataset, name)
    assert list_snapshots(world.ports, dataset) == ()
