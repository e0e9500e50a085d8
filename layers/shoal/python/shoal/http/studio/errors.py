"""Exceptions as answers in this dialect: `{"detail": "..."}`, and all that is wrong with a request as a list.

Beside the detail, which the original server has alone, stands our code of what went wrong, for programs.
"""

import logging
from collections.abc import Sequence
from typing import Any

from shoal.errors import (
    Conflict,
    CorruptObject,
    InvalidInput,
    LimitReached,
    ModelBusy,
    ModelError,
    RequestError,
    StorageBusy,
    TryAgain,
)
from shoal.http.errors import STATUS
from shoal.http.response import Response, json_response
from shoal.observability import describe, log_event

UNPROCESSABLE = 422
MAX_FAULTS = 1000
"""Faults of one answer: ten thousand items may each have several."""
_FAULTS = "faults"
_BUSY_SECONDS = 5
"""When to ask a model again that is throttled: its own limits are by the second or the minute."""


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
    """The answer to whatever a handler raised. What nobody expected is logged with its stack and answers 500."""
    if isinstance(error, InvalidInput):
        return json_response(UNPROCESSABLE, {"detail": _faults_of(error)})
    if isinstance(error, RequestError):
        return _request_error(error)
    if isinstance(error, TryAgain):
        return _busy(error.message, error.retry_after)
    if isinstance(error, StorageBusy):
        log_event("storage busy", level=logging.WARNING, **describe(error))
        return _busy("storage is busy; send the request again", 1)
    if isinstance(error, ModelError):
        log_event("model refused", level=logging.WARNING, model_id=error.model_id, **describe(error))
        if isinstance(error, ModelBusy):
            return _busy(error.message, _BUSY_SECONDS, "model_busy")
        return _detail(503, error.message, "model_failed")
    log_event("request failed", level=logging.ERROR, **describe(error))
    if isinstance(error, CorruptObject):
        # The message names the object, which holds nothing but the caller's own ids.
        return _detail(503, str(error), "corrupt_object")
    return _detail(500, f"an internal error occurred (request {request_id})", "internal")


def _faults_of(error: InvalidInput) -> list[dict[str, Any]]:
    if error.details is not None and _FAULTS in error.details:
        found: list[dict[str, Any]] = error.details[_FAULTS]
        return found
    return [fault(error.code, ["body"], error.message)]


def _request_error(error: RequestError) -> Response:
    status = 403 if error.code == "forbidden" else STATUS[type(error)]
    headers = {}
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    if isinstance(error, LimitReached | Conflict) and error.retry_after is not None:
        headers["retry-after"] = str(error.retry_after)
    return _detail(status, error.message, error.code, headers)


def _busy(message: str, retry_after: int, code: str = "try_again") -> Response:
    return _detail(503, message, code, {"retry-after": str(retry_after)})


def _detail(status: int, message: str, code: str, headers: dict[str, str] | None = None) -> Response:
    return json_response(status, {"detail": message, "code": code}, headers)
