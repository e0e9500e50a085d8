"""Which documents the log has changed, from a cursor on."""

from shoal.index.log_codec import SelectionJson
from shoal.model.content_documents import Deletion
from shoal.services import write
from shoal.services.content.documents import put_versions
from shoal.services.content.reading import Changed, Cursor, changed_since
from shoal.services.heads import keys_of
from shoal.services.sequence import leap
from shoal.services.snapshot import Snapshot
from tests.unit.services.content.documents_world import document, documents_of, put, snapshot_of
from tests.unit.services.imports import small
from tests.unit.services.world import World


def all_changed(world: World, snapshot: Snapshot, cursor: Cursor, *, most: int) -> list[list[str]]:
    """The ids of each turn, until there are no more."""
    turns = []
    while True:
        changed = changed_since(world.ports, snapshot, cursor, most=most)
        assert changed is not None
        turns.append(list(changed.ids))
        cursor = changed.cursor
        if not changed.more:
            return turns


def the_snapshot(world: World) -> Snapshot:
    snapshot = snapshot_of(world, documents_of(world))
    assert snapshot is not None
    return snapshot


def test_changes_come_in_bounded_turns_each_id_at_least_once() -> None:
    world = World()
    dataset = documents_of(world)
    put(world, dataset, *(document(f"d{n}", 1) for n in range(5)))
    put(world, dataset, Deletion("d1", 2), document("e", 2))
    snapshot = the_snapshot(world)
    assert all_changed(world, snapshot, Cursor(0), most=2) == [
        ["d0", "d1"],
        ["d2", "d3"],
        ["d4", "d1"],
        ["e"],
    ]
    assert changed_since(world.ports, snapshot, Cursor(1), most=9) == Changed(
        ("d1", "e"), Cursor(2), more=False
    )
    assert changed_since(world.ports, snapshot, Cursor(2), most=9) == Changed((), Cursor(2), more=False)


def test_places_that_change_nothing_are_passed() -> None:
    world = World()
    dataset = documents_of(world)
    put(world, dataset, document("a", 1))
    leap(world.ports, keys_of(dataset), up_to=50)
    put(world, dataset, document("b", 1))
    assert all_changed(world, the_snapshot(world), Cursor(0), most=10) == [["a", "b"]]
    assert world.head(dataset).watermark == 51


def test_what_is_not_applied_is_not_told() -> None:
    world = World()
    dataset = documents_of(world)
    put(world, dataset, document("a", 1))
    put_versions(world.ports, dataset, [document("b", 1)], vector_quota=None)
    assert all_changed(world, the_snapshot(world), Cursor(0), most=10) == [["a"]]


def test_a_log_that_is_gone_does_not_tell() -> None:
    world = World()
    dataset = documents_of(world)
    put(world, dataset, document("a", 1))
    put(world, dataset, document("b", 1))
    world.table.delete(keys_of(dataset).job(1))
    snapshot = the_snapshot(world)
    assert changed_since(world.ports, snapshot, Cursor(0), most=10) is None
    assert changed_since(world.ports, snapshot, Cursor(1), most=10) == Changed(("b",), Cursor(2), more=False)


def test_a_log_object_that_is_gone_does_not_tell() -> None:
    world = World()
    dataset = documents_of(world)
    put(world, dataset, document("a", 1))
    item = world.table.get(keys_of(dataset).job(1))
    assert item is not None
    world.objects.delete([item["log_key"]])
    assert changed_since(world.ports, the_snapshot(world), Cursor(0), most=10) is None


def test_a_delete_by_selection_does_not_tell() -> None:
    world = World()
    dataset = documents_of(world)
    put(world, dataset, document("a", 1))
    write.delete_where(world.ports, dataset, SelectionJson(prefix="a"))
    world.drain(dataset)
    assert changed_since(world.ports, the_snapshot(world), Cursor(1), most=10) is None


def test_rows_of_an_import_are_told_at_the_place_where_they_became_visible() -> None:
    world = World()
    dataset = documents_of(world)
    job = small.begun(world, dataset)
    put(world, dataset, document("b", 1))
    fields = {"_type": "t", "updated_ms": 1, "version": "1"}
    small.validated(world, job, [(name, ((0.5,), fields)) for name in "abc"])
    small.finished(world, dataset, job)
    snapshot = the_snapshot(world)
    committed = world.head(dataset).watermark
    turn = changed_since(world.ports, snapshot, Cursor(committed - 1), most=1)
    assert turn == Changed(("a",), Cursor(committed - 1, "a"), more=True)
    assert turn is not None
    # b was written while the import was open, and stayed as it was.
    assert all_changed(world, snapshot, turn.cursor, most=5) == [["c"]]
    assert all_changed(world, snapshot, Cursor(0), most=50) == [["b", "a", "c"]]
