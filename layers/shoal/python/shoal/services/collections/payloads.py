"""Searches and counts of a collection by payload alone: exact, and without a vector."""

import orjson

from shoal.errors import InvalidInput
from shoal.model.bindings import MAX_REACH, Field
from shoal.model.filters import Filter, parse_filter
from shoal.model.payload_order import SortBy, sort_key
from shoal.model.selection import Selection
from shoal.services.collections.audience import both
from shoal.services.collections.opening import OpenCollection
from shoal.services.collections.pages import FoundPage, Place, Wanted, read_places
from shoal.services.collections.rows import Row, rows_in, with_records
from shoal.services.matching import matching_rows
from shoal.services.search import Searcher
from shoal.services.snapshot import Snapshot
from shoal.services.winners import readable_spots, spots_of

_OBJECTS: Filter = parse_filter({Field.PART: 0, Field.ORIGINAL: {"$exists": False}})
"""Each object once; improved copies are none of their own here, as in the original."""


def find_by_payload(searcher: Searcher, collection: OpenCollection, wanted: Wanted) -> FoundPage:
    """The objects that pass a filter, in the order in which they are stored, or sorted by a field.

    Raises:
        InvalidInput: `response_too_large` or `too_much_to_read` naming the limit that fits; `too_many_to_sort`.
        CorruptObject: something stored is not what names it.
    """
    snapshot = collection.snapshot
    if snapshot is None:
        return FoundPage((), None, 0, total=0)
    found = matching_rows(snapshot, Selection(filter=both(_OBJECTS, wanted.filter)))
    total = sum(len(rows) for _, rows in found)
    if wanted.sort_by is None:
        rows = rows_in(found, stop=wanted.end)
    elif total > MAX_REACH:
        raise too_many_to_sort(total)
    else:
        rows = _in_order(searcher, snapshot, rows_in(found), wanted.sort_by)
    page = rows[wanted.offset : wanted.end]
    readable = readable_spots(spots_of(snapshot, page), include_values=False, budget=searcher.budget_bytes)
    if readable < len(page):
        raise InvalidInput(
            "too_much_to_read",
            f"the {len(page)} objects lie in too many places to be read at once; ask for {readable} at most",
            {"limit": readable},
        )
    places = [_place(row, record.id) for row, record in with_records(snapshot, page)]
    following = wanted.end if total > wanted.end else None
    return FoundPage(read_places(snapshot, places), following, snapshot.manifest.version, total=total)


def count_by_payload(collection: OpenCollection, condition: Filter | None) -> int:
    """How many objects pass a filter, exactly.

    Raises:
        CorruptObject: something stored is not what names it.
    """
    if collection.snapshot is None:
        return 0
    return count_rows(collection.snapshot, both(_OBJECTS, condition))


def count_rows(snapshot: Snapshot, condition: Filter | None) -> int:
    """How many records pass a filter.

    Raises:
        CorruptObject: something stored is not what names it.
    """
    found = matching_rows(snapshot, Selection(filter=condition))
    return sum(len(rows) for _, rows in found)


def too_many_to_sort(count: int) -> InvalidInput:
    """The error of a search that would sort more than it may."""
    return InvalidInput(
        "too_many_to_sort",
        f"sort_by: {count} objects pass the filter, and at most {MAX_REACH} are sorted; narrow it",
        {"count": count, "limit": MAX_REACH},
    )


def _in_order(searcher: Searcher, snapshot: Snapshot, rows: list[Row], sort_by: SortBy) -> list[Row]:
    readable = readable_spots(spots_of(snapshot, rows), include_values=False, budget=searcher.budget_bytes)
    if readable < len(rows):
        raise InvalidInput(
            "too_many_to_sort",
            f"sort_by: the {len(rows)} objects that pass the filter lie in too many places to be read; narrow it",
            {"count": len(rows), "limit": readable},
        )
    keyed = [
        (sort_key(sort_by, record.id, orjson.loads(record.metadata)), record.id, row)
        for row, record in with_records(snapshot, rows)
    ]
    keyed.sort(key=lambda each: each[1])
    keyed.sort(key=lambda each: each[0], reverse=sort_by.descending)
    return [row for _, _, row in keyed]


def _place(row: Row, record_id: str) -> Place:
    return Place(record_id, record_id, row)
