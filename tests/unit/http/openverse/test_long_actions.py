"""Long actions: what is accepted, what is begun, and what is refused before anything is."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from shoal.errors import StorageBusy
from shoal.services.derived.starting import get_derivation
from shoal.services.openverse.tasks import list_tasks
from shoal.services.sources import put_source
from shoal.storage.keys import GSI, INGESTIONS
from shoal.storage.memory import MemoryWorkflows
from tests.unit.http.api import Answer
from tests.unit.http.openverse.client import BAD_REQUEST, FAILED, SCHEDULED, Openverse, absent, told

FILTERED = "CREATE_AND_POPULATE_FILTERED_INDEX"


class AnyBucket:
    """Buckets of others, all of which may be read."""

    def check(self, bucket: str) -> None:
        pass


def listed(api: Openverse) -> set[str]:
    """The tasks that the sweep finds."""
    return {item["gsi1sk"].split("#")[1] for item in api.ports.table.query(INGESTIONS, index=GSI).items}


def test_reindex_is_begun(api: Openverse) -> None:
    api.records()
    answer = api.task("REINDEX", index_suffix="20231106", callback_url="https://example.org/")
    task_id = answer.json["task_id"]
    assert len(task_id) == 32
    assert answer.json == {
        "message": SCHEDULED,
        "task_id": task_id,
        "status_check": f"http://localhost:8001/task/{task_id}",
    }
    task = api.stored(answer)
    assert (task.index, task.source_scope, task.source) == ("image-20231106", "native", "image")
    assert task.callback_url == "https://example.org/"
    assert task.run_id is not None
    run = get_derivation(api.ports, api.tenant_id, task.run_id)
    assert (run.scope, run.name, run.source_name, run.status) == (
        "openverse",
        "image-20231106",
        "image",
        "running",
    )
    assert api.ingestions.status(task_id) == "RUNNING"
    assert listed(api) == {task_id}
    assert api.stat("image-20231106") == absent(), "it is not to be seen before it is whole"
    status = api.status(answer)
    assert (status["active"], status["active_workers"], status["error"]) == (True, True, False)


@pytest.mark.parametrize("fields", [{}, {"index_suffix": ""}])
def test_without_a_suffix_the_task_gives_its_name(api: Openverse, fields: dict[str, Any]) -> None:
    api.records()
    task = api.stored(api.task("REINDEX", **fields))
    assert task.index == f"image-{task.task_id}"


def test_two_reindexes_to_one_suffix(api: Openverse) -> None:
    api.records()
    first = api.task("REINDEX", index_suffix="1")
    second = api.task("REINDEX", index_suffix="1")
    assert told(second) == (500, FAILED)
    assert "image-1 already exists: it is being built" in second.json["detail"]
    assert listed(api) == {first.json["task_id"]}
    assert [task.status for task in list_tasks(api.ports, api.tenant_id)] == ["failed", "running"]


def test_two_reindexes_to_one_suffix_that_do_not_see_each_other(api: Openverse) -> None:
    api.records()
    first: list[Answer] = []
    api.overtaken_by(lambda: first.append(api.task("REINDEX", index_suffix="1")))
    second = api.task("REINDEX", index_suffix="1")
    assert told(second) == (500, FAILED)
    assert "image-1 already exists" in second.json["detail"]
    assert listed(api) == {first[0].json["task_id"]}
    assert sorted(status["error"] for status in api.call("GET", "/task").json) == [False, True]


def test_an_index_or_an_alias_that_exists(api: Openverse) -> None:
    api.records()
    api.index("image-1")
    api.point("image-2", "image-1")
    api.index("image-1-filtered")
    calls: list[tuple[str, dict[str, Any]]] = [
        ("REINDEX", {"index_suffix": "1"}),
        ("REINDEX", {"index_suffix": "2"}),
        (FILTERED, {"destination_index_suffix": "1"}),
    ]
    for action, fields in calls:
        answer = api.task(action, **fields)
        assert told(answer) == (500, FAILED)
        assert "already exists" in answer.json["detail"]
    assert listed(api) == set()


def test_without_records_there_is_nothing_to_index(api: Openverse) -> None:
    answer = api.task("REINDEX", index_suffix="1")
    assert told(answer) == (500, FAILED)
    assert "no dataset image" in answer.json["detail"]


def source_of(api: Openverse, **fields: Any) -> tuple[str | None, str | None, str | None]:
    """What a filtered index is made of, and what it is called."""
    task = api.stored(api.task(FILTERED, **fields))
    return task.source_scope, task.source, task.index


def test_what_is_filtered(api: Openverse) -> None:
    for name in ("image-1", "image-2", "image-3"):
        api.index(name)
    api.point("image", "image-3")
    named = source_of(api, origin_index_suffix="1", destination_index_suffix="2")
    assert named == ("openverse", "image-1", "image-2-filtered"), "the origin that is given"
    twin = source_of(api, destination_index_suffix="1")
    assert twin == ("openverse", "image-1", "image-1-filtered"), "else the twin, as the document says"
    live = source_of(api, destination_index_suffix="9")
    assert live == ("openverse", "image-3", "image-9-filtered"), "else what is live, as the original does"
    scope, source, index = source_of(api)
    assert (scope, source) == ("openverse", "image-3")
    assert index is not None
    assert len(index) == len("image-") + 32 + len("-filtered")
    empty = source_of(api, origin_index_suffix="", destination_index_suffix="8")
    assert empty == ("openverse", "image-3", "image-8-filtered")
    api.point("image-live", "image-2")
    assert source_of(api, origin_index_suffix="live", destination_index_suffix="7")[1] == "image-2"


def test_a_source_that_is_missing_or_unfinished_leaves_nothing(api: Openverse) -> None:
    api.records()
    missing = api.task(FILTERED, destination_index_suffix="1")
    assert told(missing) == (500, FAILED)
    assert "no index image-1" in missing.json["detail"]
    assert "alias image" in missing.json["detail"]
    assert told(api.task(FILTERED)) == (500, FAILED)
    api.index("image-live")
    api.point("image", "image-live")
    api.task("REINDEX", index_suffix="1")
    ways: list[dict[str, Any]] = [{"destination_index_suffix": "1"}, {"origin_index_suffix": "1"}]
    for fields in ways:
        unfinished = api.task(FILTERED, **fields)
        assert told(unfinished) == (500, FAILED)
        assert "is being built itself" in unfinished.json["detail"]
    other = api.task(FILTERED, origin_index_suffix="8", destination_index_suffix="live")
    assert told(other) == (500, FAILED)
    assert "no index image-8" in other.json["detail"]
    again = api.task("REINDEX", index_suffix="1-filtere")  # no name was left reserved
    assert again.status == 202
    assert api.stat("image-1-filtered") == absent()
    assert api.stored(api.task(FILTERED, destination_index_suffix="live")).index == "image-live-filtered"


def test_the_terms_are_those_of_the_moment(api: Openverse) -> None:
    api.index("image-1")
    api.call("PUT", "/v1/term-lists/sensitive", {"terms": ["bird", "water fowl"]})
    task = api.stored(api.task(FILTERED, destination_index_suffix="1"))
    assert task.run_id is not None
    run = get_derivation(api.ports, api.tenant_id, task.run_id)
    items = api.ports.table.query(f"D#{api.tenant_id}#{run.dataset_id}", prefix="DERIVED").items
    assert "water fowl" in str(dict(items[0]))


def test_update(api: Openverse) -> None:
    missing = api.task("UPDATE_INDEX", index_suffix="1", since_date="2023-11-06")
    assert told(missing) == (500, FAILED)
    api.unfinished("image-1")
    assert told(api.task("UPDATE_INDEX", index_suffix="1", since_date="2023-11-06")) == (500, FAILED)
    api.index("image-2")
    answer = api.task("UPDATE_INDEX", index_suffix="2", since_date="2023-11-06")
    assert "no dataset image" in answer.json["detail"]
    api.records()
    for since in ("", "yesterday", "2023-13-01", "\ud800", "x" * 10_000):
        answer = api.task("UPDATE_INDEX", index_suffix="2", since_date=since)
        assert told(answer) == (400, BAD_REQUEST)
        assert answer.json["detail"].startswith("since_date is no moment")
    task = api.stored(api.task("UPDATE_INDEX", index_suffix="2", since_date="2023-11-06 12:00:00+00"))
    assert (task.index, task.source, task.run_id) == ("image-2", "image", None)
    assert task.request == {"index_suffix": "2", "since_date": "2023-11-06 12:00:00+00"}
    api.point("image-live", "image-2")
    assert api.stored(api.task("UPDATE_INDEX", index_suffix="live", since_date="epoch")).index == "image-2"


def test_ingest_upstream(api: Openverse) -> None:
    answer = api.task("INGEST_UPSTREAM", index_suffix="1")
    assert told(answer) == (400, BAD_REQUEST)
    assert f"shoal sources add {api.tenant_id} image" in answer.json["detail"]
    object.__setattr__(api.ports, "upstream", AnyBucket())
    put_source(api.ports, api.tenant_id, "image", "s3://theirs/images", "ndjson")
    answer = api.task("INGEST_UPSTREAM", index_suffix="1")
    assert told(answer) == (500, FAILED)
    assert "no dataset image" in answer.json["detail"]
    api.records()
    task = api.stored(api.task("INGEST_UPSTREAM", index_suffix="1"))
    assert (task.index, task.source_scope, task.source) == ("image-1", "native", "image")
    assert task.run_id is not None
    assert api.stat("image-1") == absent()
    assert api.derivations.status(task.run_id) is None, "it is begun when the records are there"
    assert listed(api) == {task.task_id}
    api.index("image-2")
    assert told(api.task("INGEST_UPSTREAM", index_suffix="2")) == (500, FAILED)
    assert told(api.task("INGEST_UPSTREAM", model="audio")) == (400, BAD_REQUEST)


class Busy(MemoryWorkflows):
    """Workflows that cannot be started now."""

    def start(self, name: str, given: Mapping[str, str]) -> None:
        raise StorageBusy(f"busy: {name}, {given}")


def test_what_could_not_be_started_is_left_to_the_sweep(api: Openverse) -> None:
    api.records()
    api.use(replace(api.ports, ingestions=Busy(), derivations=Busy()))
    answer = api.task("REINDEX", index_suffix="1")
    assert (answer.status, answer.json["message"]) == (202, SCHEDULED)
    assert listed(api) == {answer.json["task_id"]}
