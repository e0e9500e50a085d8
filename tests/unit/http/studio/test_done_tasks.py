"""Tasks over HTTP while they are done by the real worker: what they show, and what can be found after."""

from typing import Any

import pytest

from shoal.http.context import Limits
from tests.unit.http.api import Answer, Api
from tests.unit.http.studio.pump import Pump

PREFIX = "/api/v1"
COLLECTIONS = f"{PREFIX}/internal/vectordb/collections"
UPSERT, DELETE = f"{PREFIX}/embeddings/upsertion-tasks", f"{PREFIX}/embeddings/deletion-tasks"
INTERNAL_UPSERT = f"{PREFIX}/internal/upsertion-tasks"
CHAIR = {"object_id": "chair", "payload": {"title": "Ergonomic Office Chair"}}
DESK = {"object_id": "desk", "payload": {"title": "Adjustable Standing Desk"}, "item_info": {"row": 7}}


@pytest.fixture
def pump(api: Api) -> Pump:
    return Pump(api)


def run(api: Api, path: str, body: dict[str, Any]) -> Answer:
    answer = api.call("POST", f"{path}/run", body)
    assert answer.status == 200, answer.text
    return answer


def found(api: Api, words: str = "furniture") -> list[str]:
    answer = api.call("POST", f"{PREFIX}/embeddings/similarity-search", {"search_query": words, "limit": 10})
    assert answer.status == 200, answer.text
    return sorted(hit["object_id"] for hit in answer.json["search_results"])


def test_a_task_goes_from_pending_to_done_when_it_can_be_found(api: Api, pump: Pump) -> None:
    made = run(api, UPSERT, {"task_id": "mine", "items": [CHAIR, DESK]})
    assert made.json["status"] == "pending"
    assert found(api) == []
    api.clock.now += 1
    pump.tasks()
    written = api.call("GET", f"{UPSERT}/mine").json
    assert written["status"] == "processing", "it is in the log, and no search sees it yet"
    assert api.call("GET", f"{UPSERT}/list", query={"status": "done"}).json == []
    assert found(api) == []
    pump.logs()
    done = api.call("GET", f"{UPSERT}/mine").json
    assert (done["status"], done["processed_count"], done["total"]) == ("done", 2, 2)
    assert done["updated_at"] > done["created_at"] == made.json["created_at"]
    assert found(api) == ["chair", "desk"]
    assert api.call("GET", f"{UPSERT}/list", query={"status": "done"}).json == [done]


def test_what_cannot_be_embedded_is_told_with_its_stage(api: Api, pump: Pump) -> None:
    empty = {"object_id": "empty", "payload": {"price": 5}, "item_info": {"row": 3}}
    run(api, UPSERT, {"task_id": "mine", "items": [CHAIR, empty, {"object_id": "bare"}]})
    pump.run()
    done = api.call("GET", f"{UPSERT}/mine").json
    assert (done["status"], done["processed_count"], done["failed"]) == ("done", 3, 2)
    first, second = done["failed_items"]
    assert first == {
        "object_id": "empty",
        "detail": first["detail"],
        "failure_stage": first["failure_stage"],
        "payload": {"price": 5},
        "item_info": {"row": 3},
    }
    assert first["detail"]
    assert first["failure_stage"] in {"on_inference", "on_splitting", "other"}
    assert (second["object_id"], "item_info" in second) == ("bare", False)
    assert api.call("GET", f"{UPSERT}/list").json == [done]
    assert found(api) == ["chair"]


def test_text_that_was_too_long_is_told(api: Api, pump: Pump) -> None:
    long = {"object_id": "long", "payload": {"text": "word " * 20_000}}
    run(api, UPSERT, {"task_id": "mine", "items": [CHAIR, long]})
    pump.run()
    done = api.call("GET", f"{UPSERT}/mine").json
    assert (done["status"], done["failed"], done["truncated"]) == ("done", 0, 1)
    models = {"source": {"embedding_model_id": "static-256"}, "dest": {"embedding_model_id": "static-128"}}
    reindex = f"{PREFIX}/internal/reindex-tasks"
    run(api, reindex, {"task_id": "anew"} | models)
    pump.run()
    anew = api.call("GET", f"{reindex}/anew").json
    assert (anew["status"], anew["count"], anew["truncated"]) == ("done", 2, 1)


def test_an_object_twice_in_one_task_is_the_last(api: Api, pump: Pump) -> None:
    other = {"object_id": "chair", "payload": {"title": "Stool"}}
    run(api, UPSERT, {"task_id": "mine", "items": [CHAIR, DESK, other]})
    pump.run()
    assert api.call("GET", f"{UPSERT}/mine").json["processed_count"] == 3
    body = {"embedding_model_id": "static-256", "object_ids": ["chair"]}
    (stored,) = api.call("POST", f"{COLLECTIONS}/objects/find-by-ids", body).json["objects"]
    assert stored["payload"] == {"title": "Stool"}
    assert found(api) == ["chair", "desk"]


def test_deletion(api: Api, pump: Pump) -> None:
    run(api, UPSERT, {"items": [CHAIR, DESK]})
    run(api, DELETE, {"task_id": "mine", "object_ids": ["chair", "nobody", "chair"]})
    pump.run()
    done = api.call("GET", f"{DELETE}/mine").json
    assert (done["status"], done["failed_item_ids"]) == ("done", [])
    assert done["object_ids"] == ["chair", "nobody", "chair"]
    assert found(api) == ["desk"]


def test_the_families_are_apart(api: Api, pump: Pump) -> None:
    run(api, UPSERT, {"items": [CHAIR]})
    run(api, f"{UPSERT}/categories", {"items": [DESK], "task_id": "mine"})
    pump.run()
    assert api.call("GET", f"{UPSERT}/mine").json["status"] == "done"
    assert found(api) == ["chair"]
    in_categories = {"embedding_model_id": "static-256", "object_ids": ["desk", "chair"]}
    answer = api.call("POST", f"{COLLECTIONS}/categories/objects/find-by-ids", in_categories)
    assert [each["object_id"] for each in answer.json["objects"]] == ["desk"]


def test_a_public_task_goes_to_what_is_active_when_it_is_done(api: Api, pump: Pump) -> None:
    run(api, UPSERT, {"items": [CHAIR]})
    pump.run()
    api.call("POST", f"{COLLECTIONS}/create", {"embedding_model_id": "static-128"})
    run(api, UPSERT, {"task_id": "mine", "items": [DESK]})
    api.call("POST", f"{COLLECTIONS}/set-blue", {"embedding_model_id": "static-128"})
    pump.run()
    done = api.call("GET", f"{UPSERT}/mine").json
    assert (done["status"], done["embedding_model_id"]) == ("done", "static-128")
    assert found(api) == ["desk"]


def test_an_internal_task_goes_to_the_collection_it_names(api: Api, pump: Pump) -> None:
    run(api, UPSERT, {"items": [CHAIR]})
    api.call("POST", f"{COLLECTIONS}/create", {"embedding_model_id": "static-128"})
    run(api, INTERNAL_UPSERT, {"items": [DESK], "embedding_model_id": "static-128"})
    pump.run()
    assert found(api) == ["chair"]
    counts = {
        info["embedding_model"]["id"]: info["row_count"]
        for info in api.call("GET", f"{COLLECTIONS}/list").json["collections"]
    }
    assert counts == {"static-256": 1, "static-128": 1}


def test_a_collection_that_is_gone_when_the_task_is_done(api: Api, pump: Pump) -> None:
    named = {"embedding_model_id": "static-128"}
    api.call("POST", f"{COLLECTIONS}/create", named)
    run(api, INTERNAL_UPSERT, {"task_id": "mine", "items": [DESK], **named})
    assert api.call("POST", f"{COLLECTIONS}/delete", named).status == 200
    pump.run()
    failed = api.call("GET", f"{INTERNAL_UPSERT}/mine").json
    assert failed["status"] == "failed"
    assert "static-128" in failed["detail"]
    again = run(api, INTERNAL_UPSERT, {"task_id": "mine", "items": [DESK], **named})
    assert again.json == failed, "the same request again is answered, whatever has become of what it named"


def test_cancel_after_done_and_restart(api: Api, pump: Pump) -> None:
    run(api, UPSERT, {"task_id": "mine", "items": [CHAIR]})
    pump.run()
    refused = api.call("PUT", f"{UPSERT}/cancel", query={"task_id": "mine"})
    assert (refused.status, refused.json["code"]) == (409, "task_ended")
    run(api, DELETE, {"object_ids": ["chair"]})
    pump.run()
    assert found(api) == []
    restarted = api.call("PUT", f"{UPSERT}/restart", query={"task_id": "mine"})
    assert (restarted.json["status"], restarted.json["processed_count"]) == ("pending", 0)
    pump.run()
    assert api.call("GET", f"{UPSERT}/mine").json["status"] == "done"
    assert found(api) == ["chair"]


def test_a_cancelled_task_is_not_done_and_those_behind_it_are(api: Api, pump: Pump) -> None:
    run(api, UPSERT, {"task_id": "first", "items": [CHAIR]})
    run(api, UPSERT, {"task_id": "second", "items": [DESK]})
    assert api.call("PUT", f"{UPSERT}/cancel", query={"task_id": "first"}).json["status"] == "canceled"
    pump.run()
    states = {task["id"]: task["status"] for task in api.call("GET", f"{UPSERT}/list").json}
    assert states == {"first": "canceled", "second": "done"}
    assert found(api) == ["desk"]


def test_a_quota_of_vectors() -> None:
    api = Api(Limits(vector_quota=2))
    run(api, UPSERT, {"task_id": "fits", "items": [CHAIR, DESK]})
    run(api, UPSERT, {"task_id": "more", "items": [{**CHAIR, "object_id": "another"}]})
    Pump(api).run()
    states = {task["id"]: task for task in api.call("GET", f"{UPSERT}/list").json}
    assert states["fits"]["status"] == "done"
    assert states["more"]["status"] == "failed"
    assert "quota" in states["more"]["detail"]
    assert found(api) == ["chair", "desk"]
