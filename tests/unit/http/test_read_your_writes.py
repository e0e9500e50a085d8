"""Queries that must know of a write or a version, look into one namespace, or show documents."""

from typing import Any

import pytest

from tests.unit.http.api import Answer, Api

LINES = (
    {"id": "a", "values": [0, 0, 0, 1], "document": "first, é"},
    {"id": "b", "values": [0, 0, 0, 3], "namespace": "shelf"},
)


def ask(api: Api, **fields: Any) -> Answer:
    return api.call("POST", "/v1/datasets/products/query", {"vector": [0, 0, 0, 1], **fields})


@pytest.fixture(autouse=True)
def _dataset(api: Api) -> None:
    api.dataset()


def test_a_query_waits_for_a_write(api: Api) -> None:
    job_id = api.upload(*LINES).json["job_id"]
    api.meanwhile = lambda: api.index(job_id)
    answer = ask(api, job_id=job_id)
    assert [match["id"] for match in answer.json["matches"]] == ["a", "b"]
    assert len(api.pauses) == 1
    ask(api, job_id=job_id, min_version=int(answer.headers["x-shoal-version"]))
    assert len(api.pauses) == 1, "nothing to wait for"


def test_a_query_waits_for_a_version(api: Api) -> None:
    first = api.indexed(*LINES)
    api.upload({"id": "c", "values": [0, 0, 0, 1]})
    api.meanwhile = lambda: api.index(first)
    assert len(ask(api, min_version=2).json["matches"]) == 3


def test_what_is_waited_for_in_vain_is_not_indexed_yet(api: Api) -> None:
    job_id = api.upload(*LINES).json["job_id"]
    for fields in ({"job_id": job_id}, {"min_version": 99}):
        api.pauses.clear()
        answer = ask(api, **fields)
        assert (answer.status, answer.code, answer.headers["retry-after"]) == (409, "not_indexed_yet", "1")
        assert sum(api.pauses) == pytest.approx(10)
    assert api.call("GET", "/v1/usage").json["queries_today"] == 0


def test_a_job_must_be_one_of_this_dataset(api: Api) -> None:
    api.dataset("other")
    theirs = api.indexed(*LINES, name="other")
    ours = api.indexed(*LINES)
    for job_id in (theirs, ours[:-1] + "9", "job_1", ""):
        answer = ask(api, job_id=job_id)
        assert (answer.status, answer.code) == (400, "invalid_request")
        assert answer.message == "job_id: is no job of this dataset"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"job_id": 7}, "job_id: input should be a valid string"),
        ({"min_version": -1}, "min_version: input should be greater than or equal to 0"),
        ({"min_version": "2"}, "min_version: input should be a valid integer"),
        ({"namespace": 1}, "namespace: input should be a valid string"),
        ({"include_document": "yes"}, "include_document: input should be a valid boolean"),
    ],
)
def test_bad_fields(api: Api, fields: dict[str, Any], message: str) -> None:
    answer = ask(api, **fields)
    assert (answer.status, answer.code, answer.message) == (400, "invalid_request", message)


@pytest.mark.parametrize(("namespace", "ids"), [(None, ["a", "b"]), ("", ["a"]), ("shelf", ["b"]), ("x", [])])
def test_a_namespace_is_all_that_is_looked_at(api: Api, namespace: str | None, ids: list[str]) -> None:
    api.indexed(*LINES)
    assert [match["id"] for match in ask(api, namespace=namespace).json["matches"]] == ids


def test_documents_are_shown_where_asked_for(api: Api) -> None:
    api.indexed(*LINES)
    plain, full = ask(api).json["matches"], ask(api, include_document=True).json["matches"]
    assert plain == [
        {"id": "a", "score": 0.0, "metadata": {}},
        {"id": "b", "score": 4.0, "metadata": {}, "namespace": "shelf"},
    ]
    assert full == [{**plain[0], "document": "first, é"}, plain[1]]
