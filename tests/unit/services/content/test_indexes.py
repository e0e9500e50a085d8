"""Content indexes made, looked at, failed and deleted."""

from contextlib import suppress

import pytest

from shoal.errors import Conflict, InvalidInput, LimitReached, ModelDenied, NotFound, ShoalError
from shoal.model.content_documents import Document
from shoal.model.content_indexes import MAX_INDEXES, check_index
from shoal.services.content.indexes import create_index, failures_of, list_indexes
from shoal.services.imports.reconcile import reconcile_imports
from shoal.services.sweep import sweep
from shoal.storage.memory.faults import AtCall, Fault, Faults, SimulatedCrash
from tests.unit.services.content.content_world import NAME, ContentWorld, Deletion, document
from tests.unit.services.reindex.world import no_pause

MOVIES = '_type == "movie"'


def failed_ids(world: ContentWorld, name: str = "movies", *, limit: int = 100) -> list[str]:
    found, _ = failures_of(world.ports, world.index(name), limit=limit)
    return [one.document_id for one in found]


def test_an_index_goes_from_pending_to_active() -> None:
    world = ContentWorld()
    world.put(
        *(document(f"m{n}", title=f"film number {n}") for n in range(5)),
        document("drafts.m1", title="never"),
        document("versions.r1.m1", title="never"),
        document("gone", title="was here"),
        Deletion("gone", 2),
    )
    world.put(Document("p1", {"_id": "p1", "_type": "person", "title": "a person"}, 1))
    made = world.create_index("Movies-1", MOVIES, "{title}")
    assert (made.status, made.start_count, made.remaining_count, made.failed_count) == ("pending", 5, 5, 0)
    assert (made.name, made.filter, made.projection) == ("Movies-1", MOVIES, "{title}")
    assert world.index("Movies-1") == made
    seen: list[tuple[str, int]] = []

    def watched(function: str, payload: object) -> object:
        found = world.index("Movies-1")
        seen.append((found.status, found.remaining_count))
        return world.step(world.ports, function, payload)  # type: ignore[arg-type]

    assert world.built("Movies-1", invoke=watched).succeeded  # type: ignore[arg-type]
    assert seen[0] == ("pending", 5)
    assert ("indexing", 5) in seen
    assert ("indexing", 0) in seen
    active = world.index("Movies-1")
    assert (active.status, active.start_count, active.remaining_count) == ("active", 5, 0)
    assert active.updated_at >= made.created_at
    world.check(active)
    assert world.indexes() == [active]


def test_an_index_of_a_dataset_that_holds_nothing() -> None:
    world = ContentWorld()
    assert world.create_index().start_count == 0
    assert world.built().succeeded
    world.check(world.index())
    world.put(document("a", title="first"))
    assert world.follow()
    world.drain_all()
    world.check(world.index())
    assert list(world.records(world.index().dataset)) == ["a"]


def test_what_was_sent_just_now_is_counted() -> None:
    world = ContentWorld()
    world.put(document("a", title="one"))
    world.put(document("b", title="two"), applied=False)
    spec = check_index("i", "", "")
    made = create_index(
        world.ports,
        world.models.registry,
        world.searcher.reader,
        world.documents,
        spec,
        vector_quota=None,
        pause=lambda _: world.drain(world.documents),
    )
    assert made.start_count == 2


def test_without_time_to_count_all_documents_are_counted_until_the_build_knows() -> None:
    world = ContentWorld()
    world.put(document("a", title="one"), document("b", year=1), document("drafts.b", title="draft"))
    spec = check_index("movies", "defined(title)", "")
    made = create_index(
        world.ports,
        world.models.registry,
        world.searcher.reader,
        world.documents,
        spec,
        vector_quota=None,
        seconds=-1,
        pause=no_pause,
    )
    assert (made.start_count, made.remaining_count) == (3, 3)
    assert world.built().succeeded
    assert world.index().start_count == 1


@pytest.mark.parametrize(
    ("name", "filter_text", "projection", "code", "says"),
    [
        ("", "", "", "invalid_index_name", "indexName"),
        ("a b", "", "", "invalid_index_name", "indexName"),
        ("x" * 65, "", "", "invalid_index_name", "1-64"),
        ("ä", "", "", "invalid_index_name", "indexName"),
        (None, "", "", "invalid_index_name", "indexName"),
        ("a", 7, "", "invalid_filter", "filter"),
        ("a", "", ["title"], "invalid_projection", "projection"),
        ("a", "_type ==", "", "invalid_groq", "filter"),
        ("a", "_type==movie", "", "invalid_groq", "quotes"),
        ("a", '*[_type == "movie"]', "", "invalid_groq", "filter"),
        ("a", "", "{title", "invalid_groq", "projection"),
        ("a", "", "title", "invalid_groq", "braces"),
        ("a", '_type in *[_type=="x"]._id', "", "invalid_groq", "filter"),
    ],
)
def test_what_cannot_be_an_index(
    name: object, filter_text: object, projection: object, code: str, says: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_index(name, filter_text, projection)
    assert refused.value.code == code
    assert says in refused.value.message


def test_a_wrong_filter_says_where() -> None:
    with pytest.raises(InvalidInput) as refused:
        check_index("a", '_type == "movie" &&& year', "")
    assert refused.value.details is not None
    assert refused.value.details["position"] == 20


def test_names_are_unique_in_a_dataset() -> None:
    world = ContentWorld()
    world.create_index("Films")
    world.create_index("films")
    with pytest.raises(Conflict) as refused:
        world.create_index("Films")
    assert refused.value.code == "index_exists"
    assert [index.name for index in world.indexes()] == ["Films", "films"]


def test_a_dataset_has_so_many_indexes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_INDEXES == 100
    monkeypatch.setattr("shoal.services.content.indexes.MAX_INDEXES", 2)
    world = ContentWorld()
    world.create_index("a")
    world.create_index("b")
    with pytest.raises(Conflict) as refused:
        world.create_index("c")
    assert refused.value.code == "too_many_indexes"
    world.delete_index("a")
    world.create_index("c")


def test_unknown_datasets_and_indexes() -> None:
    world = ContentWorld()
    with pytest.raises(NotFound) as missing:
        list_indexes(world.ports, world.tenant_id, dataset_name="nothing")
    assert missing.value.code == "dataset_not_found"
    with pytest.raises(NotFound) as missing:
        world.index()
    assert missing.value.code == "dataset_not_found"
    assert world.documents
    assert world.indexes() == []
    for call in (world.index, world.delete_index):
        with pytest.raises(NotFound) as missing:
            call("Movies")
        assert missing.value.code == "index_not_found"


def test_an_index_of_another_tenant_is_not_there() -> None:
    world, other = ContentWorld(), ContentWorld()
    world.create_index()
    with pytest.raises(NotFound):
        list_indexes(world.ports, other.tenant_id, dataset_name=NAME)


def test_at_the_quota_none_is_made() -> None:
    world = ContentWorld()
    world.put(document("a", title="one"))
    with pytest.raises(LimitReached):
        create_index(
            world.ports,
            world.models.registry,
            world.searcher.reader,
            world.documents,
            check_index("i", "", ""),
            vector_quota=0,
            pause=no_pause,
        )
    assert world.indexes() == []


# --- documents that fail ------------------------------------------------------------------------------------


def test_documents_that_fail_are_counted_and_listed_with_their_reason() -> None:
    world = ContentWorld()
    world.put(
        document("good", title="fine"),
        document("bad", title="this one cannot"),
        document("empty", year=1999),
        document("deep", nested=nested(40)),
    )
    world.create_index()
    assert world.built().succeeded
    index = world.index()
    assert (index.status, index.start_count, index.failed_count) == ("active", 4, 3)
    found, more = failures_of(world.ports, index, limit=10)
    assert more is None
    told = {one.document_id: (one.stage.value, one.reason) for one in found}
    assert told["bad"] == ("on_inference", "this model cannot")
    assert "no text" in told["empty"][1]
    assert "deeper than 32" in told["deep"][1]
    world.check(index)
    first, after = failures_of(world.ports, index, limit=2)
    assert [one.document_id for one in first] == ["bad", "deep"]
    rest, last = failures_of(world.ports, index, limit=2, after=after or "")
    assert ([one.document_id for one in rest], last) == (["empty"], None)
    with pytest.raises(InvalidInput):
        failures_of(world.ports, index, limit=2, after="no#id")


def nested(levels: int) -> object:
    value: object = "at the bottom"
    for _ in range(levels):
        value = {"in": value}
    return value


def test_a_failure_is_mended_by_a_better_version() -> None:
    world = ContentWorld()
    world.put(document("a", title="cannot be"), document("b", title="fine"))
    world.made()
    assert failed_ids(world) == ["a"]
    world.put(document("a", 2, title="can be"), document("b", 2, title="cannot be any more"))
    assert world.follow()
    world.drain_all()
    world.check(world.index())
    assert failed_ids(world) == ["b"]
    world.put(Deletion("b", 3))
    assert world.follow()
    world.drain_all()
    world.check(world.index())
    assert failed_ids(world) == []


def test_failures_are_listed_before_the_build_has_ended() -> None:
    world = ContentWorld()
    world.put(document("a", title="cannot"), document("b", title="fine"))
    world.create_index()
    listed: list[list[str]] = []

    def watched(function: str, payload: dict[str, str]) -> object:
        listed.append(failed_ids(world))
        return world.step(world.ports, function, payload)

    assert world.built(invoke=watched).succeeded  # type: ignore[arg-type]
    assert listed[0] == []
    assert listed[-1] == ["a"]


def test_a_build_that_fails_says_why_and_can_be_made_again() -> None:
    world = ContentWorld()
    world.put(document("a", title="one"))
    world.models.told.problem = lambda spec: ModelDenied(spec.model_id, "no access")
    world.create_index()
    world.built()
    index = world.index()
    assert (index.status, index.remaining_count, index.failed_count) == ("indexing", 0, 1)
    assert index.error is not None
    assert "no access" in index.error
    assert world.follow()  # there is nothing to be done for it
    world.models.told.problem = lambda _: None
    assert world.delete_index() == index
    world.check(world.made())


# --- deletion ------------------------------------------------------------------------------------------------


def test_a_deleted_index_is_gone_at_once() -> None:
    world = ContentWorld()
    world.put(document("a", title="one"))
    index = world.made()
    assert world.delete_index() == index
    assert world.indexes() == []
    with pytest.raises(NotFound):
        world.delete_index()
    assert world.follow()
    world.made()  # its name is free


def test_an_index_can_be_deleted_in_any_state_of_its_build() -> None:
    for number in range(20):
        world = ContentWorld()
        world.put(*(document(f"m{n}", title=f"film {n}") for n in range(3)))
        world.create_index()
        dataset = world.index().dataset
        calls = 0

        def interrupted(function: str, payload: dict[str, str], at: int = number) -> object:
            nonlocal calls
            if calls == at:
                world.delete_index()  # noqa: B023 - called at once
            calls += 1
            return world.step(world.ports, function, payload)  # noqa: B023

        world.built(invoke=interrupted)  # type: ignore[arg-type]
        if calls <= number:
            return
        world.settle_down()
        assert world.is_gone(dataset)
        assert world.indexes() == []
        world.made()
        world.check(world.index())
    raise AssertionError("the workflow has no end")


# --- those who die -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.BUSY_AFTER, Fault.TWICE])
def test_who_makes_one_may_die_at_any_call(fault: Fault) -> None:
    for number in range(200):
        world = ContentWorld()
        world.put(document("a", title="one"), document("b", title="two"))
        faults = Faults(AtCall(number, fault))
        with suppress(SimulatedCrash, ShoalError):
            world.create_index(ports=world.process(faults))
        if faults.calls <= number:
            assert number > 10
            return
        world.settle_down()
        if not world.indexes():
            world.made()
        world.check(world.index(), faults.describe())
    raise AssertionError("it has no end")


@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.BUSY_AFTER, Fault.TWICE])
def test_who_deletes_one_may_die_at_any_call(fault: Fault) -> None:
    for number in range(200):
        world = ContentWorld()
        world.put(document("a", title="one"))
        dataset = world.create_index().dataset
        faults = Faults(AtCall(number, fault))
        with suppress(SimulatedCrash, ShoalError):
            world.delete_index(ports=world.process(faults))
        if faults.calls <= number:
            assert number > 10
            return
        world.settle_down()
        if world.indexes():
            world.check(world.index(), faults.describe())
            world.delete_index()
            world.settle_down()
        assert world.is_gone(dataset), faults.describe()
    raise AssertionError("it has no end")


def test_a_build_that_was_never_opened_is_begun_by_the_sweep() -> None:
    world = ContentWorld()
    world.put(document("a", title="one"))
    for number in range(200):
        faults = Faults(AtCall(number, Fault.CRASH_AFTER))
        with suppress(SimulatedCrash):
            world.create_index(f"i{number}", ports=world.process(faults))
        if faults.calls <= number:
            break
    waiting = {index.name for index in world.indexes()}
    assert waiting - set(world.under_way()), "none was cut off"
    world.clock.pass_seconds(100)
    world.rest()
    sweep(world.ports)
    reconcile_imports(world.ports)
    started = len(world.under_way())
    assert started == len(waiting)
    for import_id in world.under_way():
        assert world.execute(import_id).succeeded
    for index in world.indexes():
        world.check(index)


def test_a_workflow_that_died_fails_the_index() -> None:
    world = ContentWorld()
    world.put(document("a", title="one"))
    world.create_index()
    (import_id,) = world.under_way()
    world.reindexes.end(import_id, "TIMED_OUT")
    world.clock.pass_seconds(100)
    reconcile_imports(world.ports)
    index = world.index()
    assert (index.status, index.failed_count) == ("indexing", 1)
    assert "delete the index and create it again" in (index.error or "")
