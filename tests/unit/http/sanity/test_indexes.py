"""Indexes: made, listed, shown, deleted; what is wrong with one is said where it is."""

import json
from typing import Any

import pytest

from shoal.model.tenants import Scope
from shoal.services.content.documents import Document, ensure_documents, put_versions
from tests.unit.http.api import START, Api
from tests.unit.http.sanity.client import DATASET, INDEX, SPEC, Client, problem
from tests.unit.http.sanity.pump import ContentPump

CREATED_AT = "2026-05-28T20:26:40Z"


@pytest.fixture
def pump(api: Api) -> ContentPump:
    return ContentPump(api)


def plant(api: Api, *bodies: dict[str, Any], dataset: str = DATASET) -> None:
    """Have documents in a dataset."""
    documents = ensure_documents(api.ports, api.tenant_id, dataset)
    changes = [Document(str(body["_id"]), body, int(START * 1000)) for body in bodies]
    put_versions(api.ports, documents, changes, vector_quota=None)


def movie(name: str, **fields: Any) -> dict[str, Any]:
    return {"_id": name, "_type": "movie", "title": f"about {name}", **fields}


def test_an_index_from_its_beginning_to_its_end(api: Api, client: Client, pump: ContentPump) -> None:
    plant(
        api, movie("m1"), movie("m2"), movie("drafts.m1"), movie("versions.r.m1"), movie("b") | {"_type": "b"}
    )
    pump.run()
    answer = client.create()
    assert answer.status == 200
    assert answer.json.keys() == {"status", "message", "index"}
    assert answer.json["status"] == "ok"
    assert answer.json["message"] == "Index created. Documents enqueued for indexing."
    made = answer.json["index"]
    project_id = api.call("GET", "/v1/sanity/project").json["project_id"]
    assert made == {
        "status": "pending",
        "indexName": INDEX,
        "projectId": project_id,
        "dataset": DATASET,
        "projection": "{title, director}",
        "filter": "_type == 'movie'",
        "createdAt": CREATED_AT,
        "updatedAt": CREATED_AT,
        "failedDocumentCount": 0,
        "startDocumentCount": 2,
        "remainingDocumentCount": 2,
        "webhookId": made["webhookId"],
    }
    assert client.list_all().json == [made]
    api.clock.now += 20
    pump.run()
    built = client.get().json
    assert built == made | {
        "status": "active",
        "remainingDocumentCount": 0,
        "updatedAt": built["updatedAt"],
    }
    assert built["updatedAt"] > CREATED_AT
    assert client.list_all().json == [built]
    gone = client.delete()
    assert (gone.status, gone.json) == (200, built)
    assert client.list_all().json == []
    assert problem(client.get()) == (404, "index_not_found")
    assert problem(client.delete()) == (404, "index_not_found")
    assert problem(client.query({"query": "m1"})) == (404, "index_not_found")


def test_the_list_is_by_name_and_names_keep_their_case(client: Client) -> None:
    for name in ("b", "A", "a", "A-b_1", "x" * 64):
        assert client.create(indexName=name).status == 200, name
    assert [each["indexName"] for each in client.list_all().json] == sorted(
        ["b", "A", "a", "A-b_1", "x" * 64]
    )
    assert client.get("A").json["indexName"] == "A"
    assert problem(client.get("B")) == (404, "index_not_found")


def test_a_name_is_taken_once_in_each_dataset(client: Client) -> None:
    assert client.create().status == 200
    answer = client.create(filter="", projection="{...}")
    assert problem(answer) == (409, "index_exists")
    assert INDEX in answer.json["message"]
    assert client.create("books").status == 200
    assert client.delete().status == 200
    assert client.create().status == 200, "the name is free again"


@pytest.mark.parametrize("name", ["", " ", "a b", "a/b", "ä", "a" * 65, None, 7, ["a"]])
def test_a_name_that_no_index_can_have(client: Client, name: object) -> None:
    answer = client.create(indexName=name)
    assert problem(answer) == (400, "invalid_index_name")
    assert "indexName" in answer.json["message"]


def test_a_name_is_needed(client: Client) -> None:
    answer = client.call("POST", f"embeddings-index/{DATASET}", {"filter": "", "projection": ""})
    assert problem(answer) == (400, "invalid_index_name")


@pytest.mark.parametrize("fields", [{"filter": "", "projection": ""}, {"filter": None, "projection": None}])
def test_nothing_given_is_everything(
    api: Api, client: Client, pump: ContentPump, fields: dict[str, Any]
) -> None:
    plant(api, movie("m1"), movie("b1") | {"_type": "book"}, movie("drafts.b1"))
    pump.run()
    assert client.create(**fields).json["index"]["startDocumentCount"] == 2
    pump.run()
    assert client.get().json["status"] == "active"
    assert sorted(client.found("about")) == ["b1", "m1"]


@pytest.mark.parametrize(
    ("field", "text", "character", "named"),
    [
        ("filter", "_type ==", 9, "expected a value"),
        ("filter", "_type == 'movie", 10, "does not end"),
        ("filter", "title match", 12, "expected a value"),
        ("filter", "_id in *[_type == 'x']._id", 8, "sub-queries"),
        ("filter", "count(*[_type == 'movie']) > 0", 1, "functions"),
        ("filter", "pt::text(body) == ''", 1, "functions"),
        ("filter", "_type == 'a' | order(title)", 14, "pipes"),
        ("projection", "{title", 7, "expected a comma or }"),
        ("projection", "title", 1, "projections without braces"),
        ("projection", "{title, director->name}", 17, "dereferences"),
    ],
)
def test_groq_that_is_not_valid(client: Client, field: str, text: str, character: int, named: str) -> None:
    spec: dict[str, Any] = {field: text}
    answer = client.create(**spec)
    assert problem(answer) == (400, "invalid_groq")
    assert answer.json["message"].startswith(f"{field}, character {character}: ")
    assert named in answer.json["message"]
    assert problem(client.list_all()) == (404, "dataset_not_found"), "nothing came into being"


@pytest.mark.parametrize("field", ["filter", "projection"])
@pytest.mark.parametrize("value", [7, [], {}, True])
def test_groq_that_is_no_text(client: Client, field: str, value: object) -> None:
    spec: dict[str, Any] = {field: value}
    assert problem(client.create(**spec)) == (400, f"invalid_{field}")


@pytest.mark.parametrize(
    "text", ["_type==movie", "_type == movie", "_type in [movie, book]", "movie == _type"]
)
def test_a_shell_that_ate_the_quotes(client: Client, text: str) -> None:
    answer = client.create(filter=text)
    assert problem(answer) == (400, "invalid_groq")
    assert "movie" in answer.json["message"]
    assert "shell" in answer.json["message"]
    assert "quotes" in answer.json["message"]


def test_a_filter_that_is_too_large(client: Client) -> None:
    answer = client.create(filter=" || ".join(f"a{number} == {number}" for number in range(20_000)))
    assert problem(answer) == (400, "invalid_groq")


# --- names of datasets ---------------------------------------------------------------------------------------


def test_an_index_brings_its_dataset_into_being(client: Client) -> None:
    assert problem(client.list_all()) == (404, "dataset_not_found")
    assert problem(client.get()) == (404, "dataset_not_found")
    assert problem(client.delete()) == (404, "dataset_not_found")
    assert problem(client.query({"query": "cowboys"})) == (404, "dataset_not_found")
    assert client.create().status == 200
    assert len(client.list_all().json) == 1


def test_a_dataset_may_be_called_query(api: Api, client: Client, pump: ContentPump) -> None:
    plant(api, movie("m1"), dataset="query")
    pump.run()
    assert client.create("query").status == 200
    assert client.create("query", indexName="query").status == 200
    pump.run()
    assert [each["indexName"] for each in client.list_all("query").json] == [INDEX, "query"]
    assert client.get("query", "query").json["indexName"] == "query"
    for name in (INDEX, "query"):
        found = client.query({"query": "m1"}, name=name, dataset="query").json
        assert [each["value"]["documentId"] for each in found] == ["m1"]
    failures = client.call("GET", "embeddings-index/query/query/failures")
    assert failures.json == {"failures": [], "next": None}
    assert client.delete("query", "query").status == 200
    assert len(client.list_all("query").json) == 1


def test_none_can_be_called_status(client: Client) -> None:
    assert client.list_all("status").json == {"enabled": True}
    for answer in (
        client.create("status"),
        client.get(dataset="status"),
        client.delete(dataset="status"),
        client.query({"query": "cowboys"}, dataset="status"),
    ):
        assert problem(answer) == (400, "invalid_dataset")
        assert "choose another name" in answer.json["message"]
    assert client.create(indexName="status").status == 200, "an index can"
    assert client.get("status").json["indexName"] == "status"


@pytest.mark.parametrize("name", ["A", "a.b", "~alias", "-a", "_a", "a" * 65, "a b", "ä"])
def test_a_name_that_no_dataset_can_have(client: Client, name: str) -> None:
    for answer in (client.create(name), client.list_all(name), client.query({"query": "a"}, dataset=name)):
        assert problem(answer) == (400, "invalid_dataset")
        assert name in answer.json["message"]


# --- failures --------------------------------------------------------------------------------------------------


def test_documents_that_cannot_be_embedded_are_told(api: Api, client: Client, pump: ContentPump) -> None:
    empty = [{"_id": f"e{number}", "_type": "movie"} for number in range(5)]
    plant(api, movie("m1"), *empty)
    pump.run()
    client.create()
    pump.run()
    index = client.get().json
    assert (index["status"], index["startDocumentCount"], index["failedDocumentCount"]) == ("active", 6, 5)
    path, told = f"embeddings-index/{DATASET}/{INDEX}/failures", []
    after: str | None = ""
    while after is not None:
        page = client.call("GET", path, query={"limit": "2", "after": after})
        assert page.status == 200
        told += page.json["failures"]
        after = page.json["next"]
    assert [each["documentId"] for each in told] == ["e0", "e1", "e2", "e3", "e4"]
    assert all(each["reason"] and each["stage"] for each in told)
    assert len(client.call("GET", path).json["failures"]) == 5

    plant_later = movie("e0") | {"title": "mended"}
    documents = ensure_documents(api.ports, api.tenant_id, DATASET)
    put_versions(
        api.ports, documents, [Document("e0", plant_later, int(START * 1000) + 1)], vector_quota=None
    )
    pump.run()
    assert client.get().json["failedDocumentCount"] == 4
    assert [each["documentId"] for each in client.call("GET", path).json["failures"]] == [
        "e1",
        "e2",
        "e3",
        "e4",
    ]


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "x", "1.5", "", "٣", "9" * 30])
def test_a_limit_that_is_none(client: Client, limit: str) -> None:
    client.create()
    answer = client.call("GET", f"embeddings-index/{DATASET}/{INDEX}/failures", query={"limit": limit})
    assert problem(answer) == (400, "invalid_request")
    assert "limit" in answer.json["message"]


def test_failures_of_what_is_not_there(client: Client) -> None:
    path = f"embeddings-index/{DATASET}/{INDEX}/failures"
    assert problem(client.call("GET", path)) == (404, "dataset_not_found")
    client.create(indexName="another")
    assert problem(client.call("GET", path)) == (404, "index_not_found")


# --- who may -----------------------------------------------------------------------------------------------------


def test_who_may_do_what(api: Api, client: Client) -> None:
    reader, writer = api.new_key(Scope.READ), api.new_key(Scope.WRITE)
    create = f"embeddings-index/{DATASET}"
    assert problem(client.call("POST", create, SPEC, key=reader)) == (403, "forbidden")
    assert client.call("POST", create, SPEC, key=writer).status == 200
    assert problem(client.list_all(key=writer)) == (403, "forbidden")
    assert problem(client.query({"query": "a"}, key=writer)) == (403, "forbidden")
    assert client.list_all(key=reader).status == 200
    assert problem(client.delete(key=reader)) == (403, "forbidden")
    assert client.delete(key=writer).status == 200


def test_no_tenant_sees_what_is_another_s(api: Api, client: Client, pump: ContentPump) -> None:
    plant(api, movie("m1", secret="planted"))
    pump.run()
    client.create()
    pump.run()
    before = client.list_all().json
    theirs = api.stranger()
    for answer in (
        client.list_all(key=theirs),
        client.get(key=theirs),
        client.query({"query": "planted"}, key=theirs),
        client.call("GET", f"embeddings-index/{DATASET}/{INDEX}/failures", key=theirs),
        client.delete(key=theirs),
    ):
        assert problem(answer) == (404, "dataset_not_found")
        assert "planted" not in answer.text
    made = client.call("POST", f"embeddings-index/{DATASET}", SPEC, key=theirs)
    assert made.json["index"]["startDocumentCount"] == 0
    assert made.json["index"]["webhookId"] != before[0]["webhookId"]
    assert json.dumps(client.list_all().json) == json.dumps(before)
