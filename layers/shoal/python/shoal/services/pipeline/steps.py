"""Steps of workflows: from a state's input to a function, and back."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from shoal.model.limits import MAX_STEP_BYTES
from shoal.observability import bind, log_event
from shoal.services.pipeline.run import Run, Step


def do_step[R: Run](
    event: Mapping[str, Any], steps: Mapping[str, Step[R]], open_run: Callable[[], R]
) -> dict[str, Any]:
    """Do the step that a state asks for: ``{"step", "item"?}`` and what names the run.

    Raises:
        ValueError: the input or the output is over 200 KiB, or no step of that name is here.
    """
    _check_size(event, "input")
    name = str(event["step"])
    step = steps.get(name)
    if step is None:
        raise ValueError(f"no step {name}")
    bind(step=name)
    output = dict(step(open_run(), event.get("item") or {}))
    _check_size(output, "output")
    log_event(
        "step done", level=logging.INFO, **{key: value for key, value in output.items() if key != "item"}
    )
    return output


def _check_size(value: Mapping[str, Any], what: str) -> None:
    size = len(orjson.dumps(value))
    if size > MAX_STEP_BYTES:
        raise ValueError(f"{what} of {size} bytes; a step may have {MAX_STEP_BYTES}")
