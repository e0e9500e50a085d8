"""An HTTP API event (payload format 2.0) as a typed request, with its body unpacked within a bound."""

import base64
import binascii
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from shoal.errors import InvalidInput, TooLarge
from shoal.model.limits import MAX_BODY_BYTES

_GZIP = 16 + zlib.MAX_WBITS
_REQUEST_ID = re.compile(r"[A-Za-z0-9_=+/.-]{1,128}")


@dataclass(frozen=True, slots=True)
class Request:
    """A request as the gateway hands it over.

    `path` is already percent-decoded (decoding it again would turn an id `a%2Fb` into another id). `query` keeps
    repeated parameters, header names are lower-case. The body stays packed until `read_body`, so that a request
    without a valid key costs no unpacking.
    """

    method: str
    path: str
    query: Mapping[str, tuple[str, ...]]
    headers: Mapping[str, str]
    raw_body: str
    is_base64: bool
    request_id: str

    def first(self, name: str) -> str | None:
        """The first value of a query parameter, or None."""
        values = self.query.get(name)
        return values[0] if values else None


def parse_event(event: Mapping[str, Any]) -> Request:
    """Read an event.

    Raises:
        InvalidInput: code `invalid_request`: the query string is not UTF-8.
    """
    context = event["requestContext"]
    request_id = str(context.get("requestId", ""))
    return Request(
        method=str(context["http"]["method"]).upper(),
        path=_without_stage(str(event["rawPath"]), str(context.get("stage", "$default"))),
        query=_parse_query(str(event.get("rawQueryString") or "")),
        headers={name.lower(): str(value) for name, value in (event.get("headers") or {}).items()},
        raw_body=event.get("body") or "",
        is_base64=bool(event.get("isBase64Encoded")),
        request_id=request_id if _REQUEST_ID.fullmatch(request_id) else "unknown",
    )


def read_body(request: Request, *, limit: int = MAX_BODY_BYTES) -> bytes:
    """The body's bytes, out of base64 and gzip.

    Raises:
        TooLarge: code `payload_too_large`: over `limit` bytes, found while unpacking.
        InvalidInput: code `invalid_encoding`: truncated or corrupt gzip, or an encoding other than gzip.
    """
    if request.is_base64:
        try:
            body = base64.b64decode(request.raw_body, validate=True)
        except binascii.Error as error:
            raise InvalidInput("invalid_encoding", "the body is not valid base64") from error
    else:
        body = request.raw_body.encode("utf-8", "surrogatepass")
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding in {"gzip", "x-gzip"}:
        body = _gunzip(body, limit)
    elif encoding not in {"identity", ""}:
        raise InvalidInput("invalid_encoding", "Content-Encoding must be gzip or identity")
    if len(body) > limit:
        raise _too_large(limit)
    return body


def _gunzip(packed: bytes, limit: int) -> bytes:
    """Unpack one or more gzip members, never to more than `limit` bytes."""
    chunks: list[bytes] = []
    room = limit
    rest = packed
    while rest or not chunks:
        member = zlib.decompressobj(_GZIP)
        try:
            chunk = member.decompress(rest, room + 1)
        except zlib.error as error:
            raise InvalidInput("invalid_encoding", "the gzip body is corrupt") from error
        if len(chunk) > room:
            raise _too_large(limit)
        if not member.eof:
            raise InvalidInput("invalid_encoding", "the gzip body is truncated")
        chunks.append(chunk)
        room -= len(chunk)
        rest = member.unused_data.lstrip(b"\0")  # padding after a member is allowed
    return b"".join(chunks)


def _too_large(limit: int) -> TooLarge:
    return TooLarge("payload_too_large", f"Request body exceeds {limit} bytes")


def _without_stage(path: str, stage: str) -> str:
    prefix = f"/{stage}"
    if stage != "$default" and (path == prefix or path.startswith(prefix + "/")):
        return path[len(prefix) :] or "/"
    return path


def _parse_query(text: str) -> dict[str, tuple[str, ...]]:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError as error:
        raise InvalidInput("invalid_request", "the query string is not valid") from error
    query: dict[str, tuple[str, ...]] = {}
    for name, value in pairs:
        query[name] = (*query.get(name, ()), value)
    return query
