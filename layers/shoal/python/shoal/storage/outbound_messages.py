"""What goes between those who ask for a request and the function that sends it: JSON, through Lambda's Invoke.

Asked: `{"url", "body", "base64"?, "headers", "key_parameter"?}`. Answered: `{"status", "headers", "body",
"base64"?}`, or `{"error": code, "message"}` where there is no answer.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shoal.errors import InvalidInput, RequestError, StorageBusy, StorageError, TooLarge
from shoal.storage.model_ports import Answer

MAX_PAYLOAD = 6_000_000
"""Bytes of JSON; Lambda takes 6 MiB each way."""
BUSY = "no_answer"
TOO_LARGE = "answer_too_large"
MISUSE = "invalid_request"


@dataclass(frozen=True, slots=True)
class Request:
    """A POST that somebody asks for."""

    url: str
    body: bytes
    headers: Mapping[str, str]
    key_parameter: str | None = None


def request_payload(request: Request) -> bytes:
    """A request as the function is asked.

    Raises:
        TooLarge: `request_too_large`: it does not go through Lambda.
    """
    asked: dict[str, Any] = {"url": request.url, "headers": dict(request.headers), **_packed(request.body)}
    if request.key_parameter is not None:
        asked["key_parameter"] = request.key_parameter
    payload = json.dumps(asked, separators=(",", ":")).encode()
    if len(payload) > MAX_PAYLOAD:
        raise TooLarge("request_too_large", f"a request through Lambda has at most {MAX_PAYLOAD} bytes")
    return payload


def read_request(event: Mapping[str, Any]) -> Request:
    """The request in an event.

    Raises:
        ValueError: it is none; says what is wrong, quoting nothing.
    """
    match event.get("url"), event.get("headers", {}), event.get("key_parameter"):
        case str(url), dict(headers), (str() | None) as key_parameter if _are_strings(headers):
            return Request(url, _unpacked(event), headers, key_parameter)
    raise ValueError("a request has a url, headers that are strings, and may have a key_parameter")


def answer_event(answer: Answer) -> dict[str, Any]:
    """What the function says of an answer."""
    return {"status": answer.status, "headers": dict(answer.headers), **_packed(answer.body)}


def error_event(error: RequestError | StorageBusy | ValueError) -> dict[str, str]:
    """What the function says where there is no answer."""
    match error:
        case RequestError():
            return {"error": error.code, "message": error.message}
        case StorageBusy():
            return {"error": BUSY, "message": str(error)}
        case _:
            return {"error": MISUSE, "message": str(error)}


def read_answer(payload: bytes) -> Answer:
    """What the function said.

    Raises:
        InvalidInput: with its code: nothing was sent.
        TooLarge: `answer_too_large`.
        StorageBusy: there was no answer.
        ValueError: the request could not work for anybody.
        StorageError: this is not what the function says.
    """
    try:
        said = json.loads(payload)
        if "error" not in said:
            return Answer(int(said["status"]), _unpacked(said), dict(said["headers"]))
        code, message = str(said["error"]), str(said["message"])
    except (ValueError, TypeError, KeyError) as error:
        raise StorageError("the outbound function answered something else") from error
    match code:
        case "no_answer":
            raise StorageBusy(message)
        case "answer_too_large":
            raise TooLarge(code, message)
        case "invalid_request":
            raise ValueError(message)
        case _:
            raise InvalidInput(code, message)


def _packed(body: bytes) -> dict[str, Any]:
    """A body as text where that is not much longer: most are JSON."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = None
    if text is not None and len(json.dumps(text)) <= len(body) * 3 // 2 + 2:
        return {"body": text}
    return {"body": base64.b64encode(body).decode(), "base64": True}


def _unpacked(said: Mapping[str, Any]) -> bytes:
    match said.get("body", ""), said.get("base64", False):
        case str(text), False:
            return text.encode()
        case str(text), True:
            try:
                return base64.b64decode(text, validate=True)
            except binascii.Error as error:
                raise ValueError("a body that says base64 and is not") from error
    raise ValueError("a body is a string, as text or in base64")


def _are_strings(headers: dict[Any, Any]) -> bool:
    return all(isinstance(part, str) for pair in headers.items() for part in pair)
