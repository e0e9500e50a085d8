"""Rows that deletes take from a version: which they are, the tombstones that say so, and whether any is left."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from shoal.errors import CorruptObject
from shoal.index import id_index
from shoal.index.id_index import TOMBSTONE, Entries
from shoal.model.manifests import Manifest
from shoal.model.selection import Selection
from shoal.services.cells import Cells
from shoal.services.matching import matching_rows
from shoal.services.snapshot import DeadRows, Snapshot, run_part


@dataclass(frozen=True, slots=True)
class Swept:
    """Rows that were live until one place of the log, where a delete by selection took them."""

    sequence: int
    rows: DeadRows

    def __len__(self) -> int:
        return row_total(self.rows)


def row_total(rows: Mapping[str, BitMap]) -> int:
    """How many rows there are in all shards together."""
    return sum(map(len, rows.values()))


def rows_meant(snapshot: Snapshot, selection: Selection, *, spared: Iterable[DeadRows]) -> DeadRows:
    """The live rows of a version that a selection means, by shard, without those that are `spared`."""
    found: DeadRows = {}
    for source, rows in matching_rows(snapshot, selection):
        if isinstance(source, Cells):
            found |= _by_shard(source, rows)
        else:
            found[source.shard_id] = BitMap(rows.astype(np.uint32))
    for left_alone in spared:
        for shard_id, kept in left_alone.items():
            if shard_id in found:
                found[shard_id] -= kept
    return {shard_id: taken for shard_id, taken in found.items() if taken}


def _by_shard(cells: Cells, numbers: NDArray[np.int64]) -> DeadRows:
    """Rows by number as rows of the shards that hold the cells."""
    owners, within = cells.places(numbers)
    # Column by column: the entries of the cells of ten million rows are 560 MB.
    table = cells.cell_set.table
    rows = (within + table["first_row"][owners]).astype(np.uint32)
    shards = table["shard"][owners]
    return {
        cells.cell_set.shards[shard].shard_id: BitMap(rows[shards == shard])
        for shard in np.unique(shards).tolist()
    }


def tombstones_of(snapshot: Snapshot, swept: Sequence[Swept]) -> list[Entries]:
    """Tombstones for rows, each with the sequence of the delete that took it.

    Their hashes come from the id index itself: a live row is named by one entry, and reading the runs costs 32
    bytes a row where reading the records would cost all of them. One run is held at a time.

    Raises:
        CorruptObject: the id index does not know a row, or something stored is not what names it.
    """
    wanted = {
        shard.shard_id: shard.rows for shard in snapshot.all_shards() if _touched(shard.shard_id, swept)
    }
    starts = dict(zip(wanted, np.cumsum([0, *wanted.values()]).tolist(), strict=False))
    taken_by = np.zeros(
        sum(wanted.values()) + 1, dtype=np.uint32
    )  # 0: by none; the last one stands for none, too
    for number, one in enumerate(swept, start=1):
        for shard_id, taken in one.rows.items():
            taken_by[np.frombuffer(taken.to_array(), dtype=np.uint32).astype(np.int64) + starts[shard_id]] = (
                number
            )
    sequences = np.array([0, *(one.sequence for one in swept)], dtype=np.uint64)
    found: list[Entries] = []
    for run in snapshot.manifest.runs:
        entries = snapshot.reader.load(run_part(run))
        hit = _taken(entries, starts, taken_by)
        rows = entries.table[hit > 0]
        hashes = np.stack([rows["high"], rows["low"]], axis=1)
        found.append(id_index.tombstones(hashes, sequences[hit[hit > 0]]))
    combined = id_index.combine(found, drop_tombstones_up_to=None)
    if len(combined) != sum(map(len, swept)):
        raise CorruptObject(f"the id index knows {len(combined)} of {sum(map(len, swept))} rows")
    return [combined]


def _touched(shard_id: str, swept: Sequence[Swept]) -> bool:
    return any(shard_id in one.rows for one in swept)


def _taken(entries: Entries, starts: dict[str, int], taken_by: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The delete that took the row of each entry: its number from 1, or 0."""
    nowhere = len(taken_by) - 1
    table = entries.table
    begins = np.array([starts.get(name, -1) for name in entries.shard_ids] or [-1], dtype=np.int64)
    is_row = table["row"] != TOMBSTONE
    begin = begins[np.where(is_row, table["shard"], 0)]
    place = np.where(is_row & (begin >= 0), begin + table["row"], nowhere)
    return taken_by[place]


def unmasked(snapshot: Snapshot, entries: Entries) -> Entries:
    """What all runs of a masked version say together, without the entries of what is masked.

    No older entry of their ids is left that would show instead, and whatever has to be newer than they are is: so
    the version is not masked any more where these are its entries.
    """
    table = entries.table
    placed = np.where(table["row"] == TOMBSTONE, -1, table["shard"].astype(np.int64))
    return id_index.only(entries, ~snapshot.is_gone(entries.shard_ids, placed, table["row"]))


def nothing_left(snapshot: Snapshot, died: Mapping[str, BitMap]) -> bool:
    """Whether no row of a version is alive after these have died."""
    if row_total(died) < snapshot.manifest.row_count:
        return False
    rows = sum(shard.rows for shard in snapshot.all_shards())
    return rows == row_total(snapshot.dead()) + row_total(died)


def emptied(manifest: Manifest) -> Manifest:
    """A version without its rows, and so without anything that is known of them."""
    nothing = {"resident": None, "deltas": (), "cell_sets": (), "runs": (), "recall": None}
    return manifest.model_copy(update={**nothing, "dead_base": None, "dead_increments": (), "masked": False})
