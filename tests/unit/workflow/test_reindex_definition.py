"""The reindex's definition, run with functions that only say what they were asked."""

from collections.abc import Mapping
from typing import Any

from shoal.errors import ImportStopped, ModelBusy, StorageBusy
from shoal.storage.memory import MemoryObjects, MemoryQueue, MemoryTable
from shoal.storage.ports import Ports
from tests.workflow.definition import placeholders
from tests.workflow.machine import Execution, run_workflow
from tests.workflow.steps import REINDEX_FILE, REINDEX_NAMES, import_definition, reindex_definition

ANSWERS: Mapping[str, Mapping[str, Any]] = {
    "plan": {"items_key": "items", "items": 2},
    "settle": {"layout": "cells"},
    "train": {"items_key": "items"},
    "group": {"items_key": "items"},
    "fail": {"outcome": "error"},
}


def run(answers: Mapping[str, Any]) -> tuple[Execution, list[str]]:
    """Run the workflow over functions with these answers, beside `ANSWERS`; an exception is raised every time."""
    asked: list[str] = []
    objects, queue = MemoryObjects(lambda: 0.0), MemoryQueue(lambda: 0.0)
    ports = Ports(objects, MemoryTable(lambda: 0.0), queue, queue, lambda: 0.0)
    objects.put("items", b'{"number":0}\n{"number":1}\n')

    def invoke(function: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        asked.append(f"{function} {payload['step']}")
        answer: Mapping[str, Any] | Exception = {**ANSWERS, **answers}.get(payload["step"], {})
        if isinstance(answer, Exception):
            raise answer
        return answer

    return run_workflow(reindex_definition(), ports, invoke, {"import_id": "imp"}), asked


def test_every_placeholder_has_a_name() -> None:
    assert placeholders(REINDEX_FILE) == set(REINDEX_NAMES)


def test_cells() -> None:
    execution, asked = run({})
    assert execution.succeeded
    assert asked == [
        "reindex plan",
        *["reindex embed"] * 2,
        "import_cells settle",
        "import_cells train",
        *["import_cells assign"] * 2,
        "import_cells group",
        *["import_cells build"] * 2,
        "import_cells calibrate",
        "import_finish commit",
        "reindex deploy",
    ]


def test_one_shard() -> None:
    _, asked = run({"settle": {"layout": "shard"}})
    assert asked[-4:] == [
        "import_cells settle",
        "import_cells build_shard",
        "import_finish commit",
        "reindex deploy",
    ]


def test_a_source_without_objects() -> None:
    execution, asked = run({"plan": {"items_key": "items", "items": 0}, "settle": {"layout": "nothing"}})
    assert execution.succeeded
    assert asked == ["reindex plan", "import_cells settle", "import_finish commit", "reindex deploy"]


def test_every_step_is_tried_again_and_then_fails_the_reindex() -> None:
    tries = {"deploy": 41}
    for step in (
        "plan",
        "embed",
        "settle",
        "train",
        "assign",
        "group",
        "build",
        "calibrate",
        "commit",
        "deploy",
    ):
        execution, asked = run({step: StorageBusy("throttled")})
        assert (execution.status, execution.error) == ("FAILED", "ReindexFailed")
        assert [name.split()[1] for name in asked[-2:]] == [step, "fail"]
        assert sum(name.endswith(f" {step}") for name in asked) == tries.get(step, 5)


def test_a_busy_model_is_asked_for_hours() -> None:
    execution, asked = run({"embed": ModelBusy("slow", "throttled")})
    assert execution.status == "FAILED"
    assert sum(name.endswith(" embed") for name in asked) == 201


def test_a_reindex_that_has_ended_is_not_tried_again() -> None:
    for step in ("plan", "embed", "settle", "commit"):
        execution, asked = run({step: ImportStopped("cancelled"), "fail": {"outcome": "stopped"}})
        assert execution.succeeded
        assert sum(name.endswith(f" {step}") for name in asked) == 1
        assert asked[-1] == "reindex fail"


def test_what_it_has_of_an_import_is_as_there() -> None:
    mine, theirs = reindex_definition()["States"], import_definition()["States"]
    for name in ("Settle", "Layout", "BuildShard", "Train", "Group", "Calibrate"):
        assert mine[name] == theirs[name]
    for name in ("Assign", "Build"):
        assert {**mine[name], "MaxConcurrency": 0} == {**theirs[name], "MaxConcurrency": 0}
