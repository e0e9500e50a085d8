"""Pages of objects: what is asked for, what is found, and what an answer has room for."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from shoal.errors import InvalidInput
from shoal.model.filters import Filter
from shoal.model.limits import MAX_RESPONSE_BYTES
from shoal.model.payload_order import SortBy
from shoal.services.collections.rows import Row, with_records
from shoal.services.snapshot import Snapshot

_OBJECT_OVERHEAD_BYTES = 128
_ENVELOPE_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which objects of those that are found: `limit` of them after the first `offset`.

    `max_distance` leaves out what is farther, `filter` (over records) what does not pass. `user_id` is who asks
    (`services.collections.audience`).
    """

    limit: int
    offset: int = 0
    max_distance: float | None = None
    filter: Filter | None = None
    sort_by: SortBy | None = None
    user_id: str | None = None

    @property
    def end(self) -> int:
        """How many objects have to be known for the page."""
        return self.offset + self.limit


@dataclass(frozen=True, slots=True)
class Place:
    """An object that was found: the id under which it is shown, its row, and the id of the record there.

    `distance` is that of its nearest part; None where nothing was compared.
    """

    object_id: str
    record_id: str
    row: Row
    distance: float | None = None


@dataclass(frozen=True, slots=True)
class FoundObject:
    """An object of a page; `metadata` is that of the record that was found, parsed (`model.bindings.Field`)."""

    place: Place
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FoundPage:
    """A page of objects of one version. `next_offset` None: this is the last.

    `total` is how many there are in all, where that is known. `partial`: the search ended before all was looked
    at, as the budget of bytes was spent.
    """

    objects: tuple[FoundObject, ...]
    next_offset: int | None
    version: int
    total: int | None = None
    partial: bool = False


EMPTY_PAGE = FoundPage((), None, 0)


def read_places(
    snapshot: Snapshot, places: Sequence[Place], loaded: dict[str, Any] | None = None
) -> tuple[FoundObject, ...]:
    """The objects of a page with what is stored of them.

    Raises:
        InvalidInput: `response_too_large`; names the limit that fits.
        CorruptObject: something stored is not what names it.
    """
    found: list[FoundObject] = []
    shown: list[int] = []
    size = 0
    records = with_records(snapshot, [place.row for place in places], loaded)
    for place, (_, record) in zip(places, records, strict=True):
        size += len(record.metadata)
        shown.append(escaped(record.metadata) + len(place.object_id) + _OBJECT_OVERHEAD_BYTES)
        if size > MAX_RESPONSE_BYTES:  # as it will be written, it is larger still
            raise too_large(fitting(shown))
        found.append(FoundObject(place, orjson.loads(record.metadata)))
    return tuple(found)


def escaped(text: bytes) -> int:
    """Bytes of JSON inside Lambda's answer, where it is a string: quotes and backslashes count twice."""
    return len(text) + text.count(b'"') + text.count(b"\\")


def too_large(fits: int, *, name: str = "limit") -> InvalidInput:
    """The error of an answer for which there is no room: of how many objects there is."""
    return InvalidInput(
        "response_too_large",
        f"the answer would be over {MAX_RESPONSE_BYTES} bytes; ask for {max(1, fits)} at most ({name})",
        {name: max(1, fits)},
    )


def fitting(shown: Iterable[int], *, envelope: int = _ENVELOPE_BYTES) -> int:
    """How many of the first objects fit into an answer: `shown` are their bytes, escaped, `envelope` the rest."""
    room = MAX_RESPONSE_BYTES - envelope
    count = 0
    for size in shown:
        room -= size + 1
        if room < 0:
            return count
        count += 1
    return count
