"""A dataset at one version, opened for reading: manifest, dead rows, shards, id index, each loaded when needed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from shoal.index import dead_rows, exact, id_index, id_run
from shoal.index.cell_set import CellSet, decode_cell_set
from shoal.index.checksums import verify
from shoal.index.graph import Graph, load_graph
from shoal.index.id_index import Entries, Located
from shoal.index.id_run import RunFront
from shoal.index.record_columns import RecordColumns
from shoal.index.records import Records
from shoal.index.shard import CELL_RECORDS_FILE, INDEX_FILE, RECORDS_FILE, VECTORS_FILE, decode_vectors
from shoal.model import manifests
from shoal.model.datasets import Dataset, Head
from shoal.model.manifests import CellSetRef, Manifest, RunRef, ShardRef
from shoal.model.records import Rows, Vectors
from shoal.services.cells import Cells
from shoal.services.loadable import Part
from shoal.services.parts import PartReader
from shoal.storage.keys import TenantKeys

PROBE_AT_MOST = 64
"""Ids up to which single blocks (16 KB each) are read rather than whole runs."""
WHOLE_RUN_BYTES = 256 * 1024
"""Runs up to this size are read whole: one request, and then in memory."""
RUNS_HELD_BYTES = 256 * 1024 * 1024
"""Runs of up to this size in all are read at once; of more, as large imports leave them, one after the other."""
_CONNECTION_BYTES = 128 * 1024
"""What an open SQLite database takes beside its bytes, as measured: a small delta is mostly this."""
_MANIFEST_BYTES, _PIECE_BYTES = 4096, 2048
"""What a manifest takes in memory, by itself and for each piece that it names: six times its JSON."""
_BITMAP_BYTES = 256
"""What a bitmap takes beside its containers."""

type DeadRows = dict[str, BitMap]


class ShardVectors:
    """The rows of a shard as sent: float32, shape (rows, dimension), read-only; lengths when first needed."""

    def __init__(self, rows: Vectors) -> None:
        self.rows = rows

    @cached_property
    def lengths(self) -> NDArray[np.float32]:
        """Euclidean lengths: float32, shape (rows,)."""
        return exact.vector_norms(self.rows)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One version of one dataset. Everything it names is immutable, so it never changes under a reader."""

    dataset: Dataset
    manifest: Manifest
    reader: PartReader
    key: str = ""
    """Key of the manifest, with its SHA-256 in hex: what names this version."""
    sha256: str = ""

    # --- shards

    def _file[T](
        self,
        shard: ShardRef,
        name: str,
        decode: Callable[[bytes], T],
        weight: Callable[[T], int] | None = None,
        *,
        on_bytes: bool = False,
    ) -> Part[T]:
        file = shard.files[name]
        key = TenantKeys(self.dataset.tenant_id).shard_file(shard.shard_id, name)
        return Part(key, file.size, file.sha256, decode, weight, on_bytes)

    def vectors_part(self, shard: ShardRef) -> Part[ShardVectors]:
        """The vectors of a shard."""
        dimension = self.dataset.dimension
        weight = shard.rows * (dimension + 1) * 4  # and the lengths, once they are asked for
        return self._file(
            shard,
            VECTORS_FILE,
            lambda data: ShardVectors(decode_vectors(data, shard.rows, dimension)),
            lambda _: weight,
            on_bytes=True,
        )

    def records_part(self, shard: ShardRef) -> Part[Records]:
        """Ids, sequences and metadata of a shard."""
        size = shard.files[RECORDS_FILE].size
        return self._file(shard, RECORDS_FILE, Records, lambda _: size + _CONNECTION_BYTES)

    def graph_part(self, shard: ShardRef) -> Part[Graph]:
        """The hnswlib index of a shard that has one."""
        dataset = self.dataset
        return self._file(
            shard,
            INDEX_FILE,
            lambda data: load_graph(
                data, dimension=dataset.dimension, metric=dataset.metric, rows=shard.rows
            ),
            lambda graph: graph.memory_bytes,
        )

    def rows_of(self, shard: ShardRef) -> Rows:
        """All rows of a shard, dead ones included; also of a shard of cells."""
        if CELL_RECORDS_FILE in shard.files:
            found = (cells.rows_of(self.reader, shard.shard_id) for cells in self.cells())
            return next(rows for rows in found if rows is not None)
        vectors, records = self.reader.load_all([self.vectors_part(shard), self.records_part(shard)])
        columns: RecordColumns = records.columns()
        return columns.with_vectors(vectors.rows)

    def shard(self, shard_id: str) -> ShardRef:
        """The shard of that id; it is one of this version's."""
        return next(shard for shard in self.all_shards() if shard.shard_id == shard_id)

    # --- cells

    def cells(self) -> tuple[Cells, ...]:
        """The cells of each import, in the order of the manifest."""
        refs = self.manifest.cell_sets
        loaded: list[CellSet] = self.reader.load_all([cell_set_part(self.dataset, ref) for ref in refs])
        keys = TenantKeys(self.dataset.tenant_id)
        return tuple(
            self.reader.made(f"{ref.key}#cells", partial(Cells, keys, cell_set), _weight_of_cells)
            for ref, cell_set in zip(refs, loaded, strict=True)
        )

    def all_shards(self) -> tuple[ShardRef, ...]:
        """The shards that are searched whole, then those of cells."""
        return (
            *self.manifest.shards,
            *(shard for cells in self.cells() for shard in cells.cell_set.shards),
        )

    # --- dead rows

    def dead_parts(self) -> list[Part[DeadRows]]:
        """Base and increments."""
        refs = ((self.manifest.dead_base,) if self.manifest.dead_base else ()) + self.manifest.dead_increments
        return [Part(ref.key, ref.size, ref.sha256, dead_rows.decode) for ref in refs]

    def dead(self) -> DeadRows:
        """The dead rows of each shard that has any."""
        gathered: DeadRows = {}
        for part in self.reader.load_all(self.dead_parts()):
            gathered = dead_rows.union(gathered, part)
        standing = {shard.shard_id for shard in self.all_shards()}
        return {shard_id: rows for shard_id, rows in gathered.items() if shard_id in standing}

    def dead_rows(self) -> DeadRows:
        """The same, gathered once in a container."""
        name = f"dead#{self.manifest.dataset_id}/{self.manifest.version}"
        return self.reader.made(name, self.dead, _weight_of_dead)

    # --- id index

    def entries_newest_first(self, runs: Sequence[RunRef] | None = None) -> list[Entries]:
        """The runs of the id index (all of them unless named), the newest first."""
        chosen = self.manifest.runs if runs is None else runs
        loaded: list[Entries] = self.reader.load_all([run_part(run) for run in chosen])
        return loaded[::-1]

    def locate(self, hashes: NDArray[np.uint64], *, held_bytes: int = RUNS_HELD_BYTES) -> Located:
        """Where the ids with these hashes (uint64, shape (n, 2)) are now.

        Few hashes are looked up in single blocks of the runs that are not in memory, many in whole runs: all
        at once where they have at most `held_bytes`.

        Of what is masked an id is known, with its sequence, but it is nowhere: its row is dead, or was when the
        shard was written anew with others.
        """
        located = self._located(hashes, held_bytes=held_bytes)
        if not self.manifest.masked:
            return located
        gone = self.is_gone(located.shard_ids, located.shard, located.row)
        return replace(located, shard=np.where(gone, -1, located.shard), row=np.where(gone, -1, located.row))

    def is_gone(
        self, shard_ids: Sequence[str], shards: NDArray[np.integer], rows: NDArray[np.integer]
    ) -> NDArray[np.bool_]:
        """Which rows are dead, or of shards that are no more: bool, shape (n,).

        Args:
            shard_ids: names of shards.
            shards: numbers of them, shape (n,); others stand for no shard, of which nothing is gone.
            rows: numbers of rows, shape (n,).
        """
        dead, standing = self.dead_rows(), {shard.shard_id for shard in self.all_shards()}
        found = np.zeros(len(rows), dtype=np.bool_)
        for number, shard_id in enumerate(shard_ids):
            here = np.flatnonzero(shards == number)
            if shard_id not in standing:
                found[here] = True
            elif shard_id in dead and len(here):
                found[here] = np.isin(rows[here], np.frombuffer(dead[shard_id].to_array(), dtype=np.uint32))
        return found

    def _located(self, hashes: NDArray[np.uint64], *, held_bytes: int) -> Located:
        if len(hashes) > PROBE_AT_MOST:
            if sum(run.size for run in self.manifest.runs) <= held_bytes:
                return id_index.find(self.entries_newest_first(), hashes)
            newest_first = reversed(self.manifest.runs)
            return id_index.find((self.reader.load(run_part(run)) for run in newest_first), hashes)
        pieces = [piece for run in reversed(self.manifest.runs) for piece in self._pieces(run, hashes)]
        return id_index.find(pieces, hashes)

    def shards_of_run(self, run: RunRef) -> frozenset[str]:
        """The shards that entries of a run name."""
        if run.size <= WHOLE_RUN_BYTES or self.reader.holds(run.key):
            return frozenset(self.reader.load(run_part(run)).shard_ids)
        front = self.reader.load_range(run.key, (0, run.front_size), partial(_run_front, run))
        return frozenset(front.shard_ids)

    def _pieces(self, run: RunRef, hashes: NDArray[np.uint64]) -> list[Entries]:
        """What of a run may hold these hashes."""
        if run.size <= WHOLE_RUN_BYTES or self.reader.holds(run.key):
            return [self.reader.load(run_part(run))]
        front = self.reader.load_range(run.key, (0, run.front_size), partial(_run_front, run))
        return [
            self.reader.load_range(run.key, place, partial(front.parse_block, number))
            for number, place in front.blocks_of(hashes)
        ]


def _run_front(run: RunRef, data: bytes) -> RunFront:
    verify(data, sha256=run.front_sha256, size=run.front_size, name=run.key)
    return RunFront.parse(data)


def open_snapshot(reader: PartReader, dataset: Dataset, head: Head) -> Snapshot | None:
    """The version that HEAD names; None before the first commit.

    Raises:
        CorruptObject: the manifest is missing or not the one that HEAD names.
    """
    if head.manifest is None or head.manifest_sha256 is None:
        return None
    manifest = reader.load(manifest_part(head.manifest, head.manifest_sha256))
    return Snapshot(dataset, manifest, reader, head.manifest, head.manifest_sha256)


def manifest_part(key: str, sha256: str) -> Part[Manifest]:
    """A manifest root; HEAD names it by key and checksum."""
    return Part(key, None, sha256, manifests.decode, _weight_of)


def _weight_of(manifest: Manifest) -> int:
    pieces = (
        len(manifest.shards) + len(manifest.runs) + len(manifest.dead_increments) + len(manifest.cell_sets)
    )
    return _MANIFEST_BYTES + pieces * _PIECE_BYTES


def run_part(run: RunRef) -> Part[Entries]:
    """A run of the id index."""
    return Part(run.key, run.size, run.sha256, id_run.decode_run)


def cell_set_part(dataset: Dataset, ref: CellSetRef) -> Part[CellSet]:
    """The cells of an import."""
    decode = partial(decode_cell_set, dimension=dataset.dimension, metric=dataset.metric)
    return Part(ref.key, ref.size, ref.sha256, decode, lambda found: ref.size + found.memory_bytes)


def _weight_of_dead(dead: DeadRows) -> int:
    """Bytes that bitmaps take in memory."""
    found = [rows.get_statistics() for rows in dead.values()]
    return sum(
        _BITMAP_BYTES
        + one["n_bytes_array_containers"]
        + one["n_bytes_run_containers"]
        + one["n_bytes_bitset_containers"]
        for one in found
    )


def _weight_of_cells(cells: Cells) -> int:
    return cells.memory_bytes


def empty_manifest(dataset: Dataset) -> Manifest:
    """What a dataset is before its first commit."""
    return Manifest(
        dataset_id=dataset.dataset_id, version=0, dimension=dataset.dimension, metric=dataset.metric
    )
