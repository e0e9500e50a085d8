"""Queries over HTTP, row by row of the contract."""

import json
from typing import Any

import pytest

from shoal.http.context import Limits
from shoal.services.tenants import set_quota
from tests.unit.http.api import Api

LINES = (
    {"id": "a", "values": [0, 0, 0, 1], "metadata": {"n": 1, "kind": "x"}},
    {"id": "b", "values": [0, 0, 0, 3], "metadata": {"n": 1.0, "kind": "x"}},
    {"id": "c", "values": [0, 0, 0, 7], "metadata": {"n": True}},
)


@pytest.fixture(params=["/v1/query", "/v1/datasets/products/query"])
def path(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def ask(api: Api, path: str, /, **fields: Any) -> Any:
    return api.call("POST", path, {"dataset": "products", "vector": [0, 0, 0, 1], **fields})


@pytest.fixture(autouse=True)
def _dataset(api: Api) -> None:
    api.dataset()


def test_before_anything_is_indexed_the_mode_is_ephemeral(api: Api, path: str) -> None:
    job_id = api.upload(*LINES).json["job_id"]
    answer = ask(api, path)
    assert answer.status == 200
    assert answer.json.pop("latency_ms") >= 0
    assert {**answer.json, "latency_ms": 0} == {
        "matches": [],
        "mode": "ephemeral",
        "job_id": job_id,
        "latency_ms": 0,
    }
    assert api.call("GET", f"/v1/query/status/{job_id}").json == {"ready": False}
    api.index(job_id)
    assert api.call("GET", f"/v1/query/status/{job_id}").json == {"ready": True}
    assert ask(api, path).json["matches"]


def test_nothing_is_waited_for_where_nothing_was_written(api: Api, path: str) -> None:
    job_id = ask(api, path).json["job_id"]
    assert api.call("GET", f"/v1/query/status/{job_id}").json == {"ready": True}
    assert api.call("GET", f"/v1/query/status/{job_id[:-1]}1").json == {"ready": False}


def test_matches_best_first_with_squared_distances(api: Api, path: str) -> None:
    api.indexed(*LINES)
    answer = ask(api, path, top_k=2)
    assert answer.json["matches"] == [
        {"id": "a", "score": 0.0, "metadata": {"n": 1, "kind": "x"}},
        {"id": "b", "score": 4.0, "metadata": {"n": 1.0, "kind": "x"}},
    ]
    assert set(answer.json) == {"matches", "latency_ms", "mode"}
    assert answer.json["mode"] == "cold"
    assert ask(api, path).json["mode"] == "hot"
    assert answer.headers["x-shoal-version"] == "1"


@pytest.mark.parametrize(
    ("filter_", "ids"),
    [
        ({}, ["a", "b", "c"]),
        (None, ["a", "b", "c"]),
        ({"n": 1}, ["a"]),
        ({"n": 1.0}, ["b"]),
        ({"n": True}, ["c"]),
        ({"n": None}, []),
        ({"kind": "x", "n": 1}, ["a"]),
        ({"$or": [{"n": 1}, {"n": True}]}, ["a", "c"]),
        ({"kind": {"$exists": False}}, ["c"]),
    ],
)
def test_filters(api: Api, path: str, filter_: Any, ids: list[str]) -> None:
    api.indexed(*LINES)
    assert [match["id"] for match in ask(api, path, filter=filter_).json["matches"]] == ids


def test_nested_filters_are_refused_in_the_contracts_words(api: Api, path: str) -> None:
    answer = ask(api, path, filter={"a": {"b": 1}})
    assert (answer.status, answer.code) == (400, "invalid_request")
    assert answer.message == "filter values must be scalars (no nesting, ranges, or OR in v1)"


@pytest.mark.parametrize("top_k", [0, -1, 1001, 10**30])
def test_top_k_out_of_range(api: Api, path: str, top_k: int) -> None:
    answer = ask(api, path, top_k=top_k)
    assert (answer.status, answer.code) == (
        400,
        "top_k_out_of_range" if top_k < 10**20 else "invalid_request",
    )


@pytest.mark.parametrize("nprobe", [0, 1025])
def test_nprobe_out_of_range(api: Api, path: str, nprobe: int) -> None:
    answer = ask(api, path, nprobe=nprobe)
    assert (answer.status, answer.code) == (400, "nprobe_out_of_range")


@pytest.mark.parametrize(
    "fields", [{"top_k": 1}, {"top_k": 1000, "nprobe": 1024}, {"top_k": None, "nprobe": None}]
)
def test_ends_of_the_ranges_and_unknown_fields(api: Api, path: str, fields: dict[str, Any]) -> None:
    assert ask(api, path, **fields, something_else=1).status == 200


@pytest.mark.parametrize(
    "fields",
    [
        {"top_k": "10"},
        {"top_k": True},
        {"top_k": 1.5},
        {"nprobe": "1"},
        {"filter": []},
        {"filter": "x"},
        {"vector": None},
        {"vector": "x"},
        {"vector": [1, 1, 1, "1"]},
        {"vector": [1, 1, 1, True]},
        {"vector": [1, 1, 1, None]},
        {"vector": [1, 1, 1, 1e39]},
        {"vector": {"0": 1}},
    ],
)
def test_invalid_requests(api: Api, path: str, fields: dict[str, Any]) -> None:
    answer = ask(api, path, **fields)
    assert (answer.status, answer.code) == (400, "invalid_request"), answer.text


@pytest.mark.parametrize(
    "body", ["", "{", "[]", "null", '{"dataset":"products","vector":[NaN,1,1,1]}', b"\xff"]
)
def test_bodies_that_are_no_json_objects(api: Api, path: str, body: Any) -> None:
    answer = api.call("POST", path, body)
    assert (answer.status, answer.code) == (400, "invalid_request")


def test_a_vector_is_required(api: Api, path: str) -> None:
    answer = api.call("POST", path, {"dataset": "products"})
    assert (answer.status, answer.code, answer.message) == (400, "invalid_request", "vector: field required")


@pytest.mark.parametrize("got", [0, 3, 5, 5000])
def test_dimension_mismatch(api: Api, path: str, got: int) -> None:
    answer = ask(api, path, vector=[1] * got)
    assert (answer.status, answer.code) == (400, "dimension_mismatch")
    assert answer.json["error"]["details"] == {"expected": 4, "got": got}


def test_cosine_refuses_a_zero_query(api: Api) -> None:
    api.dataset("angles", metric="cosine")
    answer = api.call("POST", "/v1/query", {"dataset": "angles", "vector": [0, 0, 0, 0]})
    assert (answer.status, answer.code) == (400, "invalid_request")


@pytest.mark.parametrize("fields", [{}, {"dataset": None}, {"dataset": ""}])
def test_a_dataset_is_required(api: Api, fields: dict[str, Any]) -> None:
    answer = api.call("POST", "/v1/query", {"vector": [1, 1, 1, 1], **fields})
    assert (answer.status, answer.code, answer.message) == (404, "dataset_not_found", "dataset is required")


@pytest.mark.parametrize("name", ["nowhere", "NO", "a/b"])
def test_unknown_datasets(api: Api, name: str) -> None:
    answer = api.call("POST", "/v1/query", {"dataset": name, "vector": [1, 1, 1, 1]})
    assert (answer.status, answer.code) == (404, "dataset_not_found")
    assert api.call("POST", "/v1/datasets/nowhere/query", {"vector": [1]}).code == "dataset_not_found"


@pytest.mark.parametrize("parts", [3, 5])
def test_an_answer_too_large_names_the_top_k_that_fits(api: Api, path: str, parts: int) -> None:
    text = '"' * 19_000  # 38,000 bytes as JSON, twice that inside the gateway's envelope
    for part in range(parts):
        ids = [f"{part}-{number}" + "\0" * 200 for number in range(40)]
        api.indexed(*({"id": name, "values": [1, 2, 3, 4], "metadata": {"t": text}} for name in ids))
    answer = ask(api, path, top_k=parts * 40)
    assert (answer.status, answer.code) == (400, "response_too_large")
    fits = answer.json["error"]["details"]["top_k"]
    assert f"top_k {fits}" in answer.message
    good = ask(api, path, top_k=fits)
    assert good.status == 200
    assert len(good.json["matches"]) == fits
    assert len(json.dumps(good.text)) < 6_000_000
    assert ask(api, path, top_k=fits + 1).status == 400


def test_query_quota_counts_only_answered_queries() -> None:
    api = Api(Limits(query_quota=2))
    api.dataset()
    for bad in ({"vector": [1]}, {"top_k": 0}, {"vector": None}, {"dataset": "nowhere"}):
        assert ask(api, "/v1/query", **bad).status in {400, 404}
    assert [ask(api, "/v1/query").status for _ in range(3)] == [200, 200, 429]
    refused = ask(api, "/v1/query")
    assert refused.code == "query_quota_exceeded"
    assert refused.json["error"]["details"] == {"limit": 2, "reset_at": "2026-05-29"}
    seconds_to_midnight = 3 * 3600 + 33 * 60 + 20
    assert int(refused.headers["retry-after"]) == seconds_to_midnight + 1
    assert api.call("GET", "/v1/usage").json == {
        "vectors_used": 0,
        "vector_quota": None,
        "queries_today": 2,
        "daily_query_quota": 2,
        "queries_reset_at": "2026-05-29",
    }
    api.clock.now += seconds_to_midnight
    assert ask(api, "/v1/query").status == 200


def test_a_tenants_own_quota_comes_before_the_default() -> None:
    api = Api(Limits(query_quota=0))
    api.dataset()
    assert ask(api, "/v1/query").status == 429
    set_quota(api.ports, api.tenant_id, vector_quota=None, query_quota=1)
    api.clock.now += 60
    assert [ask(api, "/v1/query").status for _ in range(2)] == [200, 429]
