"""Processes that die at each call to storage in turn."""

from collections.abc import Mapping
from typing import Any

from shoal.storage.memory.faults import Fault
from shoal.storage.ports import Add, Key, Ports
from tests.unit.services.world import World
from tests.workflow.definition import INVOKE, States
from tests.workflow.kills import KilledOnce, killing
from tests.workflow.machine import Invoke, run_workflow

RETRY = [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 1}]


def state(step: str, **more: str | bool) -> Mapping[str, Any]:
    parameters = {"FunctionName": "worker", "Payload": {"step": step}}
    return {"Type": "Task", "Resource": INVOKE, "Parameters": parameters, "Retry": RETRY, **more}


TWO_STEPS: States = {
    "StartAt": "First",
    "States": {"First": state("first", Next="Second"), "Second": state("second", End=True)},
}


def count(ports: Ports, function: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """Three calls to storage."""
    for _ in range(3):
        ports.table.update(Key("count", payload["step"]), [Add("calls", 1)])
    return {}


def test_each_call_is_the_last_of_one_process() -> None:
    worlds: list[World] = []

    def make(number: int | None) -> KilledOnce:
        worlds.append(World())
        return KilledOnce(worlds[-1].process, count, number=number, fault=Fault.CRASH_AFTER)

    def run(invoke: Invoke) -> None:
        execution = run_workflow(TWO_STEPS, worlds[-1].ports, invoke, {})
        assert execution.succeeded

    runs = killing(make, run)
    assert [killed.killed for killed in runs] == ["first"] * 3 + ["second"] * 3
    counted = [{item["sk"]: item["calls"] for item in world.table.items()} for world in worlds]
    assert counted[0] == {"first": 3, "second": 3}
    assert counted[1:] == [{"first": 3 + done, "second": 3} for done in (1, 2, 3)] + [
        {"first": 3, "second": 3 + done} for done in (1, 2, 3)
    ]
