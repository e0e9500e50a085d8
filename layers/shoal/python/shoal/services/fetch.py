"""Reading records by id: through the id index to the row that is live now, in a shard or in a cell."""

from collections.abc import Sequence
from dataclasses import dataclass

from shoal.errors import CorruptObject
from shoal.index.id_index import Located, hash_ids
from shoal.model.limits import MAX_RESPONSE_BYTES
from shoal.model.queries import Match
from shoal.services.search import Searcher
from shoal.services.snapshot import Snapshot
from shoal.services.winners import (
    RECORD_OVERHEAD_BYTES,
    VALUE_BYTES,
    Shelf,
    Source,
    Spot,
    readable_spots,
    spots_of,
)


@dataclass(frozen=True, slots=True)
class Fetched:
    """Records found, in the order asked for; ids that do not exist; and ids left for another request.

    The answer is bounded in bytes, and so is what is read of cells for it: what does not fit any more is in
    `unprocessed_ids`.
    """

    records: tuple[Match, ...]
    missing_ids: tuple[str, ...]
    unprocessed_ids: tuple[str, ...]


def fetch(
    searcher: Searcher,
    tenant_id: str,
    *,
    scope: str,
    name: str,
    ids: Sequence[str],
    include_values: bool,
    include_document: bool = False,
) -> Fetched:
    """The records of these ids in the current version; an id given twice is answered once.

    Values and documents are there only where they are asked for.

    Raises:
        NotFound: `dataset_not_found`.
        CorruptObject: something stored is not what names it.
    """
    snapshot = searcher.snapshot(tenant_id, scope=scope, name=name)
    return fetch_from(
        snapshot,
        ids,
        include_values=include_values,
        include_document=include_document,
        budget=searcher.budget_bytes,
    )


def fetch_from(
    snapshot: Snapshot | None,
    ids: Sequence[str],
    *,
    include_values: bool,
    include_document: bool = False,
    budget: int,
) -> Fetched:
    """As `fetch`, of a version that is open (None: there is none yet); `budget` bounds the bytes of cells.

    Raises:
        CorruptObject: something stored is not what names it.
    """
    wanted = tuple(dict.fromkeys(ids))
    if snapshot is None or not wanted:
        return Fetched((), wanted, ())
    located = snapshot.locate(hash_ids(wanted, snapshot.dataset.hash_key))
    spots = _spots(snapshot, wanted, located)
    places = [spots.get(wanted_id) for wanted_id in wanted]
    readable = readable_spots(places, include_values=include_values, budget=budget)
    shelf = Shelf(snapshot.reader)
    here = [spots[wanted_id] for wanted_id in wanted[:readable] if wanted_id in spots]
    shelf.load(here, include_values=include_values)
    found = dict(
        zip(
            [wanted_id for wanted_id in wanted[:readable] if wanted_id in spots],
            shelf.records(here, documents=False),
            strict=True,
        )
    )

    value_bytes = snapshot.dataset.dimension * VALUE_BYTES if include_values else 0
    records: list[Match] = []
    missing: list[str] = []
    size = 0
    for position, wanted_id in enumerate(wanted[:readable]):
        record = found.get(wanted_id)
        if record is None or record.id != wanted_id:  # or another id with the same 128-bit hash
            missing.append(wanted_id)
            continue
        document = shelf.document(spots[wanted_id]) if include_document else b""
        size += len(record.metadata) + len(wanted_id.encode()) + len(document) + value_bytes
        size += len(record.namespace.encode()) + RECORD_OVERHEAD_BYTES
        if size > MAX_RESPONSE_BYTES and records:
            return Fetched(tuple(records), tuple(missing), wanted[position:])
        values = shelf.values(spots[wanted_id]) if include_values else None
        records.append(Match(record.id, 0.0, record.metadata, values, record.namespace, document))
    return Fetched(tuple(records), tuple(missing), wanted[readable:])


def _spots(snapshot: Snapshot, wanted: Sequence[str], located: Located) -> dict[str, Spot]:
    """Where each id that exists is."""
    shards = {shard.shard_id: shard for shard in snapshot.manifest.shards}
    ids: list[str] = []
    rows: list[tuple[Source, int]] = []
    for position, wanted_id in enumerate(wanted):
        if not located.live[position]:
            continue
        shard_id, row = located.shard_ids[int(located.shard[position])], int(located.row[position])
        shard = shards.get(shard_id)
        ids.append(wanted_id)
        rows.append((shard, row) if shard else _in_cells(snapshot, shard_id, row))
    return dict(zip(ids, spots_of(snapshot, rows), strict=True))


def _in_cells(snapshot: Snapshot, shard_id: str, row: int) -> tuple[Source, int]:
    for cells in snapshot.cells():
        number = cells.number_of(shard_id, row)
        if number is not None:
            return cells, number
    raise CorruptObject(f"the id index names shard {shard_id}, which this version has not")
