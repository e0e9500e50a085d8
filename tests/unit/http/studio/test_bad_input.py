"""What requests of tasks may not be: told at once, each fault with its place, and nothing is accepted."""

from typing import Any

import pytest

from shoal.http.studio.errors import MAX_FAULTS
from shoal.http.studio.payloads import MAX_DEPTH, MAX_INFO_BYTES
from shoal.model.bindings import MAX_OBJECT_ID_CHARACTERS, MAX_PAYLOAD_BYTES, MAX_TASK_OBJECTS
from shoal.model.limits import MAX_BODY_BYTES
from tests.unit.http.api import Answer, Api, packed

UPSERT = "/api/v1/embeddings/upsertion-tasks"
DELETE = "/api/v1/embeddings/deletion-tasks"
INTERNAL = "/api/v1/internal/upsertion-tasks"
GOOD = {"object_id": "a", "payload": {"title": "Ergonomic chair"}}


def nested(levels: int) -> Any:
    value: Any = "deep"
    for number in range(levels):
        value = {"in": value} if number % 2 else [value]
    return value


def upsert(api: Api, *items: Any, **more: Any) -> Answer:
    return api.call("POST", f"{UPSERT}/run", {"items": list(items), **more})


def faults(answer: Answer) -> list[tuple[str, str]]:
    assert answer.status == 422, answer.text
    return [(fault["type"], ".".join(map(str, fault["loc"]))) for fault in answer.json["detail"]]


def nothing_accepted(api: Api) -> bool:
    return all(api.call("GET", f"{path}/list").json == [] for path in (UPSERT, DELETE))


def test_everything_wrong_is_told_at_once_with_its_place(api: Api) -> None:
    answer = upsert(
        api,
        GOOD,
        {"payload": {}},
        {"object_id": 5, "payload": "text"},
        {"object_id": "tab\there", "payload": {"deep": nested(MAX_DEPTH)}},
        "no item",
        {"object_id": "long", "item_info": ["no object"]},
        task_id="a b",
    )
    assert faults(answer) == [
        ("string_pattern_mismatch", "body.task_id"),
        ("missing", "body.items.1.object_id"),
        ("string_type", "body.items.2.object_id"),
        ("dict_type", "body.items.2.payload"),
        ("string_pattern_mismatch", "body.items.3.object_id"),
        ("too_deep", "body.items.3.payload"),
        ("model_type", "body.items.4"),
        ("dict_type", "body.items.5.item_info"),
    ]
    assert nothing_accepted(api)


def test_a_fault_shows_a_small_input_and_never_a_large_one(api: Api) -> None:
    answer = upsert(
        api, {"object_id": 5}, {"object_id": "x" * 5000}, {"object_id": "ok", "payload": "y" * 5000}
    )
    first, second, third = answer.json["detail"]
    assert first == {
        "type": "string_type",
        "loc": ["body", "items", 0, "object_id"],
        "msg": "Input should be a valid string",
        "input": 5,
    }
    assert "input" not in second
    assert "input" not in third
    assert len(answer.text) < 1000


def test_a_large_document_names_the_limit(api: Api) -> None:
    answer = upsert(api, GOOD, {"object_id": "b", "payload": {"text": "x" * 2**20}})
    assert faults(answer) == [("too_large", "body.items.1.payload")]
    assert answer.json["detail"][0]["msg"] == (
        f"Should have at most {MAX_PAYLOAD_BYTES} bytes of JSON, not {2**20 + 11}"
    )
    longest = {"text": "x" * (MAX_PAYLOAD_BYTES - 11)}
    assert upsert(api, {"object_id": "b", "payload": longest}).status == 200
    info = {"source": "x" * MAX_INFO_BYTES}
    assert faults(upsert(api, GOOD | {"item_info": info})) == [("too_large", "body.items.0.item_info")]


@pytest.mark.parametrize(
    ("levels", "kind"),
    [(MAX_DEPTH - 1, None), (MAX_DEPTH, "too_deep"), (900, "too_deep"), (2000, "json_invalid")],
)
def test_deep_json(api: Api, levels: int, kind: str | None) -> None:
    text = '{"in":' + "[" * levels + '"deep"' + "]" * levels + "}"
    body = f'{{"items":[{{"object_id":"a","payload":{text}}}]}}'
    answer = api.call("POST", f"{UPSERT}/run", body)
    if kind is None:
        assert answer.status == 200
    else:
        assert faults(answer)[0][0] == kind


def test_ten_thousand_and_one(api: Api) -> None:
    ids = [f"item-{number}" for number in range(MAX_TASK_OBJECTS + 1)]
    for path, field, values in (
        (UPSERT, "items", [{"object_id": name} for name in ids]),
        (DELETE, "object_ids", ids),
    ):
        answer = api.call("POST", f"{path}/run", {field: values})
        assert faults(answer) == [("too_long", f"body.{field}")]
        assert str(MAX_TASK_OBJECTS) in answer.json["detail"][0]["msg"]
        assert api.call("POST", f"{path}/run", {field: values[1:]}).status == 200


def test_faults_without_end(api: Api) -> None:
    answer = upsert(api, *[{}] * MAX_TASK_OBJECTS)
    assert len(answer.json["detail"]) == MAX_FAULTS + 1
    assert answer.json["detail"][-1]["msg"] == f"and {MAX_TASK_OBJECTS - MAX_FAULTS} more like these"


def test_a_body_that_is_too_large_and_one_that_is_packed_wrongly(api: Api) -> None:
    large = packed(b'{"items":[' + b" " * MAX_BODY_BYTES + b"]}")
    answer = api.call("POST", f"{UPSERT}/run", large, headers={"content-encoding": "gzip"})
    assert (answer.status, answer.json["detail"]) == (413, f"Request body exceeds {MAX_BODY_BYTES} bytes")
    answer = api.call("POST", f"{UPSERT}/run", packed(b"{}")[:-9], headers={"content-encoding": "gzip"})
    assert faults(answer) == [("invalid_encoding", "body")]


@pytest.mark.parametrize(
    ("object_id", "good"),
    [
        ("a", True),
        ("../a b/é\u2028#?%2F", True),
        ("x" * MAX_OBJECT_ID_CHARACTERS, True),
        ("x" * (MAX_OBJECT_ID_CHARACTERS + 1), False),
        ("", False),
        ("a\x1fb", False),
        ("a\n", False),
        ("\x7f", False),
        (None, False),
        (1.5, False),
    ],
)
def test_ids_of_objects(api: Api, object_id: Any, good: bool) -> None:
    for answer in (
        upsert(api, {"object_id": object_id}),
        api.call("POST", f"{DELETE}/run", {"object_ids": [object_id]}),
    ):
        assert answer.status == (200 if good else 422), answer.text


@pytest.mark.parametrize(
    ("task_id", "good"),
    [
        ("product_upsert_20250422", True),
        ("A-z.0:9", True),
        ("x" * 128, True),
        ("x" * 129, False),
        ("", False),
        ("a/b", False),
        ("é", False),
        ("a\n", False),
        (5, False),
    ],
)
@pytest.mark.parametrize("name", ["id", "task_id"])
def test_ids_of_tasks(api: Api, task_id: Any, good: bool, name: str) -> None:
    answer = upsert(api, GOOD, **{name: task_id})
    assert answer.status == (200 if good else 422)
    if good:
        assert (answer.json["id"], answer.json["task_id"]) == (task_id, task_id)


def test_two_names_of_one_id(api: Api) -> None:
    assert faults(upsert(api, GOOD, id="one", task_id="two")) == [("two_ids", "body.task_id")]
    assert upsert(api, GOOD, id="one", task_id="one").json["id"] == "one"
    assert upsert(api, GOOD, id=None, task_id="three").json["id"] == "three"


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        (b"", [("missing", "body")]),
        (b"[]", [("model_type", "body")]),
        ({}, [("missing", "body.items")]),
        ({"items": None}, [("list_type", "body.items")]),
        ({"items": {"object_id": "a"}}, [("list_type", "body.items")]),
        (b'{"items":[{"object_id":"a","payload":{"n":NaN}}]}', [("json_invalid", "body.42")]),
        (b'{"items":[{"object_id":"\\ud800"}]}', [("json_invalid", "body.24")]),
    ],
)
def test_bodies_that_are_none(api: Api, body: Any, wrong: list[tuple[str, str]]) -> None:
    assert faults(api.call("POST", f"{UPSERT}/run", body)) == wrong
    assert nothing_accepted(api)


def test_a_model_that_is_not_there(api: Api) -> None:
    body = {"items": [GOOD], "embedding_model_id": "ada"}
    unknown = api.call("POST", f"{INTERNAL}/run", body)
    assert unknown.status == 404
    assert unknown.json["detail"] == "there is no embedding model 'ada'; known are static-256, static-128"
    no_collection = api.call("POST", f"{INTERNAL}/run", body | {"embedding_model_id": "static-128"})
    assert (no_collection.status, no_collection.json["code"]) == (404, "collection_not_found")
    assert faults(api.call("POST", f"{INTERNAL}/run", {"items": [GOOD]})) == [
        ("missing", "body.embedding_model_id")
    ]


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ({"status": "completed"}, [("enum", "query.status")]),
        ({"limit": "0"}, [("int_parsing", "query.limit")]),
        ({"limit": "1001"}, [("int_parsing", "query.limit")]),
        ({"limit": "٣"}, [("int_parsing", "query.limit")]),
        ({"limit": "9" * 5000}, [("int_parsing", "query.limit")]),
        (
            {"offset": "-1", "limit": "x", "status": ""},
            [("int_parsing", "query.offset"), ("int_parsing", "query.limit"), ("enum", "query.status")],
        ),
    ],
)
@pytest.mark.parametrize("path", [UPSERT, DELETE, INTERNAL])
def test_lists_that_are_none(
    api: Api, path: str, query: dict[str, str], wrong: list[tuple[str, str]]
) -> None:
    answer = api.call("GET", f"{path}/list", query=query)
    assert faults(answer) == wrong
    if "status" in query:
        assert "'pending', 'processing', 'done', 'canceled', 'failed' or 'refused'" in answer.text


@pytest.mark.parametrize("path", [UPSERT, DELETE, INTERNAL])
@pytest.mark.parametrize("task_id", ["nobody", "a b", "x" * 5000, "é"])
def test_a_task_that_is_not_there(api: Api, path: str, task_id: str) -> None:
    text = f"Task with ID `{task_id[:100]}` not found"
    for method, name in (("GET", "info"), ("PUT", "restart"), ("PUT", "cancel")):
        answer = api.call(method, f"{path}/{name}", query={"task_id": task_id})
        assert (answer.status, answer.json["detail"]) == (404, text)
        missing = api.call(method, f"{path}/{name}")
        assert faults(missing) == [("missing", "query.task_id")]
    answer = api.call("GET", f"{path}/{task_id}")
    assert (answer.status, answer.json["detail"]) == (404, text)


@pytest.mark.parametrize(
    "path", ["/api/v1", "/api/v1/", "/api/v1/nothing", f"{UPSERT}/a/b", "/api/v1/suggesting", UPSERT]
)
def test_unknown_paths(api: Api, path: str) -> None:
    for key in ("", None):
        answer = api.call("GET", path, key=key)
        assert (answer.status, answer.json) == (404, {"detail": "Not Found"})


def test_ping_and_wrong_methods(api: Api) -> None:
    assert (api.call("GET", "/api/v1/ping", key=None).status, api.call("GET", "/api/v1/ping").json) == (
        200,
        {},
    )
    for method, path in (("POST", "/api/v1/ping"), ("GET", "/api/v1/internal/collections/blue")):
        answer = api.call(method, path)
        assert (answer.status, answer.json) == (405, {"detail": "Method Not Allowed"})
