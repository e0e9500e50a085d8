"""What an HTTP API does to a request and to an answer: paths, payload format 2.0, limits. Pure; no emulator here.

Paths and field shapes follow captures of the real gateway published by the voker project (July 2026, payload
format 2.0); the statuses of failed integrations are those of an HTTP API, not of a REST API.
"""

import base64
import json
import re
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

LARGEST_REQUEST: Final = 10 * 1024 * 1024
"""Bytes of a request body that the gateway takes."""

LARGEST_EVENT: Final = 6 * 1024 * 1024
"""Bytes of a synchronous Lambda event, as JSON."""

LARGEST_ANSWER: Final = 6 * 1024 * 1024 + 100
"""Bytes of what a function may answer, as JSON: the figure in Lambda's own error message."""

LONGEST_S: Final = 30.0
"""Seconds that the gateway waits for an integration."""

GROWTH: Final = 6
"""A character takes at most this many bytes more as JSON (`\\u0000`): smaller bodies need no measuring."""

_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_TEXT_TYPES: Final = frozenset({"application/json", "application/xml", "application/javascript"})


class BadPath(Exception):
    """The gateway answers 400 to this path without asking anybody."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came over the wire: header names in lower case, repeated ones repeated."""

    method: str
    raw_path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""
    source_ip: str = "127.0.0.1"

    def header(self, name: str) -> str:
        """The values of a header, joined as the gateway joins them; empty if it is not there."""
        return ",".join(value for key, value in self.headers if key == name)


@dataclass(frozen=True, slots=True)
class Answer:
    """A response ready for the wire."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = field(default=(("content-type", "application/json"),))


def own_answer(status: int, message: str) -> Answer:
    """An answer in the gateway's own shape, which is not the API's."""
    return Answer(status, json.dumps({"message": message}, separators=(",", ":")).encode())


BAD_REQUEST: Final = own_answer(400, "Bad Request")
NOT_FOUND: Final = own_answer(404, "Not Found")
TOO_LARGE: Final = own_answer(413, "Request Entity Too Large")
FAILED: Final = own_answer(500, "Internal Server Error")
UNAVAILABLE: Final = own_answer(503, "Service Unavailable")


def decode_path(raw_path: str) -> str:
    """The path that routes and functions see. The gateway decodes, cuts at a decoded `?`, and decodes again.

    So `%2F` arrives as `/`, `%252F` does too, and a `%` of an id must be sent as `%2525`: `%25` is refused.

    Raises:
        BadPath: what is left after the first decoding is not an encoded path.
    """
    once = unquote(raw_path, errors="replace").split("?", 1)[0]
    if _BAD_ESCAPE.search(once):
        raise BadPath(raw_path)
    return unquote(once, errors="replace")


def is_text(content_type: str, content_encoding: str) -> bool:
    """Whether a body travels as a string: a text type, and not compressed. Everything else is base64."""
    if content_encoding.strip().lower() not in ("", "identity"):
        return False
    essence = content_type.split(";", 1)[0].strip().lower()
    return essence.startswith("text/") or essence in _TEXT_TYPES


def to_event(
    request: Request,
    *,
    path: str,
    api_id: str,
    account_id: str,
    route_key: str,
    path_parameters: Mapping[str, str] | None,
) -> dict[str, Any]:
    """The event of payload format 2.0 for a request on the `$default` stage."""
    host = request.header("host")
    cookies = [part.strip() for part in request.header("cookie").split(";") if part.strip()]
    now = time.time()
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": path,
        "rawQueryString": request.query,
        "headers": {**_join(request.headers), **_forwarded(request)},
        "requestContext": {
            "accountId": account_id,
            "apiId": api_id,
            "domainName": host,
            "domainPrefix": host.split(".", 1)[0],
            "http": {
                "method": request.method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": request.source_ip,
                "userAgent": request.header("user-agent"),
            },
            "requestId": base64.b64encode(uuid.uuid4().bytes[:11]).decode(),
            "routeKey": route_key,
            "stage": "$default",
            "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
            "timeEpoch": int(now * 1000),
        },
        "isBase64Encoded": False,
    }
    if cookies:
        event["cookies"] = cookies
    if request.query:
        event["queryStringParameters"] = _join(parse_qsl(request.query, keep_blank_values=True))
    if path_parameters:
        event["pathParameters"] = dict(path_parameters)
    if request.body:
        text = is_text(request.header("content-type"), request.header("content-encoding"))
        event["isBase64Encoded"] = not text
        event["body"] = (
            request.body.decode(errors="replace") if text else base64.b64encode(request.body).decode()
        )
    return event


def _forwarded(request: Request) -> dict[str, str]:
    """What the gateway adds: who called, how, and a trace. Here the call was plain HTTP."""
    before = request.header("x-forwarded-for")
    return {
        "x-amzn-trace-id": f"Root=1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]}",
        "x-forwarded-for": f"{before}, {request.source_ip}" if before else request.source_ip,
        "x-forwarded-port": request.header("host").rpartition(":")[2],
        "x-forwarded-proto": "http",
    }


def _join(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Repeated names become one, their values joined by commas; cookies have a field of their own."""
    joined: dict[str, str] = {}
    for name, value in pairs:
        if name != "cookie":
            joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def encoded_size(payload: object) -> int:
    """Bytes of a payload as JSON."""
    return len(json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode())


def is_too_large(payload: Mapping[str, Any], limit: int) -> bool:
    """Whether an event or an answer is over its limit; measured only where it could be."""
    body = payload.get("body")
    if isinstance(body, str) and len(body) * GROWTH < limit // 2:
        return False
    return encoded_size(payload) > limit


def to_answer(result: object) -> Answer:
    """What a function returned, as the gateway answers it: with a status code, or as a body of its own."""
    if not isinstance(result, dict) or "statusCode" not in result:
        return Answer(200, result.encode() if isinstance(result, str) else json.dumps(result).encode())
    if is_too_large(result, LARGEST_ANSWER):
        return FAILED
    body = result.get("body") or ""
    try:
        status = int(result["statusCode"])
        content = (
            base64.b64decode(body, validate=True) if result.get("isBase64Encoded") else str(body).encode()
        )
    except (TypeError, ValueError):
        return FAILED
    given = {name.lower(): str(value) for name, value in (result.get("headers") or {}).items()}
    given.setdefault("content-type", "text/plain;charset=UTF-8")
    cookies = [("set-cookie", str(cookie)) for cookie in result.get("cookies") or ()]
    return Answer(status, content, (*given.items(), *cookies))
