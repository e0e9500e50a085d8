"""The import's state machine: every state can fail and be repeated, and keys are all that it holds."""

import importlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from infra.components.functions import SPECS
from infra.components.workflow import STATE_MACHINES, with_concurrency
from infra.settings import Settings
from tests.infra.conftest import Synthesized

type State = Mapping[str, Any]

DEFINITION: dict[str, Any] = json.loads((STATE_MACHINES / "import.asl.json").read_text())
STATES: dict[str, State] = DEFINITION["States"]
FUNCTIONS = {
    "${PlanFunctionArn}": "import_plan",
    "${ValidateFunctionArn}": "import_validate",
    "${CellsFunctionArn}": "import_cells",
    "${FinishFunctionArn}": "import_finish",
}
ITEMS = {
    f"{name}/{child}": state
    for name, outer in STATES.items()
    if outer["Type"] == "Map"
    for child, state in outer["ItemProcessor"]["States"].items()
}
TASKS = {name: state for name, state in (STATES | ITEMS).items() if state["Type"] == "Task"}
MAPS = {name: state for name, state in STATES.items() if state["Type"] == "Map"}
KEPT = {"compressed", "items_key", "layout", "outcome"}
"""What states hand on: words, and keys of objects."""


def following(state: State) -> Iterator[str]:
    """The states that a state may go on to."""
    for place in (state, *state.get("Choices", ()), *state.get("Catch", ())):
        yield from (place[field] for field in ("Next", "Default") if field in place)


def test_every_state_can_be_reached_and_every_way_ends() -> None:
    reached: set[str] = set()
    waiting = [DEFINITION["StartAt"]]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += following(STATES[name])
    assert reached == set(STATES)
    ends = {name for name, state in STATES.items() if not list(following(state))}
    assert ends == {"Done", "Stopped", "Failed"}


@pytest.mark.parametrize("name", TASKS)
def test_every_task_has_an_end_and_is_repeated_with_jitter(name: str) -> None:
    task = TASKS[name]
    longest = max(value for key, value in Settings().model_dump().items() if key.endswith("_timeout_s"))
    assert longest < task["TimeoutSeconds"] <= longest + 60
    stopped = [retrier for retrier in task["Retry"] if retrier["ErrorEquals"] == ["ImportStopped"]]
    assert stopped == ([] if name == "Fail" else [{"ErrorEquals": ["ImportStopped"], "MaxAttempts": 0}])
    assert task["Retry"][: len(stopped)] == stopped  # the first that matches decides
    assert task["Retry"][-1]["ErrorEquals"] == ["States.ALL"]
    for retrier in task["Retry"][len(stopped) :]:
        assert retrier["JitterStrategy"] == "FULL"
        assert retrier["MaxDelaySeconds"] <= 60
        assert retrier["MaxAttempts"] >= 4


@pytest.mark.parametrize("name", [name for name in (TASKS | MAPS) if name not in ITEMS])
def test_whatever_fails_for_good_ends_the_import(name: str) -> None:
    (catcher,) = STATES[name]["Catch"]
    assert catcher["ErrorEquals"] == ["States.ALL"]
    assert catcher["Next"] == ("Failed" if name == "Fail" else "Fail")


def test_every_step_is_one_of_its_function() -> None:
    asked: dict[str, set[str]] = {}
    for name, task in TASKS.items():
        assert task["Resource"] == "arn:${Partition}:states:::lambda:invoke"
        payload = task["Parameters"]["Payload"]
        function = FUNCTIONS[task["Parameters"]["FunctionName"]]
        asked.setdefault(function, set()).add(payload["step"])
        assert payload["import_id.$"] == "$.import_id"
        assert ("item.$" in payload) == (name in ITEMS)
    for function, steps in asked.items():
        module = importlib.import_module(f"functions.{function}.handler")
        assert steps == {*module.STEPS, *([module.FAIL] if function == "import_finish" else [])}
    assert set(asked) == {spec.name for spec in SPECS if spec.name.startswith("import_")} - {"import_intake"}


@pytest.mark.parametrize("name", MAPS)
def test_the_items_of_maps_lie_in_s3_and_leave_nothing_behind(name: str) -> None:
    state = MAPS[name]
    assert state["ItemReader"]["Resource"].endswith(":s3:getObject")
    assert state["ItemReader"]["ReaderConfig"] == {"InputType": "JSONL"}
    assert state["ItemReader"]["Parameters"]["Bucket"] == "${Bucket}"
    assert state["ItemProcessor"]["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    assert state["ResultPath"] is None
    ((child, item),) = state["ItemProcessor"]["States"].items()
    assert state["ItemProcessor"]["StartAt"] == child
    # Without both, the outputs of 10,000 items would not fit into the state.
    assert item["ResultPath"] is None
    assert item["OutputPath"] is None


def test_states_hold_nothing_but_keys_and_words() -> None:
    kept = {field.removesuffix(".$") for state in TASKS.values() for field in state.get("ResultSelector", ())}
    assert kept == KEPT
    for name, state in (TASKS | MAPS).items():
        assert ("ResultSelector" in state) == (state["ResultPath"] is not None), name


def test_what_is_read_is_the_input_or_what_a_state_has_kept() -> None:
    kept = {
        f"{state['ResultPath']}.{field.removesuffix('.$')}"
        for state in TASKS.values()
        for field in state.get("ResultSelector", ())
    }
    known = {"$.import_id", "$.item", "$.failed.Error", "$$.Map.Item.Value", *kept}
    assert set(paths(DEFINITION)) <= known
    assert kept <= set(paths(DEFINITION))


def paths(value: Any) -> Iterator[str]:
    """The paths into the state that a definition reads."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if isinstance(inner, str) and (name.endswith(".$") or name == "Variable"):
                if not inner.startswith("$.Payload."):
                    yield inner
            else:
                yield from paths(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from paths(inner)


def test_the_execution_ends_before_the_import_does() -> None:
    from shoal.model.limits import IMPORT_SECONDS

    assert DEFINITION["TimeoutSeconds"] + 3600 <= IMPORT_SECONDS


def test_the_setting_is_the_concurrency_of_every_map() -> None:
    made = with_concurrency(DEFINITION, 9)["States"]
    assert {made[name]["MaxConcurrency"] for name in MAPS} == {9}
    assert {MAPS[name]["MaxConcurrency"] for name in MAPS} == {Settings().import_max_concurrency}


def test_every_placeholder_is_filled_in(synthesized: Synthesized) -> None:
    machine = synthesized.one("AWS::StepFunctions::StateMachine")["Properties"]
    text = machine["DefinitionString"]
    for name in machine["DefinitionSubstitutions"]:
        assert f"${{{name}}}" in text
        text = text.replace(f"${{{name}}}", "")
    assert "${" not in text
    assert machine["StateMachineType"] == "STANDARD"
    assert machine["TracingConfiguration"] == {"Enabled": True}
    logging = machine["LoggingConfiguration"]
    assert (logging["Level"], logging["IncludeExecutionData"]) == ("ERROR", False)
