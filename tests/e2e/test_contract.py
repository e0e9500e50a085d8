"""The calls of the API over HTTP, through gateway, functions, queues and storage, as their table says."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.e2e.steps import code, done, ids_of, ndjson, new_dataset, show, store, upload

# A key is revoked here already, so that its minute is over when the tests of keys look at it.
pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("revoked")]
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
DOCUMENT = Path(__file__).parents[1] / "contract" / "openapi.json"
NOT_FOUND = {"detail": "Not Found"}


def test_the_service_says_that_it_is_up_without_a_key(api: httpx.Client) -> None:
    answer = api.get("/healthz", headers={"authorization": ""})
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "service": "control_plane"})
    assert answer.headers["x-request-id"]


def test_a_dataset_from_its_creation_to_its_end(api: httpx.Client) -> None:
    name = new_dataset(api, 2)
    fresh = show(api, name)
    assert TIME.fullmatch(fresh.pop("created_at"))
    assert fresh == {
        "name": name,
        "dimension": 2,
        "metric": "l2",
        "status": "empty",
        "row_count": 0,
        "last_indexed_at": None,
        "error_message": None,
        "recall": None,
        "embedding_model": None,
        "aliases": [],
    }
    told = upload(api, name, {"id": "a", "values": [1, 2]}, "nonsense", {"id": "a", "values": [3, 4]})
    assert told == {
        "accepted": 2,
        "rejected": 1,
        "errors": [{"line": 2, "reason": "invalid json"}],
        "job_id": told["job_id"],
    }
    assert done(api, told["job_id"])["status"] == "indexed"
    assert api.get(f"/v1/query/status/{told['job_id']}").json() == {"ready": True}
    indexed = show(api, name)
    assert (indexed["status"], indexed["row_count"]) == ("indexed", 1)
    assert TIME.fullmatch(indexed["last_indexed_at"])
    assert indexed in api.get("/v1/datasets").json()["datasets"]

    gone = api.delete(f"/v1/datasets/{name}")
    assert (gone.status_code, gone.content) == (204, b"")
    assert code(api.get(f"/v1/datasets/{name}")) == (404, "dataset_not_found")
    assert code(api.delete(f"/v1/datasets/{name}")) == (404, "dataset_not_found")


def test_a_query_before_anything_is_indexed_names_the_job_to_wait_for(api: httpx.Client) -> None:
    name = new_dataset(api, 1)
    answer = api.post("/v1/query", json={"dataset": name, "vector": [1]}).json()
    assert (answer["matches"], answer["mode"]) == ([], "ephemeral")
    assert answer["job_id"].startswith("job_")


def test_a_query_of_either_path_first_cold_then_hot(api: httpx.Client) -> None:
    name = new_dataset(api, 2)
    store(api, name, {"id": "far", "values": [3, 4]}, {"id": "near", "values": [0, 1], "metadata": {"n": 1}})
    query = {"dataset": name, "vector": [0, 0]}
    first = api.post("/v1/query", json=query)
    assert first.json()["matches"] == [
        {"id": "near", "score": 1.0, "metadata": {"n": 1}},
        {"id": "far", "score": 25.0, "metadata": {}},
    ]
    assert set(first.json()) == {"matches", "latency_ms", "mode"}
    assert first.json()["mode"] == "cold"
    again = api.post(f"/v1/datasets/{name}/query", json={"vector": [0, 0], "top_k": 1})
    assert again.json()["matches"] == first.json()["matches"][:1]
    assert again.json()["mode"] == "hot"


@pytest.mark.parametrize(
    ("metric", "scores"), [("cosine", {"right": 1.0, "up": 0.0}), ("dot", {"right": 4.0, "up": 0.0})]
)
def test_higher_is_better_for_similarities(api: httpx.Client, metric: str, scores: dict[str, float]) -> None:
    name = new_dataset(api, 2, metric=metric)
    store(api, name, {"id": "up", "values": [0, 1]}, {"id": "right", "values": [2, 0]})
    found = api.post("/v1/query", json={"dataset": name, "vector": [2, 0]}).json()["matches"]
    assert {match["id"]: match["score"] for match in found} == scores
    assert [match["id"] for match in found] == ["right", "up"]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"n": 1}, ["int"]),
        ({"n": 1.0}, ["float"]),
        ({"n": True}, ["bool"]),
        ({"n": None}, []),
        ({"n": {"$gte": 1}}, ["int", "float"]),
        ({"$or": [{"n": True}, {"word": {"$startsWith": "a"}}]}, ["bool", "text"]),
        ({"$not": {"n": {"$exists": True}}}, ["text"]),
    ],
)
def test_filters(api: httpx.Client, filtered: str, where: dict[str, Any], expected: list[str]) -> None:
    answer = api.post("/v1/query", json={"dataset": filtered, "vector": [0], "filter": where})
    assert sorted(ids_of(answer)) == sorted(expected)


@pytest.fixture(scope="module")
def names() -> dict[str, str]:
    return {}


@pytest.fixture
def filtered(api: httpx.Client, names: dict[str, str]) -> str:
    """One dataset for all filters."""
    if "filtered" not in names:
        names["filtered"] = new_dataset(api, 1)
        by_id = {"int": {"n": 1}, "float": {"n": 1.0}, "bool": {"n": True}, "text": {"word": "ab"}}
        lines = [{"id": name, "values": [0], "metadata": data} for name, data in by_id.items()]
        store(api, names["filtered"], *lines)
    return names["filtered"]


def test_reading_and_deleting_one_vector(api: httpx.Client) -> None:
    name = new_dataset(api, 2)
    store(
        api, name, {"id": "a", "values": [0.1, -0.0], "metadata": {"k": [1]}}, {"id": "b", "values": [1, 1]}
    )
    path = f"/v1/datasets/{name}/vectors/a"
    assert api.get(path).json() == {"id": "a", "metadata": {"k": [1]}}
    assert api.get(path, params={"include_values": "true"}).json()["embedding"] == [0.1, 0.0]
    fetched = api.post(f"/v1/datasets/{name}/vectors/fetch", json={"ids": ["b", "c"], "include_values": True})
    assert fetched.json() == {
        "vectors": [{"id": "b", "metadata": {}, "embedding": [1.0, 1.0]}],
        "missing_ids": ["c"],
        "unprocessed_ids": [],
    }
    for target in (path, f"/v1/datasets/{name}/vectors/never-there"):
        answer = api.delete(target)
        assert (answer.status_code, set(answer.json())) == (202, {"job_id"})
        assert done(api, answer.json()["job_id"])["kind"] == "delete"
    assert code(api.get(path)) == (404, "not_found")
    assert show(api, name)["row_count"] == 1


IN_PATH = (
    "a/b c",
    "/lead",
    "trail/",
    "a/../b",
    "a#b",
    "a&b=c+d",
    "🐟",
    "e\u0301",
    "\x00",
    "fetch",
    "x" * 256,
)
ANYWHERE = (*IN_PATH, "..", ".", "%", "100%25", "a%2Fb", "a?b", "\n", "🐟" * 256)


def test_every_id_is_reached_by_parameter_and_by_fetch_and_most_by_path(api: httpx.Client) -> None:
    name = new_dataset(api, 1)
    store(api, name, *({"id": each, "values": [1]} for each in ANYWHERE))
    assert show(api, name)["row_count"] == len(ANYWHERE)
    fetched = api.post(f"/v1/datasets/{name}/vectors/fetch", json={"ids": ANYWHERE}).json()["vectors"]
    assert [record["id"] for record in fetched] == list(ANYWHERE)
    for each in ANYWHERE:
        assert api.get(f"/v1/datasets/{name}/vectors/_", params={"id": each}).json()["id"] == each
    for each in IN_PATH:
        assert api.get(f"/v1/datasets/{name}/vectors/{quote(each, safe='')}").json()["id"] == each
    for each in (*IN_PATH[:2], ".."):
        deleted = api.delete(f"/v1/datasets/{name}/vectors/_", params={"id": each})
    done(api, deleted.json()["job_id"])
    assert show(api, name)["row_count"] == len(ANYWHERE) - 3


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("POST", "/auth/signup", 404),
        ("POST", "/auth/login", 404),
        ("GET", "/auth/me", 404),
        ("GET", "/v1/datasets/", 404),
        ("PUT", "/v1/datasets", 405),
        ("GET", "/v1/query", 405),
        ("PATCH", "/v1/datasets/x/query", 405),
        ("DELETE", "/healthz", 405),
    ],
)
def test_what_no_route_takes(api: httpx.Client, method: str, path: str, status: int) -> None:
    answer = api.request(method, path)
    expected = NOT_FOUND if status == 404 else {"detail": "Method Not Allowed"}
    assert (answer.status_code, answer.json()) == (status, expected)
    assert ("allow" in answer.headers) == (status == 405)
    assert answer.headers["x-request-id"]


def test_head_is_get_without_a_body(api: httpx.Client) -> None:
    answer = api.head("/healthz")
    length = len(api.get("/healthz").content)
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", str(length))
    assert api.head("/v1/datasets/none").status_code == 404


def test_options_names_the_methods(api: httpx.Client) -> None:
    answer = api.options("/v1/datasets", headers={"origin": "https://a.example"})
    assert (answer.status_code, answer.headers["allow"]) == (204, "GET, HEAD, POST")
    assert "access-control-allow-origin" not in answer.headers


def test_every_answer_has_a_request_id_of_its_own(api: httpx.Client) -> None:
    answers = [api.get("/v1/datasets"), api.get("/none"), api.post("/v1/query", content=ndjson("{"))]
    assert len({answer.headers["x-request-id"] for answer in answers}) == 3
    assert {answer.headers["cache-control"] for answer in answers} == {"no-store"}


def test_the_document_is_the_committed_one(api: httpx.Client) -> None:
    assert api.get("/openapi.json", headers={"authorization": ""}).json() == json.loads(DOCUMENT.read_text())


@pytest.mark.parametrize("path", ["/docs", "/docs/app.js", "/docs/style.css"])
def test_the_page_may_load_nothing_from_elsewhere(api: httpx.Client, path: str) -> None:
    answer = api.get(path, headers={"authorization": ""})
    assert answer.status_code == 200
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", answer.text)
    assert not re.search(r"<script(?![^>]*\bsrc=)", answer.text)
