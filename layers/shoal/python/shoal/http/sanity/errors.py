"""Exceptions as answers in this dialect: `{"statusCode", "error", "message"}`.

Clients print `error - message`, or the message alone: so the first is the status in words, and the second says
what to do. Beside them stand our code of what went wrong, and details, for programs.
"""

from http import HTTPStatus
from typing import Any

from shoal.http.errors import failure_of
from shoal.http.native.types import Body
from shoal.http.response import Response, json_response


class SanityProblem(Body):
    """What went wrong: the status, also in words, and what to do; `code` and `details` are for programs."""

    statusCode: int  # noqa: N815 - the contract's name
    error: str
    message: str
    code: str
    details: dict[str, Any] | None = None


def sanity_error(error: Exception, *, request_id: str) -> Response:
    """The answer to whatever a handler raised."""
    told = failure_of(error)
    message = f"{told.message} (request {request_id})" if told.ours and request_id else told.message
    body: dict[str, Any] = {
        "statusCode": told.status,
        "error": HTTPStatus(told.status).phrase,
        "message": message,
        "code": told.code,
    }
    if told.details:
        body["details"] = dict(told.details)
    return json_response(told.status, body, told.headers)
