"""Bodies of this dialect: JSON or a form, read as the original server reads them, and refused in its words."""

import json
from typing import Any
from urllib.parse import parse_qsl

from shoal.http.context import Context
from shoal.http.openverse.errors import Fault, plain_fault
from shoal.http.request import read_body
from shoal.model.openverse_requests import fault_of, wrong_name

MAX_BODY_BYTES = 64 * 1024
"""Of a task: a few short fields. What is wrong with one is told with all of it."""
_JSON = ("application/json", "*/*", "")
_FORM = "application/x-www-form-urlencoded"
_FAILED = "Request data failed validation"


def task_body(context: Context) -> dict[str, Any]:
    """The body of a task, without faults.

    Raises:
        Fault: 400: it is none; 415: it is neither JSON nor a form.
        InvalidInput: code `invalid_encoding`.
        TooLarge: code `payload_too_large`.
    """
    try:
        body = media(context)
        wrong = fault_of(body)
    except RecursionError:
        raise _unparsed("JSON", "it is nested too deeply") from None
    if wrong is not None:
        raise Fault(400, {"title": _FAILED, "description": wrong})
    name = wrong_name(body)
    if name is not None:
        raise Fault(400, {"title": _FAILED, "description": name.message, "detail": name.detail})
    found: dict[str, Any] = body
    return found


def media(context: Context) -> Any:
    """What a body holds, JSON where it does not say what it is.

    Raises:
        Fault: 400: it cannot be read; 415: it is something else.
        InvalidInput: code `invalid_encoding`.
        RecursionError: it is nested too deeply.
        TooLarge: code `payload_too_large`.
    """
    given = context.request.headers.get("content-type", "")
    kind = given.partition(";")[0].strip().lower()
    if kind not in (*_JSON, _FORM):
        raise plain_fault(415, description=f"{given} is an unsupported media type.")
    data = read_body(context.request, limit=MAX_BODY_BYTES)
    return _form(data) if kind == _FORM else _json(data)


def _json(data: bytes) -> Any:
    if not data:
        raise Fault(400, {"title": "Invalid JSON", "description": "Could not parse an empty JSON body"})
    try:
        return json.loads(data.decode())
    except ValueError as error:  # of both
        raise _unparsed("JSON", str(error)) from None


def _form(data: bytes) -> dict[str, Any]:
    try:
        pairs = parse_qsl(data.decode("ascii"), keep_blank_values=True, max_num_fields=100)
    except ValueError as error:  # of both
        raise _unparsed("URL-encoded", str(error)) from None
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name in fields:
            earlier = fields[name]
            fields[name] = [*(earlier if isinstance(earlier, list) else [earlier]), value]
        else:
            fields[name] = value
    return fields


def _unparsed(kind: str, why: str) -> Fault:
    return Fault(400, {"title": f"Invalid {kind}", "description": f"Could not parse {kind} body - {why}"})
