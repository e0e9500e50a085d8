"""Tasks over HTTP before anybody has done them: accepted, shown, listed, cancelled, restarted."""

import re
from typing import Any

import pytest

from shoal.http.context import Limits
from shoal.services.model_aliases import set_alias
from tests.unit.http.api import Answer, Api

PREFIX = "/api/v1"
COLLECTIONS = f"{PREFIX}/internal/vectordb/collections"
UPSERT, DELETE = f"{PREFIX}/embeddings/upsertion-tasks", f"{PREFIX}/embeddings/deletion-tasks"
INTERNAL_UPSERT = f"{PREFIX}/internal/upsertion-tasks"
INTERNAL_DELETE = f"{PREFIX}/internal/deletion-tasks"
TIME = "2026-05-28T20:26:40.000000Z"
ITEMS = [
    {"object_id": "product-12345", "payload": {"title": "Ergonomic Office Chair"}},
    {
        "object_id": "product-12346",
        "payload": {"title": "Adjustable Standing Desk"},
        "item_info": {"of": "it"},
    },
]
BODIES: dict[str, dict[str, Any]] = {
    UPSERT: {"items": ITEMS},
    DELETE: {"object_ids": ["product-12345", "product-12346"]},
    INTERNAL_UPSERT: {"items": ITEMS, "embedding_model_id": "static-128"},
    INTERNAL_DELETE: {"object_ids": ["product-12345", "product-12346"], "embedding_model_id": "static-128"},
}
PATHS = list(BODIES)


@pytest.fixture(autouse=True)
def named_collection(api: Api) -> None:
    for family in ("", "/categories"):
        made = api.call("POST", f"{COLLECTIONS}{family}/create", {"embedding_model_id": "static-128"})
        assert made.status == 200


def run(api: Api, path: str, part: str = "", **more: Any) -> Answer:
    answer = api.call("POST", f"{path}{part}/run", BODIES[path] | more)
    assert answer.status == 200, answer.text
    return answer


def expected(path: str, task_id: str) -> dict[str, Any]:
    fields = {
        "id": task_id,
        "task_id": task_id,
        "status": "pending",
        "created_at": TIME,
        "updated_at": TIME,
        "failed": 0,
        "processed_count": 0,
        "total": 2,
        "embedding_model_id": BODIES[path].get("embedding_model_id", "static-256"),
        "fine_tuning_method": "static",
    }
    if "deletion" in path:
        return fields | {"object_ids": BODIES[path]["object_ids"], "failed_item_ids": []}
    return fields | {"failed_items": []}


@pytest.mark.parametrize("part", ["", "/categories"])
@pytest.mark.parametrize("path", PATHS)
def test_a_task_and_every_way_to_look_at_it(api: Api, path: str, part: str) -> None:
    made = run(api, path, part, task_id="mine")
    assert made.json == expected(path, "mine")
    for shown in (
        api.call("GET", f"{path}/mine"),
        api.call("GET", f"{path}/info", query={"task_id": "mine"}),
    ):
        assert (shown.status, shown.json) == (200, made.json)
    listed = api.call("GET", f"{path}/list").json
    assert listed == [{name: value for name, value in made.json.items() if name != "object_ids"}]
    other = next(other for other in PATHS if other != path)
    assert api.call("GET", f"{other}/mine").status == 404, "each sort has ids of its own"


@pytest.mark.parametrize("path", PATHS)
def test_a_task_without_an_id_gets_one(api: Api, path: str) -> None:
    first, second = run(api, path).json["id"], run(api, path).json["id"]
    assert first != second
    assert re.fullmatch("[0-9a-f]{24}", first)
    assert api.call("GET", f"{path}/{first}").json["task_id"] == first


@pytest.mark.parametrize("path", PATHS)
def test_the_same_id_twice_is_the_task_that_is_there(api: Api, path: str) -> None:
    made = run(api, path, id="mine")
    api.clock.now += 5
    other: dict[str, Any] = {"items": [{"object_id": "else"}], "object_ids": ["else"]}
    again = run(api, path, task_id="mine", **other)
    assert again.json == made.json
    in_another_family = run(api, path, "/categories", task_id="mine", **other)
    assert in_another_family.json == made.json
    assert api.call("GET", f"{path}/list").json[0]["total"] == 2


@pytest.mark.parametrize("path", PATHS)
def test_a_task_of_nothing_is_a_task(api: Api, path: str) -> None:
    assert run(api, path, items=[], object_ids=[]).json["total"] == 0


def test_the_first_task_of_a_tenant_makes_the_active_collection(api: Api) -> None:
    for path, part in ((UPSERT, ""), (DELETE, "/categories")):
        assert api.call("GET", f"{COLLECTIONS}{part}/get-blue-info").status == 404
        assert run(api, path, part).json["embedding_model_id"] == "static-256"
        active = api.call("GET", f"{COLLECTIONS}{part}/get-blue-info").json
        assert (active["embedding_model"]["id"], active["work_state"]) == ("static-256", "blue")


def test_a_task_shows_the_model_as_it_was_asked_for(api: Api) -> None:
    set_alias(api.ports, api.embedder.registry, api.tenant_id, "text-embedding-v2", "static-128")
    made = run(api, INTERNAL_UPSERT, embedding_model_id="text-embedding-v2")
    assert (made.json["embedding_model_id"], made.json["fine_tuning_method"]) == (
        "text-embedding-v2",
        "static",
    )


@pytest.mark.parametrize("path", PATHS)
def test_lists(api: Api, path: str) -> None:
    for number in range(5):
        run(api, path, task_id=f"task-{number}")
        api.clock.now += 1
    api.call("PUT", f"{path}/cancel", query={"task_id": "task-3"})

    def listed(**query: str) -> list[str]:
        return [task["id"] for task in api.call("GET", f"{path}/list", query=query).json]

    assert listed() == [f"task-{number}" for number in range(5)], "oldest first"
    assert listed(offset="1", limit="2") == ["task-1", "task-2"]
    assert listed(status="canceled") == ["task-3"]
    assert listed(status="pending", offset="3") == ["task-4"]
    assert listed(status="done") == listed(offset="5") == []


@pytest.mark.parametrize("path", PATHS)
def test_cancel_and_restart(api: Api, path: str) -> None:
    made = run(api, path, task_id="mine").json
    refused = api.call("PUT", f"{path}/restart", query={"task_id": "mine"})
    assert (refused.status, refused.json["code"]) == (409, "task_not_ended")
    api.clock.now += 1
    canceled = api.call("PUT", f"{path}/cancel", query={"task_id": "mine"})
    assert canceled.status == 200
    assert canceled.json == made | {"status": "canceled", "updated_at": "2026-05-28T20:26:41.000000Z"}
    assert api.call("PUT", f"{path}/cancel", query={"task_id": "mine"}).json == canceled.json
    restarted = api.call("PUT", f"{path}/restart", query={"task_id": "mine"})
    assert (restarted.status, restarted.json["status"]) == (200, "pending")
    assert restarted.json["created_at"] == made["created_at"]


def test_too_many_waiting_tasks(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shoal.services.tasks.joining.MAX_WAITING_TASKS", 2)
    run(api, UPSERT)
    run(api, DELETE)
    refused = api.call("POST", f"{UPSERT}/run", BODIES[UPSERT])
    assert (refused.status, refused.json["code"]) == (429, "backlog_full")
    assert int(refused.headers["retry-after"]) > 0
    run(api, UPSERT, "/categories")  # a line of its own


def test_long_lists_of_ids_fit_the_answer(api: Api) -> None:
    ids = [f"{number:05}" + "x" * 190 + "é" for number in range(10_000)]
    few = run(api, DELETE, object_ids=ids[:1000]).json
    assert few["object_ids"] == ids[:1000]
    wide = [f"{number:05}" + '"' * 195 for number in range(10_000)]
    many = run(api, DELETE, object_ids=wide).json
    assert (many["total"], "object_ids" in many) == (10_000, False)


def test_rates_and_quotas_are_those_of_everywhere() -> None:
    from shoal.model.tenants import RateLimit

    api = Api(Limits(rate=RateLimit(50, 2)))
    answers = [api.call("GET", f"{UPSERT}/list") for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert answers[2].json == {"detail": answers[2].json["detail"], "code": "rate_limited"}
    assert answers[2].headers["retry-after"] == "1"
    assert api.call("GET", f"{PREFIX}/ping").status == 200
