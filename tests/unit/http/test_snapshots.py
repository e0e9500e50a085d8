"""Snapshots, restores and clones over HTTP: what they answer, what they refuse, and what to do then."""

from typing import Any

import pytest

from shoal.http.app import App
from shoal.http.context import Deps, Limits
from shoal.http.routes import service_router
from shoal.services.commit import drain
from shoal.services.datasets import resolve
from shoal.services.heads import keys_of
from shoal.services.search import Searcher
from shoal.storage.ports import Assign
from tests.unit.http.api import Api

PATH = "/v1/datasets/products"
SNAPSHOTS = f"{PATH}/snapshots"


@pytest.fixture(autouse=True)
def _dataset(api: Api) -> None:
    api.dataset()
    api.indexed({"id": "a", "values": [1, 2, 3, 4]}, {"id": "b", "values": [5, 6, 7, 8]})


def ids(api: Api, name: str = "products") -> list[str]:
    body = {"vector": [1, 2, 3, 4], "top_k": 100}
    return sorted(
        match["id"] for match in api.call("POST", f"/v1/datasets/{name}/query", body).json["matches"]
    )


def named(api: Api, name: str = "monday") -> None:
    assert api.call("POST", SNAPSHOTS, {"name": name}).status == 201


def changed(api: Api) -> None:
    """b goes, c comes."""
    api.index(api.call("DELETE", f"{PATH}/vectors/b").json["job_id"])
    api.indexed({"id": "c", "values": [1, 1, 1, 1]})
    assert ids(api) == ["a", "c"]


# --- snapshots ---------------------------------------------------------------------------------------------


def test_a_snapshot_is_made_shown_listed_and_deleted(api: Api) -> None:
    shown = {
        "name": "monday",
        "dataset": "products",
        "version": 1,
        "row_count": 2,
        "created_at": "2026-05-28T20:26:40Z",
    }
    answer = api.call("POST", SNAPSHOTS, {"name": "monday"})
    assert (answer.status, answer.json) == (201, shown)
    assert api.call("GET", f"{SNAPSHOTS}/monday").json == shown
    assert api.call("GET", SNAPSHOTS).json == {"snapshots": [shown]}
    answer = api.call("DELETE", f"{SNAPSHOTS}/monday")
    assert (answer.status, answer.text) == (204, "")
    assert api.call("GET", SNAPSHOTS).json == {"snapshots": []}
    for method in ("GET", "DELETE"):
        answer = api.call(method, f"{SNAPSHOTS}/monday")
        assert (answer.status, answer.code) == (404, "snapshot_not_found")


def test_a_name_that_is_taken(api: Api) -> None:
    named(api)
    answer = api.call("POST", SNAPSHOTS, {"name": "monday"})
    assert (answer.status, answer.code) == (409, "snapshot_exists")
    assert "delete it first" in answer.message


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "invalid_request"),
        ([], "invalid_request"),
        ({}, "invalid_request"),
        ({"name": 1}, "invalid_request"),
        ({"name": "x", "comment": "y"}, "invalid_request"),
        ({"name": ""}, "invalid_name"),
        ({"name": "A b"}, "invalid_name"),
        ({"name": "x" * 65}, "invalid_name"),
        ({"name": "a/b"}, "invalid_name"),
    ],
)
def test_bad_snapshots(api: Api, body: Any, code: str) -> None:
    answer = api.call("POST", SNAPSHOTS, body)
    assert (answer.status, answer.code) == (400, code)


@pytest.mark.parametrize("name", ["BIG", "a b", "ä", "x" * 65])
def test_names_that_no_snapshot_can_have(api: Api, name: str) -> None:
    for method in ("GET", "DELETE"):
        answer = api.call(method, f"{SNAPSHOTS}/{name}")
        assert (answer.status, answer.code) == (404, "snapshot_not_found")


def test_of_datasets_that_are_not_there(api: Api) -> None:
    for name in ("nothing", "BAD"):
        for method, rest, body in (
            ("POST", "snapshots", {"name": "x"}),
            ("GET", "snapshots", None),
            ("GET", "snapshots/x", None),
            ("DELETE", "snapshots/x", None),
            ("POST", "restore", {"snapshot": "x"}),
            ("POST", "clone", {"name": "x"}),
        ):
            answer = api.call(method, f"/v1/datasets/{name}/{rest}", body)
            assert (answer.status, answer.code) == (404, "dataset_not_found")


# --- restore -----------------------------------------------------------------------------------------------


def test_a_dataset_goes_back(api: Api) -> None:
    named(api)
    changed(api)
    answer = api.call("POST", f"{PATH}/restore", {"snapshot": "monday"})
    job_id = answer.json["job_id"]
    assert answer.status == 202
    assert answer.json == {"dataset": "products", "snapshot": "monday", "job_id": job_id}
    assert api.call("GET", f"/v1/jobs/{job_id}").json["status"] == "pending"
    assert ids(api) == ["a", "c"]
    api.index(job_id)
    shown = api.call("GET", f"/v1/jobs/{job_id}").json
    assert (shown["kind"], shown["status"], shown["rows"]) == ("restore", "indexed", 2)
    assert ids(api) == ["a", "b"]
    assert api.call("GET", PATH).json["row_count"] == 2


@pytest.mark.parametrize(
    ("indexed", "status", "word"),
    [(True, 200, "indexed"), (False, 202, "pending")],
    ids=["in time", "too late"],
)
def test_a_restore_may_be_waited_for(api: Api, indexed: bool, status: int, word: str) -> None:
    named(api)
    changed(api)
    dataset = resolve(api.ports, api.tenant_id, scope="native", name="products")

    def meanwhile(_seconds: float) -> None:
        if indexed:
            drain(api.ports, api.tenant_id, dataset.dataset_id, owner="test")

    api.app = App(service_router(), Deps(api.ports, Searcher(api.ports, cache_bytes=10**7), pause=meanwhile))
    answer = api.call("POST", f"{PATH}/restore", {"snapshot": "monday"}, query={"wait": "indexed"})
    assert (answer.status, answer.json["status"]) == (status, word)
    assert ids(api) == (["a", "b"] if indexed else ["a", "c"])
    answer = api.call("POST", f"{PATH}/restore", {"snapshot": "monday"}, query={"wait": "yes"})
    assert (answer.status, answer.code) == (400, "invalid_request")


def test_a_restore_that_fails_says_why(api: Api) -> None:
    named(api)
    made = api.call("POST", f"{PATH}/imports", {"format": "ndjson"}).json
    dataset = resolve(api.ports, api.tenant_id, scope="native", name="products")
    key = f"staging/t/{api.tenant_id}/{dataset.dataset_id}/{made['import_id']}/upload"
    api.ports.objects.put(key, b'{"id":"z","values":[1,2,3,4]}')
    assert api.call("POST", f"{PATH}/imports/{made['import_id']}/complete").status == 202
    job_id = api.call("POST", f"{PATH}/restore", {"snapshot": "monday"}).json["job_id"]
    api.index(job_id)
    shown = api.call("GET", f"/v1/jobs/{job_id}").json
    assert shown["status"] == "failed"
    assert "cancel it, then restore again" in shown["error_message"]
    answer = api.call("POST", f"{PATH}/restore", {"snapshot": "monday"})
    assert (answer.status, answer.code) == (409, "import_open")
    assert "cancel it" in answer.message


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "invalid_request"),
        ({}, 400, "invalid_request"),
        ({"snapshot": None}, 400, "invalid_request"),
        ({"snapshot": "monday", "from": "other"}, 400, "invalid_request"),
        ({"snapshot": "monday", "dataset": 7}, 400, "invalid_request"),
        ({"snapshot": "sunday"}, 404, "snapshot_not_found"),
        ({"snapshot": "SUNDAY"}, 404, "snapshot_not_found"),
        ({"snapshot": "monday", "dataset": "nothing"}, 404, "dataset_not_found"),
        ({"snapshot": "monday", "dataset": "BAD"}, 404, "dataset_not_found"),
    ],
)
def test_bad_restores(api: Api, body: Any, status: int, code: str) -> None:
    named(api)
    answer = api.call("POST", f"{PATH}/restore", body)
    assert (answer.status, answer.code) == (status, code)
    assert ids(api) == ["a", "b"]


@pytest.mark.parametrize(
    ("dimension", "metric", "status", "code", "words"),
    [
        (5, "l2", 400, "dimension_mismatch", "5 dimensions, the dataset of 4"),
        (4, "dot", 400, "metric_mismatch", "metric dot, the dataset of l2"),
        (4, "l2", 409, "not_related", "export it and import it"),
    ],
)
def test_snapshots_of_strangers(
    api: Api, dimension: int, metric: str, status: int, code: str, words: str
) -> None:
    api.dataset("other", dimension, metric)
    api.call("POST", "/v1/datasets/other/snapshots", {"name": "theirs"})
    answer = api.call("POST", f"{PATH}/restore", {"snapshot": "theirs", "dataset": "other"})
    assert (answer.status, answer.code) == (status, code)
    assert words in answer.message


# --- clone -------------------------------------------------------------------------------------------------


def test_a_clone_is_a_dataset_of_its_own(api: Api) -> None:
    named(api)
    changed(api)
    answer = api.call("POST", f"{PATH}/clone", {"name": "trial"})
    assert answer.status == 201
    assert answer.json == api.call("GET", "/v1/datasets/trial").json
    assert (answer.json["status"], answer.json["row_count"]) == ("indexed", 2)
    assert ids(api, "trial") == ["a", "c"]
    api.call("POST", f"{PATH}/clone", {"name": "older", "snapshot": "monday"})
    assert ids(api, "older") == ["a", "b"]
    api.indexed({"id": "d", "values": [9, 9, 9, 9]}, name="trial")
    assert (ids(api, "trial"), ids(api)) == (["a", "c", "d"], ["a", "c"])
    assert api.call("DELETE", PATH).status == 204
    assert ids(api, "trial") == ["a", "c", "d"]


def test_what_was_tried_on_a_clone_is_taken_over(api: Api) -> None:
    api.call("POST", f"{PATH}/clone", {"name": "trial"})
    for number in range(4):
        api.indexed({"id": "c", "values": [number, 1, 1, 1]}, name="trial")
    api.call("POST", "/v1/datasets/trial/snapshots", {"name": "tried"})
    api.index(api.call("POST", f"{PATH}/restore", {"snapshot": "tried", "dataset": "trial"}).json["job_id"])
    assert ids(api) == ["a", "b", "c"]
    api.index(api.call("DELETE", f"{PATH}/vectors/c").json["job_id"])
    assert ids(api) == ["a", "b"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "invalid_request"),
        ({}, 400, "invalid_request"),
        ({"name": "x", "dimension": 4}, 400, "invalid_request"),
        ({"name": "x", "snapshot": 1}, 400, "invalid_request"),
        ({"name": "A"}, 400, "invalid_name"),
        ({"name": "products"}, 409, "dataset_exists"),
        ({"name": "x", "snapshot": "sunday"}, 404, "snapshot_not_found"),
        ({"name": "x", "snapshot": "Sunday"}, 404, "snapshot_not_found"),
    ],
)
def test_bad_clones(api: Api, body: Any, status: int, code: str) -> None:
    answer = api.call("POST", f"{PATH}/clone", body)
    assert (answer.status, answer.code) == (status, code)
    assert [one["name"] for one in api.call("GET", "/v1/datasets").json["datasets"]] == ["products"]


def test_quota(api: Api) -> None:
    api.use(api.ports, Limits(vector_quota=3))
    answer = api.call("POST", f"{PATH}/clone", {"name": "trial"})
    assert (answer.status, answer.code) == (429, "vector_quota_exceeded")
    assert answer.json["error"]["details"] == {"limit": 3, "used": 2}
    assert "retry-after" in answer.headers
    api.use(api.ports, Limits(vector_quota=4))
    assert api.call("POST", f"{PATH}/clone", {"name": "trial"}).status == 201
    assert api.call("GET", "/v1/usage").json["vectors_used"] == 4


def test_damage_is_named_and_not_cloned(api: Api) -> None:
    dataset = resolve(api.ports, api.tenant_id, scope="native", name="products")
    api.ports.table.update(keys_of(dataset).head, [Assign("manifest_sha256", "0" * 64)])
    answer = api.call("POST", f"{PATH}/clone", {"name": "trial"})
    assert (answer.status, answer.code) == (503, "corrupt_object")
    assert "/manifests/" in answer.message
