"""Derived datasets over HTTP: begun, shown, cancelled, refused, and where a dataset comes from."""

from typing import Any

import pytest

from shoal.model.datasets import NATIVE_SCOPE
from shoal.model.derivations import EVERYTHING
from shoal.model.openverse import SCOPE
from shoal.model.tenants import Scope
from shoal.services import datasets
from shoal.services.derived.starting import start_derivation
from tests.unit.http.api import Answer, Api
from tests.unit.http.deriving import run_derivation

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


# --- to its end


def completed(api: Api, told: dict[str, Any]) -> dict[str, Any]:
    """The run, done by the workflow."""
    run_derivation(api, told["derivation_id"])
    done: dict[str, Any] = run_of(api, told["derivation_id"]).json
    return done


def ids(api: Api, name: str) -> list[str]:
    """What is in a dataset, by every way to ask."""
    listed = [each["id"] for each in api.call("GET", f"/v1/datasets/{name}/vectors").json["vectors"]]
    asked = api.call("POST", f"/v1/datasets/{name}/query", {"vector": [1, 2, 3, 4], "top_k": 100})
    assert sorted(match["id"] for match in asked.json["matches"]) == sorted(listed)
    assert api.call("GET", f"/v1/datasets/{name}").json["row_count"] == len(listed)
    return sorted(listed)


def test_a_completed_one_is_there_and_says_where_it_comes_from(api: Api) -> None:
    told = begun(api)
    api.clock.now += 3
    done = completed(api, told)
    assert done == told | {
        "status": "completed",
        "stage": done["stage"],
        "progress": 100.0,
        "rows_total": 2,
        "rows_removed": 1,
        "strategy": "mask",
        "source_version": 1,
        "completed_at": done["completed_at"],
    }
    assert done["completed_at"] >= "2026-05-28T20:26:43Z"
    assert ids(api, "cheap") == ["a"]
    shown = api.call("GET", "/v1/datasets/cheap/derivation").json
    assert shown == {
        "dataset": "cheap",
        "derived_from": {
            "source": "products",
            "source_version": 1,
            "source_newest": 1,
            "filter": {"price": {"$lt": 20}},
            "terms": None,
            "follow": False,
            "built_at": done["completed_at"],
            "rows_removed": 1,
            "removed_by_term": [],
            "strategy": "mask",
            "error_message": None,
        },
        "last_run": done,
        "derived": [],
    }
    of_source = api.call("GET", "/v1/datasets/products/derivation").json
    assert of_source["derived"] == [
        {"dataset": "cheap", "kind": "derived", "follows": False, "synced_version": 1}
    ]
    assert of_source["derived_from"] is None
    api.indexed({"id": "c", "values": [0, 0, 0, 1]}, name="cheap")
    assert ids(api, "cheap") == ["a", "c"], "it goes its own way"
    assert ids(api, "products") == ["a", "b"]


def test_terms_are_counted(api: Api) -> None:
    api.call("PUT", "/v1/term-lists/sensitive", {"terms": ["running water", "bird", "water", "none"]})
    terms = {"list": "sensitive", "fields": ["title"]}
    api.indexed({"id": "c", "values": [0, 0, 0, 1], "metadata": {"title": "Birds: no term"}})
    api.indexed({"id": "d", "values": [0, 0, 0, 2], "metadata": {"title": "water"}})
    done = completed(api, begun(api, {"name": "safe", "terms": terms}))
    assert done["removed_by_term"] == [
        {"term": "water", "records": 2},
        {"term": "bird", "records": 1},
        {"term": "running water", "records": 1},
    ]
    assert done["rows_removed"] == 3
    assert ids(api, "safe") == ["c"]
    shown = api.call("GET", "/v1/datasets/safe/derivation").json["derived_from"]
    assert shown["terms"] == {"list": "sensitive", "count": 4, "fields": ["title"]}
    assert shown["removed_by_term"] == done["removed_by_term"]


def test_one_is_made_anew_of_what_its_source_holds_now(api: Api) -> None:
    completed(api, begun(api))
    api.indexed({"id": "c", "values": [0, 0, 0, 1], "metadata": {"price": 1}})
    assert api.call("GET", "/v1/datasets/cheap/derivation").json["derived_from"]["source_newest"] == 2
    told = begun(api, None, "/v1/datasets/cheap/derivation/rebuild")
    assert (told["rebuild"], told["dataset"], told["source"]) == (True, "cheap", "products")
    assert ids(api, "cheap") == ["a"], "until it is done"
    again = api.call("POST", "/v1/datasets/cheap/derivation/rebuild")
    assert (again.status, again.code) == (409, "derivation_running")
    assert again.json["error"]["details"] == {"derivation_id": told["derivation_id"]}
    assert int(again.headers["retry-after"]) > 0
    shown = api.call("GET", "/v1/datasets/cheap/derivation").json
    assert (shown["last_run"]["status"], shown["derived_from"]["source_version"]) == ("running", 1)
    completed(api, told)
    assert ids(api, "cheap") == ["a", "c"]
    assert api.call("GET", "/v1/datasets/cheap/derivation").json["derived_from"]["source_version"] == 2


def test_a_rebuild_that_is_cancelled_leaves_all_as_it_was(api: Api) -> None:
    completed(api, begun(api))
    told = begun(api, None, "/v1/datasets/cheap/derivation/rebuild")
    assert api.call("DELETE", f"/v1/derivations/{told['derivation_id']}").json["status"] == "cancelled"
    assert ids(api, "cheap") == ["a"]
    completed(api, begun(api, None, "/v1/datasets/cheap/derivation/rebuild"))


def test_a_follower_takes_no_writes_and_says_that_it_follows(api: Api) -> None:
    completed(api, begun(api, {**CHEAP, "follow": True}))
    answer = api.upload({"id": "c", "values": [0, 0, 0, 1]}, name="cheap")
    assert (answer.status, answer.code) == (409, "dataset_follows")
    assert api.call("GET", "/v1/datasets/cheap/derivation").json["derived_from"]["follow"] is True
    (child,) = api.call("GET", "/v1/datasets/products/derivation").json["derived"]
    assert (child["follows"], child["synced_version"]) == (True, 1)


def test_a_source_that_is_deleted_and_a_child_that_is(api: Api) -> None:
    completed(api, begun(api))
    completed(api, begun(api, {"name": "all"}))
    assert api.call("DELETE", "/v1/datasets/all").status == 204
    (child,) = api.call("GET", "/v1/datasets/products/derivation").json["derived"]
    assert child["dataset"] == "cheap"
    api.dataset("all")
    assert len(api.call("GET", "/v1/datasets/products/derivation").json["derived"]) == 1, "of that name only"
    assert api.call("DELETE", "/v1/datasets/products").status == 204
    assert ids(api, "cheap") == ["a"]
    assert api.call("GET", "/v1/datasets/cheap/derivation").json["derived_from"]["source_newest"] is None
    answer = api.call("POST", "/v1/datasets/cheap/derivation/rebuild")
    assert (answer.status, answer.code) == (404, "source_deleted")


def test_an_index_of_another_dialect_is_told_of_by_its_scope(api: Api) -> None:
    source = datasets.resolve(api.ports, api.tenant_id, scope=NATIVE_SCOPE, name="products")
    run = start_derivation(
        api.ports,
        api.tenant_id,
        source=source,
        scope=SCOPE,
        name="image-1",
        condition=EVERYTHING,
        vector_quota=None,
    )
    done = completed(api, run_of(api, run.run_id).json)
    assert done["dataset"] == "openverse/image-1"
    (child,) = api.call("GET", "/v1/datasets/products/derivation").json["derived"]
    assert child["dataset"] == "openverse/image-1"
    assert api.call("POST", "/v1/count", {"dataset": "openverse/image-1"}).json["count"] == 2
