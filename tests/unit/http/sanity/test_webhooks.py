"""Webhooks: signed, in any order, and again; what they tell is what the indexes hold."""

import json
from dataclasses import replace
from typing import Any

import pytest

from shoal.http.context import Limits
from shoal.model.content_documents import timestamp_of
from shoal.model.limits import MAX_DOCUMENT_BYTES
from shoal.model.signatures import sign
from shoal.model.tenants import Scope
from shoal.services.datasets import delete_dataset
from shoal.services.tenants import set_quota
from tests.unit.http.api import START, Api
from tests.unit.http.sanity.client import DATASET, Client, Webhook, problem
from tests.unit.http.sanity.pump import ContentPump

MS = int(START * 1000)
TEXT = "cowboys and aliens"


@pytest.fixture
def pump(api: Api) -> ContentPump:
    return ContentPump(api)


@pytest.fixture
def webhook(client: Client, pump: ContentPump) -> Webhook:
    """Of a dataset with an index that is built, and empty."""
    assert client.create().status == 200
    pump.run()
    assert client.get().json["status"] == "active"
    return client.webhook()


def movie(name: str = "m1", *, title: str = TEXT, ms: int | None = MS, **fields: Any) -> dict[str, Any]:
    at = {} if ms is None else {"_updatedAt": timestamp_of(ms), "_rev": f"rev-{ms}"}
    return {"_id": name, "_type": "movie", "title": title, **at, **fields}


def accepted(webhook: Webhook, body: Any, operation: str | None = None, **how: Any) -> str:
    """Send, and what is said to have been done."""
    answer = webhook.send(body, operation=operation, **how)
    assert answer.status == 200, answer.text
    assert answer.json["status"] == "accepted"
    return str(answer.json["operation"])


def test_a_change_enters_stays_and_leaves(webhook: Webhook, client: Client, pump: ContentPump) -> None:
    assert accepted(webhook, movie("m1"), "create") == "upsert"
    assert accepted(webhook, movie("m2", title="a ship sinks"), "create") == "upsert"
    pump.run()
    assert client.found(TEXT) == ["m1", "m2"]
    accepted(webhook, movie("m1", title="a ship sailing", ms=MS + 1), "update")
    accepted(webhook, movie("m2", title=TEXT, ms=MS + 1), "update")
    pump.run()
    assert client.found(TEXT) == ["m2", "m1"]
    accepted(webhook, movie("m2", ms=MS + 2) | {"_type": "book"}, "update")
    pump.run()
    assert client.found(TEXT) == ["m1"], "the filter does not select it any more"
    assert accepted(webhook, movie("m1", ms=MS + 1), "delete") == "delete"
    pump.run()
    assert client.found(TEXT) == []


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)])
def test_in_any_order_and_twice_the_latest_counts(
    webhook: Webhook, client: Client, pump: ContentPump, order: tuple[int, ...]
) -> None:
    told = [
        (movie(ms=MS), "create"),
        (movie(ms=MS + 1, title="the middle one"), "update"),
        (movie(ms=MS + 2) | {"_type": "book"}, "update"),
    ]
    for number in (*order, *order):
        accepted(webhook, *told[number])
        pump.run()
    assert client.found(TEXT) == []


@pytest.mark.parametrize("late", [movie(ms=MS), movie(ms=MS + 5)])
def test_a_deletion_is_not_undone_by_what_comes_late(
    webhook: Webhook, client: Client, pump: ContentPump, late: dict[str, Any]
) -> None:
    accepted(webhook, movie(ms=MS + 5), "delete")  # shows the document as it was last
    accepted(webhook, late, "update")
    pump.run()
    assert client.found(TEXT) == []
    accepted(webhook, movie(ms=MS + 6), "create")
    pump.run()
    assert client.found(TEXT) == ["m1"]


def test_a_projection_may_tell_the_operation(webhook: Webhook, client: Client, pump: ContentPump) -> None:
    assert accepted(webhook, {"operation": "create", **movie()}) == "upsert"
    pump.run()
    assert client.found(TEXT) == ["m1"]
    body = {"_id": "m1", "_updatedAt": timestamp_of(MS + 1), "operation": "delete"}
    assert accepted(webhook, body) == "delete"
    pump.run()
    assert client.found(TEXT) == []


def test_a_field_of_that_name_is_the_document_s(webhook: Webhook, client: Client, pump: ContentPump) -> None:
    spec = {"indexName": "all", "filter": "operation == 'delete'", "projection": ""}
    assert client.call("POST", f"embeddings-index/{DATASET}", spec).status == 200
    assert accepted(webhook, movie(operation="delete"), "update") == "upsert"
    pump.run()
    answer = client.query({"query": TEXT}, name="all")
    assert [each["value"]["documentId"] for each in answer.json] == ["m1"]


def test_a_document_that_does_not_say_when_is_of_when_it_was_sent(
    api: Api, webhook: Webhook, client: Client, pump: ContentPump
) -> None:
    accepted(webhook, movie(ms=None, title="the later one"), age=10)
    accepted(webhook, movie(ms=None), age=20)
    pump.run()
    found = client.query({"query": "the later one"}).json
    assert found[0]["score"] == pytest.approx(1.0, abs=0.01)


def test_a_deletion_without_a_body_names_its_document(
    webhook: Webhook, client: Client, pump: ContentPump
) -> None:
    accepted(webhook, movie(ms=None), age=20)
    for body in (b"null", b"{}", b""):
        assert accepted(webhook, body, "delete", headers={"sanity-document-id": "m1"}) == "delete"
    pump.run()
    assert client.found(TEXT) == []
    assert problem(webhook.send(b"null", operation="delete")) == (400, "invalid_document")


@pytest.mark.parametrize("name", ["drafts.m1", "versions.r1.m1", "drafts."])
@pytest.mark.parametrize("operation", ["create", "delete"])
def test_drafts_and_versions_are_ignored(
    webhook: Webhook, client: Client, pump: ContentPump, name: str, operation: str
) -> None:
    accepted(webhook, movie())
    answer = webhook.send(movie(name), operation=operation)
    assert (answer.status, answer.json["status"]) == (200, "ignored")
    pump.run()
    assert client.found(TEXT) == ["m1"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "invalid_request"),
        (b"\x00", "invalid_request"),
        (b"", "invalid_document"),
        (b"null", "invalid_document"),
        (b"[]", "invalid_document"),
        (b'"text"', "invalid_document"),
        (b"{}", "invalid_document"),
        (b'{"_type":"movie"}', "invalid_document"),
        (b'{"_id":"m1"}', "invalid_document"),
        (b'{"_id":"m1","_type":""}', "invalid_document"),
        (b'{"_id":"m1","_type":7}', "invalid_document"),
        (b'{"_id":7,"_type":"movie"}', "invalid_document_id"),
        (b'{"_id":"","_type":"movie"}', "invalid_document_id"),
        (b'{"_id":"a b","_type":"movie"}', "invalid_document_id"),
    ],
)
def test_what_is_no_document(webhook: Webhook, body: bytes, code: str) -> None:
    answer = webhook.send(body)
    assert problem(answer) == (400, code)
    if code == "invalid_document":
        assert "document" in answer.json["message"]


def test_an_operation_that_there_is_not(webhook: Webhook) -> None:
    answer = webhook.send(movie(), operation="publish")
    assert problem(answer) == (400, "invalid_request")
    assert "create, update, delete" in answer.json["message"]


def test_a_document_that_is_too_large(webhook: Webhook) -> None:
    answer = webhook.send(movie(text="x" * MAX_DOCUMENT_BYTES))
    assert problem(answer) == (413, "document_too_large")
    assert "m1" in answer.json["message"]


@pytest.mark.parametrize(
    ("signature", "code"),
    [
        (None, "signature_missing"),
        ("nonsense", "signature_malformed"),
        (sign("another", json.dumps(movie()).encode(), sent_ms=MS), "signature_invalid"),
    ],
)
def test_a_signature_that_is_none(webhook: Webhook, signature: str | None, code: str) -> None:
    assert problem(webhook.send(movie(), signature=signature)) == (401, code)


def test_what_is_old_may_be_overheard(webhook: Webhook, client: Client, pump: ContentPump) -> None:
    assert problem(webhook.send(movie(), age=301)) == (401, "signature_expired")
    assert problem(webhook.send(movie(), age=-301)) == (401, "signature_expired")
    assert webhook.send(movie(), age=299).status == 200


def test_a_replay_changes_nothing(webhook: Webhook, client: Client, pump: ContentPump) -> None:
    accepted(webhook, movie(ms=MS), "create")
    accepted(webhook, movie(ms=MS + 1, title="another"), "update")
    accepted(webhook, movie(ms=MS), "create")
    pump.run()
    found = client.query({"query": "another"}).json
    assert found[0]["score"] == pytest.approx(1.0, abs=0.01)


def test_the_old_secret_holds_for_a_day(api: Api, webhook: Webhook, client: Client) -> None:
    newer = client.webhook()
    assert newer.webhook_id == webhook.webhook_id
    assert (webhook.send(movie()).status, newer.send(movie()).status) == (200, 200)
    api.clock.now += 86_400
    assert problem(webhook.send(movie())) == (401, "signature_invalid")
    assert newer.send(movie()).status == 200


def test_without_a_secret_nothing_is_taken(api: Api, client: Client) -> None:
    client.create()
    webhook_id = client.list_all().json[0]["webhookId"]
    assert problem(Webhook(api, webhook_id, "").send(movie())) == (401, "signature_invalid")


@pytest.mark.parametrize("webhook_id", ["abcdefghI7jKKl1P", "a", "x" * 80])
def test_a_webhook_that_never_was(webhook: Webhook, webhook_id: str) -> None:
    answer = replace(webhook, webhook_id=webhook_id).send(movie())
    assert problem(answer) == (404, "webhook_not_found")


def test_an_index_is_deleted_and_the_documents_stay_current(
    webhook: Webhook, client: Client, pump: ContentPump
) -> None:
    accepted(webhook, movie())
    pump.run()
    assert client.delete().status == 200
    accepted(webhook, movie("m2"))
    pump.run()
    made = client.create().json["index"]
    assert made["webhookId"] == webhook.webhook_id
    pump.run()
    assert sorted(client.found(TEXT)) == ["m1", "m2"]


def test_a_dataset_is_deleted_and_its_webhook_with_it(api: Api, webhook: Webhook, client: Client) -> None:
    assert client.delete().status == 200
    delete_dataset(api.ports, api.tenant_id, scope="sanity", name=DATASET)
    assert problem(webhook.send(movie())) == (404, "webhook_not_found")
    assert client.create().json["index"]["webhookId"] != webhook.webhook_id
    assert problem(webhook.send(movie())) == (404, "webhook_not_found")


def test_one_webhook_for_all_indexes_of_a_dataset(client: Client, webhook: Webhook) -> None:
    again = client.create(indexName="another").json["index"]
    elsewhere = client.create("books").json["index"]
    assert again["webhookId"] == webhook.webhook_id != elsewhere["webhookId"]


def test_a_quota_holds_for_what_comes_unasked(api: Api, webhook: Webhook) -> None:
    set_quota(api.ports, api.tenant_id, vector_quota=0, query_quota=None)
    assert problem(webhook.send(movie())) == (429, "vector_quota_exceeded")
    set_quota(api.ports, api.tenant_id, vector_quota=None, query_quota=None)
    assert webhook.send(movie()).status == 200
    api.use(api.ports, Limits(vector_quota=0))
    assert problem(webhook.send(movie("m2"))) == (429, "vector_quota_exceeded")


def test_how_a_secret_is_asked_for(api: Api, client: Client, webhook: Webhook) -> None:
    path = f"/v1/webhooks/{webhook.webhook_id}"
    shown = api.call("GET", path).json
    assert shown == {
        "webhook_id": webhook.webhook_id,
        "dataset": DATASET,
        "path": f"/webhooks/sanity/{webhook.webhook_id}",
        "created_at": shown["created_at"],
        "rotated_at": shown["rotated_at"],
        "old_secret_until": None,
    }
    rotated = api.call("POST", f"{path}/secret")
    assert rotated.headers["cache-control"] == "no-store"
    assert rotated.json["old_secret_until"] is not None
    assert webhook.secret not in api.call("GET", path).text
    at_once = api.call("POST", f"{path}/secret", {"keep_old": False})
    assert at_once.json["old_secret_until"] is None
    assert problem(webhook.send(movie())) == (401, "signature_invalid")
    assert api.call("POST", f"{path}/secret", {"keepOld": False}).status == 400
    writer = api.new_key(Scope.READ, Scope.WRITE)
    assert api.call("POST", f"{path}/secret", key=writer).status == 403
    for stranger in (api.stranger(),):
        assert api.call("GET", path, key=stranger).code == "webhook_not_found"
        assert api.call("POST", f"{path}/secret", key=stranger).code == "webhook_not_found"
