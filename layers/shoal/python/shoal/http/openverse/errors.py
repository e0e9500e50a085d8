"""Exceptions as answers in this dialect: `{"title": "404 Not Found"}`, where it helps with a `description`.

What the original server answers is answered as it does. What it has no answer for has our `code` beside it, for
programs.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from shoal.errors import ShoalError
from shoal.http.errors import failure_of
from shoal.http.response import Response, json_response


class Fault(ShoalError):
    """An error with a body of the original."""

    def __init__(
        self, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(str(body))
        self.status = status
        self.body = dict(body)
        self.headers = dict(headers or {})


def titled(status: int) -> str:
    """What the original says of a status."""
    return f"{status} {HTTPStatus(status).phrase}"


def plain_fault(status: int, headers: Mapping[str, str] | None = None, **more: Any) -> Fault:
    """An error that only says its status, and `more` fields."""
    return Fault(status, {"title": titled(status), **more}, headers)


def openverse_error(error: Exception, *, request_id: str) -> Response:
    """The answer to whatever a handler raised."""
    if isinstance(error, Fault):
        return json_response(error.status, error.body, error.headers)
    told = failure_of(error)
    body: dict[str, Any] = {"title": titled(told.status)}
    if told.status != HTTPStatus.INTERNAL_SERVER_ERROR:
        text = f"{told.message} (request {request_id})" if told.ours else told.message
        body |= {"description": text, "code": told.code}
    return json_response(told.status, body, told.headers)
