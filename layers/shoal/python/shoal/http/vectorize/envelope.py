"""The envelope of every answer, and errors in it: `{"result", "success", "errors", "messages"}` (contract)."""

import logging
from collections.abc import Sequence
from typing import Any

from shoal.errors import (
    Conflict,
    CorruptObject,
    LimitReached,
    NotFound,
    RequestError,
    ShoalError,
    StorageBusy,
    TooLarge,
    TryAgain,
    Unauthenticated,
)
from shoal.http.response import Response, json_response
from shoal.observability import describe, log_event

UNROUTED = 7003
AUTHENTICATION = 10000
RATE = 40041
BAD_BODY = 40026
"""A body, or what is in it, that cannot be understood; also for what the original has no code of its own."""
INTERNAL = 1000


class Fault(ShoalError):
    """An error with a code of the original."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def success(result: Any, *, messages: Sequence[dict[str, Any]] = ()) -> Response:
    """A result in its envelope."""
    return json_response(200, {"result": result, "success": True, "errors": [], "messages": list(messages)})


def message(code: int, text: str) -> dict[str, Any]:
    """A member of `errors` or `messages`."""
    return {"code": code, "message": text}


def answer_error(error: Exception, *, request_id: str) -> Response:
    """Whatever a handler raised, in the envelope. What nobody expected is logged with its stack: 500."""
    match error:
        case Fault():
            return _failure(error.status, error.code, error.message)
        case Unauthenticated():
            status = 403 if error.code == "forbidden" else 401
            headers = {} if status == 403 else {"www-authenticate": "Bearer"}
            return _failure(status, AUTHENTICATION, f"Authentication error: {error.message}", headers)
        case LimitReached():
            return _failure(429, RATE, error.message, {"retry-after": str(error.retry_after)})
        case RequestError():
            return _failure(_status(error), BAD_BODY, error.message)
        case TryAgain():
            return _failure(503, INTERNAL, error.message, {"retry-after": str(error.retry_after)})
        case StorageBusy():
            log_event("storage busy", level=logging.WARNING, **describe(error))
            return _failure(503, INTERNAL, "storage is busy; send the request again", {"retry-after": "1"})
    log_event("request failed", level=logging.ERROR, **describe(error))
    if isinstance(error, CorruptObject):
        return _failure(503, INTERNAL, f"corrupt_object: {error} (request {request_id})")
    return _failure(500, INTERNAL, f"an internal error occurred (request {request_id})")


def _status(error: RequestError) -> int:
    match error:
        case NotFound():
            return 404
        case Conflict():
            return 409
        case TooLarge():
            return 413
        case _:
            return 400


def _failure(status: int, code: int, text: str, headers: dict[str, str] | None = None) -> Response:
    body = {"result": None, "success": False, "errors": [message(code, text)], "messages": []}
    return json_response(status, body, headers)
