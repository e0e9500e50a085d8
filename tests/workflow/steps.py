"""The import's workflow in this process: its deployed definition, and the steps that its handlers name."""

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from shoal.services.imports.steps import run_step
from shoal.services.imports.workspace import Step
from shoal.storage.ports import Ports
from tests.workflow.definition import States, read_definition
from tests.workflow.machine import Invoke

IMPORT_FILE: Final = Path(__file__).parents[2] / "infra/statemachines/import.asl.json"
NAMES: Final = {
    "Partition": "aws",
    "Bucket": "bucket",
    "PlanFunctionArn": "import_plan",
    "ValidateFunctionArn": "import_validate",
    "CellsFunctionArn": "import_cells",
    "FinishFunctionArn": "import_finish",
}
"""What fills the definition's `${…}`: for a function, its folder under `functions/`."""


def import_definition() -> States:
    """The import's state machine, as deployed."""
    return read_definition(IMPORT_FILE, NAMES)


def steps_of(function: str) -> Mapping[str, Step]:
    """The steps that a function does: the table of its handler."""
    found: Mapping[str, Step] = importlib.import_module(f"functions.{function}.handler").STEPS
    return found


def in_process(process: Ports | Callable[[], Ports]) -> Invoke:
    """Calls steps over these ports; given a callable, over those that it makes, a new process for each call."""

    def invoke(function: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        return call(process() if callable(process) else process, function, payload)

    return invoke


def call(ports: Ports, function: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a handler of the workflow does with an event."""
    if payload["step"] == "fail":
        from shoal.services.imports.finish import handle_failure  # when a step fails, and not before

        return handle_failure(ports, payload)
    return run_step(ports, payload, steps_of(function))
