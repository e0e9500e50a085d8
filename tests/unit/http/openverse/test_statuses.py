"""Tasks as they are shown, one and all."""

import re
from datetime import UTC, datetime

from shoal.model.openverse import OpenverseTask
from shoal.services.openverse.tasks import change_running, finish_task, read_task
from tests.unit.http.openverse.client import HOST, Openverse

FIELDS = [
    "task_id",
    "active",
    "model",
    "action",
    "progress",
    "start_timestamp",
    "start_time",
    "finish_timestamp",
    "finish_time",
    "active_workers",
    "error",
    "is_bad_request",
]


def running(api: Openverse, suffix: str = "1") -> OpenverseTask:
    api.records() if api.call("GET", "/v1/datasets/image").status == 404 else None
    return api.stored(api.task("REINDEX", index_suffix=suffix))


def test_a_task_from_its_begin_to_its_end(api: Openverse) -> None:
    task = running(api)
    path = f"/task/{task.task_id}"
    answer = api.call("GET", path)
    assert list(answer.json) == FIELDS
    started = datetime.fromtimestamp(api.clock.now, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    assert answer.json == {
        "task_id": task.task_id,
        "active": True,
        "model": "image",
        "action": "REINDEX",
        "progress": 0.0,
        "start_timestamp": api.clock.now,
        "start_time": started,
        "finish_timestamp": 0.0,
        "finish_time": None,
        "active_workers": True,
        "error": False,
        "is_bad_request": False,
    }
    assert '"progress":0.0' in answer.text
    assert '"finish_timestamp":0.0' in answer.text
    change_running(api.ports, task, lambda _: {"progress": 42.5})
    shown = api.call("GET", path).json
    assert (shown["progress"], shown["active"], shown["error"]) == (42.5, True, False)
    api.clock.now += 7.25
    finish_task(api.ports, task)
    shown = api.call("GET", path).json
    assert list(shown) == FIELDS
    assert (shown["progress"], shown["active"], shown["error"], shown["active_workers"]) == (
        100.0,
        False,
        False,
        False,
    )
    assert shown["finish_timestamp"] == api.clock.now
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}", shown["finish_time"])


def test_a_task_that_failed(api: Openverse) -> None:
    task = running(api)
    change_running(api.ports, task, lambda _: {"progress": 100.0})
    finish_task(api.ports, task, failed=True, detail="its dataset was deleted")
    shown = api.call("GET", f"/task/{task.task_id}").json
    assert list(shown) == [*FIELDS, "detail"]
    assert (shown["active"], shown["error"], shown["detail"]) == (False, True, "its dataset was deleted")
    assert shown["progress"] < 100, "with 100 it would count as done"


def test_a_task_ends_once(api: Openverse) -> None:
    task = running(api)
    finish_task(api.ports, task)
    assert finish_task(api.ports, task, failed=True, detail="too late").status == "completed"
    stored = read_task(api.ports, api.tenant_id, task.task_id)
    assert stored is not None
    assert (stored.detail, stored.settled) == (None, True)


def test_how_many_records_each_term_removed(api: Openverse) -> None:
    api.index("image-1")
    answer = api.task("CREATE_AND_POPULATE_FILTERED_INDEX", destination_index_suffix="1")
    assert "removed_by_term" not in api.status(answer)
    finish_task(api.ports, api.stored(answer), removed_by_term=(("bird", 3), ("water fowl", 1)))
    assert api.status(answer)["removed_by_term"] == {"bird": 3, "water fowl": 1}


def test_all_tasks_those_under_way_first_then_as_they_finished(api: Openverse) -> None:
    assert api.call("GET", "/task").json == []
    tasks = [running(api, str(number)) for number in range(4)]
    for number in (2, 0):
        api.clock.now += 10
        finish_task(api.ports, tasks[number])
    listed = api.call("GET", "/task").json
    assert [each["task_id"] for each in listed] == [tasks[number].task_id for number in (1, 3, 2, 0)]
    finished = [each["finish_timestamp"] for each in listed]
    assert finished == sorted(finished)
    assert finished[:2] == [0.0, 0.0]
    assert all(list(each) == FIELDS for each in listed)


def test_an_unknown_task(api: Openverse) -> None:
    for task_id in ("1", "x" * 300, "a b", "TASK#1"):
        answer = api.call("GET", f"/task/{task_id}")
        assert (answer.status, answer.json) == (404, {"message": f"No task found with id {task_id}."})


def test_where_the_status_is_as_whoever_asks_knows_the_server(api: Openverse) -> None:
    api.records()
    body = {"model": "image", "action": "REINDEX"}
    for headers, origin in (
        (HOST, "http://localhost:8001"),
        ({"host": "abc.execute-api.eu-central-1.amazonaws.com", "x-forwarded-proto": "https"},
         "https://abc.execute-api.eu-central-1.amazonaws.com"),
        ({"host": "index.example.org"}, "https://index.example.org"),
        ({"host": "index.example.org", "x-forwarded-proto": "javascript"}, "https://index.example.org"),
    ):  # fmt: skip
        answer = api.call("POST", "/task", body, headers=headers)
        assert answer.json["status_check"] == f"{origin}/task/{answer.json['task_id']}"
