"""Objects of a collection by their ids, whole: what is stored of them, and the vector of each part."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from shoal.model.bindings import Field, object_of, part_id
from shoal.model.limits import MAX_RESPONSE_BYTES
from shoal.model.queries import Match
from shoal.services.collections.opening import OpenCollection
from shoal.services.collections.pages import too_large
from shoal.services.fetch import fetch_from
from shoal.services.search import Searcher
from shoal.services.snapshot import Snapshot
from shoal.services.winners import VALUE_BYTES


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
    first = _fetched(searcher, snapshot, wanted, asked=len(wanted))
    counts = {own: int(_fields(record).get(Field.PARTS, 1)) for own, record in first.items()}
    others = [part_id(own, number) for own, count in counts.items() for number in range(1, count)]
    more = _fetched(searcher, snapshot, others, asked=len(wanted))
    found = []
    for own, record in first.items():
        records = [record, *(more.get(part_id(own, number)) for number in range(1, counts[own]))]
        parts = tuple(_part(each) for each in records if each is not None)
        found.append(StoredObject(own, _fields(record), parts))
    return tuple(found)


def _fetched(searcher: Searcher, snapshot: Snapshot, ids: Iterable[str], *, asked: int) -> dict[str, Match]:
    """The records of ids with their values, as far as an answer may hold."""
    found: dict[str, Match] = {}
    waiting = tuple(ids)
    room = MAX_RESPONSE_BYTES
    while waiting:
        fetched = fetch_from(snapshot, waiting, include_values=True, budget=searcher.budget_bytes)
        for record in fetched.records:
            room -= len(record.metadata) + snapshot.dataset.dimension * VALUE_BYTES // 2
            if room < 0:
                objects = {object_of(name) for name in found}
                raise too_large(min(len(objects), asked - 1), name="object_ids")
            found[record.id] = record
        waiting = fetched.unprocessed_ids
    return found


def _fields(record: Match) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(record.metadata)
    return found


def _part(record: Match) -> StoredPart:
    fields = _fields(record)
    if record.values is None:
        raise RuntimeError("a record was read without its values")
    return StoredPart(record.values, fields.get(Field.PART_ID), bool(fields.get(Field.AVERAGE, False)))
