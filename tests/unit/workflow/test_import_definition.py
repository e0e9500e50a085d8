"""The import's definition, run with functions that only say what they were asked."""

from collections.abc import Mapping
from typing import Any

from shoal.errors import ImportStopped, StorageBusy
from shoal.storage.memory import MemoryObjects, MemoryQueue, MemoryTable
from shoal.storage.ports import Ports
from tests.workflow.definition import placeholders
from tests.workflow.machine import Execution, run_workflow
from tests.workflow.steps import IMPORT_FILE, NAMES, import_definition

ANSWERS: Mapping[str, Mapping[str, Any]] = {
    "inspect": {"compressed": False},
    "plan": {"items_key": "items"},
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

    return run_workflow(import_definition(), ports, invoke, {"import_id": "imp"}), asked


def test_every_placeholder_has_a_name() -> None:
    assert placeholders(IMPORT_FILE) == set(NAMES)


def test_cells() -> None:
    execution, asked = run({})
    assert execution.succeeded
    assert asked == [
        "import_plan inspect",
        "import_plan plan",
        *["import_validate validate"] * 2,
        "import_cells settle",
        "import_cells train",
        *["import_cells assign"] * 2,
        "import_cells group",
        *["import_cells build"] * 2,
        "import_cells calibrate",
        "import_finish commit",
    ]


def test_a_compressed_file_that_stays_one_shard() -> None:
    execution, asked = run({"inspect": {"compressed": True}, "settle": {"layout": "shard"}})
    assert execution.succeeded
    assert [name.split()[1] for name in asked] == [
        "inspect",
        "unpack",
        "plan",
        "validate",
        "validate",
        "settle",
        "build_shard",
        "commit",
    ]


def test_nothing_left_of_the_file() -> None:
    _, asked = run({"settle": {"layout": "nothing"}})
    assert asked[-2:] == ["import_cells settle", "import_finish commit"]


def test_every_step_is_tried_again_and_then_fails_the_import() -> None:
    for step in (
        "inspect",
        "plan",
        "validate",
        "settle",
        "train",
        "assign",
        "group",
        "build",
        "calibrate",
        "commit",
    ):
        execution, asked = run({step: StorageBusy("throttled")})
        assert (execution.status, execution.error) == ("FAILED", "ImportFailed")
        assert [name.split()[1] for name in asked[-2:]] == [step, "fail"]
        assert sum(name.endswith(f" {step}") for name in asked) == 5


def test_an_import_that_has_ended_is_not_tried_again() -> None:
    for step in ("inspect", "validate", "build", "commit"):
        execution, asked = run({step: ImportStopped("cancelled"), "fail": {"outcome": "stopped"}})
        assert execution.succeeded
        assert sum(name.endswith(f" {step}") for name in asked) == 1
        assert asked[-1] == "import_finish fail"
