"""Workflows in this process: their deployed definitions, and the steps that their handlers name."""

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from shoal.services.compaction import ending
from shoal.services.compaction.workspace import CompactionRun, open_run
from shoal.services.derived import ending as derived_ending
from shoal.services.derived.run import DerivationRun, open_derivation
from shoal.services.imports.steps import run_step
from shoal.services.imports.workspace import Step
from shoal.services.pipeline import run
from shoal.services.pipeline.steps import do_step
from shoal.storage.ports import Ports
from tests.workflow.definition import States, read_definition
from tests.workflow.machine import Invoke

type CompactionStep = run.Step[CompactionRun]
type DerivationStep = run.Step[DerivationRun]

_FOLDER = Path(__file__).parents[2] / "infra/statemachines"
IMPORT_FILE: Final = _FOLDER / "import.asl.json"
COMPACTION_FILE: Final = _FOLDER / "compaction.asl.json"
DERIVATION_FILE: Final = _FOLDER / "derivation.asl.json"
REINDEX_FILE: Final = _FOLDER / "reindex.asl.json"
NAMES: Final = {
    "Partition": "aws",
    "Bucket": "bucket",
    "PlanFunctionArn": "import_plan",
    "ValidateFunctionArn": "import_validate",
    "CellsFunctionArn": "import_cells",
    "FinishFunctionArn": "import_finish",
}
"""What fills the definition's `${…}`: for a function, its folder under `functions/`."""
COMPACTION_NAMES: Final = {
    "Partition": "aws",
    "Bucket": "bucket",
    "CompactionFunctionArn": "compaction",
}
DERIVATION_NAMES: Final = {
    "Partition": "aws",
    "Bucket": "bucket",
    "DerivationFunctionArn": "derivation",
}
REINDEX_NAMES: Final = {
    "Partition": "aws",
    "Bucket": "bucket",
    "ReindexFunctionArn": "reindex",
    "CellsFunctionArn": "import_cells",
    "FinishFunctionArn": "import_finish",
}


def import_definition() -> States:
    """The import's state machine, as deployed."""
    return read_definition(IMPORT_FILE, NAMES)


def compaction_definition() -> States:
    """The compaction's state machine, as deployed."""
    return read_definition(COMPACTION_FILE, COMPACTION_NAMES)


def derivation_definition() -> States:
    """The state machine that derives a dataset, as deployed."""
    return read_definition(DERIVATION_FILE, DERIVATION_NAMES)


def reindex_definition() -> States:
    """The reindex's state machine, as deployed."""
    return read_definition(REINDEX_FILE, REINDEX_NAMES)


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
    if function == "compaction":
        return call_compaction(ports, payload)
    if function == "derivation":
        return call_derivation(ports, payload)
    if payload["step"] == "fail":
        from shoal.services.imports.finish import handle_failure  # when a step fails, and not before

        return handle_failure(ports, payload)
    return run_step(ports, payload, steps_of(function))


def call_compaction(
    ports: Ports, payload: Mapping[str, Any], others: Mapping[str, CompactionStep] = MappingProxyType({})
) -> Mapping[str, Any]:
    """What the handler of the compaction does with an event; with `others` in place of steps of these names."""
    if payload["step"] == "fail":
        return ending.handle_failure(ports, payload)
    steps: Mapping[str, CompactionStep] = importlib.import_module("functions.compaction.handler").STEPS
    return do_step(payload, {**steps, **others}, lambda: open_run(ports, str(payload["run_id"])))


def call_derivation(
    ports: Ports, payload: Mapping[str, Any], others: Mapping[str, DerivationStep] = MappingProxyType({})
) -> Mapping[str, Any]:
    """What the handler of the derivation does with an event; with `others` in place of steps of these names."""
    if payload["step"] == "fail":
        return derived_ending.handle_failure(ports, payload)
    steps: Mapping[str, DerivationStep] = importlib.import_module("functions.derivation.handler").STEPS
    return do_step(payload, {**steps, **others}, lambda: open_derivation(ports, str(payload["run_id"])))
