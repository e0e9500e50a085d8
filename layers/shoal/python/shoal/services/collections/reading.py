"""Objects of a collection by their ids, whole: what is stored of them, and the vector of each part."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from shoal.model.bindings import Field, object_of, part_id
from shoal.model.limits import MAX_RESPONSE_BYTES
from shoal.model.queries import Match
from shoal.services.collections.opening import OpenCollection
from shoal.services.collections.pages import escaped, fitting, too_large
from shoal.services.fetch import fetch_from
from shoal.services.search import Searcher
from shoal.services.snapshot import Snapshot
from shoal.services.winners import RECORD_OVERHEAD_BYTES, VALUE_BYTES

_LEAST_VALUE_BYTES = 2
"""A float32 in JSON with its comma, at least."""


@dataclass(frozen=True, slots=True)
class StoredPart:
    """One vector of an object: float32, shape (dimension,). `part_id` None: the writer has named none."""

    vector: NDArray[np.float32]
    part_id: str | None
    is_average: bool


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object; `metadata` is that of its first record, parsed (`model.bindings.Field`)."""

    object_id: str
    metadata: Mapping[str, Any]
    parts: tuple[StoredPart, ...]


def read_objects(
    searcher: Searcher, collection: OpenCollection, object_ids: Sequence[str]
) -> tuple[StoredObject, ...]:
    """The objects of these ids that exist, in the order given; one given twice is answered once.

    Raises:
        InvalidInput: `response_too_large`; names how many ids fit.
        CorruptObject: something stored is not what names it.
    """
    snapshot = collection.snapshot
    if snapshot is None:
        return ()
    # An id with a separator is that of a part, and no object's.
    wanted = [each for each in dict.fromkeys(object_ids) if object_of(each) == each]
    room = _Room(snapshot.dataset.dimension)
    fields: dict[str, Mapping[str, Any]] = {}
    parts: dict[str, list[StoredPart]] = {}
    for record in _records(searcher, snapshot, wanted):
        room.take(record.id, record.metadata)
        fields[record.id] = orjson.loads(record.metadata)
        parts[record.id] = [_part(record, fields[record.id])]
    counts = {own: int(found.get(Field.PARTS, 1)) for own, found in fields.items()}
    others = [part_id(own, number) for own, count in counts.items() for number in range(1, count)]
    for record in _records(searcher, snapshot, others):
        own = object_of(record.id)
        room.take(own, b"")
        parts[own].append(_part(record, orjson.loads(record.metadata)))
    return tuple(StoredObject(own, found, tuple(parts[own])) for own, found in fields.items())


class _Room:
    """What an answer has room for: it ends the reading of more than that."""

    def __init__(self, dimension: int) -> None:
        self._values = dimension
        self._least = 0
        self._most: dict[str, int] = {}

    def take(self, object_id: str, metadata: bytes) -> None:
        """Count one record of an object in."""
        self._least += len(metadata) + self._values * _LEAST_VALUE_BYTES
        known = self._most.get(object_id, 0)
        self._most[object_id] = known + escaped(metadata) + self._values * VALUE_BYTES + RECORD_OVERHEAD_BYTES
        if self._least > MAX_RESPONSE_BYTES:
            raise too_large(fitting(self._most.values()), name="object_ids")


def _records(searcher: Searcher, snapshot: Snapshot, ids: Sequence[str]) -> Iterator[Match]:
    """The records of ids that exist, in the order given, with their values; some at a time."""
    waiting = tuple(ids)
    while waiting:
        fetched = fetch_from(snapshot, waiting, include_values=True, budget=searcher.budget_bytes)
        yield from fetched.records
        waiting = fetched.unprocessed_ids


def _part(record: Match, fields: Mapping[str, Any]) -> StoredPart:
    if record.values is None:
        raise RuntimeError("a record was read without its values")
    return StoredPart(record.values, fields.get(Field.PART_ID), bool(fields.get(Field.AVERAGE, False)))
