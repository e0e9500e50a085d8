"""Indexes: create, list, get, delete, info; names, presets, accounts, keys."""

import uuid

import pytest

from shoal.http.context import VectorizeLimits
from shoal.model.tenants import Scope
from tests.unit.http.vectorize.client import Vectorize, fault, record


def test_an_index_is_made_shown_listed_and_deleted(api: Vectorize) -> None:
    config = {"dimensions": 768, "metric": "euclidean"}
    made = api.v("POST", "", {"name": "docs", "description": "All of them", "config": config}).json["result"]
    assert made == {
        "name": "docs",
        "description": "All of them",
        "config": config,
        "created_on": "2026-05-28T20:26:40.000000Z",
        "modified_on": "2026-05-28T20:26:40.000000Z",
    }
    assert api.v("GET", "/docs").json["result"] == made
    assert api.v("GET").json["result"] == [made]
    gone = api.v("DELETE", "/docs")
    assert (gone.status, gone.json["result"]) == (200, None)
    assert api.v("GET").json["result"] == []


@pytest.mark.parametrize(
    ("preset", "dimensions"),
    [
        ("@cf/baai/bge-small-en-v1.5", 384),
        ("@cf/baai/bge-base-en-v1.5", 768),
        ("@cf/baai/bge-large-en-v1.5", 1024),
        ("openai/text-embedding-ada-002", 1536),
        ("cohere/embed-multilingual-v2.0", 768),
    ],
)
def test_a_preset_stands_for_dimensions_and_metric(api: Vectorize, preset: str, dimensions: int) -> None:
    made = api.v("POST", "", {"name": "docs", "config": {"preset": preset}}).json["result"]
    assert made["config"] == {"dimensions": dimensions, "metric": "cosine", "preset": preset}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {"name": "d", "config": {"dimensions": 31, "metric": "cosine"}},
            (400, 3003, "vectorize.index.invalid_config - Dimensions must be in range: [32, 1536]"),
        ),
        (
            {"name": "d", "config": {"dimensions": 1537, "metric": "cosine"}},
            (400, 3003, "vectorize.index.invalid_config - Dimensions must be in range: [32, 1536]"),
        ),
        ({"name": "d"}, (400, 3003, "vectorize.index.invalid_config - Config must be provided")),
        (
            {"name": "d", "config": {"dimensions": 32, "metric": "l2"}},
            (
                400,
                3003,
                ("vectorize.index.invalid_config - Metric must be one of cosine, euclidean, dot-product"),
            ),
        ),
        (
            {"name": "d", "config": {"preset": "@cf/baai/bge-small-en-v1.5", "dimensions": 3}},
            (
                400,
                3003,
                (
                    "vectorize.index.invalid_config - Preset @cf/baai/bge-small-en-v1.5 has 384 dimensions "
                    "and the metric cosine"
                ),
            ),
        ),
        (
            {"name": "Döcs", "config": {"dimensions": 32, "metric": "cosine"}},
            (
                400,
                3001,
                "vectorize.index.invalid_name - Index name must be 1-64 characters of a-z, 0-9, - and _",
            ),
        ),
        ("{", (400, 40026, "Failed to parse the request body as JSON: unexpected end of data")),
        ([], (400, 40026, "Failed to parse the request body as JSON: not an object")),
        (
            {"name": 5},
            (400, 40026, "Failed to parse the request body as JSON: name: Input should be a valid string"),
        ),
    ],
)
def test_what_no_index_can_be_made_of(api: Vectorize, body: object, expected: tuple[int, int, str]) -> None:
    status, code, text = fault(api.v("POST", "", body))
    assert (status, code) == expected[:2]
    if body != "{":
        assert text == expected[2]
    else:
        assert text.startswith("Failed to parse the request body as JSON: ")
    assert api.v("GET").json["result"] == []


def test_an_unknown_preset_is_told_which_there_are(api: Vectorize) -> None:
    status, code, text = fault(api.v("POST", "", {"name": "d", "config": {"preset": "gpt"}}))
    assert (status, code) == (400, 3003)
    assert "openai/text-embedding-ada-002" in text


def test_a_name_is_taken_once_and_free_again_after_its_deletion(api: Vectorize) -> None:
    api.make()
    again = api.v("POST", "", {"name": "docs", "config": {"dimensions": 64, "metric": "cosine"}})
    assert fault(again) == (400, 3002, 'vectorize.index.duplicate_name - Index name "docs"')
    api.stored(record("a"))
    api.v("DELETE", "/docs")
    for method, rest in [("GET", ""), ("DELETE", ""), ("GET", "/info"), ("GET", "/list"), ("POST", "/query")]:
        told = fault(api.v(method, f"/docs{rest}", {} if method == "POST" else None))
        assert told == (410, 3005, 'vectorize.index.deleted - Index name "docs" was deleted')
    api.make(dimensions=64)
    assert api.v("GET", "/docs/info").json["result"]["vectorCount"] == 0


@pytest.mark.parametrize("name", ["never", "Upper", "a b", "x" * 65])
def test_an_index_that_never_was(api: Vectorize, name: str) -> None:
    for method, rest in [
        ("GET", ""),
        ("DELETE", ""),
        ("GET", "/info"),
        ("POST", "/upsert"),
        ("POST", "/query"),
    ]:
        told = fault(api.v(method, f"/{name}{rest}", "" if method == "POST" else None))
        assert told == (404, 3000, f'vectorize.index.not_found - Index name "{name}"')


def test_a_deployment_may_raise_limits_that_are_only_the_originals(api: Vectorize) -> None:
    api.limited(VectorizeLimits(max_dimensions=4096, max_ids=1000))
    api.make(dimensions=4096)
    assert (
        fault(api.v("POST", "", {"name": "e", "config": {"dimensions": 4097, "metric": "cosine"}}))[1] == 3003
    )


def test_info_names_the_newest_mutation_once_it_can_be_queried(api: Vectorize) -> None:
    api.make()
    empty = api.v("GET", "/docs/info").json["result"]
    assert empty == {
        "dimensions": 32,
        "vectorCount": 0,
        "processedUpToDatetime": None,
        "processedUpToMutation": None,
    }
    first, second = api.put(record("a")), api.put(record("b"))
    assert api.v("GET", "/docs/info").json["result"] == empty
    api.apply(first)
    last = api.apply(second)
    found = api.v("GET", "/docs/info").json["result"]
    assert (found["vectorCount"], found["processedUpToMutation"]) == (2, last)
    assert found["processedUpToDatetime"] == "2026-05-28T20:26:40.000000Z"
    assert str(uuid.UUID(last)) == last


def test_the_other_dialect_sees_the_same_datasets(api: Vectorize) -> None:
    api.make("one", metric="dot-product")
    assert api.call("GET", "/v1/datasets/one").json["metric"] == "dot"
    api.dataset("two", dimension=4, metric="l2")
    shown = {index["name"]: index for index in api.v("GET").json["result"]}
    assert shown["two"]["config"] == {"dimensions": 4, "metric": "euclidean"}
    assert shown["two"]["description"] == ""


def test_the_account_is_the_callers_own(api: Vectorize) -> None:
    api.make()
    for account in ("0" * 32, "nonsense", api.tenant_id):
        answer = api.call("GET", api.path("/docs", account))
        assert fault(answer)[:2] == (404, 7003)
    stranger = api.call("GET", api.path("/docs"), key=api.stranger())
    assert fault(stranger)[:2] == (404, 7003)


def test_keys_in_either_header_and_none(api: Vectorize) -> None:
    api.make()
    legacy = {"x-auth-email": "user@example.com", "x-auth-key": api.key}
    assert api.call("GET", api.path("/docs"), key=None, headers=legacy).status == 200
    refused = api.call("GET", api.path("/docs"), key=None)
    assert fault(refused)[:2] == (401, 10000)
    assert fault(api.call("GET", api.path("/docs"), key="shl_nonsense"))[:2] == (401, 10000)
    reader = api.new_key(Scope.READ)
    assert fault(api.call("DELETE", api.path("/docs"), key=reader))[:2] == (403, 10000)


@pytest.mark.parametrize("path", ["/client/v4/zones", "/client/v4/accounts/x/vectorize/indexes"])
def test_what_is_not_here_is_said_in_the_envelope(api: Vectorize, path: str) -> None:
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        answer = api.call(method, path)
        assert fault(answer)[:2] == (404, 7003)
        assert answer.json["success"] is False
