"""Mutations over HTTP: what clients send, what they read, and what is wrong with a request."""

from typing import Any

import pytest

from shoal.http.context import Limits
from shoal.model.content_documents import Document
from shoal.model.datasets import Dataset
from shoal.model.tenants import Scope
from shoal.services.commit import drain
from shoal.services.content.documents import find_documents
from shoal.services.content.reading import scan
from shoal.services.heads import keys_of, read_head
from shoal.services.parts import PartReader
from shoal.services.snapshot import open_snapshot
from tests.unit.http.api import Answer, Api
from tests.unit.http.sanity.client import DATASET, Client, problem

A = {"_id": "a", "_type": "movie", "title": "Alien"}


def mutate(client: Client, *mutations: Any, dataset: str = DATASET, **how: Any) -> Answer:
    return client.call("POST", f"data/mutate/{dataset}", {"mutations": list(mutations)}, **how)


def applied(api: Api) -> Dataset:
    """The dataset, with all that was written to it."""
    dataset = find_documents(api.ports, api.tenant_id, DATASET)
    drain(api.ports, dataset.tenant_id, dataset.dataset_id, owner="test")
    return dataset


def _apply(api: Api) -> None:
    applied(api)


def documents(api: Api) -> dict[str, Document]:
    """What is stored and published, by id."""
    dataset = applied(api)
    head = read_head(api.ports, keys_of(dataset))
    assert head is not None
    reader = PartReader(api.ports.objects, cache_bytes=10**7)
    return {each.document_id: each for each in scan(open_snapshot(reader, dataset, head))}


def test_what_a_client_sends_and_reads(client: Client) -> None:
    query = {"returnIds": "true", "returnDocuments": "true", "visibility": "sync"}
    answer = mutate(client, {"create": A}, query=query)
    assert answer.status == 200, answer.text
    body = answer.json
    document = {
        **A,
        "_createdAt": "2026-05-28T20:26:40.000Z",
        "_updatedAt": "2026-05-28T20:26:40.000Z",
        "_rev": body["transactionId"],
    }
    assert body["results"] == [{"id": "a", "operation": "create", "document": document}]
    assert dict(documents(client.api)["a"].body) == document


def test_documents_are_left_out_where_nobody_asks_for_them(client: Client) -> None:
    answer = mutate(client, {"createOrReplace": A}, {"delete": {"id": "b"}})
    assert answer.json["results"] == [
        {"id": "a", "operation": "create"},
        {"id": "b", "operation": "none"},
    ]
    assert list(documents(client.api)) == ["a"]


def test_a_transaction_of_everything(client: Client) -> None:
    client.api.meanwhile = lambda: _apply(client.api)
    mutate(client, {"createOrReplace": A}, {"createOrReplace": {**A, "_id": "c"}})
    answer = client.call(
        "POST",
        f"data/mutate/{DATASET}",
        {
            "mutations": [
                {"createIfNotExists": A},
                {"patch": {"id": "a", "set": {"cast[0].name": "x", "title": "Aliens"}, "unset": ["none"]}},
                {"patch": {"id": "a", "set": {"cast": [{"name": "Ripley"}]}}},
                {"patch": {"id": "a", "set": {"cast[0].age": 30}, "ifRevisionID": "mine"}},
                {"delete": {"query": "*[_id in $ids]", "params": {"ids": ["c", "d"]}}},
            ],
            "transactionId": "mine",
        },
        query={"returnDocuments": "true", "autoGenerateArrayKeys": "true"},
    )
    assert answer.status == 200, answer.text
    assert answer.json["transactionId"] == "mine"
    assert [each["operation"] for each in answer.json["results"]] == [
        *("none", "update", "update", "update"),
        *("delete", "none"),
    ]
    found = documents(client.api)
    assert list(found) == ["a"]
    (person,) = found["a"].body["cast"]
    assert (person["name"], person["age"], len(person["_key"])) == ("Ripley", 30, 12)
    assert found["a"].body["title"] == "Aliens"


def test_a_dry_run(client: Client) -> None:
    answer = mutate(client, {"createOrReplace": A}, query={"dryRun": "true"})
    assert answer.json["results"] == [{"id": "a", "operation": "create"}]
    assert documents(client.api) == {}


@pytest.mark.parametrize(
    ("body", "query", "status", "code", "says"),
    [
        (b"{", {}, 400, "invalid_request", "body must be valid JSON"),
        ([], {}, 400, "invalid_request", "body must be a JSON object"),
        ({}, {}, 400, "invalid_mutation", "mutations: must be an array"),
        ({"mutations": [{"upsert": A}]}, {}, 400, "invalid_mutation", "there is no mutation 'upsert'"),
        ({"mutations": [{"create": A}], "x": 1}, {}, 400, "invalid_request", "x: there is no such field"),
        ({"mutations": [{"create": {"_id": "a"}}]}, {}, 400, "invalid_document", "_type must be a string"),
        ({"mutations": [{"createOrReplace": {"_type": "a"}}]}, {}, 400, "invalid_document", "has no _id"),
        ({"mutations": [{"delete": {"id": "a b"}}]}, {}, 400, "invalid_document_id", "'a b' cannot be an id"),
        (
            {"mutations": [{"patch": {"id": "a", "set": {"x..y": 1}}}]},
            {},
            400,
            "invalid_path",
            "mutations[0].patch.set: cannot read 'x..y' at position 2",
        ),
        (
            {"mutations": [{"create": A}], "transactionId": "a b"},
            {},
            400,
            "invalid_request",
            "transactionId:",
        ),
        (
            {"mutations": [{"create": A}]},
            {"visibility": "soon"},
            400,
            "invalid_request",
            "visibility: must be",
        ),
        ({"mutations": [{"create": A}]}, {"dryRun": "maybe"}, 400, "invalid_request", "dryRun must be true"),
        (
            {"mutations": [{"createOrReplace": {**A, "text": "x" * 262_144}}]},
            {},
            413,
            "document_too_large",
            "document a has 262",
        ),
        (
            {"mutations": [{"patch": {"id": "nowhere", "set": {"x": 1}}}]},
            {},
            404,
            "document_not_found",
            "mutations[0]: The document with the ID",
        ),
        (
            {"mutations": [{"create": A}, {"create": A}]},
            {},
            409,
            "document_exists",
            'mutations[1]: Document by ID "a" already exists',
        ),
    ],
)
def test_bad_requests_say_what_to_do(
    client: Client, body: Any, query: dict[str, str], status: int, code: str, says: str
) -> None:
    answer = client.call("POST", f"data/mutate/{DATASET}", body, query=query)
    assert problem(answer) == (status, code), answer.text
    assert says in answer.json["message"]


@pytest.mark.parametrize("dataset", ["Movies", "-a", "a" * 65, "status"])
def test_a_dataset_that_cannot_be(client: Client, dataset: str) -> None:
    assert problem(mutate(client, {"create": A}, dataset=dataset)) == (400, "invalid_dataset")


def test_another_project_is_refused(client: Client) -> None:
    assert problem(mutate(client, {"create": A}, query={"projectId": "other"})) == (401, "unauthorized")


def test_a_key_that_only_reads_may_not(client: Client) -> None:
    key = client.api.new_key(Scope.READ)
    assert problem(mutate(client, {"create": A}, key=key)) == (403, "forbidden")


def test_an_answer_that_would_not_fit_is_refused_before_anything_is_written(client: Client) -> None:
    large = [{"createOrReplace": {**A, "_id": f"d{n}", "text": '"' * 120_000}} for n in range(15)]
    answer = mutate(client, *large, query={"returnDocuments": "true"})
    assert problem(answer) == (400, "response_too_large")
    assert documents(client.api) == {}
    assert mutate(client, *large).status == 200


def test_a_quota_refuses_all_of_it() -> None:
    api = Api(Limits(vector_quota=1))
    client = Client(api)
    answer = mutate(client, {"createOrReplace": A}, {"createOrReplace": {**A, "_id": "b"}})
    assert problem(answer) == (429, "vector_quota_exceeded")


def test_what_is_there_can_be_deleted_at_the_quota() -> None:
    api = Api(Limits(vector_quota=1))
    client = Client(api)
    assert mutate(client, {"createOrReplace": A}).status == 200
    applied(api)
    nothing = mutate(client, {"delete": {"id": "nothing"}})
    assert problem(nothing) == (429, "vector_quota_exceeded"), "this would be one more to remember"
    assert mutate(client, {"delete": {"id": A["_id"]}}).status == 200
    applied(api)
    assert documents(api) == {}


def test_another_tenant_has_documents_of_its_own(client: Client) -> None:
    mutate(client, {"createOrReplace": A})
    applied(client.api)
    other = client.api.stranger()
    answer = mutate(client, {"createOrReplace": A}, key=other)
    assert answer.json["results"] == [{"id": "a", "operation": "create"}]
