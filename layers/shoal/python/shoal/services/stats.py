"""What a dataset consists of, in figures: rows, shards, cells, bytes, dead rows, the tail of its log."""

from dataclasses import dataclass

from shoal.errors import NotFound
from shoal.model.datasets import DatasetView
from shoal.model.manifests import Manifest, ShardRef
from shoal.services.datasets import get_dataset
from shoal.services.heads import keys_of
from shoal.services.search import Searcher
from shoal.services.snapshot import Snapshot, open_snapshot
from shoal.storage.ports import Ports


@dataclass(frozen=True, slots=True)
class Stats:
    """One version of a dataset, and how much of the log it does not hold yet.

    `rows` are live, `stored_rows` include the dead ones that still take room. `shards` are searched whole (the
    resident one and the deltas), `cell_shards` hold `cells`, of which queries open the nearest. `bytes` is the
    size of all objects that the version names. `tail_writes` and `tail_bytes` wait in the log.
    """

    view: DatasetView
    version: int
    rows: int
    stored_rows: int
    shards: int
    deltas: int
    cell_sets: int
    cell_shards: int
    cells: int
    id_index_runs: int
    bytes: int
    vector_bytes: int
    tail_writes: int
    tail_bytes: int
    compacted_at: float | None

    @property
    def dead_share(self) -> float:
        """Dead rows as a share of the rows stored."""
        return 1 - self.rows / self.stored_rows if self.stored_rows else 0.0


def dataset_stats(ports: Ports, searcher: Searcher, tenant_id: str, *, scope: str, name: str) -> Stats:
    """The figures of the current version.

    Raises:
        NotFound: `dataset_not_found`.
        CorruptObject: something stored is not what names it.
    """
    view = get_dataset(ports, tenant_id, scope=scope, name=name)
    counter = ports.table.get(keys_of(view.dataset).sequence)
    if counter is None:
        raise NotFound("dataset_not_found", "dataset not found")
    snapshot = open_snapshot(searcher.reader, view.dataset, view.head)
    shards = snapshot.all_shards() if snapshot else ()
    manifest = snapshot.manifest if snapshot else None
    cell_sets = manifest.cell_sets if manifest else ()
    stored = sum(shard.rows for shard in shards)
    return Stats(
        view=view,
        version=view.head.version,
        rows=stored - _dead_rows(snapshot) if snapshot else 0,
        stored_rows=stored,
        shards=len(manifest.shards) if manifest else 0,
        deltas=len(manifest.deltas) if manifest else 0,
        cell_sets=len(cell_sets),
        cell_shards=len(shards) - len(manifest.shards) if manifest else 0,
        cells=sum(one.cells for one in cell_sets),
        id_index_runs=len(manifest.runs) if manifest else 0,
        bytes=_bytes(manifest, shards) if manifest else 0,
        vector_bytes=stored * view.dataset.dimension * 4,
        tail_writes=max(0, int(counter["next"]) - view.head.watermark),
        tail_bytes=max(0, int(counter["bytes"]) - view.head.log_bytes),
        compacted_at=manifest.compacted_at if manifest else None,
    )


def _dead_rows(snapshot: Snapshot) -> int:
    return sum(len(rows) for rows in snapshot.dead_rows().values())


def _bytes(manifest: Manifest, shards: tuple[ShardRef, ...]) -> int:
    parts = [*manifest.runs, *manifest.cell_sets, *manifest.dead_increments]
    parts += [manifest.dead_base] if manifest.dead_base else []
    files = sum(file.size for shard in shards for file in shard.files.values())
    return files + sum(part.size for part in parts)
