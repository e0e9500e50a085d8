"""Collections over HTTP: made, shown, switched, deleted; every answer as the original server's, mended."""

import re
from typing import Any

import pytest

from shoal.http.studio.collection_state import GRAPH
from shoal.index.graph import DEFAULT_EF_CONSTRUCTION, DEFAULT_M
from shoal.services.model_aliases import set_alias
from tests.unit.http.api import Answer, Api

FAMILIES = ["", "/categories"]
BASE = "/api/v1/internal/vectordb/collections"
TIME = re.compile(r"2026-05-28T20:26:40\.\d{6}Z")
S256, S128 = {"embedding_model_id": "static-256"}, {"embedding_model_id": "static-128"}


def post(api: Api, call: str, body: Any, family: str = "") -> Answer:
    return api.call("POST", f"{BASE}{family}/{call}", body)


def get(api: Api, call: str, family: str = "", **query: str) -> Answer:
    return api.call("GET", f"{BASE}{family}/{call}", query=query)


def test_the_figures_of_graphs_are_those_they_are_built_with() -> None:
    assert {"m": DEFAULT_M, "ef_construction": DEFAULT_EF_CONSTRUCTION} == GRAPH


@pytest.mark.parametrize("family", FAMILIES)
def test_a_collection_from_its_creation_to_its_end(api: Api, family: str) -> None:
    made = post(api, "create", S128, family)
    assert made.status == 200, made.text
    assert re.fullmatch("[0-9a-f]{16}", made.json["collection_id"])
    assert TIME.fullmatch(made.json["created_at"])
    assert made.json == {
        "collection_id": made.json["collection_id"],
        "embedding_model": {
            "id": "static-128",
            "name": "static-128",
            "dimensions": 128,
            "metric_type": "cosine",
            "metric_aggregation_type": "min",
            "hnsw": GRAPH,
        },
        "created_at": made.json["created_at"],
        "index_created": True,
        "work_state": "green",
        "applied_optimizations": [],
        "family": "categories" if family else "items",
        "row_count": 0,
    }
    assert get(api, "list", family).json == {"collections": [made.json]}
    other = FAMILIES[not family]
    assert get(api, "list", other).json == {"collections": []}, "each family has its own"
    assert get(api, "get-info", family, embedding_model_id="static-128").json == made.json
    by_body = api.call("GET", f"{BASE}{family}/get-info", S128)
    assert (by_body.status, by_body.json) == (200, made.json)
    assert get(api, "get-info", other, embedding_model_id="static-128").status == 404

    indexed = post(api, "create-index", S128, family)
    assert (indexed.status, indexed.text) == (200, "null")
    assert get(api, "get-blue-info", family).status == 404

    active = post(api, "set-blue", S128, family)
    assert (active.status, active.json) == (200, {**made.json, "work_state": "blue"})
    assert get(api, "get-blue-info", family).json == active.json
    assert get(api, "get-info", family, embedding_model_id="static-128").json == active.json
    assert get(api, "list", family).json == {"collections": [active.json]}, "the alias itself is not listed"

    refused = post(api, "delete", S128, family)
    assert (refused.status, refused.json["detail"]) == (409, "Blue collection can't be deleted")
    assert post(api, "create", S256, family).status == 200
    assert post(api, "set-blue", S256, family).json["work_state"] == "blue"
    states = {
        info["embedding_model"]["id"]: info["work_state"]
        for info in get(api, "list", family).json["collections"]
    }
    assert states == {"static-256": "blue", "static-128": "green"}
    gone = post(api, "delete", S128, family)
    assert (gone.status, gone.text) == (200, "null")
    assert [info["embedding_model"]["id"] for info in get(api, "list", family).json["collections"]] == [
        "static-256"
    ]


def test_the_documented_way_to_switch(api: Api) -> None:
    post(api, "create", S256)
    post(api, "create", S128)
    set_alias(api.ports, api.embedder.registry, api.tenant_id, "text-embedding-v2", "static-128")
    switched = api.call(
        "POST", "/api/v1/internal/collections/blue", {"embedding_model_id": "text-embedding-v2"}
    )
    assert switched.status == 200
    assert (switched.json["embedding_model"]["id"], switched.json["work_state"]) == ("static-128", "blue")
    assert get(api, "get-blue-info").json == switched.json


def test_a_tenants_own_name_of_a_model_works_everywhere(api: Api) -> None:
    set_alias(api.ports, api.embedder.registry, api.tenant_id, "ours", "static-128")
    named = {"embedding_model_id": "ours"}
    made = post(api, "create", named)
    assert made.json["embedding_model"]["id"] == "static-128"
    assert post(api, "create-index", named).status == 200
    assert get(api, "get-info", embedding_model_id="ours").json == made.json
    assert post(api, "delete", named).status == 200


def test_settings_of_a_collection(api: Api) -> None:
    made = post(api, "create", S256 | {"template": "{title}", "metric_aggregation_type": "avg"})
    assert made.json["embedding_model"]["metric_aggregation_type"] == "avg"
    bad = post(api, "create", S128 | {"template": "{title", "metric_aggregation_type": "max"})
    assert bad.status == 422
    assert [fault["loc"] for fault in bad.json["detail"]] == [
        ["body", "template"],
        ["body", "metric_aggregation_type"],
    ]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", ["static-512", "blue", "../x", "é" * 200])
def test_what_is_not_there(api: Api, family: str, name: str) -> None:
    named = {"embedding_model_id": name}
    texts = {
        "create": f"Fine tuning iteration with ID[{name}] does not exist.",
        "create-index": f"Collection with id={name} does not exist",
        "delete": f"Collection with id={name} does not exist",
        "set-blue": "Collection is not found",
    }
    for _ in range(2):
        for call, text in texts.items():
            answer = post(api, call, named, family)
            assert (answer.status, answer.json["detail"]) == (404, text)
        answer = get(api, "get-info", family, embedding_model_id=name)
        assert (answer.status, answer.json["detail"]) == (404, f"Collection with id={name} does not exist")
        # Once more with an active collection there, whose alias is no model's name.
        post(api, "create", S256, family)
        post(api, "set-blue", S256, family)


def test_a_model_whose_collection_is_not_made_yet(api: Api) -> None:
    assert post(api, "set-blue", S128).json["detail"] == "Collection is not found"
    assert post(api, "delete", S128).json["detail"] == "Collection with id=static-128 does not exist"


def test_twice_the_same(api: Api) -> None:
    assert post(api, "create", S128).status == 200
    again = post(api, "create", S128)
    assert (again.status, again.json["code"]) == (409, "collection_exists")


def test_no_blue_yet(api: Api) -> None:
    for family, text in (
        ("", "Blue collection not found"),
        ("/categories", "Blue category collection not found"),
    ):
        answer = get(api, "get-blue-info", family)
        assert (answer.status, answer.json["detail"]) == (404, text)


def test_collections_of_queries_are_not_kept(api: Api) -> None:
    assert get(api, "queries/list").json == {"collections": []}
    answer = get(api, "get-blue-query-info")
    assert (answer.status, answer.json["detail"]) == (404, "Blue collection not found")


@pytest.mark.parametrize(
    ("body", "kind", "loc"),
    [
        (b"", "missing", ["body"]),
        (b"   ", "missing", ["body"]),
        (b"{", "json_invalid", ["body", 1]),
        (b"\xff", "json_invalid", ["body", 0]),
        ([], "model_type", ["body"]),
        ("null", "model_type", ["body"]),
        ({}, "missing", ["body", "embedding_model_id"]),
        ({"embedding_model_id": None}, "string_type", ["body", "embedding_model_id"]),
        ({"embedding_model_id": 5}, "string_type", ["body", "embedding_model_id"]),
        ({"embedding_model_id": ""}, "string_too_short", ["body", "embedding_model_id"]),
        ({"embedding_model_id": "x" * 201}, "string_too_long", ["body", "embedding_model_id"]),
    ],
)
def test_bad_bodies(api: Api, body: Any, kind: str, loc: list[Any]) -> None:
    calls = [
        ("POST", f"{BASE}/create"),
        ("POST", f"{BASE}/create-index"),
        ("POST", f"{BASE}/delete"),
        ("POST", f"{BASE}/set-blue"),
        ("GET", f"{BASE}/get-info"),
        ("POST", "/api/v1/internal/collections/blue"),
    ]
    for method, path in calls:
        answer = api.call(method, path, body)
        assert answer.status == 422
        (fault,) = answer.json["detail"]
        assert (fault["type"], fault["loc"]) == (kind, loc)
        assert fault["msg"]
        assert "x" * 101 not in answer.text


def test_a_bad_name_in_the_query_string(api: Api) -> None:
    answer = get(api, "get-info", embedding_model_id="")
    assert answer.status == 422
    assert answer.json["detail"][0]["loc"] == ["query", "embedding_model_id"]
