"""When shards, runs, dead rows and cell sets are merged: pure functions over sizes.

Folding is size-tiered. A commit writes one new piece; it takes along the youngest neighbours that are not much
larger than what has been gathered so far::

    sizes, oldest first      new      folded         result
    [900, 400, 100, 30]       1    -> none        -> [900, 400, 100, 30, 1]
    [900, 400, 100, 30, 1]    1    -> 1           -> [900, 400, 100, 30, 2]
    [900, 400, 100, 30, 20]  15    -> 20, 30, 100 -> [900, 400, 165]

Every piece left standing is more than `TIER_RATIO` times as large as the one after it, so that n bytes lie in
O(log n) pieces and a row is rewritten O(log n) times.

What lies outside of cells is *flat*: the deltas, which every query scans, and the resident shard, which is one
graph. `due` says what is to be done about flat rows and cell sets (MB of live vectors; `!` is over a fifth dead)::

    resident  deltas   cell sets        due                         after it
    40        10       1,000            nothing: deltas are scanned
    40        20       1,000            build the resident shard    60, 0, [1,000]
    50        20       1,000, 300       compact, flat rows only     0, 0, [1,000, 300, 70]
    50        20       1,000, 300, 70   compact, and 70             0, 0, [1,000, 300, 140]
    50        20       1,000, 300, 140  compact, and all of them    0, 0, [1,510]
    30        5        1,000, 300!      compact, and 300            0, 0, [1,000, 275]
    10        5        1,000, 60!       compact, and 60             63, 0, [1,000]

A compaction takes all flat rows, because there is one resident shard and its result may be small enough to be it.
It trains and cuts its cells anew, as an import does: so cells over or under their size are mended with the set
that they are in, and none has to be split or merged by itself. To compact 200,000 x 128 (102 MB) took 42 s on two
busy cores, all steps one after the other; nearly all of it is cells, which a split or a merge would build too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from shoal.model.limits import (
    EXACT_LIMIT_BYTES,
    MAX_IMPORT_ROWS,
    ONE_SHARD_BYTES,
    ONE_SHARD_COLUMN_BYTES,
    ONE_SHARD_ROWS,
)
from shoal.model.manifests import CellSetRef, Manifest, ShardRef

TIER_RATIO = 2
BUILD_SHARE = 0.2
"""Deltas may grow to this share of the resident shard before it is built again, so that a row takes part in
few builds while a scan of the deltas stays a small part of a query."""
REBUILD_DEAD_SHARE = 0.2
"""From this share of dead rows on, the resident shard is built from scratch; below it, it is extended. A cell set
with as many is compacted."""
LEAST_DEAD_BYTES = 1000 * 1000
"""Bytes of dead flat rows for which nothing is built anew."""
_ROW_OVERHEAD_BYTES = 128
_INDEX = "index.hnsw"


@dataclass(frozen=True, slots=True)
class Nothing:
    """All is as it should be."""


@dataclass(frozen=True, slots=True)
class Build:
    """The resident shard is to be built; `afresh`: from scratch, so that none of its rows is dead."""

    afresh: bool = False


@dataclass(frozen=True, slots=True)
class Compact:
    """All flat rows, and the cell sets of these keys, are to become one cell set or one resident shard."""

    cell_sets: tuple[str, ...] = ()


type Due = Nothing | Build | Compact


def fold_count(sizes: Sequence[int], new_size: int, *, most: int, largest: int | None = None) -> int:
    """How many of the youngest pieces a new one takes along.

    Args:
        sizes: sizes of the pieces that may be folded, oldest first.
        new_size: size of the new piece.
        most: how many pieces may be left in all, the new one included.
        largest: what a folded piece should not outgrow; it does where there would be too many otherwise.
    """
    gathered = new_size
    folded = 0
    for size in reversed(sizes):
        too_many = len(sizes) - folded + 1 > most
        too_large = size > TIER_RATIO * gathered or (largest is not None and gathered + size > largest)
        if too_large and not too_many:
            break
        gathered += size
        folded += 1
    return folded


def build_is_due(*, delta_bytes: int, resident_bytes: int) -> bool:
    """Whether the deltas have outgrown what a query may scan exactly, so that a resident shard must be built."""
    return delta_bytes > max(EXACT_LIMIT_BYTES, BUILD_SHARE * resident_bytes)


def has_outgrown(manifest: Manifest) -> bool:
    """Whether a build is due at this version."""
    return build_is_due(delta_bytes=manifest.delta_bytes, resident_bytes=manifest.resident_bytes)


def must_rebuild(*, rows: int, dead: int) -> bool:
    """Whether a resident shard is too hollow to be extended."""
    return dead > REBUILD_DEAD_SHARE * rows


def fits_one_shard(
    *, rows: int, dimension: int, column_bytes: int, one_shard_bytes: int = ONE_SHARD_BYTES
) -> bool:
    """Whether one shard, and one function, can hold so many rows, of `column_bytes` with all they consist of."""
    small = rows * dimension * 4 <= one_shard_bytes and rows <= ONE_SHARD_ROWS
    return small and column_bytes <= ONE_SHARD_COLUMN_BYTES


def bytes_as_columns(shards: Sequence[ShardRef], *, live_share: float) -> int:
    """About the bytes that the live rows of shards take as columns; indexes do not count."""
    sizes = (file.size for shard in shards for name, file in shard.files.items() if name != _INDEX)
    return round(sum(sizes) * live_share)


def could_be_due(manifest: Manifest, *, one_shard_bytes: int = ONE_SHARD_BYTES) -> bool:
    """Whether `due` may find something, told without knowing which rows are dead: cheap, and seldom true."""
    dead = sum(ref.rows for ref in manifest.cell_sets) + manifest.flat_rows - manifest.row_count
    row_bytes = manifest.dimension * 4 + _ROW_OVERHEAD_BYTES
    flat = max(REBUILD_DEAD_SHARE * manifest.flat_rows, LEAST_DEAD_BYTES / row_bytes)
    least = min([flat, *(REBUILD_DEAD_SHARE * ref.rows for ref in manifest.cell_sets)])
    return dead > least or due(manifest, {}, one_shard_bytes=one_shard_bytes) != Nothing()


def due(
    manifest: Manifest,
    dead: Mapping[str, int],
    *,
    thorough: bool = False,
    one_shard_bytes: int = ONE_SHARD_BYTES,
) -> Due:
    """What is to be done about a version.

    Args:
        manifest: the version.
        dead: how many rows are dead: of flat shards by their id, of cell sets by their key; absent for none.
        thorough: leave no dead row and no more pieces than must be, whatever it costs.
        one_shard_bytes: of vectors, up to which flat rows stay one shard.
    """
    flat = _flat_of(manifest, dead)
    sets = sorted((_Set(ref, ref.rows - dead.get(ref.key, 0)) for ref in manifest.cell_sets), key=_live)
    overfull = not flat.fits(one_shard_bytes)
    wanted = _wanted(sets)
    if thorough and (any(one.dead for one in sets) or (sets and flat.rows) or _joinable(sets)):
        wanted = sorted(sets, key=lambda one: (not one.dead, one.live))
    if overfull or wanted:
        return Compact(_with_their_tier(wanted, sets, flat.live))
    hollow = flat.dead_bytes > LEAST_DEAD_BYTES and must_rebuild(rows=flat.rows, dead=flat.dead)
    if thorough and (manifest.deltas or flat.dead):
        return Build(afresh=flat.dead > 0)
    return Build() if hollow or has_outgrown(manifest) else Nothing()


@dataclass(frozen=True, slots=True)
class _Flat:
    """The rows outside of cells."""

    rows: int
    dead: int
    dimension: int
    shards: tuple[ShardRef, ...]

    @property
    def live(self) -> int:
        return self.rows - self.dead

    @property
    def dead_bytes(self) -> int:
        return self.dead * (self.dimension * 4 + _ROW_OVERHEAD_BYTES)

    def fits(self, one_shard_bytes: int) -> bool:
        """Whether they can stay flat. Who builds reads the dead ones too, so these count half."""
        if not self.rows:
            return True
        return fits_one_shard(
            rows=max(self.live, self.rows // 2),
            dimension=self.dimension,
            column_bytes=bytes_as_columns(self.shards, live_share=max(self.live / self.rows, 0.5)),
            one_shard_bytes=one_shard_bytes,
        )


@dataclass(frozen=True, slots=True)
class _Set:
    ref: CellSetRef
    live: int

    @property
    def dead(self) -> int:
        return self.ref.rows - self.live


def _live(one: _Set) -> int:
    return one.live


def _flat_of(manifest: Manifest, dead: Mapping[str, int]) -> _Flat:
    gone = sum(dead.get(shard.shard_id, 0) for shard in manifest.shards)
    return _Flat(manifest.flat_rows, gone, manifest.dimension, manifest.shards)


def _joinable(sets: Sequence[_Set]) -> bool:
    """Whether one compaction can hold two of these sets, which are in rising order."""
    return len(sets) > 1 and sets[0].live + sets[1].live <= MAX_IMPORT_ROWS


def _wanted(sets: Sequence[_Set]) -> list[_Set]:
    """Of sets in rising order those that must not stay: hollow ones, then those too much like the next one."""
    found = [one for one in sets if must_rebuild(rows=one.ref.rows, dead=one.dead)]
    for pair in pairwise(sets):
        if pair[1].live <= TIER_RATIO * pair[0].live and _joinable(pair):
            found += [one for one in pair if one not in found]
    return found


def _with_their_tier(wanted: Sequence[_Set], sets: Sequence[_Set], flat_live: int) -> tuple[str, ...]:
    """The sets that one compaction takes: as many of those wanted as it can hold, and what is not much larger.

    What it can hold is what one import may bring, because one function sorts the ids of all rows. A set that is as
    large by itself is compacted alone.
    """
    taken: list[_Set] = []
    gathered = 0
    for one in [*wanted, *(one for one in sets if one not in wanted)]:
        fits = not taken or gathered + one.live <= MAX_IMPORT_ROWS
        if fits and (one in wanted or one.live <= TIER_RATIO * (gathered + flat_live)):
            taken.append(one)
            gathered += one.live
    return tuple(one.ref.key for one in taken)
