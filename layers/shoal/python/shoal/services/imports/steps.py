"""Steps of the import workflow: from a state's input to a function of `shoal.services.imports`, and back."""

import logging
from collections.abc import Mapping
from typing import Any

import orjson

from shoal.errors import ImportRejected, ImportStopped
from shoal.model.limits import MAX_STEP_BYTES
from shoal.observability import bind, log_event
from shoal.services.imports.ending import fail
from shoal.services.imports.workspace import Step, open_workspace
from shoal.storage.ports import Ports


def run_step(ports: Ports, event: Mapping[str, Any], steps: Mapping[str, Step]) -> dict[str, Any]:
    """Do the step that a state asks for: ``{"step", "import_id", "item"?}``.

    Raises:
        ImportStopped: the import has ended; the workflow must not go on.
        ValueError: the input or the output is over 200 KiB, or no step of that name is here.
    """
    _check_size(event, "input")
    name, import_id = str(event["step"]), str(event["import_id"])
    step = steps.get(name)
    if step is None:
        raise ValueError(f"no step {name}")
    bind(import_id=import_id, step=name)
    work = open_workspace(ports, import_id)
    try:
        output = dict(step(work, event.get("item") or {}))
    except ImportRejected as rejected:
        fail(ports, work.job, rejected.message)
        raise ImportStopped(rejected.message) from rejected
    _check_size(output, "output")
    log_event(
        "step done", level=logging.INFO, **{key: value for key, value in output.items() if key != "item"}
    )
    return output


def _check_size(value: Mapping[str, Any], what: str) -> None:
    size = len(orjson.dumps(value))
    if size > MAX_STEP_BYTES:
        raise ValueError(f"{what} of {size} bytes; a step may have {MAX_STEP_BYTES}")
