"""Which rows of shards match, told by their indexes of properties alone: fronts whole, sections by ranges."""

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from shoal.errors import CorruptObject
from shoal.index.properties import FRONT_FILE, SECTIONS_FILE, PropertyFront
from shoal.index.properties_lookup import Leaf
from shoal.index.properties_runs import Place
from shoal.model.conditions import (
    All,
    AnyOf,
    Condition,
    Equals,
    Exists,
    Not,
    OneOf,
    Ordered,
    StartsWith,
)
from shoal.model.filters import Filter
from shoal.model.manifests import ShardRef
from shoal.model.selection import Selection
from shoal.model.text_conditions import HasPhrase, HasWords, Like, Wildcard
from shoal.services.loadable import Part, Piece
from shoal.services.snapshot import Snapshot
from shoal.storage.keys import TenantKeys

_FRONT_WEIGHT = 8
"""An open front takes about so many times its bytes."""


def indexed_rows(
    snapshot: Snapshot, shards: Sequence[ShardRef], selection: Selection, *, most_bytes: int | None = None
) -> list[NDArray[np.int64] | None]:
    """The rows of each shard that match, dead ones included: int64, ascending; None where its index cannot tell.

    All fronts are read at once, then all sections that the selection needs: none of them, where they have more
    than `most_bytes` together.

    Raises:
        CorruptObject: something stored is not what names it.
    """
    keys = TenantKeys(snapshot.dataset.tenant_id)
    indexed = [shard for shard in shards if FRONT_FILE in shard.files and selection.prefix is None]
    fronts: list[PropertyFront] = snapshot.reader.load_all([_front(keys, shard) for shard in indexed])
    places = [front.sections_for(selection) for front in fronts]
    pieces = [
        _section(keys, shard, place)
        for shard, some in zip(indexed, places, strict=True)
        for place in some or ()
    ]
    if most_bytes is not None and sum(piece.stop - piece.start for piece in pieces) > most_bytes:
        return [None] * len(shards)
    values = iter(snapshot.reader.load_all(pieces))
    found: dict[str, NDArray[np.int64]] = {}
    for shard, front, some in zip(indexed, fronts, places, strict=True):
        if some is not None:
            sections = {place: next(values) for place in some}
            found[shard.shard_id] = _rows(shard, front.matching(selection, sections))
    return [found.get(shard.shard_id) for shard in shards]


def unindexed_paths(snapshot: Snapshot, shards: Sequence[ShardRef], selection: Selection) -> tuple[str, ...]:
    """The paths of a filter that the index of at least one of the shards does not know, in order."""
    keys = TenantKeys(snapshot.dataset.tenant_id)
    indexed = [shard for shard in shards if FRONT_FILE in shard.files]
    fronts: list[PropertyFront] = snapshot.reader.load_all([_front(keys, shard) for shard in indexed])

    def known(leaf: Condition) -> bool:
        alone = Selection(filter=Filter(leaf))
        return len(fronts) == len(shards) and all(front.sections_for(alone) is not None for front in fronts)

    leaves = _leaves(selection.filter.root) if selection.filter else ()
    return tuple(sorted({leaf.path.key for leaf in leaves if not known(leaf)}))


def _leaves(condition: Condition) -> Iterator[Leaf | Exists]:
    match condition:
        case Not(part=part):
            yield from _leaves(part)
        case All(parts=parts) | AnyOf(parts=parts):
            for part in parts:
                yield from _leaves(part)
        case Equals() | OneOf() | Ordered() | StartsWith() | Exists():
            yield condition
        case HasWords() | HasPhrase() | Wildcard() | Like():
            yield condition


def _front(keys: TenantKeys, shard: ShardRef) -> Part[PropertyFront]:
    file = shard.files[FRONT_FILE]
    key = keys.shard_file(shard.shard_id, FRONT_FILE)
    return Part(key, file.size, file.sha256, partial(_open_front, shard), lambda _: _FRONT_WEIGHT * file.size)


def _open_front(shard: ShardRef, data: bytes) -> PropertyFront:
    front = PropertyFront.parse(data)
    if front.rows != shard.rows:  # else "does not have it" would be true of too few rows, or of too many
        raise CorruptObject(
            f"properties of shard {shard.shard_id} are of {front.rows} rows, not {shard.rows}"
        )
    return front


def _section(keys: TenantKeys, shard: ShardRef, place: Place) -> Piece[bytes]:
    key = keys.shard_file(shard.shard_id, SECTIONS_FILE)
    return Piece(key, place.start, place.stop, place.digest, bytes)


def _rows(shard: ShardRef, rows: BitMap) -> NDArray[np.int64]:
    if rows and rows.max() >= shard.rows:
        raise CorruptObject(f"properties of shard {shard.shard_id} name row {rows.max()} of {shard.rows}")
    return np.frombuffer(rows.to_array(), dtype=np.uint32).astype(np.int64)
