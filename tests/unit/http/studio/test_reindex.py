"""Reindexes over HTTP, with the workflow run in this process."""

from typing import Any

import pytest

from shoal.services.model_aliases import set_alias
from tests.unit.http.api import Answer, Api
from tests.unit.http.studio.pump import Pump

PATH = "/api/v1/internal/reindex-tasks"
COLLECTIONS = "/api/v1/internal/vectordb/collections"
UPSERT = "/api/v1/embeddings/upsertion-tasks"
S256, S128 = {"embedding_model_id": "static-256"}, {"embedding_model_id": "static-128"}
ENDS = {"source": S256, "dest": S128}
TIME = "2026-05-28T20:26:40.000000Z"
WORDS = ("chair", "desk", "lamp", "sofa", "shelf", "stool", "table", "couch")


def items(*names: str) -> list[dict[str, Any]]:
    return [{"object_id": name, "payload": {"title": f"a {name} for the office"}} for name in names]


@pytest.fixture
def pump(api: Api) -> Pump:
    return Pump(api)


@pytest.fixture
def filled(api: Api, pump: Pump) -> Api:
    """A tenant with eight objects in its active collection."""
    assert api.call("POST", f"{UPSERT}/run", {"items": items(*WORDS)}).status == 200
    pump.run()
    return api


def run(api: Api, **more: Any) -> Answer:
    return api.call("POST", f"{PATH}/run", ENDS | more)


def started(api: Api, **more: Any) -> dict[str, Any]:
    answer = run(api, task_id="mine", **more)
    assert answer.status == 200, answer.text
    task: dict[str, Any] = answer.json
    return task


def shown(api: Api, task_id: str = "mine") -> dict[str, Any]:
    answer = api.call("GET", f"{PATH}/{task_id}")
    assert answer.status == 200, answer.text
    task: dict[str, Any] = answer.json
    return task


def faults(answer: Answer) -> list[tuple[str, str]]:
    assert answer.status == 422, answer.text
    return [(fault["type"], ".".join(map(str, fault["loc"]))) for fault in answer.json["detail"]]


def states(api: Api, family: str = "") -> dict[str, tuple[str, int]]:
    listed = api.call("GET", f"{COLLECTIONS}{family}/list").json["collections"]
    return {info["embedding_model"]["id"]: (info["work_state"], info["row_count"]) for info in listed}


def test_a_reindex_from_its_request_to_its_end(filled: Api, pump: Pump) -> None:
    made = started(filled, deploy_as_blue=True)
    assert made["status"] in {"pending", "processing"}
    assert {name: value for name, value in made.items() if name not in {"status", "stage"}} == {
        "id": "mine",
        "task_id": "mine",
        "created_at": TIME,
        "updated_at": TIME,
        "failed": 0,
        "source": S256,
        "dest": S128,
        "deploy_as_blue": True,
        "wait_on_conflict": False,
        "progress": 0.0,
        "count": 0,
        "children": [],
        "failed_items": [],
    }
    pump.run()
    done = shown(filled)
    assert (done["status"], done["count"], done["total"], done["progress"]) == ("done", 8, 8, 1.0)
    assert done["failed_items"] == []
    assert states(filled) == {"static-256": ("green", 8), "static-128": ("blue", 8)}
    assert filled.call("GET", f"{PATH}/info", query={"task_id": "mine"}).json == done
    assert filled.call("GET", f"{PATH}/list").json == [done]
    assert filled.call("GET", f"{PATH}/list", query={"status": "failed"}).json == []

    assert done["children"]
    for name in done["children"]:
        child = shown(filled, name)
        assert (child["id"], child["task_id"], child["status"]) == (name, name, "done")
    assert sum(shown(filled, name)["count"] for name in done["children"]) == 8
    assert run(filled, task_id="mine", dest={"embedding_model_id": "gone"}).json == done, "same id, same task"


def test_the_models_are_shown_as_they_were_asked_for(filled: Api, pump: Pump) -> None:
    for alias, model_id in (("text-embedding-ada-002", "static-256"), ("text-embedding-v2", "static-128")):
        set_alias(filled.ports, filled.embedder.registry, filled.tenant_id, alias, model_id)
    source = {"embedding_model_id": "text-embedding-ada-002"}
    dest = {"embedding_model_id": "text-embedding-v2"}
    made = started(filled, source=source, dest=dest)
    assert (made["source"], made["dest"]) == (source, dest)
    pump.run()
    assert shown(filled)["status"] == "done"
    assert states(filled) == {"static-256": ("blue", 8), "static-128": ("green", 8)}


def test_what_it_would_take(filled: Api) -> None:
    answer = run(filled, dry_run=True, task_id="mine")
    assert answer.status == 200
    assert answer.json == {
        "dry_run": True,
        **ENDS,
        "documents": 8,
        "tokens": answer.json["tokens"],
        "dollars": 0.0,
        "minutes": answer.json["minutes"],
    }
    assert answer.json["tokens"] > 8
    assert filled.call("GET", f"{PATH}/list").json == []
    assert states(filled) == {"static-256": ("blue", 8)}, "nothing was made"


def test_faults_are_told_at_once(filled: Api) -> None:
    answer = filled.call(
        "POST",
        f"{PATH}/run",
        {"dest": {"family": "things"}, "deploy_as_blue": "yes", "max_failed_share": 1.5, "id": "a b"},
    )
    assert faults(answer) == [
        ("string_pattern_mismatch", "body.id"),
        ("missing", "body.source"),
        ("missing", "body.dest.embedding_model_id"),
        ("literal_error", "body.dest.family"),
        ("bool_type", "body.deploy_as_blue"),
        ("less_than_equal", "body.max_failed_share"),
    ]


def test_onto_itself_also_by_another_name(filled: Api) -> None:
    set_alias(filled.ports, filled.embedder.registry, filled.tenant_id, "ours", "static-256")
    for name in ("static-256", "ours"):
        for dry_run in (False, True):
            answer = run(filled, dest={"embedding_model_id": name}, dry_run=dry_run)
            assert faults(answer) == [("reindex_onto_itself", "body.dest.embedding_model_id")]


def test_to_another_family(filled: Api) -> None:
    other = run(filled, dest=S128 | {"family": "categories"}, source=S256 | {"family": "items"})
    assert faults(other) == [("other_family", "body.dest.family")]
    other = run(filled, dest=S128 | {"family": "categories"}, family="items")
    assert faults(other) == [("other_family", "body.dest.family")]
    same = run(filled, dest=S128 | {"family": "categories"})
    assert (same.status, same.json["code"]) == (404, "collection_not_found"), (
        "both of the family that one names"
    )


def test_categories(api: Api, pump: Pump) -> None:
    api.call("POST", f"{UPSERT}/categories/run", {"items": items("chair", "desk")})
    pump.run()
    started(api, family="categories", deploy_as_blue=None, wait_on_conflict=None)
    pump.run()
    assert shown(api)["status"] == "done"
    assert states(api, "/categories") == {"static-256": ("blue", 2), "static-128": ("green", 2)}
    assert states(api) == {}


def test_models_that_are_not_there(filled: Api) -> None:
    answer = run(filled, source={"embedding_model_id": "ada"}, dest={"embedding_model_id": "v2"})
    assert answer.status == 404
    assert answer.json["detail"] == (
        "source: there is no embedding model 'ada'; known are static-256, static-128; "
        "dest: there is no embedding model 'v2'; known are static-256, static-128"
    )


def test_a_source_that_is_not_there(api: Api) -> None:
    for dry_run in (False, True):
        answer = run(api, dry_run=dry_run)
        assert (answer.status, answer.json["code"]) == (404, "collection_not_found")


def test_a_destination_that_holds_something(filled: Api, pump: Pump) -> None:
    started(filled)
    pump.run()
    refused = run(filled)
    assert (refused.status, refused.json["code"]) == (409, "destination_not_empty")
    back = run(filled, source=S128, dest=S256, replace=True)
    assert (back.status, back.json["code"]) == (409, "collection_is_blue")
    again = run(filled, replace=True)
    assert again.status == 200
    pump.run()
    assert shown(filled, again.json["id"])["status"] == "done"


def test_two_reindexes_of_one_source(filled: Api, pump: Pump) -> None:
    started(filled)
    refused = run(filled, task_id="second", replace=True)
    assert (refused.status, refused.json["status"]) == (200, "refused")
    assert refused.json["detail"]
    waits = run(filled, task_id="third", replace=True, wait_on_conflict=True)
    assert waits.json["status"] == "pending"
    pump.run()
    assert [shown(filled, name)["status"] for name in ("mine", "second", "third")] == [
        "done",
        "refused",
        "done",
    ]
    assert states(filled)["static-128"] == ("green", 8)


def test_cancel_and_restart(filled: Api, pump: Pump) -> None:
    started(filled)
    early = filled.call("PUT", f"{PATH}/restart", query={"task_id": "mine"})
    assert (early.status, early.json["code"]) == (409, "task_not_ended")
    canceled = filled.call("PUT", f"{PATH}/cancel", query={"task_id": "mine"})
    assert (canceled.status, canceled.json["status"]) == (200, "canceled")
    pump.run()
    assert shown(filled)["status"] == "canceled"
    assert states(filled) == {"static-256": ("blue", 8)}, "what was made is gone"
    again = filled.call("PUT", f"{PATH}/restart", query={"task_id": "mine"})
    assert again.json["status"] in {"pending", "processing"}
    pump.run()
    assert shown(filled)["status"] == "done"
    late = filled.call("PUT", f"{PATH}/cancel", query={"task_id": "mine"})
    assert (late.status, late.json["code"]) == (409, "task_ended")
    assert states(filled) == {"static-256": ("blue", 8), "static-128": ("green", 8)}


def test_collections_of_a_reindex_stay(filled: Api, pump: Pump) -> None:
    started(filled)
    for named in (S256, S128):
        answer = filled.call("POST", f"{COLLECTIONS}/delete", named)
        assert answer.status == 409
    pump.run()
    assert filled.call("POST", f"{COLLECTIONS}/delete", S128).status == 200


def test_writes_meanwhile_reach_both(filled: Api, pump: Pump) -> None:
    started(filled, deploy_as_blue=True)
    filled.call("POST", f"{UPSERT}/run", {"items": items("bench")})
    filled.call("POST", "/api/v1/embeddings/deletion-tasks/run", {"object_ids": ["chair"]})
    pump.run()
    assert shown(filled)["status"] == "done"
    assert states(filled) == {"static-256": ("green", 8), "static-128": ("blue", 8)}
    searched = filled.call(
        "POST", "/api/v1/embeddings/similarity-search", {"search_query": "somewhere to sit", "limit": 10}
    )
    ids = {hit["object_id"] for hit in searched.json["search_results"]}
    assert ids == {*WORDS, "bench"} - {"chair"}


def test_a_sub_task_of_another_tenant(filled: Api, pump: Pump) -> None:
    started(filled)
    pump.run()
    stranger = filled.stranger()
    for name in ("mine", *shown(filled)["children"], "imp_" + "0" * 32 + ".000000", "imp_.x", "x.000000"):
        answer = filled.call("GET", f"{PATH}/{name}", key=stranger)
        assert (answer.status, answer.json["detail"]) == (404, f"Task with ID `{name}` not found")
