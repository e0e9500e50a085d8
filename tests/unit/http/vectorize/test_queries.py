"""Queries, reads by id, lists, deletes."""

import math
from typing import Any

import pytest

from shoal.http.context import VectorizeLimits
from tests.unit.http.vectorize.client import Vectorize, fault, record, vector


def query(api: Vectorize, **body: Any) -> Any:
    answer = api.v("POST", "/docs/query", {"vector": vector(1.0), **body})
    assert answer.status == 200, answer.text
    assert answer.json["result"]["count"] == len(answer.json["result"]["matches"])
    return answer.json["result"]["matches"]


@pytest.mark.parametrize(
    ("metric", "scores"),
    [
        ("cosine", {"near": 1.0, "far": math.sqrt(0.5)}),
        ("euclidean", {"near": 1.0, "far": 1.0}),
        ("dot-product", {"near": 2.0, "far": 1.0}),
    ],
)
def test_scores_are_those_of_the_metric(api: Vectorize, metric: str, scores: dict[str, float]) -> None:
    api.make(metric=metric)
    api.stored(record("near", 2.0), record("far", 1.0, 1.0))
    found = {match["id"]: match["score"] for match in query(api)}
    assert found == pytest.approx(scores, abs=1e-6)


def test_euclidean_is_sorted_by_distance(api: Vectorize) -> None:
    api.make(metric="euclidean")
    api.stored(record("3", 4.0), record("0", 1.0), record("1", 2.0))
    assert [(match["id"], match["score"]) for match in query(api)] == [("0", 0.0), ("1", 1.0), ("3", 3.0)]


def test_what_a_match_shows(api: Vectorize) -> None:
    api.make()
    api.apply(api.v("POST", "/docs/metadata_index/create", {"propertyName": "k", "indexType": "number"}))
    api.stored(record("a", metadata={"k": 1, "other": "x"}, namespace="n"), record("b", 0.5, 0.5))
    plain, second = query(api)
    assert (plain, set(second)) == ({"id": "a", "score": 1.0, "namespace": "n"}, {"id", "score"})
    (shown, *_) = query(api, returnValues=True, returnMetadata="all")
    assert shown["values"] == vector(1.0)
    assert shown["metadata"] == {"k": 1, "other": "x"}
    assert query(api, returnMetadata=True)[0]["metadata"] == {"k": 1, "other": "x"}
    assert query(api, returnMetadata="indexed")[0]["metadata"] == {"k": 1}
    assert "metadata" not in query(api, returnMetadata=False)[0]


def test_top_k(api: Vectorize) -> None:
    api.make()
    api.stored(*(record(f"v{number}", 1.0, number / 100) for number in range(120)))
    assert len(query(api)) == 5
    assert len(query(api, topK=100)) == 100
    assert len(query(api, topK=100, returnMetadata="indexed")) == 100
    assert len(query(api, topK=50, returnValues=True, returnMetadata="all")) == 50
    for more in ({"returnValues": True}, {"returnMetadata": "all"}):
        refused = api.v("POST", "/docs/query", {"vector": vector(1.0), "topK": 51, **more})
        assert fault(refused) == (
            400,
            40025,
            (
                "with returnValues=true or returnMetadata=all, max top K is 50, but got 51; for a top K up to "
                "100, retry with returnValues=false and returnMetadata=indexed"
            ),
        )
    for wrong in (0, 101, -1):
        assert fault(api.v("POST", "/docs/query", {"vector": vector(1.0), "topK": wrong}))[:2] == (400, 40025)


def test_a_query_by_the_vector_of_an_id(api: Vectorize) -> None:
    api.make()
    api.stored(record("a"), record("b", 0.0, 1.0), record("c", 0.1, 1.0))
    answer = api.v("POST", "/docs/query", {"vectorId": "b", "topK": 2})
    assert [match["id"] for match in answer.json["result"]["matches"]] == ["b", "c"]
    missing = api.v("POST", "/docs/query", {"vectorId": "nobody"})
    assert fault(missing) == (400, 40006, 'invalid query vector, there is no vector id="nobody"')
    assert fault(api.v("POST", "/docs/query", {"vectorId": "x" * 65}))[:2] == (400, 40008)


@pytest.mark.parametrize(
    ("body", "code", "text"),
    [
        ({"vector": [1.0]}, 40006, "invalid query vector, expected 32 dimensions, and got 1 dimensions"),
        ({"vector": vector(1e39)}, 40006, "invalid query vector, values must fit into float32"),
        ({}, 40026, "one of vector and vectorId is needed"),
        ({"vector": vector(1.0), "vectorId": "a"}, 40026, "one of vector and vectorId is needed"),
        ({"vector": vector(1.0), "topK": "5"}, 40026, "topK: "),
        ({"vector": vector(1.0), "returnMetadata": "some"}, 40026, "returnMetadata"),
        ({"vector": ["1"] * 32}, 40026, "vector.0: "),
        ({"vector": vector(1.0), "filter": []}, 40026, "filter: "),
    ],
)
def test_queries_that_are_none(api: Vectorize, body: dict[str, Any], code: int, text: str) -> None:
    api.make()
    api.stored(record("a"))
    refused = fault(api.v("POST", "/docs/query", body))
    assert refused[:2] == (400, code)
    assert text in refused[2]


def test_namespaces(api: Vectorize) -> None:
    api.make()
    api.stored(record("a", namespace="one"), record("b", namespace="two"), record("c"))
    assert [match["id"] for match in query(api, namespace="two")] == ["b"]
    assert len(query(api)) == 3
    assert query(api, namespace="three") == []


def test_a_query_before_anything_is_indexed_finds_nothing(api: Vectorize) -> None:
    api.make()
    assert query(api) == []


def test_get_by_ids(api: Vectorize) -> None:
    api.make()
    api.stored(*(record(f"v{number}", metadata={"n": number}) for number in range(30)))
    found = api.v("POST", "/docs/get_by_ids", {"ids": ["v3", "nobody", "v1"]}).json["result"]
    assert [one["id"] for one in found] == ["v3", "v1"]
    assert found[0] == {"id": "v3", "values": vector(1.0), "metadata": {"n": 3}}
    too_many = api.v("POST", "/docs/get_by_ids", {"ids": [f"v{number}" for number in range(34)]})
    assert fault(too_many) == (400, 40007, "too many ids in payload; max id count is 20, got 34")
    long = api.v("POST", "/docs/get_by_ids", {"ids": ["x" * 74]})
    assert fault(long) == (400, 40008, "id too long; max is 64 bytes, got 74 bytes")
    assert fault(api.v("POST", "/docs/get_by_ids", {}))[:2] == (400, 40026)
    api.limited(VectorizeLimits(max_ids=40))
    assert len(api.v("POST", "/docs/get_by_ids", {"ids": [f"v{n}" for n in range(34)]}).json["result"]) == 30


def test_an_answer_that_would_be_too_large_says_what_fits(api: Vectorize) -> None:
    api.limited(VectorizeLimits(max_dimensions=4096, max_ids=1000))
    api.make(dimensions=1536)
    values = [0.123456789 + number / 1e6 for number in range(1536)]
    lines = [{"id": f"v{number}", "values": values, "metadata": {"k": "v" * 10_000}} for number in range(400)]
    for start in range(0, 400, 200):
        api.stored(*lines[start : start + 200])
    refused = fault(api.v("POST", "/docs/get_by_ids", {"ids": [f"v{number}" for number in range(400)]}))
    assert refused[:2] == (400, 40007)
    assert "fewer than 400 ids" in refused[2]


def test_delete_by_ids(api: Vectorize) -> None:
    api.make()
    api.stored(*(record(f"v{number}") for number in range(3)))
    mutation = api.apply(api.v("POST", "/docs/delete_by_ids", {"ids": ["v0", "v2", "nobody"]}))
    info = api.v("GET", "/docs/info").json["result"]
    assert (info["vectorCount"], info["processedUpToMutation"]) == (1, mutation)
    too_many = api.v("POST", "/docs/delete_by_ids", {"ids": [f"v{number}" for number in range(101)]})
    assert fault(too_many) == (400, 40007, "too many ids in payload; max id count is 100, got 101")


def test_a_list_is_of_one_version(api: Vectorize) -> None:
    api.make()
    empty = api.v("GET", "/docs/list").json["result"]
    assert empty == {
        "count": 0,
        "totalCount": 0,
        "isTruncated": False,
        "nextCursor": None,
        "cursorExpirationTimestamp": None,
        "vectors": [],
    }
    api.stored(*(record(f"v{number}") for number in range(7)))
    first = api.v("GET", "/docs/list", query={"count": "3"}).json["result"]
    assert (first["count"], first["totalCount"], first["isTruncated"]) == (3, 7, True)
    assert first["cursorExpirationTimestamp"] == "2026-05-29T20:26:40.000000Z"
    api.apply(api.v("POST", "/docs/delete_by_ids", {"ids": ["v6"]}))
    api.stored(record("new"))
    seen = [one["id"] for one in first["vectors"]]
    cursor = first["nextCursor"]
    while cursor:
        page = api.v("GET", "/docs/list", query={"count": "3", "cursor": cursor}).json["result"]
        seen += [one["id"] for one in page["vectors"]]
        cursor = page["nextCursor"]
        assert page["totalCount"] == 7
    assert sorted(seen) == [f"v{number}" for number in range(7)]
    assert api.ids() == ["new", *(f"v{number}" for number in range(6))]


@pytest.mark.parametrize("given", [{"count": "0"}, {"count": "1001"}, {"count": "x"}, {"cursor": "made-up"}])
def test_lists_that_are_none(api: Vectorize, given: dict[str, str]) -> None:
    api.make()
    api.stored(record("a"))
    assert fault(api.v("GET", "/docs/list", query=given))[:2] == (400, 40026)


def test_a_query_whose_answer_would_be_too_large_is_refused(api: Vectorize) -> None:
    """Only records of the native API can be so large: of 4,096 dimensions and 40 KB of metadata each."""
    api.dataset("wide", dimension=4096)
    values = [0.123456789 + number / 1e6 for number in range(4096)]
    lines = [{"id": f"v{number}", "values": values, "metadata": {"k": '"' * 20_000}} for number in range(50)]
    for start in range(0, 50, 25):
        api.indexed(*lines[start : start + 25], name="wide")
    wanted = {"vector": values, "topK": 50, "returnValues": True, "returnMetadata": "all"}
    refused = fault(api.v("POST", "/wide/query", wanted))
    assert refused[:2] == (400, 40026)
    assert "the answer would be" in refused[2]
    assert len(api.v("POST", "/wide/query", {**wanted, "topK": 10}).json["result"]["matches"]) == 10
