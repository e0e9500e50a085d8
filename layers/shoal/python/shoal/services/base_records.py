"""Records of a version that writes build on, read in batches: each stored piece once, never too much at a time."""

from collections.abc import Sequence

import numpy as np

from shoal.errors import CorruptObject
from shoal.index.id_index import Located
from shoal.services.changes import Standing
from shoal.services.snapshot import Snapshot
from shoal.services.winners import Shelf, Source, readable_spots, spots_of

AT_ONCE_BYTES = 64 * 1000 * 1000
"""Bytes of cells that are held while records are taken out of them."""
_ROWS_AT_ONCE = 256
"""Rows whose documents are taken out before they are measured: 64 MB at most."""
_NO_VECTOR = np.empty(0, dtype=np.float32)


class TooMuchToRead(Exception):
    """The records asked for have more bytes together than the caller wants to hold."""


def read_records(
    snapshot: Snapshot, located: Located, names: Sequence[tuple[int, str]], *, values: bool, most_bytes: int
) -> dict[str, Standing]:
    """The records of ids that are live.

    Args:
        snapshot: the version.
        located: where ids are in it.
        names: ids with their places in `located`.
        values: whether their vectors and documents are wanted; without, these are empty.
        most_bytes: of all the records together.

    Raises:
        TooMuchToRead: there are more bytes.
        CorruptObject: something stored is not what names it.
    """
    sources = _sources(snapshot, located, names)
    spots = spots_of(snapshot, sources)
    # Rows of one piece together, and pieces of one file in their order: each is loaded once.
    order = sorted(range(len(spots)), key=lambda place: (spots[place].records.name, spots[place].row))
    found: dict[str, Standing] = {}
    size = 0
    while order:
        here = [spots[place] for place in order]
        count = max(1, readable_spots(here, include_values=values, budget=AT_ONCE_BYTES))
        shelf = Shelf(snapshot.reader)
        shelf.load(here[:count], include_values=values)
        for start in range(0, count, _ROWS_AT_ONCE):
            places = order[start : min(start + _ROWS_AT_ONCE, count)]
            for place, record in zip(
                places, shelf.records([spots[n] for n in places], documents=values), strict=True
            ):
                vector = shelf.values(spots[place]).copy() if values else _NO_VECTOR
                size += len(record.metadata) + len(record.document) + vector.nbytes
                if record.id == names[place][1]:  # else another id with the same 128-bit hash
                    found[record.id] = Standing(record.metadata, record.namespace, record.document, vector)
            if size > most_bytes:
                raise TooMuchToRead
        order = order[count:]
    return found


def _sources(
    snapshot: Snapshot, located: Located, names: Sequence[tuple[int, str]]
) -> list[tuple[Source, int]]:
    """Where each of the ids lies, in their order."""
    shards = {shard.shard_id: shard for shard in snapshot.manifest.shards}
    of_cells = {shard.shard_id: cells for cells in snapshot.cells() for shard in cells.cell_set.shards}
    found: list[tuple[Source, int]] = []
    for place, _ in names:
        shard_id, row = located.shard_ids[int(located.shard[place])], int(located.row[place])
        if shard_id in shards:
            found.append((shards[shard_id], row))
            continue
        cells = of_cells.get(shard_id)
        number = cells.number_of(shard_id, row) if cells else None
        if cells is None or number is None:
            raise CorruptObject(f"the id index names shard {shard_id}, which this version has not")
        found.append((cells, number))
    return found
