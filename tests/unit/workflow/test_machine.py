"""The runner of state machines: order, data, maps, retries and catches."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from shoal.storage.memory import MemoryObjects
from shoal.storage.memory.faults import SimulatedCrash
from tests.workflow.definition import GET_OBJECT, INVOKE, States, check
from tests.workflow.machine import Execution, Invoke, Runner, Visit


class Busy(Exception):
    """Worth another try."""


class Stopped(Exception):
    """Not worth one."""


def task(name: str, **more: Any) -> dict[str, Any]:
    """A state that calls a function with its name and the import's id, as ours do, and keeps nothing of it."""
    parameters = {"FunctionName": "worker", "Payload": {"step": name, "import_id.$": "$.import_id"}}
    return {"Type": "Task", "Resource": INVOKE, "Parameters": parameters, "ResultPath": None, **more}


RETRY = [
    {"ErrorEquals": ["Stopped"], "MaxAttempts": 0},
    {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 2, "MaxAttempts": 2, "BackoffRate": 3},
]
CATCH = [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.failure", "Next": "Failed"}]
FAILED = {"Type": "Fail", "Error": "ImportFailed", "CausePath": "$.failure.Error"}


def machine(start: str, **states: Any) -> States:
    made = {"StartAt": start, "States": states}
    check(made)
    return made


def mapped(**processor: Any) -> dict[str, Any]:
    """A map over the JSON lines whose key the input holds."""
    return {
        "Type": "Map",
        "ItemReader": {
            "Resource": GET_OBJECT,
            "ReaderConfig": {"InputType": "JSONL"},
            "Parameters": {"Bucket": "bucket", "Key.$": "$.plan.items_key"},
        },
        "ItemSelector": {
            "import_id.$": "$.import_id",
            "item.$": "$$.Map.Item.Value",
            "place.$": "$$.Map.Item.Index",
        },
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "Each",
            "States": {"Each": processor},
        },
        "ResultPath": None,
        "Next": "Done",
        "Catch": CATCH,
    }


EACH = {
    "Type": "Task",
    "Resource": INVOKE,
    "Parameters": {"FunctionName": "worker", "Payload.$": "$"},
    "ResultPath": None,
    "OutputPath": None,
    "Retry": RETRY,
    "End": True,
}


def run(definition: States, invoke: Invoke, given: Mapping[str, Any] | None = None, **more: Any) -> Execution:
    objects = MemoryObjects(lambda: 0.0)
    objects.put("items", b'{"number":0}\n{"number":1}\n{"number":2}\n')
    runner = Runner(objects, invoke, **more)
    return runner.run(definition, given or {"import_id": "imp", "plan": {"items_key": "items"}}, {})


class Recorder:
    """A function that fails as told: the errors of its first calls, by step."""

    def __init__(self, **errors: list[BaseException]) -> None:
        self.calls: list[Any] = []
        self._errors = errors

    def __call__(self, name: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        self.calls.append(payload)
        errors = self._errors.get(str(payload.get("step", "item")), [])
        if errors:
            raise errors.pop(0)
        return {"of": name, "compressed": payload.get("step") == "inspect"}


def test_states_in_order_with_a_choice() -> None:
    definition = machine(
        "Inspect",
        Inspect=task(
            "inspect",
            ResultPath="$.inspected",
            ResultSelector={"compressed.$": "$.Payload.compressed"},
            Next="Choose",
        ),
        Choose={
            "Type": "Choice",
            "Choices": [{"Variable": "$.inspected.compressed", "BooleanEquals": True, "Next": "Unpack"}],
            "Default": "Done",
        },
        Unpack=task("unpack", Next="Done"),
        Done={"Type": "Succeed"},
    )
    worker = Recorder()
    execution = run(definition, worker, {"import_id": "imp"})
    assert [call["step"] for call in worker.calls] == ["inspect", "unpack"]
    assert execution.succeeded
    assert execution.output == {"import_id": "imp", "inspected": {"compressed": True}}


def test_a_choice_without_a_match_fails() -> None:
    rule = {"Variable": "$.layout", "StringEquals": "cells", "Next": "Done"}
    definition = machine("Choose", Choose={"Type": "Choice", "Choices": [rule]}, Done={"Type": "Succeed"})
    assert run(definition, Recorder(), {"layout": "shard"}).error == "States.NoChoiceMatched"
    assert run(definition, Recorder(), {"layout": "cells"}).succeeded
    assert run(definition, Recorder(), {}).error == "States.Runtime"


def test_what_is_transient_is_tried_again_and_waited_for() -> None:
    waited: list[float] = []
    worker = Recorder(plan=[Busy(), SimulatedCrash()])
    execution = run(machine("Plan", Plan=task("plan", Retry=RETRY, End=True)), worker, wait=waited.append)
    assert execution.succeeded
    assert waited == [2, 6]
    assert execution.visits == (
        Visit("Plan", None, 1, "Busy"),
        Visit("Plan", None, 2, "Runtime.ExitError"),
        Visit("Plan", None, 3),
    )


def test_retries_end_and_the_catch_says_why() -> None:
    states = {"Plan": task("plan", Retry=RETRY, Catch=CATCH, End=True), "Failed": FAILED}
    worker = Recorder(plan=[Busy("no")] * 3)
    execution = run(machine("Plan", **states), worker)
    assert (len(worker.calls), execution.status, execution.error, execution.cause) == (
        3,
        "FAILED",
        "ImportFailed",
        "Busy",
    )


def test_what_is_final_is_not_tried_again() -> None:
    states = {"Plan": task("plan", Retry=RETRY, Catch=CATCH, End=True), "Failed": FAILED}
    worker = Recorder(plan=[Stopped("cancelled")])
    execution = run(machine("Plan", **states), worker)
    assert (len(worker.calls), execution.cause) == (1, "Stopped")


@pytest.mark.parametrize("pool", [None, ThreadPoolExecutor(2)], ids=["one by one", "pool"])
def test_a_map_gives_each_line_to_the_function(pool: ThreadPoolExecutor | None) -> None:
    worker = Recorder()
    execution = run(
        machine("Each", Each=mapped(**EACH), Done={"Type": "Succeed"}, Failed=FAILED), worker, pool=pool
    )
    assert execution.succeeded
    assert sorted(worker.calls, key=lambda call: int(call["place"])) == [
        {"import_id": "imp", "item": {"number": place}, "place": place} for place in range(3)
    ]
    assert {(visit.state, visit.item) for visit in execution.visits} == {
        ("Each", None),
        *(("Each", n) for n in range(3)),
    }


def test_a_map_fails_with_its_first_item() -> None:
    worker = Recorder(item=[Busy(), Stopped("too many")])
    execution = run(machine("Each", Each=mapped(**EACH), Done={"Type": "Succeed"}, Failed=FAILED), worker)
    assert execution.cause == "States.ExceedToleratedFailureThreshold"
    assert [visit.error for visit in execution.visits] == [
        "Busy",
        "Stopped",
        "States.ExceedToleratedFailureThreshold",
    ]


def test_items_that_are_not_there_fail_the_map() -> None:
    given = {"import_id": "imp", "plan": {"items_key": "other"}}
    execution = run(
        machine("Each", Each=mapped(**EACH), Done={"Type": "Succeed"}, Failed=FAILED), Recorder(), given
    )
    assert execution.cause == "States.ItemReaderFailed"


def test_too_much_state_is_not_caught() -> None:
    def talkative(name: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"text": "x" * 300_000}

    states = {"Plan": task("plan", Retry=RETRY, Catch=CATCH, End=True), "Failed": FAILED}
    assert run(machine("Plan", **states), talkative).error == "States.DataLimitExceeded"


def test_what_is_no_json_is_an_error_of_the_function() -> None:
    def odd(name: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"bytes": b""}

    assert run(machine("Plan", Plan=task("plan", End=True)), odd).error == "TypeError"


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"Type": "Parallel", "End": True}, "type Parallel"),
        (task("plan", End=True, HeartbeatSeconds=5), "HeartbeatSeconds"),
        (task("plan", Next="Nowhere"), "no such state: Nowhere"),
        ({**mapped(**EACH), "ItemBatcher": {}}, "ItemBatcher"),
        ({**mapped(**EACH), "ToleratedFailureCount": 1}, "must succeed"),
        ({**task("plan", End=True), "Resource": "arn:aws:states:::sqs:sendMessage"}, "only"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_the_runner_does_not_know_is_refused(state: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        check({"StartAt": "A", "States": {"A": state, "Done": {"Type": "Succeed"}, "Failed": FAILED}})


def test_a_state_waits_for_as_long_as_it_is_told() -> None:
    waited: list[float] = []
    waiting = machine(
        "Told",
        Told={"Type": "Wait", "SecondsPath": "$.seconds", "Next": "Fixed"},
        Fixed={"Type": "Wait", "Seconds": 5, "End": True},
    )
    runner = Runner(MemoryObjects(lambda: 0.0), lambda *_: {}, wait=waited.append)
    assert runner.run(waiting, {"seconds": 2}, {}).output == {"seconds": 2}
    assert waited == [2, 5]
