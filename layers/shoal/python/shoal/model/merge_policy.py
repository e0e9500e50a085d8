"""When shards, runs and dead rows are merged: pure functions over sizes.

Folding is size-tiered. A commit writes one new piece; it takes along the youngest neighbours that are not much
larger than what has been gathered so far::

    sizes, oldest first      new      folded         result
    [900, 400, 100, 30]       1    -> none        -> [900, 400, 100, 30, 1]
    [900, 400, 100, 30, 1]    1    -> 1           -> [900, 400, 100, 30, 2]
    [900, 400, 100, 30, 20]  15    -> 20, 30, 100 -> [900, 400, 165]

Every piece left standing is more than `TIER_RATIO` times as large as the one after it, so that n bytes lie in
O(log n) pieces and a row is rewritten O(log n) times.
"""

from collections.abc import Sequence

from shoal.model.limits import EXACT_LIMIT_BYTES
from shoal.model.manifests import Manifest

TIER_RATIO = 2
BUILD_SHARE = 0.2
"""Deltas may grow to this share of the resident shard before it is built again, so that a row takes part in
few builds while a scan of the deltas stays a small part of a query."""
REBUILD_DEAD_SHARE = 0.2
"""From this share of dead rows on, the resident shard is built from scratch; below it, it is extended."""


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
