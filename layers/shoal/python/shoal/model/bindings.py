"""Collections: datasets that are bound to an embedding model, and how their objects become records.

An object is one record for each of its parts. The record of the first part has the object's id, those of further
parts the id, a unit separator and the part's number: so an object is replaced, found and counted by its own id.
All its records carry the payload, so that a filter means any of them; which parts there are says the first one.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shoal.errors import InvalidInput

PART_SEPARATOR = "\x1f"
"""Between an object's id and the number of a part; no object's id holds a control character."""
MAX_PARTS = 16
"""Parts of one object; text beyond them is left out, and that is reported."""
MAX_OBJECT_ID_CHARACTERS = 200
MAX_PAYLOAD_BYTES = 256 * 1024
"""Compact JSON bytes of one object's payload."""
MAX_TASK_OBJECTS = 10_000
"""Objects of one task."""
MAX_PAGE = 1000
"""Objects of one page of a search."""
MAX_REACH = 10_000
"""Objects over which pages can be turned (offset and limit together), and that a search sorts by a field."""
BLUE = "blue"
"""The alias of a family's active collection; no embedding model is called so."""
_OBJECT_ID = re.compile(rf"[^\x00-\x1f\x7f]{{1,{MAX_OBJECT_ID_CHARACTERS}}}")


class Family(StrEnum):
    """What sort of objects a collection holds. Each family of a tenant has collections and a blue of its own."""

    ITEMS = "items"
    CATEGORIES = "categories"

    @property
    def scope(self) -> str:
        """The scope in which its collections are named: each by the id of its model."""
        return f"collections/{self.value}"


class Aggregation(StrEnum):
    """How far an object of several parts is: as far as its nearest part, or as the middle of all of them."""

    MIN = "min"
    AVERAGE = "avg"


@dataclass(frozen=True, slots=True)
class Binding:
    """What a dataset's vectors are made with.

    `template` makes a payload a text (`model.templates`); None takes all strings. `aggregation` says how parts of
    one object count; a dataset that is no collection has one part an object.
    """

    model_id: str
    template: str | None = None
    aggregation: Aggregation = Aggregation.MIN


class Field:
    """Names of what the metadata of an object's records holds."""

    PAYLOAD = "payload"
    """The object as it was sent: what filters mean and searches return."""
    INFO = "item_info"
    STORAGE = "storage_meta"
    USER = "user_id"
    SESSION = "session_id"
    ORIGINAL = "original_id"
    PART = "part"
    """The number of the part, from 0; only records of part 0 are objects to be counted."""
    PARTS = "parts"
    """How many parts the object has; only in the record of part 0."""
    AVERAGE = "is_average"
    """True where the part is the middle of the others."""
    PART_ID = "part_id"
    """What the writer calls the part, where it was sent."""


def check_object_id(value: Any, where: str = "object_id") -> str:
    """An object's id.

    Raises:
        InvalidInput: code `invalid_object_id`; names `where`.
    """
    if not isinstance(value, str) or not _OBJECT_ID.fullmatch(value):
        raise InvalidInput(
            "invalid_object_id",
            f"{where} must be 1-{MAX_OBJECT_ID_CHARACTERS} characters without control characters",
        )
    return value


def part_id(object_id: str, part: int) -> str:
    """The id of the record of one part of an object."""
    return object_id if part == 0 else f"{object_id}{PART_SEPARATOR}{part}"


def object_of(record_id: str) -> str:
    """The object that a record is a part of."""
    return record_id.partition(PART_SEPARATOR)[0]


def other_parts(object_id: str, parts: int) -> list[str]:
    """The ids that records of further parts would have, where the object has that many now: what must go."""
    return [part_id(object_id, number) for number in range(parts, MAX_PARTS)]
