"""The compaction's definition, run with functions that only say what they were asked."""

from collections.abc import Mapping
from typing import Any

import pytest

from shoal.errors import RunStopped, StorageBusy
from shoal.storage.memory import MemoryObjects, MemoryQueue, MemoryTable
from shoal.storage.ports import Ports
from tests.workflow.definition import placeholders
from tests.workflow.machine import Execution, run_workflow
from tests.workflow.steps import COMPACTION_FILE, COMPACTION_NAMES, compaction_definition

ANSWERS: Mapping[str, Mapping[str, Any]] = {
    "plan": {"items_key": "items", "layout": "cells"},
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
        assert (function, payload["run_id"]) == ("compaction", "cmp")
        asked.append(str(payload["step"]))
        answer: Mapping[str, Any] | Exception = {**ANSWERS, **answers}.get(payload["step"], {})
        if isinstance(answer, Exception):
            raise answer
        return answer

    return run_workflow(compaction_definition(), ports, invoke, {"run_id": "cmp"}), asked


def test_every_placeholder_has_a_name() -> None:
    assert placeholders(COMPACTION_FILE) == set(COMPACTION_NAMES)


@pytest.mark.parametrize(
    ("layout", "after_plan"),
    [
        ("nothing", ["commit"]),
        ("shard", ["extract", "extract", "build_shard", "commit"]),
        (
            "cells",
            ["extract"] * 2
            + ["train"]
            + ["assign"] * 2
            + ["group"]
            + ["build"] * 2
            + ["calibrate", "commit"],
        ),
    ],
)
def test_each_layout_takes_its_own_way(layout: str, after_plan: list[str]) -> None:
    execution, asked = run({"plan": {"items_key": "items", "layout": layout}})
    assert execution.succeeded
    assert asked == ["plan", *after_plan]


def test_every_step_is_tried_again_and_then_fails_the_compaction() -> None:
    for step in ("plan", "extract", "train", "assign", "group", "build", "calibrate", "commit"):
        execution, asked = run({step: StorageBusy("throttled")})
        assert (execution.status, execution.error) == ("FAILED", "CompactionFailed")
        assert asked[-2:] == [step, "fail"]
        assert asked.count(step) == 5


def test_a_compaction_that_has_ended_is_not_tried_again() -> None:
    for step in ("plan", "extract", "build", "commit"):
        execution, asked = run({step: RunStopped("overtaken"), "fail": {"outcome": "stopped"}})
        assert execution.succeeded
        assert asked.count(step) == 1
        assert asked[-1] == "fail"
