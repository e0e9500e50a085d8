"""The state machines: every state can fail and be repeated, and keys are all that they hold."""

import importlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import pytest

from infra.components.functions import SPECS
from infra.components.workflow import STATE_MACHINES, with_concurrency
from infra.settings import Settings
from tests.infra.conftest import Synthesized

type State = Mapping[str, Any]


@dataclass(frozen=True)
class Machine:
    """A state machine's file, and what it should be.

    `named_by` is the field of its input that names the run, `besides` are others, `stopped` the error of a step
    whose run has ended, `kept` what its states hand on: words, and keys of objects. `functions` are those it
    invokes, by placeholder; `handles_failure` is the one of them that has the step `fail`; those `borrowed` from
    another machine have steps that only that one asks for.
    """

    name: str
    named_by: str
    stopped: str
    functions: Mapping[str, str]
    handles_failure: str
    kept: frozenset[str]
    items_at_once: int
    borrowed: frozenset[str] = frozenset()
    besides: frozenset[str] = frozenset()
    ends: frozenset[str] = field(default=frozenset({"Done", "Stopped", "Failed"}))

    @cached_property
    def definition(self) -> dict[str, Any]:
        """What the file holds."""
        found: dict[str, Any] = json.loads((STATE_MACHINES / f"{self.name}.asl.json").read_text())
        return found

    @property
    def states(self) -> dict[str, State]:
        """The states by name, without those of maps."""
        found: dict[str, State] = self.definition["States"]
        return found

    @property
    def items(self) -> dict[str, State]:
        """The states of maps."""
        return {
            f"{name}/{child}": state
            for name, outer in self.maps.items()
            for child, state in outer["ItemProcessor"]["States"].items()
        }

    @property
    def tasks(self) -> dict[str, State]:
        """All tasks, those of maps too."""
        return {name: state for name, state in (self.states | self.items).items() if state["Type"] == "Task"}

    @property
    def maps(self) -> dict[str, State]:
        """The maps."""
        return {name: state for name, state in self.states.items() if state["Type"] == "Map"}


MACHINES: Final = (
    Machine(
        name="import",
        named_by="import_id",
        stopped="ImportStopped",
        functions={
            "${PlanFunctionArn}": "import_plan",
            "${ValidateFunctionArn}": "import_validate",
            "${CellsFunctionArn}": "import_cells",
            "${FinishFunctionArn}": "import_finish",
        },
        handles_failure="import_finish",
        kept=frozenset({"compressed", "items_key", "layout", "outcome"}),
        items_at_once=Settings().import_max_concurrency,
    ),
    Machine(
        name="compaction",
        named_by="run_id",
        stopped="RunStopped",
        functions={"${CompactionFunctionArn}": "compaction"},
        handles_failure="compaction",
        kept=frozenset({"items_key", "layout", "outcome"}),
        items_at_once=Settings().compaction_max_concurrency,
    ),
    Machine(
        name="export",
        named_by="run_id",
        stopped="RunStopped",
        functions={"${ExportFunctionArn}": "export"},
        handles_failure="export",
        kept=frozenset({"items_key", "files", "outcome"}),
        items_at_once=Settings().export_max_concurrency,
    ),
    Machine(
        name="reindex",
        named_by="import_id",
        stopped="ImportStopped",
        functions={
            "${ReindexFunctionArn}": "reindex",
            "${CellsFunctionArn}": "import_cells",
            "${FinishFunctionArn}": "import_finish",
        },
        handles_failure="reindex",
        kept=frozenset({"items", "items_key", "layout", "outcome"}),
        items_at_once=Settings().reindex_max_concurrency,
        borrowed=frozenset({"import_cells", "import_finish"}),
    ),
    Machine(
        name="derivation",
        named_by="run_id",
        stopped="RunStopped",
        functions={"${DerivationFunctionArn}": "derivation"},
        handles_failure="derivation",
        kept=frozenset({"items_key", "pieces", "next", "seconds", "outcome"}),
        items_at_once=Settings().derivation_max_concurrency,
    ),
    Machine(
        name="ingestion",
        named_by="task_id",
        stopped="RunStopped",
        functions={"${IngestionFunctionArn}": "ingestion"},
        handles_failure="ingestion",
        kept=frozenset({"state", "seconds", "outcome"}),
        items_at_once=1,
        besides=frozenset({"tenant_id"}),
    ),
)
machines = pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)


def following(state: State) -> Iterator[str]:
    """The states that a state may go on to."""
    for place in (state, *state.get("Choices", ()), *state.get("Catch", ())):
        yield from (place[name] for name in ("Next", "Default") if name in place)


def test_every_file_is_looked_at() -> None:
    assert {path.name.split(".")[0] for path in STATE_MACHINES.glob("*.asl.json")} == {
        machine.name for machine in MACHINES
    }


@machines
def test_every_state_can_be_reached_and_every_way_ends(machine: Machine) -> None:
    reached: set[str] = set()
    waiting = [machine.definition["StartAt"]]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += following(machine.states[name])
    assert reached == set(machine.states)
    ends = {name for name, state in machine.states.items() if not list(following(state))}
    assert ends == machine.ends


@machines
def test_every_task_has_an_end_and_is_repeated_with_jitter(machine: Machine) -> None:
    longest = max(value for key, value in Settings().model_dump().items() if key.endswith("_timeout_s"))
    for name, task in machine.tasks.items():
        assert longest < task["TimeoutSeconds"] <= longest + 60
        stopped = [retrier for retrier in task["Retry"] if retrier["ErrorEquals"] == [machine.stopped]]
        never = {"ErrorEquals": [machine.stopped], "MaxAttempts": 0}
        assert stopped == ([] if name == "Fail" else [never]), name
        assert task["Retry"][: len(stopped)] == stopped  # the first that matches decides
        assert task["Retry"][-1]["ErrorEquals"] == ["States.ALL"]
        for retrier in task["Retry"][len(stopped) :]:
            assert retrier["JitterStrategy"] == "FULL"
            # A model that is throttled wants more patience than a part of AWS.
            assert retrier["MaxDelaySeconds"] <= (300 if retrier["ErrorEquals"] == ["ModelBusy"] else 60)
            assert retrier["MaxAttempts"] >= 4


@machines
def test_whatever_fails_for_good_ends_the_run(machine: Machine) -> None:
    for name in (machine.tasks | machine.maps).keys() - machine.items.keys():
        (catcher,) = machine.states[name]["Catch"]
        assert catcher["ErrorEquals"] == ["States.ALL"]
        assert catcher["Next"] == ("Failed" if name == "Fail" else "Fail")


@machines
def test_every_step_is_one_of_its_function(machine: Machine) -> None:
    asked: dict[str, set[str]] = {}
    for name, task in machine.tasks.items():
        assert task["Resource"] == "arn:${Partition}:states:::lambda:invoke"
        payload = task["Parameters"]["Payload"]
        function = machine.functions[task["Parameters"]["FunctionName"]]
        asked.setdefault(function, set()).add(payload["step"])
        assert payload[f"{machine.named_by}.$"] == f"$.{machine.named_by}"
        assert ("item.$" in payload) == (name in machine.items)
    for function, steps in asked.items():
        module = importlib.import_module(f"functions.{function}.handler")
        fail = [module.FAIL] if function == machine.handles_failure else []
        known = {*module.STEPS, *fail}
        assert steps <= known if function in machine.borrowed else steps == known
    assert set(asked) == set(machine.functions.values()) <= {spec.name for spec in SPECS}


@machines
def test_the_items_of_maps_lie_in_s3_and_leave_nothing_behind(machine: Machine) -> None:
    for state in machine.maps.values():
        assert state["ItemReader"]["Resource"].endswith(":s3:getObject")
        assert state["ItemReader"]["ReaderConfig"] == {"InputType": "JSONL"}
        assert state["ItemReader"]["Parameters"]["Bucket"] == "${Bucket}"
        config = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
        assert state["ItemProcessor"]["ProcessorConfig"] == config
        assert state["ResultPath"] is None
        ((child, item),) = state["ItemProcessor"]["States"].items()
        assert state["ItemProcessor"]["StartAt"] == child
        # Without both, the outputs of 10,000 items would not fit into the state.
        assert item["ResultPath"] is None
        assert item["OutputPath"] is None


@machines
def test_states_hold_nothing_but_keys_and_words(machine: Machine) -> None:
    selected = (name for state in machine.tasks.values() for name in state.get("ResultSelector", ()))
    assert {name.removesuffix(".$") for name in selected} == machine.kept
    for name, state in (machine.tasks | machine.maps).items():
        assert ("ResultSelector" in state) == (state["ResultPath"] is not None), name


@machines
def test_what_is_read_is_the_input_or_what_a_state_has_kept(machine: Machine) -> None:
    kept = {
        f"{state['ResultPath']}.{name.removesuffix('.$')}"
        for state in machine.tasks.values()
        for name in state.get("ResultSelector", ())
    }
    given = {f"$.{name}" for name in (machine.named_by, *machine.besides)}
    known = {*given, "$.item", "$.failed.Error", "$$.Map.Item.Value", *kept}
    assert set(paths(machine.definition)) <= known
    assert kept <= set(paths(machine.definition))


def paths(value: Any) -> Iterator[str]:
    """The paths into the state that a definition reads."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if isinstance(inner, str) and (name.endswith(".$") or name in {"Variable", "SecondsPath"}):
                if not inner.startswith("$.Payload."):
                    yield inner
            else:
                yield from paths(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from paths(inner)


def test_the_execution_ends_before_the_import_does() -> None:
    from shoal.model.limits import IMPORT_SECONDS

    assert MACHINES[0].definition["TimeoutSeconds"] + 3600 <= IMPORT_SECONDS


def test_an_export_ends_before_its_version_is_kept_no_longer() -> None:
    from shoal.model.limits import MANIFEST_KEPT_SECONDS

    assert MACHINES[2].definition["TimeoutSeconds"] * 2 <= MANIFEST_KEPT_SECONDS


@machines
def test_the_setting_is_the_concurrency_of_every_map(machine: Machine) -> None:
    made = with_concurrency(machine.definition, 9)["States"]
    assert all(made[name]["MaxConcurrency"] == 9 for name in machine.maps)
    assert all(state["MaxConcurrency"] == machine.items_at_once for state in machine.maps.values())


def test_every_placeholder_is_filled_in(synthesized: Synthesized) -> None:
    made = synthesized.of_type("AWS::StepFunctions::StateMachine").values()
    assert len(made) == len(MACHINES)
    for machine in (resource["Properties"] for resource in made):
        text = machine["DefinitionString"]
        for name in machine["DefinitionSubstitutions"]:
            assert f"${{{name}}}" in text
            text = text.replace(f"${{{name}}}", "")
        assert "${" not in text
        assert machine["StateMachineType"] == "STANDARD"
        assert machine["TracingConfiguration"] == {"Enabled": True}
        logging = machine["LoggingConfiguration"]
        assert (logging["Level"], logging["IncludeExecutionData"]) == ("ERROR", False)
