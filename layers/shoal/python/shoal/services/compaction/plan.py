"""Step `plan`: which rows are read together, and what the rows that are alive are going to be."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from shoal.errors import RunStopped
from shoal.model.limits import ONE_SHARD_BYTES
from shoal.model.manifests import ShardRef
from shoal.model.merge_policy import bytes_as_columns, fits_one_shard
from shoal.services.cells import Cells
from shoal.services.compaction.records import ExtractItem, Layout, Planned, Source
from shoal.services.compaction.workspace import CompactionRun
from shoal.services.pipeline.run import Step
from shoal.services.pipeline.sample_sizes import sample_shares
from shoal.services.snapshot import Snapshot
from shoal.storage.ports import Assign

PIECE_BYTES = 96 * 1000 * 1000
"""Of the shards' files that one call reads, at most (but for a single shard outside of cells, or a single cell).
It holds them about five times."""
_PIECE_SOURCES = 100


@dataclass(frozen=True, slots=True)
class _Part:
    """A source, its rows with the dead ones, and its bytes."""

    source: Source
    rows: int
    size: int


def plan_with(one_shard_bytes: int = ONE_SHARD_BYTES, piece_bytes: int = PIECE_BYTES) -> Step[CompactionRun]:
    """The step, for datasets that stay one shard up to so many bytes of vectors."""

    def plan(work: CompactionRun, item: Mapping[str, Any]) -> dict[str, str]:  # noqa: ARG001 - no map's item
        """Deal the inputs out: ``{"items_key", "layout"}``.

        Raises:
            RunStopped: an input is not in the version that is compacted.
        """
        planned = work.recorded("planned", Planned)
        if planned is None:
            planned = work.record("planned", _plan(work, one_shard_bytes, piece_bytes))[0]
        work.update(
            Assign("stage", "extracting"),
            Assign("total", planned.pieces),
            Assign("done", 0),
            Assign("rows", planned.rows),
        )
        return {"items_key": planned.items_key, "layout": planned.layout}

    return plan


plan = plan_with()


def _plan(work: CompactionRun, one_shard_bytes: int, piece_bytes: int) -> Planned:
    snapshot = work.snapshot()
    missing = set(work.job.cell_sets) - {ref.key for ref in snapshot.manifest.cell_sets}
    if missing:
        raise RunStopped("a cell set is not there")
    dead = snapshot.dead()
    chosen = [
        (place, cells)
        for place, (ref, cells) in enumerate(zip(snapshot.manifest.cell_sets, snapshot.cells(), strict=True))
        if ref.key in work.job.cell_sets
    ]
    shards = [*snapshot.manifest.shards, *(shard for _, cells in chosen for shard in cells.cell_set.shards)]
    alive = {shard.shard_id: shard.rows - len(dead.get(shard.shard_id, ())) for shard in shards}
    rows, all_rows = sum(alive.values()), sum(shard.rows for shard in shards)
    parts = [part for part in _parts(snapshot, chosen, piece_bytes) if alive[part.source.shard_id]]
    groups = list(_groups(parts, piece_bytes))
    samples = sample_shares(
        [sum(part.rows for part in group) for group in groups], dimension=work.dataset.dimension, rows=rows
    )
    items = [
        ExtractItem(number=number, sources=tuple(part.source for part in group), sample_rows=sample)
        for number, (group, sample) in enumerate(zip(groups, samples, strict=True))
    ]
    one_shard = fits_one_shard(
        rows=rows,
        dimension=work.dataset.dimension,
        column_bytes=bytes_as_columns(shards, live_share=rows / max(all_rows, 1)),
        one_shard_bytes=one_shard_bytes,
    )
    layout: Layout = "nothing" if not rows else "shard" if one_shard else "cells"
    return Planned(
        layout=layout, rows=rows, pieces=len(items), items_key=work.put_items("extract-items", items)
    )


def _parts(snapshot: Snapshot, chosen: list[tuple[int, Cells]], piece_bytes: int) -> Iterator[_Part]:
    """Shards outside of cells whole; those of cells a few cells at a time."""
    for shard in snapshot.manifest.shards:
        yield _Part(Source(shard_id=shard.shard_id), shard.rows, _size_of(shard))
    for place, cells in chosen:
        owners = cells.cell_set.table["shard"]
        sizes = (cells.vector_bytes + cells.record_bytes).tolist()
        for number, shard in enumerate(cells.cell_set.shards):
            first, end = np.searchsorted(owners, (number, number + 1)).tolist()
            while first < end:
                stop, size = first + 1, sizes[first]
                while stop < end and size + sizes[stop] <= piece_bytes:
                    size += sizes[stop]
                    stop += 1
                source = Source(shard_id=shard.shard_id, cell_set=place, cell=first, stop=stop)
                yield _Part(source, int(cells.rows[first:stop].sum()), size)
                first = stop


def _size_of(shard: ShardRef) -> int:
    return bytes_as_columns([shard], live_share=1.0)


def _groups(parts: list[_Part], piece_bytes: int) -> Iterator[list[_Part]]:
    """Neighbours together, as many as one call reads."""
    group: list[_Part] = []
    for part in parts:
        held = sum(one.size for one in group)
        if group and (held + part.size > piece_bytes or len(group) >= _PIECE_SOURCES):
            yield group
            group = []
        group.append(part)
    if group:
        yield group
