"""Every sample event of the functions behind queues and schedule, replayed, also twice."""

import json
from typing import Any

import pytest

from shoal.errors import CorruptObject
from shoal.services import datasets, jobs
from shoal.settings import SettingsError
from shoal.storage.ports import Assign
from tests.functions.world import EVENTS, FUNCTIONS, LambdaContext, World, container

GOOD: dict[str, Any] = {"batchItemFailures": []}
NOTHING_LOST = dict.fromkeys(("imports", "lines", "derivations", "ingestions", "followers"), 0)
CASES: dict[tuple[str, str], dict[str, Any]] = {
    ("indexer", "one_message"): GOOD,
    ("indexer", "repeated_message"): GOOD,
    ("indexer", "unknown_dataset"): GOOD,
    ("indexer", "unreadable_among_good"): {
        "batchItemFailures": [
            {"itemIdentifier": f"{number:08d}-0000-4000-8000-000000000000"} for number in (1, 3, 4)
        ]
    },
    ("indexer", "ids_that_are_none"): {
        "batchItemFailures": [{"itemIdentifier": "00000001-0000-4000-8000-000000000000"}]
    },
    ("builder", "one_message"): GOOD,
    ("builder", "unknown_dataset"): GOOD,
    ("builder", "unreadable"): {
        "batchItemFailures": [{"itemIdentifier": "00000001-0000-4000-8000-000000000000"}]
    },
    ("builder", "thorough"): GOOD,
    ("sweep", "scheduled"): {**NOTHING_LOST, "woken": 0},
    ("sweep", "compaction"): {"woken": 1},
    ("sweep", "daily"): {"woken": 1},
}
INDEXED = {"one_message", "repeated_message", "unreadable_among_good"}


def rows(world: World) -> tuple[int, str]:
    view = datasets.get_dataset(world.ports, world.values["TENANT_ID"], scope="native", name="products")
    return view.head.row_count, view.status


def test_every_sample_event_is_replayed() -> None:
    assert {path.name for path in EVENTS.iterdir()} == set(FUNCTIONS)
    names = ("indexer", "builder", "sweep")
    assert {(path.parent.name, path.stem) for name in names for path in (EVENTS / name).iterdir()} == set(
        CASES
    )


@pytest.mark.parametrize(("function", "case"), CASES)
def test_replay(world: World, function: str, case: str) -> None:
    assert world.replay(function, case) == CASES[function, case]
    indexed = function == "indexer" and case in INDEXED
    assert rows(world) == ((3, "indexed") if indexed else (2, "validating"))


def test_a_message_that_comes_again_changes_nothing(world: World) -> None:
    world.replay("indexer", "one_message")
    head = datasets.get_dataset(world.ports, world.values["TENANT_ID"], scope="native", name="products").head
    assert world.replay("indexer", "one_message") == GOOD
    again = datasets.get_dataset(world.ports, world.values["TENANT_ID"], scope="native", name="products").head
    assert (again.version, again.manifest, again.row_count) == (head.version, head.manifest, head.row_count)


def test_an_indexer_short_of_time_leaves_the_work_to_a_new_message(world: World) -> None:
    late = LambdaContext(milliseconds_left=30_000)
    assert world.invoke("indexer", world.event("indexer", "one_message"), late) == GOOD
    view = datasets.get_dataset(world.ports, world.values["TENANT_ID"], scope="native", name="products")
    assert view.status == "validating"
    assert world.messages("wakeups") == [
        {"tenant_id": world.values["TENANT_ID"], "dataset_id": world.values["DATASET_ID"]}
    ]


def test_a_write_is_queried_through_the_functions(world: World) -> None:
    assert "doc-2" not in world.replay("query", "query")["body"]
    world.replay("indexer", "one_message")
    event = world.event("query", "query")
    event["body"] = json.dumps({"dataset": "products", "vector": [0.1, 0.2, 0.3, 0.4]})
    found = json.loads(world.invoke("query", event)["body"])["matches"]
    assert {match["id"] for match in found} == {"doc-1", "a/b c", "doc-2"}
    job = jobs.get_job(world.ports, world.values["TENANT_ID"], world.values["JOB_ID"])
    assert job.status == "indexed"


def test_the_sweep_wakes_what_was_forgotten(world: World) -> None:
    from shoal.storage.keys import DatasetKeys

    keys = DatasetKeys(world.values["TENANT_ID"], world.values["DATASET_ID"])
    world.ports.table.update(keys.sequence, [Assign("taken_at", 0.0)])
    assert world.replay("sweep", "scheduled") == {**NOTHING_LOST, "woken": 1}
    assert world.messages("wakeups") == [
        {"tenant_id": world.values["TENANT_ID"], "dataset_id": world.values["DATASET_ID"]}
    ]


def test_a_failure_is_one_messages_own_and_is_logged(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    from shoal.batches import run_batch

    event = world.event("indexer", "repeated_message")
    other = json.dumps({"tenant_id": world.values["TENANT_ID"], "dataset_id": "f" * 16})
    event["Records"].append({**event["Records"][0], "messageId": "other", "body": other})
    calls: list[str] = []

    def work(_: str, dataset_id: str) -> None:
        calls.append(dataset_id)
        if dataset_id != "f" * 16:
            raise CorruptObject("t/x is corrupt")

    with container(world.environment, "indexer"):
        from shoal import runtime

        runtime.settings()
        answer = run_batch(event, work)
    assert calls == [world.values["DATASET_ID"], "f" * 16]
    assert [failure["itemIdentifier"][:8] for failure in answer["batchItemFailures"]] == [
        "00000001",
        "00000002",
        "00000003",
    ]
    logged = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (logged["message"], logged["error_message"]) == ("message failed", "t/x is corrupt")
    assert logged["dataset_id"] == world.values["DATASET_ID"]


@pytest.mark.parametrize("function", [name for name in FUNCTIONS if name != "outbound"])  # which has no data
def test_a_missing_variable_is_named_at_the_first_call(function: str) -> None:
    import importlib

    module = importlib.import_module(f"functions.{function}.handler")
    if hasattr(module, "app"):
        module.app.cache_clear()
    with container({}, function), pytest.raises(SettingsError) as caught:
        module.handler({"Records": []}, LambdaContext())
    wanted = [f"SHOAL_{field.upper()}" for field in ("table", *module.NEEDS)]
    assert str(caught.value) == f"not set: {', '.join(wanted)}"
