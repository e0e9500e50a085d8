"""Exceptions as answers in this dialect: `{"statusCode", "error", "message"}`.

Clients print `error - message`, or the message alone: so the first is the status in words, and the second says
what to do. Beside them stand our code of what went wrong, and details, for programs.
"""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from shoal.http.errors import failure_of
from shoal.http.native.types import Body
from shoal.http.response import Response, json_response

_PATHS = re.compile(r"/v[^/]+/(?:data|embeddings-index)(?:/.*)?|/webhooks/sanity(?:/.*)?", re.DOTALL)


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


def is_sanity_path(path: str) -> bool:
    """Whether a path is of this dialect, though none of its routes may have it."""
    return _PATHS.fullmatch(path) is not None


def sanity_no_route(allowed: Sequence[str], headers: Mapping[str, str]) -> Response:
    """The answer where no route is found; `allowed` are the methods that the path knows."""
    if allowed:
        status, code = 405, "method_not_allowed"
        message = f"this address takes {', '.join(allowed)} alone"
    else:
        status, code = 404, "route_not_found"
        message = (
            "there is nothing at this address: documents are written at data/mutate/{dataset} and "
            "data/import/{dataset}, and found at embeddings-index/query/{dataset}/{indexName}; queries in GROQ "
            "and single documents are not answered"
        )
    body = {
        "statusCode": status,
        "error": HTTPStatus(status).phrase,
        "message": message,
        "code": code,
    }
    return json_response(status, body, headers)
