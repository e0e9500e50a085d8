"""Searches and counts by payload: exact whatever lies where, and of one version."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.errors import InvalidInput
from shoal.model.bindings import Field
from shoal.model.payload_order import OBJECT_ID, SortBy, sort_key
from shoal.model.studio_filters import parse_studio_filter
from shoal.services.collections import payloads
from shoal.services.collections.pages import FoundPage, Wanted
from shoal.services.collections.payloads import count_by_payload, find_by_payload
from tests.unit.model.studio_oracle import PAYLOADS, QUERIES, passes
from tests.unit.services.cell_world import searcher_over
from tests.unit.services.collections.gallery import Gallery, Thing, all_pages

ORIGIN = (0.0, 0.0, 0.0)
FIELDS = st.sampled_from(["a", "b.a", "c"])


@st.composite
def things(draw: st.DrawFn) -> list[Thing]:
    found = []
    for number in range(draw(st.integers(0, 12))):
        own = draw(
            st.sampled_from([{}, {}, {}, {Field.USER: "ann"}, {Field.USER: "ann", Field.ORIGINAL: "x"}])
        )
        parts = (ORIGIN,) * draw(st.integers(1, 3))
        found.append(Thing(f"thing{number}", parts, draw(PAYLOADS), own))
    return found


@settings(max_examples=60, deadline=None)
@given(
    there=things(),
    query=st.none() | QUERIES,
    cells=st.integers(0, 3),
    resident=st.integers(0, 5),
    limit=st.integers(1, 5),
    sort_by=st.none() | st.builds(SortBy, FIELDS, st.booleans()),
    killed=st.sets(st.integers(0, 11), max_size=3),
)
def test_pages_and_counts_are_what_the_filter_says(
    there: list[Thing],
    query: dict[str, Any] | None,
    cells: int,
    resident: int,
    limit: int,
    sort_by: SortBy | None,
    killed: set[int],
) -> None:
    gallery = Gallery()
    gallery.spread(there, cells, resident)
    gone = [name for n in killed if n < len(there) for name in there[n].records()]
    if gone:
        gallery.world.delete(gallery.dataset, gone)
        gallery.world.drain(gallery.dataset)
    collection = gallery.open()
    condition = None if query is None else parse_studio_filter({"query": query})
    expected = {
        thing.object_id: thing
        for number, thing in enumerate(there)
        if number not in killed
        and Field.ORIGINAL not in thing.more
        and (query is None or passes(query, dict(thing.payload)))
    }
    searcher = gallery.world.searcher

    def page(offset: int, limit: int) -> FoundPage:
        found = find_by_payload(
            searcher, collection, Wanted(limit, offset, filter=condition, sort_by=sort_by)
        )
        assert found.version == collection.version
        assert found.total == len(expected) if collection.snapshot else not found.objects
        return found

    joined = [name for name, _ in all_pages(page, limit)]
    assert len(set(joined)) == len(joined)
    assert set(joined) == set(expected)
    assert count_by_payload(collection, condition) == len(expected)
    assert joined == [name for name, _ in all_pages(page, 1000)]
    if sort_by is not None:
        by_id = sorted(joined)
        keys = {name: sort_key(sort_by, name, {Field.PAYLOAD: expected[name].payload}) for name in joined}
        assert joined == sorted(by_id, key=lambda name: keys[name], reverse=sort_by.descending)


def ordered(gallery: Gallery, sort_by: SortBy) -> list[str]:
    page = find_by_payload(gallery.world.searcher, gallery.open(), Wanted(100, sort_by=sort_by))
    return [each.place.object_id for each in page.objects]


def test_the_order_of_values() -> None:
    rising: list[Any] = [
        None,
        "",
        "B",
        "a",
        "é",
        -2,
        0.5,
        1,
        1e30,
        False,
        True,
        [],
        [1],
        [2],
        [0, 0],
        {},
        {"z": 1},
        {"a": 1, "b": 2},
    ]
    gallery = Gallery()
    named = [Thing(f"{number:02}", (ORIGIN,), {"f": value}) for number, value in enumerate(rising)]
    gallery.hang([Thing("absent", (ORIGIN,), {"g": 1}), *named[::-1]])
    names = [thing.object_id for thing in named]
    assert ordered(gallery, SortBy("f")) == [*names, "absent"]
    assert ordered(gallery, SortBy("f", descending=True)) == ["absent", *names[::-1]]


def test_equal_ones_go_by_id_both_ways() -> None:
    gallery = Gallery()
    gallery.hang([Thing(name, (ORIGIN,), {"n": 1 if name < "c" else 1.0}) for name in "dbca"])
    assert ordered(gallery, SortBy("n")) == ["a", "b", "c", "d"]
    assert ordered(gallery, SortBy("n", descending=True)) == ["a", "b", "c", "d"]


def test_fields_inside_objects_and_beside_the_payload() -> None:
    gallery = Gallery()
    gallery.hang(
        [
            Thing("x", (ORIGIN,), {"a": {"b": 2}}, {Field.SESSION: "s1"}),
            Thing("y", (ORIGIN,), {"a.b": 1}, {Field.SESSION: "s2"}),
            Thing("z", (ORIGIN,), {"a": 7}),
        ]
    )
    assert ordered(gallery, SortBy("a.b")) == ["y", "x", "z"]
    assert ordered(gallery, SortBy(Field.SESSION, beside=True)) == ["x", "y", "z"]
    assert ordered(gallery, SortBy(OBJECT_ID, descending=True, beside=True)) == ["z", "y", "x"]


def test_long_texts_are_compared_as_far_as_they_are_kept() -> None:
    same = "x" * 1024
    gallery = Gallery()
    gallery.hang([Thing("b", (ORIGIN,), {"t": same + "a"}), Thing("a", (ORIGIN,), {"t": same + "b"})])
    assert ordered(gallery, SortBy("t")) == ["a", "b"]


def test_too_many_to_sort(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payloads, "MAX_REACH", 3)
    gallery = Gallery()
    gallery.hang([Thing(f"t{n}", (ORIGIN,) * 2, {"n": n}) for n in range(4)])
    wanted = Wanted(2, sort_by=SortBy("n"))
    with pytest.raises(InvalidInput, match="4 objects pass") as refused:
        find_by_payload(gallery.world.searcher, gallery.open(), wanted)
    assert (refused.value.code, refused.value.details) == ("too_many_to_sort", {"count": 4, "limit": 3})
    assert find_by_payload(gallery.world.searcher, gallery.open(), replace(wanted, sort_by=None)).total == 4


def test_what_lies_in_too_many_cells_to_be_read_at_once() -> None:
    gallery = Gallery()
    gallery.hang_in_cells([Thing(f"t{n}", (ORIGIN,), {"n": n, "pad": "x" * 500}) for n in range(12)], cells=6)
    searcher, _ = searcher_over(gallery.world, budget_bytes=3000)
    with pytest.raises(
        InvalidInput, match="too many places to be read at once; ask for 2 at most"
    ) as refused:
        find_by_payload(searcher, gallery.open(), Wanted(12))
    assert refused.value.details == {"limit": 2}
    assert len(find_by_payload(searcher, gallery.open(), Wanted(2)).objects) == 2
    with pytest.raises(InvalidInput, match="too many places to be read; narrow") as refused:
        find_by_payload(searcher, gallery.open(), Wanted(1, sort_by=SortBy("n")))
    assert refused.value.code == "too_many_to_sort"


def test_an_answer_that_would_be_too_large_says_what_fits() -> None:
    gallery = Gallery()
    gallery.hang([Thing(f"t{n:02}", (ORIGIN,), {"pad": "x" * 200_000}) for n in range(30)])
    with pytest.raises(InvalidInput) as refused:
        find_by_payload(gallery.world.searcher, gallery.open(), Wanted(30))
    assert refused.value.code == "response_too_large"
    assert refused.value.details is not None
    fits = refused.value.details["limit"]
    assert fits == 26
    assert len(find_by_payload(gallery.world.searcher, gallery.open(), Wanted(fits)).objects) == fits


def test_before_there_is_anything() -> None:
    gallery = Gallery()
    assert find_by_payload(gallery.world.searcher, gallery.open(), Wanted(1)).objects == ()
    assert count_by_payload(gallery.open(), None) == 0
