"""Similarity search over objects of several parts: against brute force, page by page, wherever the rows lie."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.errors import InvalidInput, NotFound
from shoal.model.bindings import BLUE, MAX_REACH, Family, Field
from shoal.model.datasets import Metric
from shoal.model.payload_order import SortBy
from shoal.model.queries import QueryRequest
from shoal.model.studio_filters import parse_studio_filter
from shoal.services.collections import search
from shoal.services.collections.blue import set_blue
from shoal.services.collections.opening import open_blue
from shoal.services.collections.pages import FoundPage, Wanted
from shoal.services.collections.search import find_nearest, parts_found
from shoal.services.search import Ranked, Searcher
from shoal.services.snapshot import Snapshot
from tests.unit.services.cell_world import searcher_over
from tests.unit.services.collections.gallery import (
    Gallery,
    Thing,
    Values,
    all_pages,
    as_vector,
    distances,
)

COORDINATE = st.integers(-3, 3).map(float)
VECTOR = st.tuples(COORDINATE, COORDINATE, COORDINATE).filter(any)
COLOURS = st.sampled_from(["red", "blue"])
RED = {"query": {"term": {"field": "colour", "value": "red"}}}


@st.composite
def things(draw: st.DrawFn) -> list[Thing]:
    """Objects of one to five parts; some belong to users, some of those are copies of others."""
    count = draw(st.integers(0, 14))
    found = []
    for number in range(count):
        more: dict[str, Any] = {}
        if draw(st.integers(0, 3)) == 0:
            more[Field.USER] = draw(st.sampled_from(["ann", "bob"]))
            if draw(st.booleans()):
                more[Field.ORIGINAL] = f"thing{draw(st.integers(0, count - 1))}"
        parts = tuple(draw(st.lists(VECTOR, min_size=1, max_size=5)))
        found.append(Thing(f"thing{number}", parts, {"colour": draw(COLOURS)}, more))
    return found


def seen_by(
    user: str | None, there: list[Thing], wanted: Wanted, metric: Metric, vector: Values
) -> dict[str, float]:
    """The distance of each object that a user must find, by the id under which they see it."""
    own = [thing for thing in there if thing.more.get(Field.USER) == user] if user else []
    replaced = {thing.more.get(Field.ORIGINAL) for thing in own}
    everybodys = [
        thing for thing in there if Field.USER not in thing.more and thing.object_id not in replaced
    ]
    found: dict[str, float] = {}
    for thing in [*everybodys, *own]:
        if wanted.filter is not None and thing.payload["colour"] != "red":
            continue
        distance = min(distances(thing.parts, vector, metric))
        shown = thing.more.get(Field.ORIGINAL, thing.object_id)
        if wanted.max_distance is None or distance <= wanted.max_distance:
            found[shown] = min(distance, found.get(shown, distance))
    return found


@settings(max_examples=120, deadline=None)
@given(
    there=things(),
    vector=VECTOR,
    metric=st.sampled_from(list(Metric)),
    cells=st.integers(0, 3),
    resident=st.integers(0, 6),
    limit=st.integers(1, 6),
    far=st.none() | st.floats(-4, 4),
    red=st.booleans(),
    user=st.sampled_from([None, "ann"]),
)
def test_pages_joined_are_what_brute_force_finds(
    there: list[Thing],
    vector: Values,
    metric: Metric,
    cells: int,
    resident: int,
    limit: int,
    far: float | None,
    red: bool,
    user: str | None,
) -> None:
    gallery = Gallery(metric)
    gallery.spread(there, cells, resident)
    collection = gallery.open()
    wanted = Wanted(limit, max_distance=far, filter=parse_studio_filter(RED) if red else None, user_id=user)

    def page(offset: int, limit: int) -> FoundPage:
        asked = replace(wanted, limit=limit, offset=offset)
        return find_nearest(gallery.world.searcher, collection, as_vector(vector), asked)

    expected = seen_by(user, there, wanted, metric, vector)
    found = all_pages(page, limit)
    names = [name for name, _ in found]
    assert len(set(names)) == len(names), "no object twice"
    edge = set() if far is None else {name for name, at in expected.items() if abs(at - far) < 1e-4}
    assert set(names) | edge == set(expected) | edge
    told = [distance for _, distance in found if distance is not None]
    assert told == sorted(told)
    assert told == pytest.approx([expected.get(name, far) for name in names], abs=1e-4)
    assert found == all_pages(page, 1000), "pages joined are one big page"


@settings(max_examples=60, deadline=None)
@given(
    there=things(),
    vector=VECTOR,
    limit=st.integers(1, 5),
    descending=st.booleans(),
    far=st.none() | st.floats(0, 4),
    user=st.sampled_from([None, "ann"]),
)
def test_sorted_by_a_field_all_that_is_near_enough(
    there: list[Thing], vector: Values, limit: int, descending: bool, far: float | None, user: str | None
) -> None:
    gallery = Gallery()
    gallery.spread(there, cells=2, resident=3)
    collection = gallery.open()
    wanted = Wanted(limit, max_distance=far, sort_by=SortBy("colour", descending), user_id=user)

    def page(offset: int, limit: int) -> FoundPage:
        asked = replace(wanted, limit=limit, offset=offset)
        return find_nearest(gallery.world.searcher, collection, as_vector(vector), asked)

    expected = seen_by(user, there, wanted, Metric.L2, vector)
    found = all_pages(page, limit)
    assert {name for name, _ in found} == set(expected)
    assert len(found) == len(expected)
    whole = page(0, 1000)
    assert whole.total == len(expected)
    keys = [
        (each.metadata[Field.PAYLOAD]["colour"], each.place.distance, each.place.object_id)
        for each in whole.objects
    ]
    assert keys == sorted(sorted(keys, key=lambda key: key[1:]), key=lambda key: key[0], reverse=descending)
    assert found == [(each.place.object_id, each.place.distance) for each in whole.objects]


def test_far_more_parts_than_the_first_ranking_has_rows() -> None:
    gallery = Gallery()
    near = Thing("near", tuple((0.0, 0.0, n / 1000) for n in range(16)), {"n": 0})
    crowd = [Thing(f"crowd{k}", tuple((0.0, k / 10, n / 1000) for n in range(16))) for k in range(20)]
    gallery.hang([near, *crowd])
    wanted = Wanted(12)
    page = find_nearest(gallery.world.searcher, gallery.open(), as_vector((0.0, 0.0, 0.0)), wanted)
    assert [each.place.object_id for each in page.objects] == ["near", *(f"crowd{k}" for k in range(11))] or [
        each.place.object_id for each in page.objects
    ] == ["crowd0", "near", *(f"crowd{k}" for k in range(1, 11))]
    assert page.next_offset == 12


def test_strangers_in_front_do_not_push_objects_out() -> None:
    gallery = Gallery()
    strangers = [Thing(f"bobs{n}", ((0.0, 0.0, n / 1000),), more={Field.USER: "bob"}) for n in range(300)]
    gallery.hang(
        [
            *strangers,
            Thing("mine", ((3.0, 0.0, 0.0),), more={Field.USER: "ann"}),
            Thing("all", ((4.0, 0.0, 0.0),)),
        ]
    )
    vector, collection = as_vector((0.0, 0.0, 0.0)), gallery.open()

    def names(user: str | None, limit: int = 5) -> list[str]:
        page = find_nearest(gallery.world.searcher, collection, vector, Wanted(limit, user_id=user))
        return [each.place.object_id for each in page.objects]

    assert names(None) == ["all"]
    assert names("ann") == ["mine", "all"]
    assert names("bob", 2) == ["bobs0", "bobs1"]


def test_strangers_in_front_cost_one_ranking_more() -> None:
    gallery = Gallery()
    strangers = [Thing(f"bobs{n}", ((0.0, 0.0, n / 1000),), more={Field.USER: "bob"}) for n in range(2000)]
    gallery.hang([*strangers, *(Thing(f"all{n}", ((3.0, 0.0, n),)) for n in range(100))])
    asked: list[QueryRequest] = []

    class Watched(Searcher):
        def rank(self, snapshot: Snapshot, request: QueryRequest) -> Ranked:
            asked.append(request)
            return super().rank(snapshot, request)

    searcher = Watched(gallery.world.ports, cache_bytes=1 << 26)
    page = find_nearest(searcher, gallery.open(), as_vector((0.0, 0.0, 0.0)), Wanted(5))
    assert [each.place.object_id for each in page.objects] == [f"all{n}" for n in range(5)]
    assert [(request.top_k, request.filter is None) for request in asked] == [(64, True), (64, False)]


def test_a_copy_is_found_in_the_place_of_its_original() -> None:
    gallery = Gallery()
    copy = Thing("chair~ann", ((9.0, 0.0, 0.0),), {"v": 2}, {Field.USER: "ann", Field.ORIGINAL: "chair"})
    chair = Thing("chair", ((1.0, 0.0, 0.0),), {"v": 1, "user_id": "a word of the payload"})
    gallery.hang([chair, copy, Thing("desk", ((2.0, 0.0, 0.0),))])
    vector, collection = as_vector((0.0, 0.0, 0.0)), gallery.open()

    def found(user: str | None) -> list[tuple[str, Any]]:
        page = find_nearest(gallery.world.searcher, collection, vector, Wanted(5, user_id=user))
        return [(each.place.object_id, each.metadata[Field.PAYLOAD].get("v")) for each in page.objects]

    assert found(None) == [("chair", 1), ("desk", None)]
    assert found("bob") == [("chair", 1), ("desk", None)]
    assert found("ann") == [("desk", None), ("chair", 2)]


def test_more_copies_than_a_search_allows_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shoal.services.collections.audience.MAX_COPIES", 2)
    gallery = Gallery()
    gallery.hang([Thing(f"own{n}", ((1.0, 0.0, 0.0),), more={Field.USER: "ann"}) for n in range(3)])
    with pytest.raises(InvalidInput) as refused:
        find_nearest(
            gallery.world.searcher, gallery.open(), as_vector((0.0, 0.0, 0.0)), Wanted(1, user_id="ann")
        )
    assert refused.value.code == "too_many_copies"


def test_too_many_to_sort(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MAX_REACH", 3)
    gallery = Gallery()
    gallery.hang([Thing(f"thing{n}", ((1.0, 0.0, 0.0),) * 2, {"n": n}) for n in range(4)])
    wanted = Wanted(1, sort_by=SortBy("n"))
    with pytest.raises(InvalidInput, match=f"4 objects pass the filter, and at most {MAX_REACH}") as refused:
        find_nearest(gallery.world.searcher, gallery.open(), as_vector((0.0, 0.0, 0.0)), wanted)
    assert refused.value.code == "too_many_to_sort"
    gallery.hang([Thing(f"bobs{n}", ((1.0, 0.0, 0.0),), {"n": 0}, {Field.USER: "bob"}) for n in range(5)])
    few = replace(wanted, filter=parse_studio_filter({"query": {"field": "n", "range": {"lt": 3}}}))
    page = find_nearest(gallery.world.searcher, gallery.open(), as_vector((0.0, 0.0, 0.0)), few)
    assert [each.place.object_id for each in page.objects] == ["thing0"]


def test_how_many_parts_are_near_enough() -> None:
    gallery = Gallery()
    several = Thing("several", ((5.0, 0.0, 0.0), (1.0, 0.0, 0.0), (2.0, 0.0, 0.0)))
    copy = Thing("copy", ((4.0, 0.0, 0.0), (1.5, 0.0, 0.0)), more={Field.ORIGINAL: "original"})
    gallery.hang([several, copy, Thing("one", ((3.0, 0.0, 0.0),))])
    collection, vector = gallery.open(), as_vector((0.0, 0.0, 0.0))

    def counted(far: float | None) -> dict[str, int]:
        wanted = Wanted(10, max_distance=far)
        page = find_nearest(gallery.world.searcher, collection, vector, wanted)
        return parts_found(gallery.world.searcher, collection, vector, page.objects, max_distance=far)

    assert counted(None) == {"several": 3, "original": 2, "one": 1}
    assert counted(2.0) == {"several": 2, "original": 1}
    assert counted(1.0) == {"several": 1}
    assert counted(0.5) == {}


def test_a_vector_of_another_model() -> None:
    gallery = Gallery(Metric.COSINE)
    searcher = gallery.world.searcher
    for there in (gallery.open(), None):
        if there is None:
            gallery.hang([Thing("a", ((1.0, 0.0, 0.0),))])
        with pytest.raises(InvalidInput, match="has 2 values; the collection uses the model tiny") as refused:
            find_nearest(searcher, gallery.open(), as_vector((1.0, 0.0)), Wanted(1))
        assert refused.value.details == {"expected": 3, "got": 2, "embedding_model": "tiny"}
        with pytest.raises(InvalidInput, match="must not be zero"):
            find_nearest(searcher, gallery.open(), as_vector((0.0, 0.0, 0.0)), Wanted(1))


def test_before_there_is_anything() -> None:
    gallery = Gallery()
    page = find_nearest(gallery.world.searcher, gallery.open(), as_vector((0.0, 0.0, 0.0)), Wanted(1))
    assert page == FoundPage((), None, 0)
    assert (
        parts_found(gallery.world.searcher, gallery.open(), as_vector((0.0, 0.0, 0.0)), (), max_distance=1)
        == {}
    )


def test_no_collection_and_no_blue() -> None:
    gallery = Gallery()
    searcher, tenant_id = gallery.world.searcher, gallery.world.tenant_id
    with pytest.raises(NotFound, match="Collection with id=other does not exist"):
        gallery.open("other")
    with pytest.raises(NotFound, match="Collection with id=blue does not exist"):
        gallery.open(BLUE)
    with pytest.raises(NotFound, match=r"Model is not initialized yet\."):
        open_blue(searcher, tenant_id, Family.CATEGORIES)


def test_an_answer_is_of_the_version_and_the_collection_that_were_open() -> None:
    gallery = Gallery()
    gallery.hang([Thing("old", ((1.0, 0.0, 0.0),))])
    tenant_id = gallery.world.tenant_id
    before = open_blue(gallery.world.searcher, tenant_id, Family.ITEMS)

    other = gallery.create("other", dimension=2)
    gallery.world.upsert(other, Thing("new", ((1.0, 0.0),)).records())
    gallery.world.drain(other)
    set_blue(gallery.world.ports, tenant_id, Family.ITEMS, "other")
    gallery.hang([Thing("late", ((0.0, 0.0, 0.0),))])

    page = find_nearest(gallery.world.searcher, before, as_vector((0.0, 0.0, 0.0)), Wanted(5))
    assert [each.place.object_id for each in page.objects] == ["old"]
    after = open_blue(gallery.world.searcher, tenant_id, Family.ITEMS)
    assert after.binding.model_id == "other"
    page = find_nearest(gallery.world.searcher, after, as_vector((0.0, 0.0)), Wanted(5))
    assert [each.place.object_id for each in page.objects] == ["new"]


def test_blue_that_moves_while_it_is_looked_up_is_found() -> None:
    gallery = Gallery()
    gallery.create("other")
    world = gallery.world

    class Moving:
        """A table over which blue goes back and forth between reads, a few times."""

        moves = 0

        def __getattr__(self, name: str) -> Any:
            return getattr(world.table, name)

        def batch_get(self, keys: Any) -> Any:
            if self.moves < 4:
                self.moves += 1
                set_blue(world.ports, world.tenant_id, Family.ITEMS, "other" if self.moves % 2 else "tiny")
            return world.table.batch_get(keys)

    table: Any = Moving()
    searcher = Searcher(replace(world.ports, table=table), cache_bytes=1 << 20)
    assert open_blue(searcher, world.tenant_id, Family.ITEMS).binding.model_id == "tiny"


def test_a_search_that_may_not_read_enough_says_so() -> None:
    gallery = Gallery()
    gallery.hang_in_cells([Thing(f"t{n}", ((1.0, 0.0, float(n)),), {"n": n}) for n in range(40)], cells=8)
    searcher, _ = searcher_over(gallery.world, budget_bytes=200)
    page = find_nearest(searcher, gallery.open(), as_vector((0.0, 0.0, 0.0)), Wanted(30))
    assert page.partial
    assert 0 < len(page.objects) < 30
    assert page.next_offset is None
    whole = find_nearest(gallery.world.searcher, gallery.open(), as_vector((0.0, 0.0, 0.0)), Wanted(30))
    assert not whole.partial
    assert len(whole.objects) == 30


def test_a_filter_without_an_index_that_would_read_too_much() -> None:
    gallery = Gallery()
    things = [Thing(f"t{n}", ((1.0, 0.0, float(n)),), {"n": n}) for n in range(40)]
    gallery.hang_in_cells(things, cells=8, indexed=False)
    searcher, _ = searcher_over(gallery.world, budget_bytes=1500)
    last = parse_studio_filter({"query": {"term": {"field": "n", "value": 39}}})
    with pytest.raises(InvalidInput) as refused:
        find_nearest(searcher, gallery.open(), as_vector((1.0, 0.0, 0.0)), Wanted(1, filter=last))
    assert refused.value.code == "filter_not_indexed"
    assert refused.value.details == {"paths": ["payload.n"]}
