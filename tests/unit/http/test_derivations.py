"""Derived datasets over HTTP: begun, shown, cancelled, refused, and where a dataset comes from."""

from typing import Any

import pytest

from shoal.model.tenants import Scope
from tests.unit.http.api import Answer, Api

DERIVE = "/v1/datasets/products/derive"
CHEAP = {"name": "cheap", "filter": {"price": {"$lt": 20}}}
NOON = "2026-05-28T20:26:40Z"


@pytest.fixture(autouse=True)
def _products(api: Api) -> None:
    api.dataset()
    api.indexed(
        {"id": "a", "values": [1, 2, 3, 4], "metadata": {"price": 10, "title": "Running water"}},
        {"id": "b", "values": [4, 3, 2, 1], "metadata": {"price": 30, "title": "A bird"}},
    )


def begun(api: Api, body: Any = CHEAP, path: str = DERIVE) -> dict[str, Any]:
    answer = api.call("POST", path, body)
    assert answer.status == 202, answer.text
    told: dict[str, Any] = answer.json
    return told


def run_of(api: Api, run_id: str) -> Answer:
    return api.call("GET", f"/v1/derivations/{run_id}")


# --- begun


def test_a_derivation_begins(api: Api) -> None:
    told = begun(api)
    assert told == {
        "derivation_id": told["derivation_id"],
        "dataset": "cheap",
        "source": "products",
        "status": "running",
        "stage": "waiting",
        "progress": 0.0,
        "rows_total": 0,
        "rows_removed": 0,
        "removed_by_term": [],
        "strategy": None,
        "source_version": None,
        "follow": False,
        "rebuild": False,
        "created_at": NOON,
        "completed_at": None,
        "error_message": None,
    }
    assert told["derivation_id"].startswith("drv_")
    assert api.derivations.started == {told["derivation_id"]: {"run_id": told["derivation_id"]}}
    shown = run_of(api, told["derivation_id"])
    assert (shown.status, shown.json) == (200, told)


def test_nothing_is_to_be_seen_of_it_before_it_is_done(api: Api) -> None:
    begun(api)
    assert [each["name"] for each in api.call("GET", "/v1/datasets").json["datasets"]] == ["products"]
    for method, path, body in (
        ("GET", "/v1/datasets/cheap", None),
        ("DELETE", "/v1/datasets/cheap", None),
        ("GET", "/v1/datasets/cheap/derivation", None),
        ("POST", "/v1/datasets/cheap/derivation/rebuild", None),
        ("POST", "/v1/datasets/cheap/query", {"vector": [1, 2, 3, 4]}),
        ("POST", "/v1/query", {"dataset": "cheap", "vector": [1, 2, 3, 4]}),
        ("POST", "/v1/count", {"dataset": "cheap"}),
        ("POST", "/v1/datasets/cheap/vectors", '{"id": "c", "values": [1, 2, 3, 4]}'),
        ("PUT", "/v1/aliases/live", {"dataset": "cheap"}),
    ):
        answer = api.call(method, path, body)
        assert (answer.status, answer.code) == (404, "dataset_not_found"), path
    assert api.call("GET", "/v1/datasets/products/derivation").json["derived"] == []


def test_the_name_is_taken_from_then_on(api: Api) -> None:
    told = begun(api)
    for path, body in (
        (DERIVE, CHEAP),
        ("/v1/datasets", {"name": "cheap", "dimension": 4}),
        ("/v1/datasets/products/clone", {"name": "cheap"}),
    ):
        answer = api.call("POST", path, body)
        assert (answer.status, answer.code) == (409, "dataset_exists")
        assert answer.json["error"]["details"] == {"building": told["derivation_id"]}
    answer = api.call("PUT", "/v1/aliases/cheap", {"dataset": "products"})
    assert (answer.status, answer.code) == (409, "name_taken")


def test_terms_are_those_of_a_list_as_it_is_now(api: Api) -> None:
    api.call("PUT", "/v1/term-lists/rude", {"terms": ["Hot  Dog", "bird"]})
    told = begun(api, {"name": "safe", "terms": {"list": "rude", "fields": ["title", "tags[].name"]}})
    api.call("PUT", "/v1/term-lists/rude", {"terms": ["other"]})
    dataset = _hidden(api, told)
    assert dataset["terms"] == "hot dog\nbird"
    assert dataset["term_fields"] == ["title", "tags[].name"]


def test_the_list_of_sensitive_terms_is_there_before_it_is_set(api: Api) -> None:
    told = begun(api, {"name": "safe", "terms": {"list": "sensitive", "fields": ["title"]}})
    assert _hidden(api, told)["terms"] == ""


def _hidden(api: Api, told: dict[str, Any]) -> Any:
    """What is remembered of a dataset that is not to be seen yet."""
    found = [item for item in api.ports.table.items() if item["sk"] == "DERIVED"]  # type: ignore[attr-defined]
    assert [item["last_run"] for item in found] == [told["derivation_id"]]
    return found[0]


def test_an_alias_may_stand_for_the_source(api: Api) -> None:
    api.call("PUT", "/v1/aliases/live", {"dataset": "products"})
    assert begun(api, path="/v1/datasets/live/derive")["source"] == "products"


# --- refused


@pytest.mark.parametrize(
    ("body", "status", "code", "says"),
    [
        (b"{", 400, "invalid_request", "JSON"),
        ([], 400, "invalid_request", "object"),
        ({}, 400, "invalid_request", "name"),
        ({"name": "No"}, 400, "invalid_name", "name"),
        ({"name": ""}, 400, "invalid_name", "name"),
        ({"name": "x" * 65}, 400, "invalid_name", "name"),
        ({"name": "openverse/x"}, 400, "invalid_name", "name"),
        ({"name": "x", "fliter": {}}, 400, "invalid_request", "fliter"),
        ({"name": "x", "filter": []}, 400, "invalid_request", "filter"),
        ({"name": "x", "filter": {"price": {"$near": 1}}}, 400, "invalid_request", "$near"),
        ({"name": "x", "follow": "yes"}, 400, "invalid_request", "follow"),
        ({"name": "x", "terms": ["bird"]}, 400, "invalid_request", "terms"),
        ({"name": "x", "terms": {"list": "sensitive"}}, 400, "invalid_request", "terms.fields"),
        ({"name": "x", "terms": {"list": "sensitive", "fields": []}}, 400, "invalid_request", "terms.fields"),
        (
            {"name": "x", "terms": {"list": "sensitive", "fields": ["a"] * 21}},
            400,
            "invalid_request",
            "terms.fields",
        ),
        ({"name": "x", "terms": {"list": "sensitive", "fields": ["a..b"]}}, 400, "invalid_fields", "path"),
        ({"name": "x", "terms": {"fields": ["title"]}}, 400, "invalid_request", "terms.list"),
        (
            {"name": "x", "terms": {"list": "none", "fields": ["title"]}},
            404,
            "term_list_not_found",
            "no list",
        ),
        (
            {"name": "x", "terms": {"list": "sensitive", "fields": ["a"], "more": 1}},
            400,
            "invalid_request",
            "more",
        ),
        ({"name": "products"}, 409, "dataset_exists", "products"),
    ],
)
def test_what_cannot_be_derived(api: Api, body: Any, status: int, code: str, says: str) -> None:
    answer = api.call("POST", DERIVE, body)
    assert (answer.status, answer.code) == (status, code), answer.text
    assert says in answer.message
    assert api.derivations.started == {}
    assert len(api.call("GET", "/v1/datasets").json["datasets"]) == 1


def test_sources_that_are_not_there_or_not_whole(api: Api) -> None:
    answer = api.call("POST", "/v1/datasets/none/derive", CHEAP)
    assert (answer.status, answer.code) == (404, "dataset_not_found")
    told = begun(api)
    answer = api.call("POST", "/v1/datasets/cheap/derive", {"name": "cheaper"})
    assert (answer.status, answer.code) == (409, "source_unfinished")
    assert answer.json["error"]["details"] == {"building": told["derivation_id"]}
    assert len(api.derivations.started) == 1


@pytest.mark.parametrize("run_id", ["drv_" + "0" * 32, "drv_0", "exp_" + "0" * 32, "x"])
def test_runs_that_are_not_there(api: Api, run_id: str) -> None:
    for method in ("GET", "DELETE"):
        answer = api.call(method, f"/v1/derivations/{run_id}")
        assert (answer.status, answer.code) == (404, "derivation_not_found")


def test_a_stranger_finds_neither_runs_nor_names(api: Api) -> None:
    told = begun(api)
    key = api.stranger()
    for method in ("GET", "DELETE"):
        answer = api.call(method, f"/v1/derivations/{told['derivation_id']}", key=key)
        assert (answer.status, answer.code) == (404, "derivation_not_found")
    assert api.call("POST", "/v1/datasets", {"name": "cheap", "dimension": 4}, key=key).status == 201
    assert run_of(api, told["derivation_id"]).json["status"] == "running"


def test_only_who_may_write_derives_and_cancels(api: Api) -> None:
    reader = api.new_key(Scope.READ)
    told = begun(api)
    for method, path, body in (
        ("POST", DERIVE, {"name": "other"}),
        ("DELETE", f"/v1/derivations/{told['derivation_id']}", None),
        ("POST", "/v1/datasets/products/derivation/rebuild", None),
    ):
        answer = api.call(method, path, body, key=reader)
        assert (answer.status, answer.code) == (403, "forbidden")
    assert api.call("GET", f"/v1/derivations/{told['derivation_id']}", key=reader).status == 200


# --- cancelled


def test_a_cancelled_run_leaves_nothing_and_its_name_is_free(api: Api) -> None:
    told = begun(api)
    api.clock.now += 5
    answer = api.call("DELETE", f"/v1/derivations/{told['derivation_id']}")
    assert (answer.status, answer.json["status"]) == (200, "cancelled")
    assert answer.json["completed_at"] == "2026-05-28T20:26:45Z"
    assert api.derivations.status(told["derivation_id"]) == "ABORTED"
    again = api.call("DELETE", f"/v1/derivations/{told['derivation_id']}")
    assert (again.status, again.json) == (200, answer.json)
    assert run_of(api, told["derivation_id"]).json == answer.json
    assert api.call("GET", "/v1/datasets/cheap").status == 404
    begun(api)


# --- where a dataset comes from


def test_a_dataset_of_its_own_comes_from_nowhere(api: Api) -> None:
    answer = api.call("GET", "/v1/datasets/products/derivation")
    assert (answer.status, answer.json) == (
        200,
        {"dataset": "products", "derived_from": None, "last_run": None, "derived": []},
    )
    answer = api.call("POST", "/v1/datasets/products/derivation/rebuild")
    assert (answer.status, answer.code) == (409, "not_derived")
    for method, path in (("GET", ""), ("POST", "/rebuild")):
        answer = api.call(method, f"/v1/datasets/none/derivation{path}")
        assert (answer.status, answer.code) == (404, "dataset_not_found")
