"""Content indexes that follow their documents, whatever comes late, twice, or all at once."""

from contextlib import suppress
from typing import Any

import pytest

from shoal.errors import ModelBusy, ShoalError
from shoal.model.content_documents import MARKER_KEPT_SECONDS
from shoal.model.jobs import JobKind
from shoal.services.content import following
from shoal.services.content.documents import put_versions
from shoal.services.heads import keys_of
from shoal.services.places import parse_job
from shoal.services.sequence import leap
from shoal.services.tenants import set_quota
from shoal.storage.memory.faults import AtCall, Fault, Faults, SimulatedCrash
from tests.unit.services.content.content_world import ContentWorld, Deletion, document
from tests.unit.services.reindex.models import OLD

NEW_FILMS = "year >= 2000"


def followed(world: ContentWorld) -> None:
    """What follows a commit of the documents."""
    assert world.follow()
    world.drain_all()


def writes_of(world: ContentWorld, name: str = "movies") -> int:
    """How many writes are in the log of an index, its build aside."""
    keys = keys_of(world.index(name).dataset)
    counter = world.table.get(keys.sequence)
    assert counter is not None
    jobs = (world.table.get(keys.job(place + 1)) for place in range(int(counter["next"])))
    kinds = [parse_job(item).kind for item in jobs if item]
    return sum(kind in (JobKind.UPSERT, JobKind.DELETE) for kind in kinds)


def asked(world: ContentWorld) -> int:
    return world.models.told.asked.get(OLD.model_id, 0)


def test_a_change_enters_updates_and_leaves() -> None:
    world = ContentWorld()
    world.put(document("a", title="old", year=1990), document("b", title="new", year=2010))
    world.made("movies", NEW_FILMS, "{title}")
    assert list(world.records(world.index().dataset)) == ["b"]
    world.put(document("a", 2, title="old made new", year=2001))
    followed(world)
    assert set(world.records(world.index().dataset)) == {"a", "b"}
    world.put(document("b", 2, title="new", year=1999), document("a", 3, title="another title", year=2001))
    followed(world)
    world.check(world.index())
    assert set(world.records(world.index().dataset)) == {"a"}
    world.put(Deletion("a", 4))
    followed(world)
    assert world.records(world.index().dataset) == {}
    world.check(world.index())


def test_drafts_never_enter() -> None:
    world = ContentWorld()
    world.made()
    world.put(
        document("drafts.a", title="one"), document("versions.r.a", title="one"), document("a", title="one")
    )
    followed(world)
    assert list(world.records(world.index().dataset)) == ["a"]
    world.put(document("drafts.a", 5, title="two"), Deletion("a", 6))
    followed(world)
    assert world.records(world.index().dataset) == {}


def test_what_came_during_the_build_is_taken_up_after_it() -> None:
    world = ContentWorld()
    world.put(document("a", title="one"), document("b", title="two"), document("c", title="three"))
    world.create_index()
    done: list[str] = []

    def meanwhile(function: str, payload: Any) -> Any:
        answer = world.step(world.ports, function, payload)
        if payload["step"] == "embed" and not done:
            done.append("once")
            world.put(Deletion("a", 2), document("b", 2, title="changed"), document("d", title="four"))
            assert not world.follow()  # the build is not done
        return answer

    assert world.built(invoke=meanwhile).succeeded
    assert set(world.records(world.index().dataset)) == {"a", "b", "c"}
    followed(world)
    world.check(world.index())
    assert set(world.records(world.index().dataset)) == {"b", "c", "d"}


def test_nothing_is_embedded_or_written_for_nothing() -> None:
    world = ContentWorld()
    world.put(document("a", title="one", year=2001), document("b", title="two", year=1990))
    world.made("movies", NEW_FILMS)
    before = asked(world)
    for _ in range(2):  # the same webhook again, and one that the index does not care for
        world.put(document("a", title="one", year=2001), document("b", 2, title="three", year=1991))
        followed(world)
    assert (asked(world), writes_of(world)) == (before, 0)
    world.check(world.index())


def test_each_index_is_in_step_by_itself() -> None:
    world = ContentWorld()
    world.put(document("a", title="one", year=2001))
    world.made("new", NEW_FILMS)
    world.made("old", "year < 2000", "{title}")
    world.put(document("b", title="two", year=1990), document("a", 2, title="one", year=1991))
    followed(world)
    for name in ("new", "old"):
        world.check(world.index(name))
    assert set(world.records(world.index("old").dataset)) == {"a", "b"}


def test_many_changes_are_taken_over_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "_BATCH", 3)
    monkeypatch.setattr(following, "_LOOKED_UP", 7)
    world = ContentWorld()
    world.made("movies", NEW_FILMS)
    world.put(*(document(f"m{n}", title=f"film {n}", year=1995 + n) for n in range(20)))
    world.put(document("m3", 2, title="later", year=2020))
    followed(world)
    world.check(world.index())
    assert writes_of(world) > 3


def test_without_time_it_goes_on_where_it_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "_BATCH", 4)
    world = ContentWorld()
    world.made()
    world.put(*(document(f"m{n:02}", title=f"film {n}") for n in range(20)))
    turns = 0
    while not world.follow(budget=-1.0):
        turns += 1
        assert world.tasks.receive(), "it asks to be woken"
        world.drain_all()
        assert turns < 20
    assert turns == 4
    assert asked(world) == 20, "nothing is done twice"
    world.drain_all()
    world.check(world.index())


def test_a_log_that_does_not_tell_any_more_has_everything_compared() -> None:
    world = ContentWorld()
    world.put(*(document(f"m{n}", title=f"film {n}", year=1995 + n) for n in range(10)))
    world.put(document("bad", title="this one cannot", year=2001), document("same", title="fine", year=2002))
    world.made("movies", NEW_FILMS)
    world.put(
        Deletion("m7", 2), document("m1", 2, title="film 1", year=2001), document("n", title="n", year=2005)
    )
    world.put(document("m8", 2, title="film 8 again", year=2003), document("bad", 2, title="good", year=2001))
    before = asked(world)
    expired(world)
    followed(world)
    assert asked(world) == before + 4, "what is there already is not embedded again"
    world.check(world.index())
    followed(world)
    world.check(world.index())


def expired(world: ContentWorld) -> None:
    """The places of the log of the documents are kept no longer."""
    keys = keys_of(world.documents)
    for place in range(1, world.head(world.documents).watermark + 1):
        world.table.delete(keys.job(place))


def test_old_deletions_are_forgotten_once_a_day() -> None:
    world = ContentWorld()
    world.put(document("a", title="one"), document("b", title="two"))
    world.made()
    world.put(Deletion("a", 2))
    followed(world)
    world.clock.pass_seconds(MARKER_KEPT_SECONDS / 2)
    world.put(Deletion("b", 2))
    followed(world)
    world.clock.pass_seconds(MARKER_KEPT_SECONDS / 2 + 60)
    assert world.head(world.documents).row_count == 2, "two deletions are remembered"
    world.put(document("c", title="three"))
    followed(world)
    assert world.head(world.documents).row_count == 2
    world.clock.pass_seconds(MARKER_KEPT_SECONDS)
    world.put(document("d", title="four"))
    followed(world)
    assert world.head(world.documents).row_count == 2
    followed(world)
    world.check(world.index())


def test_a_log_that_has_leapt_is_followed() -> None:
    world = ContentWorld()
    world.put(document("a", title="one"))
    world.made()
    leap(world.ports, keys_of(world.documents), up_to=50)
    world.put(document("b", title="two"))
    followed(world)
    world.check(world.index())


# --- what it waits for ---------------------------------------------------------------------------------------


def test_it_says_what_it_waits_for_and_goes_on() -> None:
    world = ContentWorld()
    world.made()
    world.put(document("a", title="one"))
    world.models.told.problem = lambda spec: ModelBusy(spec.model_id, "too many requests")
    assert not world.follow()
    assert "too many requests" in (world.index().error or "")
    assert world.index().status == "active"
    world.models.told.problem = lambda _: None
    followed(world)
    world.check(world.index())


def test_at_the_quota_it_waits_for_room() -> None:
    world = ContentWorld()
    world.put(document("a", title="one"))
    world.made()
    world.put(document("b", title="two"))
    set_quota(world.ports, world.tenant_id, vector_quota=3, query_quota=None)
    assert not world.follow()
    assert "quota" in (world.index().error or "")
    set_quota(world.ports, world.tenant_id, vector_quota=100, query_quota=None)
    followed(world)
    world.check(world.index())


def test_what_is_deleted_leaves_the_index_though_the_quota_is_reached() -> None:
    world = ContentWorld()
    world.put(document("a", title="one"), document("b", title="two"))
    world.made()
    set_quota(world.ports, world.tenant_id, vector_quota=4, query_quota=None)
    world.put(Deletion("a", 2), document("c", title="three"))
    assert not world.follow()
    world.drain_all()
    assert "quota" in (world.index().error or "")
    assert set(world.records(world.index().dataset)) == {"b"}
    set_quota(world.ports, world.tenant_id, vector_quota=100, query_quota=None)
    followed(world)
    world.check(world.index())


# --- those who die, and those who meet -----------------------------------------------------------------------


@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.BUSY_AFTER, Fault.TWICE])
def test_who_follows_may_die_at_any_call(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "_BATCH", 2)
    for number in range(300):
        world = ContentWorld()
        world.put(document("a", title="one"), document("b", title="two"), document("bad", title="cannot"))
        world.made()
        world.put(
            document("a", 2, title="changed"),
            Deletion("b", 2),
            document("bad", 2, title="good"),
            document("c", title="cannot"),
        )
        faults = Faults(AtCall(number, fault))
        with suppress(SimulatedCrash, ShoalError):
            world.follow(ports=world.process(faults))
        if faults.calls <= number:
            assert number > 20
            return
        world.settle_down()
        world.check(world.index(), faults.describe())
    raise AssertionError("it has no end")


def test_two_at_once_write_each_change_once() -> None:
    """Another one follows between any two calls of the first."""
    for number in range(300):
        world = ContentWorld()
        world.put(document("a", title="one"), document("b", title="two"))
        world.made()
        world.put(document("a", 2, title="changed"), Deletion("b", 2), document("c", title="cannot"))
        meets: list[bool] = []

        def between(
            call: Any, at: int = number, world: ContentWorld = world, meets: list[bool] = meets
        ) -> None:
            if call.number == at:
                meets.append(world.follow())
                put_versions(
                    world.ports, world.documents, [document("a", 3, title="cannot")], vector_quota=None
                )
                world.drain(world.documents)
                meets.append(world.follow())

        faults = Faults(between)
        with suppress(ShoalError):
            world.follow(ports=world.process(faults))
        if not meets:
            assert number > 10
            return
        world.settle_down()
        world.check(world.index(), f"at call {number}")
    raise AssertionError("it has no end")


def test_a_deleted_index_is_forgotten() -> None:
    world = ContentWorld()
    world.put(document("a", title="one"))
    world.made("movies")
    world.made("other")
    world.delete_index("other")
    world.put(document("b", title="two"))
    followed(world)
    world.check(world.index())


def test_one_that_was_never_told_to_be_active_becomes_so() -> None:
    """The workflow died between the commit and its last step."""
    world = ContentWorld()
    world.put(document("a", title="one"), document("bad", title="cannot"))
    world.create_index()

    def dies(function: str, payload: Any) -> Any:
        if payload["step"] == "deploy":
            raise SimulatedCrash
        return world.step(world.ports, function, payload)

    world.built(invoke=dies)
    assert (world.index().status, world.index().failed_count) == ("active", 1)
    world.put(document("bad", 2, title="can"))
    followed(world)
    world.check(world.index())
