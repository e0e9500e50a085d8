"""Exceptions as answers in this dialect: `{"detail": "..."}`, and all that is wrong with a request as a list.

Beside the detail, which the original server has alone, stands our code of what went wrong, for programs.
"""

from collections.abc import Sequence
from typing import Any

from shoal.errors import InvalidInput, ModelBusy, ModelError
from shoal.http.errors import failure_of
from shoal.http.response import Response, json_response

UNPROCESSABLE = 422
MAX_FAULTS = 1000
"""Faults of one answer: ten thousand items may each have several."""
_FAULTS = "faults"


def invalid(faults: Sequence[dict[str, Any]]) -> InvalidInput:
    """What is wrong with a request: each fault `{type, loc, msg}`, where it is useful with `input` or `ctx`."""
    listed = list(faults[:MAX_FAULTS])
    if len(faults) > MAX_FAULTS:
        more = len(faults) - MAX_FAULTS
        listed.append({"type": "more_faults", "loc": ["body"], "msg": f"and {more} more like these"})
    return InvalidInput("invalid_request", listed[0]["msg"], {_FAULTS: listed})


def fault(kind: str, loc: Sequence[str | int], message: str) -> dict[str, Any]:
    """One fault; `loc` begins with `body`, `query` or `path`."""
    return {"type": kind, "loc": list(loc), "msg": message}


def studio_error(error: Exception, *, request_id: str) -> Response:
    """The answer to whatever a handler raised."""
    if isinstance(error, InvalidInput):
        return json_response(UNPROCESSABLE, {"detail": _faults_of(error)})
    told = failure_of(error)
    status, code, detail = told.status, told.code, told.message
    if isinstance(error, ModelError) and not isinstance(error, ModelBusy):
        status, code = 503, "model_failed"
    if code == "internal":
        detail = f"{detail} (request {request_id})"
    return json_response(status, {"detail": detail, "code": code}, told.headers)


def _faults_of(error: InvalidInput) -> list[dict[str, Any]]:
    if error.details is not None and _FAULTS in error.details:
        found: list[dict[str, Any]] = error.details[_FAULTS]
        return found
    return [fault(error.code, ["body"], error.message)]
