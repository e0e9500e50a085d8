"""Queries of content indexes: texts in, documents with scores from 0 to 1 out."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.errors import InvalidInput, NotFound
from shoal.model.content_documents import Document
from shoal.model.content_indexes import FoundDocument, check_query
from shoal.model.datasets import Metric
from shoal.services.content.querying import query_index
from shoal.services.content.scores import score_of
from tests.unit.services.content.content_world import NAME, ContentWorld, document

metrics = st.sampled_from(list(Metric))
numbers = st.floats(-1e6, 1e6, width=32)


def ask(world: ContentWorld, text: str, *more: object, name: str = "movies") -> list[FoundDocument]:
    return query_index(
        world.ports,
        world.searcher,
        world.embedder(),
        world.tenant_id,
        dataset_name=NAME,
        name=name,
        query=check_query(text, *more),
    )


def library() -> ContentWorld:
    world = ContentWorld()
    world.put(document("a", title="a red fox"), document("b", title="a blue whale"))
    world.put(Document("c", {"_id": "c", "_type": "book", "title": "the red book"}, 1))
    return world


def test_the_nearest_document_comes_first() -> None:
    world = library()
    world.made()
    found = ask(world, "a red fox")
    assert found[0] == FoundDocument("a", "movie", 1.0)
    assert {one.document_id for one in found} == {"a", "b", "c"}
    scores = [one.score for one in found]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)


@pytest.mark.parametrize(
    ("only", "ids"),
    [
        (None, {"a", "b", "c"}),
        ({}, {"a", "b", "c"}),
        ({"type": ""}, {"a", "b", "c"}),
        ({"type": "book"}, {"c"}),
        ({"type": "book, movie"}, {"a", "b", "c"}),
        ({"type": "book,other"}, {"c"}),
        ({"type": ["movie"]}, {"a", "b"}),
        ({"type": ["movie", "book"]}, {"a", "b", "c"}),
        ({"type": "nothing"}, set()),
    ],
)
def test_documents_of_some_types(only: object, ids: set[str]) -> None:
    world = library()
    world.made()
    assert {one.document_id for one in ask(world, "red", None, only)} == ids


def test_at_most_so_many() -> None:
    world = library()
    world.made()
    assert len(ask(world, "red", 1)) == 1
    assert len(ask(world, "red", 1000)) == 3
    world.put(*(document(f"x{n:02}", title=f"number {n}") for n in range(20)))
    assert world.follow()
    world.drain_all()
    assert len(ask(world, "red")) == 10


def test_before_the_build_is_done_nothing_is_found() -> None:
    world = library()
    world.create_index()
    assert ask(world, "red") == []


def test_what_is_not_there() -> None:
    world = ContentWorld()
    with pytest.raises(NotFound) as missing:
        ask(world, "red")
    assert missing.value.code == "dataset_not_found"
    world.made()
    with pytest.raises(NotFound) as missing:
        ask(world, "red", name="Movies")
    assert missing.value.code == "index_not_found"


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ((None,), "invalid_query"),
        ((7,), "invalid_query"),
        (("",), "invalid_query"),
        (("  ",), "invalid_query"),
        (("red", 0), "invalid_max_results"),
        (("red", 1001), "invalid_max_results"),
        (("red", -1), "invalid_max_results"),
        (("red", 1.5), "invalid_max_results"),
        (("red", True), "invalid_max_results"),
        (("red", "10"), "invalid_max_results"),
        (("red", 10, "book"), "invalid_filter"),
        (("red", 10, ["book"]), "invalid_filter"),
        (("red", 10, {"type": 7}), "invalid_filter"),
        (("red", 10, {"type": {"a": 1}}), "invalid_filter"),
        (("red", 10, {"type": ["a", 7]}), "invalid_filter"),
        (("red", 10, {"types": ["a"]}), "invalid_filter"),
        (("red", 10, {"type": ["t" * 257]}), "invalid_filter"),
        (("red", 10, {"type": [f"t{n}" for n in range(101)]}), "invalid_filter"),
        (("x" * 100_000,), "text_too_long"),
    ],
)
def test_what_cannot_be_asked(asked: tuple[Any, ...], code: str) -> None:
    world = ContentWorld()
    world.made()
    with pytest.raises(InvalidInput) as refused:
        ask(world, *asked)
    assert refused.value.code == code


# --- scores -------------------------------------------------------------------------------------------------


@given(metric=metrics, one=numbers, other=numbers)
def test_scores_keep_the_order(metric: Metric, one: float, other: float) -> None:
    near, far = (min, max) if metric.lower_is_better else (max, min)
    better, worse = score_of(metric, near(one, other)), score_of(metric, far(one, other))
    assert 0.0 <= worse <= better <= 1.0


@pytest.mark.parametrize(
    ("metric", "found", "score"),
    [
        (Metric.COSINE, 1.0, 1.0),
        (Metric.COSINE, 1.0000001, 1.0),
        (Metric.COSINE, 0.0, 0.5),
        (Metric.COSINE, -1.0, 0.0),
        (Metric.L2, 0.0, 1.0),
        (Metric.L2, 1.0, 0.5),
        (Metric.L2, -1e-9, 1.0),
        (Metric.DOT, 0.0, 0.5),
        (Metric.DOT, 1.0, 0.75),
        (Metric.DOT, -1.0, 0.25),
    ],
)
def test_scores_of_each_metric(metric: Metric, found: float, score: float) -> None:
    assert score_of(metric, found) == score


@given(one=st.floats(-1, 1, width=16), other=st.floats(-1, 1, width=16))
def test_cosines_that_differ_have_scores_that_do(one: float, other: float) -> None:
    if one != other:
        assert score_of(Metric.COSINE, one) != score_of(Metric.COSINE, other)
