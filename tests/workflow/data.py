"""Data between states: reference paths, payload templates, and where a result goes."""

import json
import re
from collections.abc import Mapping
from typing import Any

from tests.workflow.faults import DATA_LIMIT, RUNTIME, StateFailed

MAX_BYTES = 256 * 1024
"""Of a state's input or output, as JSON."""
_STEP = re.compile(r"\.([A-Za-z_][A-Za-z0-9_]*)|\[(\d+)\]|\['([^']+)'\]")


def at(path: str, data: Any, context: Mapping[str, Any]) -> Any:
    """What a reference path points at: in the state's input (`$…`) or in the context object (`$$…`).

    Raises:
        StateFailed: `States.Runtime`: nothing is there.
    """
    found: Any = context if path.startswith("$$") else data
    for step in _steps(path):
        try:
            found = found[step]
        except (KeyError, IndexError, TypeError) as missing:
            raise StateFailed(RUNTIME, f"nothing at {path}") from missing
    return found


def present(path: str, data: Any) -> bool:
    """Whether something is at a path of the input."""
    try:
        at(path, data, {})
    except StateFailed:
        return False
    return True


def _steps(path: str) -> list[str | int]:
    rest = path[2:] if path.startswith("$$") else path[1:]
    found = list(_STEP.finditer(rest))
    if not path.startswith("$") or "".join(match[0] for match in found) != rest:
        raise ValueError(f"not a reference path, or more than is needed here: {path}")
    return [int(match[2]) if match[2] else match[1] or match[3] for match in found]


def filled(template: Any, data: Any, context: Mapping[str, Any]) -> Any:
    """A payload template with each `name.$` replaced by `name` and what its path points at."""
    if isinstance(template, list):
        return [filled(part, data, context) for part in template]
    if not isinstance(template, dict):
        return template
    return {
        name.removesuffix(".$"): at(part, data, context)
        if name.endswith(".$")
        else filled(part, data, context)
        for name, part in template.items()
    }


def placed(path: str | None, result: Any, data: Any) -> Any:
    """The input with the result at its `ResultPath`; None keeps the input as it is."""
    if path is None:
        return data
    steps = _steps(path)
    if not steps:
        return result
    new = dict(data) if isinstance(data, dict) else {}
    inside: dict[str, Any] = new
    for step in steps[:-1]:
        below = inside.get(str(step))
        inside[str(step)] = dict(below) if isinstance(below, dict) else {}
        inside = inside[str(step)]
    inside[str(steps[-1])] = result
    return new


def sent(data: Any) -> Any:
    """Data as it arrives on the other side: JSON, and not over 256 KiB.

    Raises:
        StateFailed: `States.DataLimitExceeded`.
        TypeError: it is no JSON.
    """
    text = json.dumps(data)
    if len(text.encode()) > MAX_BYTES:
        raise StateFailed(DATA_LIMIT, f"{len(text)} bytes of state")
    return json.loads(text)
