"""JSON that is kept as it was sent: payloads and what is told beside them, within bounds."""

from typing import Annotated, Any

import orjson
from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

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


def at_most(limit: int) -> AfterValidator:
    """A check that a JSON value is not too deep, and has at most so many bytes."""

    def check(value: Any) -> Any:
        if too_deep(value):  # first: what is deeper still cannot be written
            message = f"Should have at most {MAX_DEPTH} levels of objects and lists"
            raise PydanticCustomError("too_deep", message)
        size = 0 if value is None else len(orjson.dumps(value))
        if size > limit:
            raise PydanticCustomError("too_large", f"Should have at most {limit} bytes of JSON, not {size}")
        return value

    return AfterValidator(check)


type Payload = Annotated[dict[str, Any], at_most(MAX_PAYLOAD_BYTES)]
type Info = Annotated[dict[str, Any], at_most(MAX_INFO_BYTES)]
