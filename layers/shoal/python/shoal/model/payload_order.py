"""The order of objects by one of their fields."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from shoal.errors import InvalidInput
from shoal.model.bindings import Field

_COMPARED_CHARACTERS = 1024
"""Of text, so that the keys of ten thousand objects fit into memory however long their texts are."""
_COLUMNS = (Field.USER, Field.SESSION, Field.ORIGINAL)
OBJECT_ID = "object_id"
_ABSENT: Any = object()


@dataclass(frozen=True, slots=True)
class SortBy:
    """What to sort by: a field of the payload (a dot leads into an object), or one `beside` it.

    Rising, null comes first, then text by code point (as far as its first 1,024 characters), numbers, false and
    true, arrays and objects by their length; objects without the field come last. `descending` is the exact
    opposite, so those come first then, as in the original. Objects that are alike go by their ids, rising.
    """

    field: str
    descending: bool = False
    beside: bool = False


def check_sort_by(sort_by: SortBy) -> SortBy:
    """The same, if there is such a field.

    Raises:
        InvalidInput: `invalid_sort`: nothing of that name is stored beside the payload.
    """
    if sort_by.beside and sort_by.field not in (OBJECT_ID, *_COLUMNS):
        known = ", ".join((OBJECT_ID, *_COLUMNS))
        raise InvalidInput("invalid_sort", f"beside the payload, objects can be sorted by {known}")
    return sort_by


def sort_key(sort_by: SortBy, object_id: str, metadata: Mapping[str, Any]) -> tuple[Any, ...]:
    """What an object is compared by, to be sorted as `SortBy` says; `metadata` is that of one of its records."""
    if not sort_by.beside:
        return _key(_looked_up(metadata.get(Field.PAYLOAD), sort_by.field))
    return _key(object_id if sort_by.field == OBJECT_ID else metadata.get(sort_by.field, _ABSENT))


def _looked_up(payload: Any, field: str) -> Any:
    """What is there under a path, which is tried as it stands first."""
    if isinstance(payload, dict) and field in payload:
        return payload[field]
    found = payload
    for part in field.split("."):
        if not isinstance(found, dict) or part not in found:
            return _ABSENT
        found = found[part]
    return found


def _key(value: Any) -> tuple[Any, ...]:
    if value is _ABSENT:
        return (6,)
    match value:
        case None:
            return (0,)
        case str():
            return (1, value[:_COMPARED_CHARACTERS])
        case bool():
            return (3, value)
        case int() | float():
            return (2, value)
        case list():
            return (4, len(value), orjson.dumps(value)[:_COMPARED_CHARACTERS])
        case _:
            return (5, len(value), orjson.dumps(value, option=orjson.OPT_SORT_KEYS)[:_COMPARED_CHARACTERS])
