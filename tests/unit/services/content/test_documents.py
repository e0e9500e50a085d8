"""Versions of documents: whatever their order, and however often they come, the latest is left."""

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.errors import InvalidInput, NotFound, TooLarge
from shoal.model.content_documents import DOCUMENTS_SCOPE, MARKER_KEPT_SECONDS, Change, Deletion, Document
from shoal.services import datasets
from shoal.services.content.documents import ensure_documents, find_documents, put_versions
from shoal.services.content.markers import forget_deletions
from tests.unit.services.content.documents_world import document, documents_of, put, scanned, stored
from tests.unit.services.world import World, used


def test_a_dataset_is_made_once() -> None:
    world = World()
    with pytest.raises(NotFound, match="production"):
        find_documents(world.ports, world.tenant_id, "production")
    made = ensure_documents(world.ports, world.tenant_id, "production")
    assert ensure_documents(world.ports, world.tenant_id, "production") == made
    assert find_documents(world.ports, world.tenant_id, "production") == made
    assert (made.scope, made.dimension) == (DOCUMENTS_SCOPE, 1)


def test_many_at_once_make_one_dataset() -> None:
    world = World()
    found: list[str] = []
    makers = [
        threading.Thread(
            target=lambda: found.append(ensure_documents(world.ports, world.tenant_id, "x").dataset_id)
        )
        for _ in range(8)
    ]
    for each in makers:
        each.start()
    for each in makers:
        each.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_it_can_be_made_again_after_it_was_deleted() -> None:
    world = World()
    first = documents_of(world)
    datasets.delete_dataset(world.ports, world.tenant_id, scope=DOCUMENTS_SCOPE, name=first.name)
    with pytest.raises(NotFound):
        put_versions(world.ports, first, [document("a", 1)], vector_quota=None)
    assert documents_of(world).dataset_id != first.dataset_id


def test_an_older_version_changes_nothing() -> None:
    world = World()
    dataset = documents_of(world)
    put(world, dataset, document("a", 20, title="new"))
    put(world, dataset, document("a", 10, title="old"), document("b", 5))
    assert stored(world, dataset, ["a", "b", "c"]) == {
        "a": {"_id": "a", "_type": "movie", "title": "new"},
        "b": {"_id": "b", "_type": "movie"},
    }


def test_a_deletion_stays_deleted_for_what_comes_late() -> None:
    world = World()
    dataset = documents_of(world)
    put(world, dataset, document("a", 10))
    put(world, dataset, Deletion("a", 30))
    put(world, dataset, document("a", 20))
    assert stored(world, dataset, ["a"]) == {"a": None}
    assert scanned(world, dataset) == {}
    put(world, dataset, document("a", 40))
    assert list(scanned(world, dataset)) == ["a"]


def test_a_deletion_is_the_later_one_of_the_same_moment() -> None:
    world = World()
    dataset = documents_of(world)
    put(world, dataset, Deletion("a", 10), document("b", 10))
    put(world, dataset, document("a", 10), Deletion("b", 10))
    assert stored(world, dataset, ["a", "b"]) == {"a": None, "b": None}


def test_drafts_are_kept_but_not_scanned() -> None:
    world = World()
    dataset = documents_of(world)
    put(world, dataset, document("drafts.a", 1), document("versions.r1.a", 1), document("a", 1))
    assert list(scanned(world, dataset)) == ["a"]
    assert stored(world, dataset, ["drafts.a"]) == {"drafts.a": {"_id": "drafts.a", "_type": "movie"}}


def test_a_large_document_is_named() -> None:
    world = World()
    dataset = documents_of(world)
    with pytest.raises(TooLarge, match=r"document big has 262\d+ bytes, and at most 262144 fit"):
        put_versions(world.ports, dataset, [document("big", 1, text="x" * 262_144)], vector_quota=None)
    put(world, dataset, document("big", 1, text="x" * 262_000))
    assert len(scanned(world, dataset)["big"]["text"]) == 262_000


def test_what_has_no_json_is_named() -> None:
    world = World()
    with pytest.raises(InvalidInput, match="document a cannot be written as JSON"):
        put_versions(world.ports, documents_of(world), [document("a", 1, n=2**70)], vector_quota=None)


def test_documents_hold_quota() -> None:
    world = World()
    dataset = documents_of(world)
    put_versions(world.ports, dataset, [document("a", 1), document("b", 1)], vector_quota=10)
    world.drain(dataset)
    assert used(world) == 2


def test_old_deletions_are_forgotten() -> None:
    world = World()
    dataset = documents_of(world)
    reader = world.searcher.reader
    put(world, dataset, Deletion("a", 10), Deletion("b", 10), Deletion("c", 10), document("d", 10))
    assert forget_deletions(world.ports, reader, dataset) == 0
    world.clock.pass_seconds(MARKER_KEPT_SECONDS + 1)
    put(world, dataset, document("c", 20), Deletion("e", 10))
    assert forget_deletions(world.ports, reader, dataset, most=1) == 1
    world.drain(dataset)
    assert forget_deletions(world.ports, reader, dataset) == 1
    world.drain(dataset)
    assert forget_deletions(world.ports, reader, dataset) == 0
    assert list(stored(world, dataset, "abcde")) == ["c", "d", "e"]
    assert world.head(dataset).row_count == 3


def test_nothing_is_forgotten_while_something_is_written() -> None:
    world = World()
    dataset = documents_of(world)
    put(world, dataset, Deletion("a", 10))
    world.clock.pass_seconds(MARKER_KEPT_SECONDS + 1)
    put_versions(world.ports, dataset, [document("a", 20)], vector_quota=None)
    assert forget_deletions(world.ports, world.searcher.reader, dataset) == 0
    world.drain(dataset)
    assert list(scanned(world, dataset)) == ["a"]


_CHANGES = st.builds(
    lambda name, ms, deleted, rev: (
        Deletion(name, ms)
        if deleted
        else Document(name, {"_id": name, "_type": "t", "_rev": f"{rev}", "at": ms}, ms)
    ),
    st.sampled_from("abc"),
    st.integers(1, 6),
    st.booleans(),
    st.integers(1, 2),
)


def _latest(changes: list[Change]) -> dict[str, object]:
    """The oracle: of each id the version of the greatest moment; a deletion before documents, then by revision."""
    best: dict[str, Change] = {}
    for change in changes:
        known = best.get(change.document_id)
        if known is None or _order(change) > _order(known):
            best[change.document_id] = change
    return {
        name: dict(each.body) if isinstance(each, Document) else None for name, each in sorted(best.items())
    }


def _order(change: Change) -> tuple[int, bool, str]:
    if isinstance(change, Deletion):
        return change.updated_ms, True, ""
    return change.updated_ms, False, str(change.body["_rev"])


@settings(max_examples=60, deadline=None)
@given(changes=st.lists(_CHANGES, min_size=1, max_size=14), data=st.data())
def test_any_order_leaves_the_latest(changes: list[Change], data: st.DataObject) -> None:
    """Twice, late, together or one by one, with commits anywhere in between."""
    world = World()
    dataset = documents_of(world)
    sent = data.draw(st.permutations(changes + data.draw(st.lists(st.sampled_from(changes), max_size=6))))
    while sent:
        count = data.draw(st.integers(1, len(sent)))
        put_versions(world.ports, dataset, sent[:count], vector_quota=None)
        sent = sent[count:]
        if data.draw(st.booleans()):
            world.drain(dataset)
    world.drain(dataset)
    expected = _latest(changes)
    assert stored(world, dataset, "abc") == expected
    assert scanned(world, dataset) == {name: body for name, body in expected.items() if body is not None}
