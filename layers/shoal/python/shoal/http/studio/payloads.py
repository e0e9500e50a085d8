"""JSON that is kept as it was sent: payloads and what is told beside them, within bounds."""

from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError, PydanticKnownError

from shoal.model.bindings import MAX_PAYLOAD_BYTES

MAX_DEPTH = 32
"""Levels of objects and lists."""
MAX_INFO_BYTES = 16 * 1024
"""Compact JSON bytes of what is told of an object beside its payload."""

_NESTING = frozenset({dict, list})


def too_deep(value: Any, depth: int = MAX_DEPTH) -> bool:
    """Whether a JSON value, as parsed, has more levels of objects and lists than that."""
    if type(value) not in _NESTING:
        return False
    if depth == 0:
        return True
    # Every value of every object passes here: most are no such thing, and are not called for.
    inner = value.values() if type(value) is dict else value
    return any(too_deep(each, depth - 1) for each in inner if type(each) in _NESTING)


def encoded(value: Any, limit: int) -> bytes:
    """A JSON value, as parsed, as compact JSON.

    Raises:
        PydanticCustomError: it is too deep, or has more than `limit` bytes.
    """
    try:
        data = orjson.dumps(value)
    except orjson.JSONEncodeError:  # of some hundred levels
        data = b""
    # What opens few objects and lists cannot be deep: only what opens many is gone through.
    if not data or (data.count(b"{") + data.count(b"[") > MAX_DEPTH and too_deep(value)):
        raise PydanticCustomError("too_deep", f"Should have at most {MAX_DEPTH} levels of objects and lists")
    if len(data) > limit:
        raise PydanticCustomError("too_large", f"Should have at most {limit} bytes of JSON, not {len(data)}")
    return data


def at_most(limit: int) -> AfterValidator:
    """A check that a JSON value is not too deep, and has at most so many bytes."""

    def check(value: Any) -> Any:
        if value is not None:
            encoded(value, limit)
        return value

    return AfterValidator(check)


def written(limit: int) -> PlainValidator:
    """A check of a JSON object as `at_most` does it, which hands it on as it is to be stored."""

    def check(value: Any) -> orjson.Fragment:
        if type(value) is not dict:
            raise PydanticKnownError("dict_type")
        return orjson.Fragment(encoded(value, limit))

    return PlainValidator(check)


_ANY_OBJECT = WithJsonSchema({"type": "object", "additionalProperties": True})

type Payload = Annotated[dict[str, Any], at_most(MAX_PAYLOAD_BYTES)]
type Info = Annotated[dict[str, Any], at_most(MAX_INFO_BYTES)]
type WrittenPayload = Annotated[orjson.Fragment, written(MAX_PAYLOAD_BYTES), _ANY_OBJECT]
type WrittenInfo = Annotated[orjson.Fragment, written(MAX_INFO_BYTES), _ANY_OBJECT]
"""Of tasks, which may have ten thousand: copying them takes as long as reading them."""
