"""Responses, and their form for the gateway."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from shoal.model.limits import MAX_RESPONSE_BYTES

JSON = "application/json"
_ALWAYS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


@dataclass(frozen=True, slots=True)
class Response:
    """A status, a body in UTF-8 and headers (lower-case names)."""

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


def json_response(status: int, value: Any, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON body. numpy arrays are written with the shortest digits that name each float32."""
    return Response(status, orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY), headers=headers or {})


def weight(body: bytes) -> int:
    """Bytes of a body inside Lambda's answer, where it is a JSON string: quotes and backslashes count twice."""
    return len(body) + body.count(b'"') + body.count(b"\\")


def fits(body: bytes) -> bool:
    """Whether Lambda can hand the body over."""
    return weight(body) <= MAX_RESPONSE_BYTES


def to_gateway(response: Response, *, request_id: str, head: bool = False) -> dict[str, Any]:
    """The answer for an HTTP API (payload format 2.0); `head` leaves the body out."""
    headers = _ALWAYS | dict(response.headers) | {"x-request-id": request_id}
    if response.body:
        headers["content-type"] = response.content_type
    if head:
        headers["content-length"] = str(len(response.body))
    return {
        "statusCode": response.status,
        "headers": headers,
        "body": "" if head else response.body.decode(),
        "isBase64Encoded": False,
    }
