"""Objects of collections as records: their metadata, and what of them is in a record of their own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from shoal.errors import InvalidInput
from shoal.model.bindings import MAX_PAYLOAD_BYTES, Field

CARRIED = (Field.INFO, Field.STORAGE, Field.USER, Field.SESSION, Field.ORIGINAL)
"""What every record of an object carries beside the payload, where the object has it."""


@dataclass(frozen=True, slots=True)
class SourceObject:
    """An object to be embedded. `more` are other fields of its metadata (`Field`), without the empty ones."""

    object_id: str
    payload: dict[str, Any]
    more: Mapping[str, Any] = field(default_factory=dict)


class Describe(Protocol):
    """Makes the metadata of one record of an object, as `metadata_of` does."""

    def __call__(
        self, source: SourceObject, *, part: int, parts: int, more: Mapping[str, Any] | None = None
    ) -> bytes:
        """Compact JSON."""


def carried_by(found: Mapping[str, Any]) -> dict[str, Any]:
    """What an object carries beside its id and its payload."""
    if len(found) == 2 and Field.PAYLOAD in found:  # as most
        return {}
    return {name: value for name in CARRIED if (value := found.get(name)) is not None}


def object_of_json(found: Mapping[str, Any]) -> SourceObject:
    """An object as a request or the body of a task has it."""
    return SourceObject(found["object_id"], found.get(Field.PAYLOAD) or {}, carried_by(found))


def object_of_metadata(object_id: str, metadata: bytes) -> SourceObject:
    """An object as the record of any of its parts has it."""
    return object_of_json({"object_id": object_id, **orjson.loads(metadata)})


def metadata_of(
    source: SourceObject, *, part: int, parts: int, more: Mapping[str, Any] | None = None
) -> bytes:
    """The metadata of one record of an object: compact JSON. `more` is of this part alone.

    Raises:
        InvalidInput: `payload_too_large`; `invalid_payload`: something in it has no JSON.
    """
    said: dict[str, Any] = {Field.PAYLOAD: source.payload, **source.more, Field.PART: part}
    if part == 0:
        said[Field.PARTS] = parts
    if more:
        said |= more
    try:
        encoded = orjson.dumps(said)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput("invalid_payload", f"the payload cannot be written as JSON: {error}") from None
    if len(encoded) > MAX_PAYLOAD_BYTES:
        size = len(encoded)
        raise InvalidInput(
            "payload_too_large",
            f"payload and other fields have {size} bytes, and at most {MAX_PAYLOAD_BYTES} fit",
            {"bytes": size, "limit": MAX_PAYLOAD_BYTES},
        )
    return encoded
