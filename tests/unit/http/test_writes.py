"""Deletes, patches and conditional uploads over HTTP: what they do, what they answer, and every bad input."""

import json
from typing import Any

import pytest

from shoal.model.limits import MAX_DELETE_IDS, MAX_METADATA_BYTES
from shoal.model.tenants import Scope
from tests.unit.http.api import Answer, Api

BATCH = "/v1/datasets/products/vectors"
LINES = (
    {"id": "a", "values": [0, 0, 0, 1], "metadata": {"n": 1, "kind": "x"}},
    {"id": "b", "values": [0, 0, 0, 3], "metadata": {"n": 2, "kind": "x"}, "namespace": "shelf"},
    {"id": "c/1", "values": [0, 0, 0, 7], "metadata": {"n": 3, "kind": "y"}, "document": "text"},
)
NOTHING = {"upserted": 0, "skipped": 0, "patched": 0, "deleted": 0, "missing": 0}


@pytest.fixture(autouse=True)
def _dataset(api: Api) -> None:
    api.dataset()
    api.indexed(*LINES)


def index_meanwhile(api: Api) -> None:
    """Let the indexer do its work at the first pause."""
    job_id = api.upload(LINES[0]).json["job_id"]
    api.meanwhile = lambda: api.index(job_id)


def left(api: Api) -> set[str]:
    answer = api.call("POST", f"{BATCH}/fetch", {"ids": [line["id"] for line in LINES]})
    return {record["id"] for record in answer.json["vectors"]}


def delete(api: Api, body: Any, **query: str) -> Answer:
    return api.call("POST", f"{BATCH}/delete", body, query=query)


# --- deletes


def test_a_delete_by_filter_says_how_many_it_deleted(api: Api) -> None:
    index_meanwhile(api)
    answer = delete(api, {"filter": {"n": {"$gte": 2}}})
    assert (answer.status, answer.json["status"]) == (200, "indexed")
    assert answer.json["result"] == {**NOTHING, "deleted": 2}
    assert left(api) == {"a"}
    job = api.call("GET", f"/v1/jobs/{answer.json['job_id']}").json
    assert (job["kind"], job["status"], job["result"]) == ("delete", "indexed", answer.json["result"])


@pytest.mark.parametrize(
    ("body", "rest"),
    [
        ({"namespace": "shelf"}, {"a", "c/1"}),
        ({"namespace": ""}, {"b"}),
        ({"prefix": "c/"}, {"a", "b"}),
        ({"prefix": "c/", "filter": {"n": 1}}, {"a", "b", "c/1"}),
        ({"namespace": "", "filter": {"kind": "x"}}, {"b", "c/1"}),
        ({"all": True}, set()),
        ({"ids": ["a", "c/1", "a", "none"], "wait": True}, {"b"}),
    ],
)
def test_what_is_meant_is_deleted(api: Api, body: Any, rest: set[str]) -> None:
    index_meanwhile(api)
    answer = delete(api, body)
    assert answer.status == 200
    assert answer.json["result"]["deleted"] == 3 - len(rest)
    assert answer.json["result"]["missing"] == (1 if "ids" in body else 0)
    assert left(api) == rest
    assert api.call("GET", "/v1/datasets/products").json["row_count"] == len(rest)


def test_deletes_that_are_not_waited_for(api: Api) -> None:
    for body in ({"ids": ["a"]}, {"all": True, "wait": False}, {"prefix": "a", "wait": False}):
        answer = delete(api, body)
        assert (answer.status, answer.json.keys()) == (202, {"job_id"})
    assert not api.pauses
    job = api.call("GET", f"/v1/jobs/{answer.json['job_id']}").json
    assert (job["status"], job["result"]) == ("pending", None)


def test_a_missing_id_is_counted(api: Api) -> None:
    index_meanwhile(api)
    answer = api.call("DELETE", f"{BATCH}/none", query={"wait": "indexed"})
    assert (answer.status, answer.json["result"]) == (200, {**NOTHING, "missing": 1})
    assert api.call("DELETE", f"{BATCH}/none").status == 202


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "one of ids, filter, namespace, prefix and all is needed"),
        ({"wait": True}, "one of ids, filter, namespace, prefix and all is needed"),
        ({"all": False}, "all: must be true where it is there"),
        ({"all": 1}, "all: input should be a valid boolean"),
        ({"all": True, "namespace": "x"}, "all: must stand alone"),
        ({"all": True, "ids": ["a"]}, "all: must stand alone"),
        ({"ids": ["a"], "prefix": "b", "filter": {"n": 1}}, "ids: must stand alone, without filter, prefix"),
        ({"ids": []}, "ids: list should have at least 1 item after validation, not 0"),
        ({"ids": ["a", ""]}, "ids.1: string should have at least 1 character"),
        ({"ids": ["a", 7]}, "ids.1: input should be a valid string"),
        (
            {"ids": [str(n) for n in range(MAX_DELETE_IDS + 1)]},
            f"ids: list should have at most {MAX_DELETE_IDS} items after validation, not {MAX_DELETE_IDS + 1}",
        ),
        ({"filter": {}}, 'filter: must not be empty; {"all": true} deletes all'),
        ({"filter": {"n": {"$near": 1}}}, "filter.n.$near: unknown operator"),
        ({"filter": {"n": {"$gt": None}}}, "filter.n.$gt must be a number or a string"),
        ({"namespace": "shelf", "fliter": {"n": 1}}, "fliter: extra inputs are not permitted"),
        ({"prefix": ""}, "prefix: string should have at least 1 character"),
        ({"namespace": "x" * 65}, "namespace: string should have at most 64 characters"),
        ({"namespace": "a\nb"}, "namespace must not contain control characters"),
        ({"all": True, "wait": "no"}, "wait: input should be a valid boolean"),
        ("[]", "body must be a JSON object"),
        ("{", "body must be valid JSON"),
    ],
)
def test_bad_deletes(api: Api, body: Any, message: str) -> None:
    answer = delete(api, body)
    assert (answer.status, answer.code) == (400, "invalid_request")
    assert answer.message.startswith(message)
    assert left(api) == {"a", "b", "c/1"}


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"wait": "yes"}, "wait must be indexed"),
        ({"wait": "indexed", "timeout": "0"}, "timeout must be whole seconds, 1 to 25"),
        ({"timeout": "26"}, "timeout must be whole seconds, 1 to 25"),
        ({"timeout": "1.5"}, "timeout must be whole seconds, 1 to 25"),
        ({"timeout": "٣"}, "timeout must be whole seconds, 1 to 25"),
    ],
)
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", BATCH, json.dumps(LINES[0])),
        ("POST", f"{BATCH}/delete", {"ids": ["a"]}),
        ("DELETE", f"{BATCH}/a", None),
        ("POST", f"{BATCH}/patch", json.dumps({"id": "a", "metadata": {}})),
        ("PATCH", f"{BATCH}/a", {"metadata": {}}),
    ],
)
def test_bad_waits(api: Api, method: str, path: str, body: Any, query: dict[str, str], message: str) -> None:
    answer = api.call(method, path, body, query=query)
    assert (answer.status, answer.code, answer.message) == (400, "invalid_request", message)


# --- patches


def test_one_record_is_patched(api: Api) -> None:
    index_meanwhile(api)
    change = {"metadata": {"n": None, "$gt": {"$in": [1]}, "deep": {"er": 1, "gone": None}}}
    answer = api.call("PATCH", f"{BATCH}/c/1", change, query={"wait": "indexed"})
    assert (answer.status, answer.json["result"]) == (200, {**NOTHING, "patched": 1})
    found = api.call("GET", f"{BATCH}/c/1", query={"include_values": "true", "include_document": "true"}).json
    assert found == {
        "id": "c/1",
        "metadata": {"kind": "y", "$gt": {"$in": [1]}, "deep": {"er": 1}},
        "document": "text",
        "embedding": [0, 0, 0, 7],
    }


def test_a_patch_of_a_missing_id(api: Api) -> None:
    index_meanwhile(api)
    answer = api.call("PATCH", f"{BATCH}/none", {"metadata": {"n": 1}}, query={"wait": "indexed"})
    assert (answer.status, answer.code) == (404, "not_found")
    assert api.call("PATCH", f"{BATCH}/none", {"metadata": {"n": 1}}).status == 202
    lines = [{"id": "none", "metadata": {}}, {"id": "a", "metadata": {"n": 9}}]
    many = api.call("POST", f"{BATCH}/patch", "\n".join(map(json.dumps, lines)), query={"wait": "indexed"})
    assert (many.status, many.json["result"]) == (200, {**NOTHING, "patched": 1, "missing": 1})


def test_metadata_that_a_patch_makes_too_large(api: Api) -> None:
    index_meanwhile(api)
    half = "x" * (MAX_METADATA_BYTES // 2)
    for name, result in (("one", {"patched": 1}), ("two", {"skipped": 1})):
        answer = api.call("PATCH", f"{BATCH}/b", {"metadata": {name: half}}, query={"wait": "indexed"})
        assert answer.status == 200
        found = answer.json["result"]
        reason = found.pop("reason", None)
        assert found == {**NOTHING, **result}
    assert reason == f"id b: metadata would have 40996 bytes where at most {MAX_METADATA_BYTES} fit"


def test_lines_of_patches_that_are_bad_are_named(api: Api) -> None:
    body = "\n".join(
        [
            '{"id": "a", "metadata": {"n": 5}}',
            "",
            "{",
            "7",
            '{"metadata": {}}',
            json.dumps({"id": "x" * 257, "metadata": {}}),
            '{"id": "a"}',
            '{"id": "a", "metadata": null}',
            '{"id": "a", "metadata": {"deep": ' + '{"a":' * 300 + "1" + "}" * 300 + "}}",
            json.dumps({"id": "a", "metadata": {"x": "y" * MAX_METADATA_BYTES}}),
        ]
    )
    answer = api.call("POST", f"{BATCH}/patch", body)
    assert (answer.status, answer.json["accepted"], answer.json["rejected"]) == (202, 1, 8)
    assert [(each["line"], each["reason"]) for each in answer.json["errors"]] == [
        (3, "invalid json"),
        (4, "record must be a JSON object"),
        (5, "id must be a non-empty string"),
        (6, "id too long (max 256 chars)"),
        (7, "metadata must be object"),
        (8, "metadata must be object"),
        (9, "metadata is nested too deeply"),
        (10, f"metadata too large: got {MAX_METADATA_BYTES + 8} bytes expected at most {MAX_METADATA_BYTES}"),
    ]


def test_a_patch_of_bad_lines_only_still_has_a_job(api: Api) -> None:
    index_meanwhile(api)
    answer = api.call("POST", f"{BATCH}/patch", "{", query={"wait": "indexed"})
    assert (answer.status, answer.json["status"], answer.json["result"]) == (200, "indexed", NOTHING)


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ("", "invalid_ndjson", "Empty NDJSON body"),
        (b'{"id": "a\xff"}', "invalid_ndjson", "body must be UTF-8"),
        ('{"id": "a", "metadata": {}}\n' * 10_001, "too_many_ids", "a patch takes at most 10000 records"),
    ],
)
def test_bad_bodies_of_patches(api: Api, body: Any, code: str, message: str) -> None:
    answer = api.call("POST", f"{BATCH}/patch", body)
    assert (answer.status, answer.code, answer.message) == (400, code, message)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "metadata: field required"),
        ({"metadata": None}, "metadata: input should be a valid dictionary"),
        ({"metadata": []}, "metadata: input should be a valid dictionary"),
        ({"metadata": {}, "values": [1, 2, 3, 4]}, "values: extra inputs are not permitted"),
        ({"metadata": {"x": "y" * MAX_METADATA_BYTES}}, "metadata too large: got 40968 bytes"),
        ('{"metadata": {"a": NaN}}', "body must be valid JSON"),
    ],
)
def test_bad_patches(api: Api, body: Any, message: str) -> None:
    answer = api.call("PATCH", f"{BATCH}/a", body)
    assert (answer.status, answer.code) == (400, "invalid_request")
    assert answer.message.startswith(message)


# --- uploads


def test_conditional_uploads_say_what_they_skipped(api: Api) -> None:
    index_meanwhile(api)
    body = "\n".join(
        json.dumps({"id": name, "values": [1, 1, 1, 1], "metadata": {"n": n}})
        for name, n in (("a", 0), ("b", 7), ("new", 0))
    )
    for query, upserted in (({"if_newer_than": "n"}, 2), ({"if_absent": "true"}, 0)):
        answer = api.call("POST", BATCH, body, query={**query, "wait": "indexed"})
        assert answer.status == 200
        assert answer.json["accepted"] == 3
        assert answer.json["result"] == {**NOTHING, "upserted": upserted, "skipped": 3 - upserted}
    assert api.call("GET", f"{BATCH}/a").json["metadata"]["n"] == 1
    assert api.call("GET", f"{BATCH}/b").json["metadata"]["n"] == 7


def test_the_namespace_of_lines_that_name_none(api: Api) -> None:
    lines = [
        {"id": "new", "values": [1, 1, 1, 1]},
        {"id": "own", "values": [1, 1, 1, 1], "namespace": "mine"},
    ]
    answer = api.call("POST", BATCH, "\n".join(map(json.dumps, lines)), query={"namespace": "théirs"})
    api.index(answer.json["job_id"])
    shown = {name: api.call("GET", f"{BATCH}/{name}").json["namespace"] for name in ("new", "own")}
    assert shown == {"new": "théirs", "own": "mine"}


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"if_absent": "maybe"}, "if_absent must be true or false"),
        ({"if_absent": "true", "if_newer_than": "n"}, "if_newer_than: cannot be asked for together"),
        ({"if_newer_than": ""}, "if_newer_than must be a path"),
        ({"if_newer_than": ".".join("abcdefghijklmnopq")}, "if_newer_than must be a path"),
        ({"if_newer_than": "x" * 257}, "if_newer_than must be a path"),
        ({"namespace": "x" * 65}, "namespace too long (max 64 chars)"),
        ({"namespace": "a\tb"}, "namespace must not contain control characters"),
    ],
)
def test_bad_conditions(api: Api, query: dict[str, str], message: str) -> None:
    answer = api.call("POST", BATCH, json.dumps(LINES[0]), query=query)
    assert (answer.status, answer.code) == (400, "invalid_request")
    assert answer.message.startswith(message)


# --- waiting


def test_a_write_that_is_not_indexed_in_time_is_pending(api: Api) -> None:
    answer = api.call("DELETE", f"{BATCH}/a", query={"wait": "indexed", "timeout": "3"})
    assert (answer.status, answer.json["status"]) == (202, "pending")
    assert sum(api.pauses) == pytest.approx(3)
    assert all(each <= 0.5 for each in api.pauses)
    assert len(api.pauses) < 20


def test_a_dataset_that_is_deleted_while_it_is_waited_for(api: Api) -> None:
    api.meanwhile = lambda: (api.call("DELETE", "/v1/datasets/products"), None)[1]
    answer = api.call("DELETE", f"{BATCH}/a", query={"wait": "indexed"})
    assert (answer.status, answer.code) == (404, "dataset_not_found")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", f"{BATCH}/delete", {"all": True}),
        ("POST", f"{BATCH}/patch", '{"id": "a", "metadata": {}}'),
        ("PATCH", f"{BATCH}/a", {"metadata": {}}),
        ("DELETE", f"{BATCH}/a", None),
    ],
)
def test_writes_need_the_scope_and_the_tenant(api: Api, method: str, path: str, body: Any) -> None:
    assert api.call(method, path, body, key=api.new_key(Scope.READ)).status == 403
    assert api.call(method, path, body, key=api.stranger()).status == 404
    assert left(api) == {"a", "b", "c/1"}
