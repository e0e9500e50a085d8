"""Similarity search in a collection: by a vector of its model, objects instead of their parts, page by page.

Pages are exact: each object once, as near as its nearest part, and one that says whether another follows. Of one
version all pages come from the same ranking, as long as they lie within the same power of four of 64 objects: an
approximate search for more may find something that one for less has missed.
"""

from itertools import islice

import numpy as np
import orjson
from numpy.typing import NDArray

from shoal.errors import InvalidInput
from shoal.index import exact
from shoal.model.bindings import MAX_REACH, Field, object_of, part_id
from shoal.model.filters import Filter, parse_filter
from shoal.model.payload_order import SortBy, sort_key
from shoal.model.queries import QueryRequest
from shoal.services.collections.audience import Audience, audience_of, both
from shoal.services.collections.nearest import Merge, distance_of
from shoal.services.collections.opening import OpenCollection
from shoal.services.collections.pages import (
    EMPTY_PAGE,
    FoundObject,
    FoundPage,
    Place,
    Wanted,
    read_places,
)
from shoal.services.collections.payloads import count_rows, too_many_to_sort
from shoal.services.fetch import fetch_from
from shoal.services.search import Ranked, Searcher
from shoal.services.snapshot import Snapshot

_FIRST_ROWS = 64
_GROWTH = 4
_EVERY_RECORD: Filter = parse_filter({Field.PART: {"$gte": 0}})
_FIRST_PARTS: Filter = parse_filter({Field.PART: 0})


def check_vector(collection: OpenCollection, vector: NDArray[np.float32]) -> None:
    """See that a vector may be compared with those of a collection.

    Raises:
        InvalidInput: `dimension_mismatch`, which says what the collection's are made with, or `zero_vector`.
    """
    dataset = collection.dataset
    if len(vector) != dataset.dimension:
        raise InvalidInput(
            "dimension_mismatch",
            f"query_vector has {len(vector)} values; the collection uses the model {collection.binding.model_id}, "
            f"whose vectors have {dataset.dimension}",
            {
                "expected": dataset.dimension,
                "got": len(vector),
                "embedding_model": collection.binding.model_id,
            },
        )
    if dataset.metric is dataset.metric.COSINE and not vector.any():
        raise InvalidInput("zero_vector", "query_vector must not be zero: a zero vector has no cosine")


def find_nearest(
    searcher: Searcher, collection: OpenCollection, vector: NDArray[np.float32], wanted: Wanted
) -> FoundPage:
    """The objects nearest to a vector, or all that are near enough by one of their fields.

    Args:
        searcher: where shards are kept.
        collection: which, at which version.
        vector: float32, shape (dimension,), finite.
        wanted: the page; with `sort_by`, of the objects in that order, those alike by their distance.

    Raises:
        InvalidInput: as `check_vector`; `response_too_large` naming the limit that fits; `too_many_to_sort`;
            `filter_not_indexed`; `too_many_copies`.
        CorruptObject: something stored is not what names it.
    """
    check_vector(collection, vector)
    snapshot = collection.snapshot
    if snapshot is None:
        return EMPTY_PAGE
    audience = audience_of(snapshot, wanted.user_id)
    if wanted.sort_by is not None:
        return _sorted(searcher, snapshot, vector, wanted, wanted.sort_by, audience)
    return _nearest(searcher, snapshot, vector, wanted, audience)


def _nearest(
    searcher: Searcher,
    snapshot: Snapshot,
    vector: NDArray[np.float32],
    wanted: Wanted,
    audience: Audience,
) -> FoundPage:
    needed = wanted.end + 1  # one more tells whether a page follows
    rows, condition = _FIRST_ROWS, wanted.filter
    while rows < needed:
        rows *= _GROWTH
    while True:
        ranked = searcher.rank(snapshot, QueryRequest(vector, rows, filter=condition))
        merge = Merge(snapshot, audience, wanted.max_distance)
        places = [place for place, _ in islice(merge.places(ranked), needed)]
        if len(places) == needed or merge.far or len(ranked.rows) < rows:
            break
        if merge.strangers and condition is wanted.filter:
            # With a filter every search is exact, and slower: only where others' objects get in the way.
            condition = both(wanted.filter, audience.filter)
        else:
            rows *= _GROWTH
    following = wanted.end if len(places) == needed else None
    objects = read_places(snapshot, places[wanted.offset : wanted.end], ranked.loaded)
    return FoundPage(objects, following, snapshot.manifest.version, partial=ranked.partial)


def _sorted(
    searcher: Searcher,
    snapshot: Snapshot,
    vector: NDArray[np.float32],
    wanted: Wanted,
    sort_by: SortBy,
    audience: Audience,
) -> FoundPage:
    """All that is near enough, in another order: every row that passes is compared."""
    condition = both(_EVERY_RECORD, wanted.filter, audience.filter)
    objects = count_rows(snapshot, both(condition, _FIRST_PARTS))
    if objects > MAX_REACH:
        raise too_many_to_sort(objects)
    rows = count_rows(snapshot, condition)
    ranked = Ranked([], {}, partial=False)
    if rows:
        ranked = searcher.rank(snapshot, QueryRequest(vector, rows, filter=condition))
    merge = Merge(snapshot, audience, wanted.max_distance)
    found = [
        (sort_key(sort_by, place.object_id, orjson.loads(metadata)), place)
        for place, metadata in merge.places(ranked)
    ]
    found.sort(key=lambda each: (each[1].distance, each[1].object_id))
    found.sort(key=lambda each: each[0], reverse=sort_by.descending)
    page = [place for _, place in found[wanted.offset : wanted.end]]
    following = wanted.end if len(found) > wanted.end else None
    return FoundPage(
        read_places(snapshot, page, ranked.loaded),
        following,
        snapshot.manifest.version,
        total=len(found),
        partial=ranked.partial,
    )


# --- how many parts were found


def parts_found(
    searcher: Searcher,
    collection: OpenCollection,
    vector: NDArray[np.float32],
    objects: tuple[FoundObject, ...],
    *,
    max_distance: float | None,
) -> dict[str, int]:
    """How many parts of each object of a page are near enough, by the ids under which they are shown.

    Raises:
        CorruptObject: something stored is not what names it.
    """
    snapshot = collection.snapshot
    if snapshot is None or not objects:
        return {}
    parts = _parts(searcher, snapshot, objects)
    if max_distance is None:
        return parts
    own = {each.place.object_id: object_of(each.place.record_id) for each in objects}
    several = {shown: count for shown, count in parts.items() if count > 1}
    wanted = {
        part_id(own[shown], number): shown for shown, count in several.items() for number in range(count)
    }
    near = dict.fromkeys(several, 0)
    waiting: tuple[str, ...] = tuple(wanted)
    while waiting:
        fetched = fetch_from(snapshot, waiting, include_values=True, budget=searcher.budget_bytes)
        rows = [record.values for record in fetched.records if record.values is not None]
        if rows:
            scores = exact.scores(np.stack(rows), vector, snapshot.dataset.metric)
            for record, score in zip(fetched.records, scores.tolist(), strict=True):
                if distance_of(snapshot.dataset.metric, score) <= max_distance:
                    near[wanted[record.id]] += 1
        waiting = fetched.unprocessed_ids
    # A graph's scores are exact but for rounding: the part that was found is within the distance all the same.
    return parts | {shown: max(1, count) for shown, count in near.items()}


def _parts(searcher: Searcher, snapshot: Snapshot, objects: tuple[FoundObject, ...]) -> dict[str, int]:
    """How many parts each object has, which the record of its first part says."""
    found: dict[str, int] = {}
    elsewhere: dict[str, Place] = {}
    for each in objects:
        place = each.place
        if place.record_id == object_of(place.record_id):
            found[place.object_id] = int(each.metadata.get(Field.PARTS, 1))
        else:
            elsewhere[object_of(place.record_id)] = place
    waiting: tuple[str, ...] = tuple(elsewhere)
    while waiting:
        fetched = fetch_from(snapshot, waiting, include_values=False, budget=searcher.budget_bytes)
        for record in fetched.records:
            parts = int(orjson.loads(record.metadata).get(Field.PARTS, 1))
            found[elsewhere[record.id].object_id] = parts
        waiting = fetched.unprocessed_ids
    return {each.place.object_id: found.get(each.place.object_id, 1) for each in objects}
