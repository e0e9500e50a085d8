"""Lists and counts: the records of one version that a selection means, page by page.

The order is that of the rows as they are stored: stable within a version, and a cursor keeps to the version that
its first page was read from. So no record comes twice and none is left out, whatever is written between the pages.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoal.errors import CorruptObject, InvalidInput
from shoal.model.limits import MANIFEST_KEPT_SECONDS, MAX_RESPONSE_BYTES
from shoal.model.queries import Match
from shoal.model.selection import Selection
from shoal.services.cursors import Position, invalid_cursor, seal, unseal
from shoal.services.matching import live_matching, sources_of
from shoal.services.search import Searcher
from shoal.services.snapshot import Snapshot, manifest_part
from shoal.services.winners import (
    RECORD_OVERHEAD_BYTES,
    VALUE_BYTES,
    Shelf,
    Source,
    readable_spots,
    spots_of,
)
from shoal.storage.ports import Ports

type _Row = tuple[int, Source, int]
"""A row of a source, after the number of that source: which a small cache may open anew, as another object."""


@dataclass(frozen=True, slots=True)
class ListRequest:
    """What to list. `asked` describes the selection in bytes: a cursor holds for it alone."""

    selection: Selection
    asked: bytes
    limit: int
    cursor: str | None = None
    include_values: bool = False
    include_document: bool = False


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of records, of one version; `cursor` leads to the next one, None: this was the last.

    A page may hold fewer records than asked for, where more would not fit into an answer. `total` live records are
    in that version, which was found current at `pinned_at` (epoch seconds).
    """

    records: tuple[Match, ...]
    cursor: str | None
    version: int
    total: int
    pinned_at: float


def list_records(
    ports: Ports, searcher: Searcher, tenant_id: str, *, scope: str, name: str, request: ListRequest
) -> Listed:
    """A page of the records that a selection means.

    Raises:
        NotFound: `dataset_not_found`.
        InvalidInput: `invalid_cursor`, or `cursor_expired`: its version is kept no longer.
        CorruptObject: something stored is not what names it.
    """
    current = searcher.snapshot(tenant_id, scope=scope, name=name)
    if current is None:
        if request.cursor is not None:  # without a version there was no list to hand one out
            raise invalid_cursor()
        return Listed((), None, 0, 0, ports.clock())
    place = _place(ports, current, request)
    snapshot = _pinned(searcher, current, place)
    chosen = _choose(snapshot, request, place)
    page, more = chosen[: request.limit], chosen[request.limit :]
    records, shown = _read(snapshot, page, request, budget=searcher.budget_bytes)
    following = page[shown] if shown < len(page) else (more[0] if more else None)
    manifest, cursor = snapshot.manifest, None
    if following is not None:
        number, _, row = following
        position = Position(place.manifest, place.sha256, place.pinned_at, number, row)
        cursor = seal(snapshot.dataset, request.asked, position)
    return Listed(records, cursor, manifest.version, manifest.row_count, place.pinned_at)


def count_records(
    searcher: Searcher, tenant_id: str, *, scope: str, name: str, selection: Selection
) -> tuple[int, int]:
    """How many live records a selection means, exactly; and the version that was counted.

    Raises:
        NotFound: `dataset_not_found`.
        CorruptObject: something stored is not what names it.
    """
    snapshot = searcher.snapshot(tenant_id, scope=scope, name=name)
    if snapshot is None:
        return 0, 0
    version = snapshot.manifest.version
    if selection.everything:
        return snapshot.manifest.row_count, version
    return sum(len(live_matching(snapshot, source, selection)) for source in sources_of(snapshot)), version


def _place(ports: Ports, current: Snapshot, request: ListRequest) -> Position:
    """Where to begin: at the start of the current version, or where the cursor says."""
    now = ports.clock()
    if request.cursor is None:
        return Position(current.key, current.sha256, now, 0, 0)
    place = unseal(current.dataset, request.asked, request.cursor)
    if now - place.pinned_at > MANIFEST_KEPT_SECONDS:
        raise _expired()
    return place


def _pinned(searcher: Searcher, current: Snapshot, place: Position) -> Snapshot:
    if place.manifest == current.key:
        return current
    try:
        manifest = searcher.reader.load(manifest_part(place.manifest, place.sha256))
    except CorruptObject as gone:
        raise _expired() from gone
    return Snapshot(current.dataset, manifest, searcher.reader, place.manifest, place.sha256)


def _expired() -> InvalidInput:
    hours = MANIFEST_KEPT_SECONDS // 3600
    return InvalidInput(
        "cursor_expired",
        f"cursor: the version that it belongs to is kept for {hours} hours and is gone; start without one",
    )


def _choose(snapshot: Snapshot, request: ListRequest, place: Position) -> list[_Row]:
    """The next rows, one more than the page holds where there is one."""
    chosen: list[_Row] = []
    for number, source, rows in _from(snapshot, request.selection, place):
        wanted = request.limit + 1 - len(chosen)
        chosen += [(number, source, row) for row in rows[:wanted].tolist()]
        if len(chosen) > request.limit:
            break
    return chosen


def _from(
    snapshot: Snapshot, selection: Selection, place: Position
) -> Iterator[tuple[int, Source, NDArray[np.int64]]]:
    for number, source in enumerate(sources_of(snapshot)):
        if number >= place.source:
            rows = live_matching(snapshot, source, selection)
            yield number, source, rows[np.searchsorted(rows, place.row) :] if number == place.source else rows


def _read(
    snapshot: Snapshot, page: list[_Row], request: ListRequest, *, budget: int
) -> tuple[tuple[Match, ...], int]:
    """The records of the first rows of a page, as many as may be read and fit; and how many rows these are."""
    spots = spots_of(snapshot, [(source, row) for _, source, row in page])
    spots = spots[: readable_spots(spots, include_values=request.include_values, budget=budget)]
    shelf = Shelf(snapshot.reader)
    shelf.load(spots, include_values=request.include_values)
    value_bytes = snapshot.dataset.dimension * VALUE_BYTES if request.include_values else 0
    records: list[Match] = []
    size = 0
    for spot, record in zip(spots, shelf.records(spots, documents=request.include_document), strict=True):
        size += len(record.metadata) + len(record.id.encode()) + len(record.document) + value_bytes
        size += RECORD_OVERHEAD_BYTES
        if size > MAX_RESPONSE_BYTES and records:
            break
        values = shelf.values(spot) if request.include_values else None
        records.append(Match(record.id, 0.0, record.metadata, values, record.namespace, record.document))
    return tuple(records), len(records)
