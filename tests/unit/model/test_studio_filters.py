"""Filters of the Embedding Studio dialect: what they mean, and what is refused where."""

from typing import Any

import pytest
from hypothesis import given, settings

from shoal.errors import InvalidInput
from shoal.model.limits import MAX_FILTER_BYTES
from shoal.model.studio_filters import MAX_QUERY_DEPTH, parse_studio_filter
from tests.unit.model.studio_oracle import PAYLOADS, QUERIES, passes


def means(query: Any, payload: Any, **beside: Any) -> bool:
    return parse_studio_filter({"query": query}).matches({"payload": payload, "part": 0, **beside})


@settings(max_examples=600, deadline=None)
@given(query=QUERIES, payload=PAYLOADS)
def test_a_translation_means_what_the_query_says(query: dict[str, Any], payload: dict[str, Any]) -> None:
    assert means(query, payload) == passes(query, payload)


CHAIR = {
    "title": "Ergonomic Office Chair",
    "price": 299.99,
    "stock": 3,
    "sold": True,
    "tags": ["office", "ergonomic"],
    "attributes": {"color": "black"},
    "discount": None,
}


@pytest.mark.parametrize(
    ("query", "holds"),
    [
        ({"match": {"field": "title", "value": "chair OFFICE"}}, True),
        ({"match": {"field": "title", "value": "chair desk"}}, False),
        ({"match_phrase": {"field": "title", "value": "office chair"}}, True),
        ({"match_phrase": {"field": "title", "value": "chair office"}}, False),
        ({"wildcard": {"field": "title", "value": "erg*"}}, True),
        ({"wildcard": {"field": "title", "value": "off?ce"}}, True),
        ({"wildcard": {"field": "title", "value": "ergonomic*chair"}}, True),
        ({"wildcard": {"field": "title", "value": "offic"}}, False),
        ({"term": {"field": "price", "value": 299.99}}, True),
        ({"term": {"field": "stock", "value": 3.0}}, True),
        ({"term": {"field": "stock", "value": "3"}}, False),
        ({"term": {"field": "sold", "value": True}}, True),
        ({"term": {"field": "sold", "value": 1}}, False),
        ({"term": {"field": "tags", "value": "office"}}, True),
        ({"term": {"field": "attributes.color", "value": "black"}}, True),
        ({"terms": {"field": "stock", "values": [1, 2, 3]}}, True),
        ({"any": {"field": "tags", "values": ["desk", "office"]}}, True),
        ({"all": {"field": "tags", "values": ["ergonomic", "office"]}}, True),
        ({"all": {"field": "tags", "values": ["desk", "office"]}}, False),
        ({"field": "discount"}, True),
        ({"exists": {"field": "colour"}}, False),
        ({"field": "price", "range": {"gte": 100, "lte": 300, "gt": None}}, True),
        ({"field": "price", "range": {"gt": "100", "lt": "2.9e2"}}, False),
        ({"field": "stock", "range": {"eq": 3.0}}, True),
        ({"must": {"field": "price"}, "must_not": [{"field": "sold"}]}, False),
        ({"must": [{"field": "price"}], "should": [{"field": "colour"}]}, False),
        ({"bool": {"should": [{"field": "colour"}, {"field": "price"}]}}, True),
        ({"must_not": [{"field": "colour"}, {"field": "size"}]}, True),
        ({"must_not": [{"field": "colour"}, {"field": "price"}]}, False),
        ({}, True),
        ({"bool": {"must": [], "should": None}}, True),
    ],
)
def test_examples(query: Any, holds: bool) -> None:
    assert means(query, CHAIR) is holds


def test_what_is_beside_the_payload() -> None:
    def term(field: str) -> dict[str, Any]:
        return {"term": {"field": field, "value": "x", "force_not_payload": True}}

    assert means(term("user_id"), {"user_id": "y"}, user_id="x")
    assert not means(term("session_id"), {"session_id": "x"})
    assert means(term("storage_meta.source"), {}, storage_meta={"source": "x"})
    assert means(term("storage_meta.source"), {}, item_info={"source": "x"}), "as it is shown"
    assert not means(term("item_info.source"), {}, storage_meta={"source": "x"})
    assert means({"field": "storage_meta", "force_not_payload": True}, {}, item_info={})


def deep(levels: int) -> Any:
    query: Any = {"all": {"field": "storage_meta.x", "values": ["x", "y"], "force_not_payload": True}}
    for _ in range(levels - 1):
        query = {"bool": {"must_not": [query], "must": [{"field": "a"}]}}
    return query


def test_the_deepest_query_is_one_of_ours() -> None:
    assert parse_studio_filter({"query": deep(MAX_QUERY_DEPTH)})
    with pytest.raises(InvalidInput, match="levels deep") as refused:
        parse_studio_filter({"query": deep(MAX_QUERY_DEPTH + 1)})
    assert refused.value.details is not None
    assert refused.value.details["loc"][:4] == ["filter", "query", "bool", "must_not"]
    with pytest.raises(InvalidInput, match="levels deep"):
        parse_studio_filter({"query": deep(400)})


@pytest.mark.parametrize(
    ("given", "where", "why"),
    [
        (None, "filter", "must be an object"),
        ({"category": "AI"}, "filter", "must be an object"),
        ({"query": {}, "more": 1}, "filter.more", "unknown"),
        ({"query": []}, "filter.query", "must be an object"),
        ({"query": {"fuzzy": {"field": "a"}}}, "filter.query.fuzzy", "unknown"),
        ({"query": {"must": [], "minimum_should_match": 1}}, "filter.query.minimum_should_match", "unknown"),
        ({"query": {"range": {"price": {"gte": 1}}}}, "filter.query", "needs its field"),
        ({"query": {"match": {}, "term": {}}}, "filter.query", "one query at a time"),
        ({"query": {"bool": {}, "must": []}}, "filter.query", "one query at a time"),
        ({"query": {"bool": []}}, "filter.query.bool", "must be an object"),
        ({"query": {"bool": {"match": {}}}}, "filter.query.bool.match", "unknown"),
        ({"query": {"term": {"category": "x"}}}, "filter.query.term.category", "unknown"),
        ({"query": {"term": {"field": "a"}}}, "filter.query.term.value", "must be text, a number"),
        ({"query": {"term": {"field": "", "value": 1}}}, "filter.query.term.field", "name of a field"),
        ({"query": {"term": {"field": 1, "value": 1}}}, "filter.query.term.field", "name of a field"),
        ({"query": {"terms": {"field": "a", "values": []}}}, "filter.query.terms.values", "at least one"),
        ({"query": {"all": {"field": "a", "values": "x"}}}, "filter.query.all.values", "at least one"),
        ({"query": {"any": {"field": "a", "values": [1, {}]}}}, "filter.query.any.values[1]", "must be text"),
        ({"query": {"match": {"field": "a", "value": 1}}}, "filter.query.match.value", "must be text"),
        ({"query": {"match": {"field": "a", "value": "!?"}}}, "filter.query.match.value", "letter or digit"),
        ({"query": {"wildcard": {"field": "a", "value": "*"}}}, "filter.query.wildcard.value", "letter"),
        ({"query": {"wildcard": {"field": "a", "value": "a" * 257}}}, "filter.query.wildcard.value", "256"),
        ({"query": {"field": "a", "range": {}}}, "filter.query.range", "at least one of gte"),
        ({"query": {"field": "a", "range": {"gte": None}}}, "filter.query.range", "at least one of gte"),
        ({"query": {"field": "a", "range": {"from": 1}}}, "filter.query.range.from", "unknown"),
        ({"query": {"field": "a", "range": {"lt": "-1e999"}}}, "filter.query.range.lt", "a number or text"),
        ({"query": {"field": "a", "range": {"gte": True}}}, "filter.query.range.gte", "a number or text"),
        (
            {"query": {"field": "a", "force_not_payload": 1}},
            "filter.query.force_not_payload",
            "true or false",
        ),
        ({"query": {"field": "object_id", "force_not_payload": True}}, "filter.query.field", "beside"),
        ({"query": {"field": ".".join("a" * 16)}}, "filter.query.field", "objects deep"),
        ({"query": {"must": [{"field": "a"}, 7]}}, "filter.query.must[1]", "must be an object"),
        ({"query": {"must": [{"should": {"x": 1}}]}}, "filter.query.must[0].should.x", "unknown"),
    ],
)
def test_what_is_refused_and_where(given: Any, where: str, why: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_studio_filter(given)
    error = refused.value
    assert error.code == "invalid_filter"
    assert error.message.startswith(f"{where}: ")
    assert why in error.message
    assert error.details is not None
    assert error.details["loc"][0] == "filter"


def test_a_few_conditions_on_text() -> None:
    texts = [{"match": {"field": "a", "value": "x"}}, {"wildcard": {"field": "b", "value": "x*"}}] * 16
    assert parse_studio_filter({"query": {"should": texts}})
    with pytest.raises(InvalidInput, match="at most 32 of match, match_phrase and wildcard"):
        parse_studio_filter({"query": {"should": [*texts, {"must_not": texts[:1]}]}})


def test_sizes() -> None:
    values = [f"value {number}" for number in range(6000)]
    large = {"query": {"terms": {"field": "a", "values": values}}}
    with pytest.raises(InvalidInput, match=f"at most {MAX_FILTER_BYTES} bytes"):
        parse_studio_filter(large)
    # It is small enough, but each of the values becomes a condition that names its field.
    each = {"query": {"all": {"field": "a" * 40, "values": values[:2000]}}}
    with pytest.raises(InvalidInput, match="bytes") as refused:
        parse_studio_filter(each)
    assert refused.value.code == "invalid_filter"
    with pytest.raises(InvalidInput, match="UTF-8"):
        parse_studio_filter({"query": {"term": {"field": "a", "value": "\ud800"}}})
    with pytest.raises(InvalidInput) as long_key:
        parse_studio_filter({"query": {"x" * 5000: 1}})
    assert len(long_key.value.message) < 500
