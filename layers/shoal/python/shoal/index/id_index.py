"""The id index: where each id's newest row is. Sorted entries, and how they are combined, moved and searched.

An entry is (128-bit keyed hash of the id, sequence, shard, row). A tombstone is an entry without a row: the id was
deleted at that sequence. How entries are stored is in `id_run`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from shoal.errors import CorruptObject

TOMBSTONE = 0xFFFFFFFF
"""The row, and the shard, of an entry that says that the id is deleted."""
ENTRY = np.dtype([("high", "<u8"), ("low", "<u8"), ("sequence", "<u8"), ("shard", "<u4"), ("row", "<u4")])
"""32 bytes."""

type Hashes = NDArray[np.uint64]
"""Shape (n, 2): the two halves of each hash."""


def hash_ids(ids: Sequence[str], key: bytes) -> Hashes:
    """Hash ids under a dataset's key (so that nobody can aim at collisions): uint64, shape (n, 2)."""
    return hash_encoded((value.encode() for value in ids), key)


def hash_encoded(ids: Iterable[bytes], key: bytes) -> Hashes:
    """Hash ids in UTF-8, as `hash_ids` does."""
    keyed = blake2b(digest_size=16, key=key)
    digests = bytearray()
    for value in ids:
        state = keyed.copy()  # with the key in it: three fifths of the time of a new one
        state.update(value)
        digests += state.digest()
    return np.frombuffer(digests, dtype="<u8").reshape(-1, 2).astype(np.uint64, copy=False)


@dataclass(frozen=True, slots=True)
class Entries:
    """Entries sorted by hash, one a hash. `shard` of `table` is an index into `shard_ids`."""

    shard_ids: tuple[str, ...]
    table: NDArray[np.void]

    def __len__(self) -> int:
        return len(self.table)


def entries(
    hashes: Hashes, sequences: NDArray[np.uint64], shard_id: str, rows: NDArray[np.integer]
) -> Entries:
    """Entries of rows in one shard; of several rows for one hash the highest sequence stays, then the last.

    Args:
        hashes: uint64, shape (n, 2).
        sequences: uint64, shape (n,).
        shard_id: the shard that holds the rows.
        rows: row numbers, shape (n,).
    """
    table = _table(hashes, sequences)
    table["row"] = rows
    return Entries((shard_id,) if len(table) else (), _one_per_hash(table))


def tombstones(hashes: Hashes, sequences: NDArray[np.uint64]) -> Entries:
    """Entries that say that ids are deleted: `hashes` uint64 (n, 2), `sequences` uint64 (n,)."""
    table = _table(hashes, sequences)
    table["shard"] = TOMBSTONE
    table["row"] = TOMBSTONE
    return Entries((), _one_per_hash(table))


def combine(newest_first: Sequence[Entries], *, drop_tombstones_up_to: int | None) -> Entries:
    """Merge runs into one: for each hash the highest sequence stays; at equal sequences, that of the newer run.

    Args:
        newest_first: runs, newest first.
        drop_tombstones_up_to: forget tombstones up to this sequence. Only right when no older run is left out,
            and up to the oldest open import. None keeps all.
    """
    shard_ids, tables = _renumbered(newest_first)
    # oldest first: among equal sequences the last one stays
    table = _one_per_hash(np.concatenate(tables[::-1]) if tables else np.empty(0, dtype=ENTRY))
    if drop_tombstones_up_to is not None:
        forgotten = (table["row"] == TOMBSTONE) & (
            table["sequence"] <= np.uint64(max(drop_tombstones_up_to, 0))
        )
        table = table[~forgotten]
    return _trimmed(shard_ids, table)


def remap(source: Entries, moves: Mapping[str, tuple[str, NDArray[np.int64]]]) -> Entries:
    """Follow rows that were written anew into other shards; order and sequences stay.

    Args:
        source: the entries.
        moves: for each old shard, the new shard and the new row of each old row (int64; -1: the row is gone,
            and its entry with it).

    Raises:
        CorruptObject: an entry names a row that its old shard does not have.
    """
    table = source.table.copy()
    kept = np.ones(len(table), dtype=np.bool_)
    names = {name: number for number, name in enumerate(source.shard_ids)}
    for old, (new, row_map) in moves.items():
        if old not in names:
            continue
        mine = np.flatnonzero(source.table["shard"] == names[old])
        rows = source.table["row"][mine]
        if len(rows) and int(rows.max()) >= len(row_map):
            raise CorruptObject(f"id index names row {int(rows.max())} of a shard of {len(row_map)} rows")
        moved = row_map[rows]
        kept[mine] = moved >= 0
        table["row"][mine] = np.where(moved >= 0, moved, 0)
        table["shard"][mine] = names.setdefault(new, len(names))
    return _trimmed(tuple(names), table[kept])


def only(source: Entries, kept: NDArray[np.bool_]) -> Entries:
    """Some of the entries: those of which `kept` (bool, shape (n,)) is true."""
    return _trimmed(source.shard_ids, source.table[kept])


@dataclass(frozen=True, slots=True)
class Located:
    """Where n hashes were found; arrays of shape (n,).

    `found`: whether anything is known of the hash. `shard`: index into `shard_ids`, int64, -1 for none or a
    tombstone. `row`: int64, -1 for none or a tombstone. `sequence`: uint64, 0 for none.
    """

    found: NDArray[np.bool_]
    shard: NDArray[np.int64]
    row: NDArray[np.int64]
    sequence: NDArray[np.uint64]
    shard_ids: tuple[str, ...]

    @property
    def live(self) -> NDArray[np.bool_]:
        """Whether the id exists: bool, shape (n,)."""
        return self.row >= 0


def find(newest_first: Iterable[Entries], hashes: Hashes) -> Located:
    """Look hashes up in several runs (or blocks of runs), newest first; repeated hashes are fine.

    Of an iterator that loads them, one run at a time is held.
    """
    count = len(hashes)
    names: dict[str, int] = {}
    best = np.zeros(count, dtype=ENTRY)
    found = np.zeros(count, dtype=np.bool_)
    for run in newest_first:
        table = _numbered(run, names)
        place, here = _positions(table, hashes)
        candidates = table[place[here]]
        where = np.flatnonzero(here)
        newer = ~found[where] | (candidates["sequence"] > best["sequence"][where])
        best[where[newer]] = candidates[newer]
        found[where] = True
        del run, table
    live = found & (best["row"] != TOMBSTONE)
    return Located(
        found=found,
        shard=np.where(live, best["shard"].astype(np.int64), -1),
        row=np.where(live, best["row"].astype(np.int64), -1),
        sequence=best["sequence"].astype(np.uint64),
        shard_ids=tuple(names),
    )


def _table(hashes: Hashes, sequences: NDArray[np.uint64]) -> NDArray[np.void]:
    if hashes.shape != (len(sequences), 2):
        raise ValueError(f"hashes of shape {hashes.shape} for {len(sequences)} sequences")
    table = np.zeros(len(sequences), dtype=ENTRY)
    table["high"], table["low"], table["sequence"] = hashes[:, 0], hashes[:, 1], sequences
    return table


def _one_per_hash(table: NDArray[np.void]) -> NDArray[np.void]:
    """Sorted by hash; of equal hashes the highest sequence, and of equal sequences the last."""
    order = np.lexsort((table["sequence"], table["low"], table["high"]))  # stable
    table = table[order]
    last = np.ones(len(table), dtype=np.bool_)
    same_high = table["high"][1:] == table["high"][:-1]
    last[:-1] = ~(same_high & (table["low"][1:] == table["low"][:-1]))
    return table[last]


def _renumbered(runs: Sequence[Entries]) -> tuple[tuple[str, ...], list[NDArray[np.void]]]:
    """One table of shard ids for all runs, and their entries numbered by it."""
    names: dict[str, int] = {}
    tables = [_numbered(run, names) for run in runs]
    return tuple(names), tables


def _numbered(run: Entries, names: dict[str, int]) -> NDArray[np.void]:
    """A run's entries numbered by the shard ids in `names`, to which its own are added."""
    numbers = [names.setdefault(name, len(names)) for name in run.shard_ids]
    if numbers == list(range(len(numbers))):
        return run.table
    table = run.table.copy()
    placed = table["row"] != TOMBSTONE
    table["shard"][placed] = np.array(numbers, dtype=np.uint32)[run.table["shard"][placed]]
    return table


def _trimmed(shard_ids: tuple[str, ...], table: NDArray[np.void]) -> Entries:
    """Leave out shards that no entry names."""
    placed = table["row"] != TOMBSTONE
    used = np.unique(table["shard"][placed])
    if len(used) == len(shard_ids):
        return Entries(shard_ids, table)
    table = table.copy()
    table["shard"][placed] = np.searchsorted(used, table["shard"][placed])
    return Entries(tuple(shard_ids[number] for number in used.tolist()), table)


def _positions(table: NDArray[np.void], hashes: Hashes) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Where each hash is in a sorted table, and whether it is there at all."""
    high, low = np.ascontiguousarray(table["high"]), table["low"]
    place = np.searchsorted(high, hashes[:, 0])
    here = np.zeros(len(hashes), dtype=np.bool_)
    pending = np.arange(len(hashes))
    while len(pending):  # once, but for hashes that agree in their first half
        pending = pending[place[pending] < len(table)]
        pending = pending[high[place[pending]] == hashes[pending, 0]]
        hit = low[place[pending]] == hashes[pending, 1]
        here[pending[hit]] = True
        pending = pending[~hit]
        place[pending] += 1
    return place, here
