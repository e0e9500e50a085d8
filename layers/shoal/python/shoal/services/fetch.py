"""Reading records by id: through the id index to the row that is live now."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from shoal.index.id_index import hash_ids
from shoal.model.limits import MAX_RESPONSE_BYTES
from shoal.services.parts import Part
from shoal.services.search import Match, Searcher

_VALUE_BYTES = 14
"""A float32 in shortest JSON digits with its comma, at most."""
_RECORD_OVERHEAD_BYTES = 64


@dataclass(frozen=True, slots=True)
class Fetched:
    """Records found, in the order asked for; ids that do not exist; and ids left for another request.

    The answer is bounded in bytes: what does not fit any more is in `unprocessed_ids`.
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
) -> Fetched:
    """The records of these ids in the current version; an id given twice is answered once.

    Raises:
        NotFound: `dataset_not_found`.
        CorruptObject: something stored is not what names it.
    """
    snapshot = searcher.snapshot(tenant_id, scope=scope, name=name)
    wanted = tuple(dict.fromkeys(ids))
    if snapshot is None or not wanted:
        return Fetched((), wanted, ())
    located = snapshot.locate(hash_ids(wanted, snapshot.dataset.hash_key))
    alive = located.live
    shards = {shard.shard_id: shard for shard in snapshot.manifest.shards}
    needed = sorted({located.shard_ids[number] for number in np.unique(located.shard[alive]).tolist()})
    parts: list[Part[Any]] = [snapshot.records_part(shards[shard_id]) for shard_id in needed]
    if include_values:
        parts += [snapshot.vectors_part(shards[shard_id]) for shard_id in needed]
    searcher.reader.load_all(parts)

    value_bytes = snapshot.dataset.dimension * _VALUE_BYTES if include_values else 0
    records: list[Match] = []
    missing: list[str] = []
    size = 0
    for position, wanted_id in enumerate(wanted):
        if not alive[position]:
            missing.append(wanted_id)
            continue
        shard = shards[located.shard_ids[int(located.shard[position])]]
        row = int(located.row[position])
        record = searcher.reader.load(snapshot.records_part(shard)).by_rows([row])[row]
        if record.id != wanted_id:
            missing.append(wanted_id)  # another id with the same 128-bit hash
            continue
        size += len(record.metadata) + len(wanted_id.encode()) + value_bytes + _RECORD_OVERHEAD_BYTES
        if size > MAX_RESPONSE_BYTES and records:
            return Fetched(tuple(records), tuple(missing), wanted[position:])
        values = searcher.reader.load(snapshot.vectors_part(shard)).rows[row] if include_values else None
        records.append(Match(record.id, 0.0, record.metadata, values))
    return Fetched(tuple(records), tuple(missing), ())
