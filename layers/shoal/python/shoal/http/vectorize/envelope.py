"""The envelope of every answer, and errors in it: `{"result", "success", "errors", "messages"}` (contract)."""

from collections.abc import Mapping, Sequence
from typing import Any

from shoal.errors import CorruptObject, LimitReached, RequestError, ShoalError, Unauthenticated
from shoal.http.errors import failure_of
from shoal.http.response import Response, json_response

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
    """Whatever a handler raised, in the envelope."""
    if isinstance(error, Fault):
        return _failure(error.status, error.code, error.message)
    told = failure_of(error)
    text = f"{told.message} (request {request_id})" if told.ours else told.message
    match error:
        case Unauthenticated():
            return _failure(told.status, AUTHENTICATION, f"Authentication error: {text}", told.headers)
        case LimitReached():
            return _failure(told.status, RATE, text, told.headers)
        case RequestError():
            return _failure(told.status, BAD_BODY, text)
        case CorruptObject():
            return _failure(told.status, INTERNAL, f"{told.code}: {text}")
        case _:
            return _failure(told.status, INTERNAL, text, told.headers)


def _failure(status: int, code: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    body = {"result": None, "success": False, "errors": [message(code, text)], "messages": []}
    return json_response(status, body, headers)
