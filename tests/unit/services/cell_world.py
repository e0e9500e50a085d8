"""Imports of cells in a world, made by hand: rows in given cells, stored and named as an import leaves them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import orjson
from numpy.typing import NDArray

from shoal.index import exact, id_index
from shoal.index.cell_records import encode_cell_records
from shoal.index.cell_set import CELL, encode_cell_set
from shoal.index.checksums import digest128, sha256_hex
from shoal.index.column_file import Blobs
from shoal.index.geometry import geometry_of
from shoal.index.id_index import hash_ids
from shoal.index.probing import signpost
from shoal.index.properties import properties_files
from shoal.index.shard import CELL_RECORDS_FILE, VECTORS_FILE
from shoal.model.datasets import Dataset, Metric
from shoal.model.ids import new_token
from shoal.model.limits import EXACT_FILTER_BYTES
from shoal.model.manifests import CellRecall, CellSetRef, FileRef, ShardRef
from shoal.model.records import Vectors
from shoal.services.heads import keys_of
from shoal.services.outbox import Outbox
from shoal.services.rounds import BUDGET_BYTES
from shoal.services.search import QueryAnswer, QueryRequest, Searcher
from shoal.services.snapshot import empty_manifest
from shoal.storage.keys import TenantKeys
from shoal.storage.ports import Assign, ObjectStore, Ports
from tests.unit.services.world import Record, World


@dataclass(frozen=True)
class Layout:
    """How an import was calibrated, and over how many shards its cells are spread.

    `indexed`: shards have an index of properties. `sure_probes` None: nothing was calibrated for filters.
    """

    probes: int = 1
    filtered_probes: int = 1
    shards: int = 2
    indexed: bool = True
    sure_probes: int | None = 1


PLAIN = Layout()


class Counting:
    """An object store that notes what is read from it."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self.reads: list[tuple[str, tuple[int, int] | None, int]] = []

    def get(
        self, key: str, *, byte_range: tuple[int, int] | None = None, version_id: str | None = None
    ) -> bytes:
        data = self._objects.get(key, byte_range=byte_range, version_id=version_id)
        self.reads.append((key, byte_range, len(data)))
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._objects, name)

    def of(self, file_name: str) -> list[tuple[str, tuple[int, int] | None, int]]:
        """The reads of files of that name."""
        return [read for read in self.reads if read[0].endswith(file_name)]


def searcher_over(
    world: World,
    *,
    cache_bytes: int = 1 << 26,
    disk_bytes: int = 0,
    budget_bytes: int = BUDGET_BYTES,
    exact_bytes: int = EXACT_FILTER_BYTES,
) -> tuple[Searcher, Counting]:
    """A container that has seen nothing yet, and what it reads."""
    counting = Counting(world.objects)
    ports = Ports(cast("ObjectStore", counting), world.table, world.wakeups, world.builds, world.clock)
    searcher = Searcher(
        ports,
        cache_bytes=cache_bytes,
        disk_bytes=disk_bytes,
        budget_bytes=budget_bytes,
        exact_bytes=exact_bytes,
    )
    return searcher, counting


def ask(searcher: Searcher, dataset: Dataset, request: QueryRequest) -> QueryAnswer:
    return searcher.query(dataset.tenant_id, scope=dataset.scope, name=dataset.name, request=request)


def add_cells(
    world: World,
    dataset: Dataset,
    cells: Sequence[Mapping[str, Record]],
    layout: Layout = PLAIN,
    *,
    sequence: int = 1,
) -> CellSetRef:
    """Make an import of these cells, none of them empty, current. Its ids are new to the dataset."""
    keys = keys_of(dataset)
    head = world.head(dataset)
    snapshot = world.searcher.snapshot(dataset.tenant_id, scope=dataset.scope, name=dataset.name)
    manifest = snapshot.manifest if snapshot else empty_manifest(dataset)
    outbox = Outbox(world.ports, dataset)

    shards, table, entries = [], [], []
    for number, places in enumerate(np.array_split(np.arange(len(cells)), min(layout.shards, len(cells)))):
        stored = _Stored(number, indexed=layout.indexed)
        table += [stored.add(cells[place], sequence) for place in places.tolist()]
        shard = stored.put(world, dataset, sequence)
        shards.append(shard)
        hashes = hash_ids(stored.ids, dataset.hash_key)
        sequences = np.full(len(stored.ids), sequence, dtype=np.uint64)
        entries.append(id_index.entries(hashes, sequences, shard.shard_id, np.arange(len(stored.ids))))

    every = vectors_of([record for cell in cells for record in cell.values()])
    geometry = geometry_of(every, dataset.metric)
    signposts = np.stack(
        [signpost(geometry, geometry.placed(vectors_of(list(cell.values())))) for cell in cells]
    )
    data = encode_cell_set(shards, np.array(table, dtype=CELL), geometry, signposts)
    recall = CellRecall(
        target=0.95,
        measured=1.0,
        probes=layout.probes,
        filtered_measured=1.0,
        filtered_probes=layout.filtered_probes,
        filtered_target=None if layout.sure_probes is None else 0.99,
        sure_probes=layout.sure_probes,
        samples=10,
        sampled_at=world.clock(),
    )
    part = outbox.part("cells", data)
    found = CellSetRef(**dict(part), cells=len(cells), rows=len(every), sequence=sequence, recall=recall)
    following = manifest.model_copy(
        update={
            "version": head.version + 1,
            "row_count": manifest.row_count + len(every),
            "cell_sets": (*manifest.cell_sets, found),
            "runs": (outbox.run(id_index.combine(entries, drop_tombstones_up_to=None)), *manifest.runs),
        }
    )
    key, sha256 = outbox.send(following)
    world.table.update(
        keys.head,
        [
            Assign("version", following.version),
            Assign("manifest", key),
            Assign("manifest_sha256", sha256),
            Assign("row_count", following.row_count),
        ],
    )
    return found


class _Stored:
    """One shard of cells in the making."""

    def __init__(self, number: int, *, indexed: bool) -> None:
        self._number = number
        self._indexed = indexed
        self._vectors = b""
        self._records = b""
        self._metadata: list[bytes] = []
        self.ids: list[str] = []

    def add(self, cell: Mapping[str, Record], sequence: int) -> tuple[Any, ...]:
        """One cell more; its line of the table."""
        raw = vectors_of(list(cell.values())).tobytes()
        metadata = [orjson.dumps(found) for _, found in cell.values()]
        block = encode_cell_records(
            np.full(len(cell), sequence, dtype=np.uint64),
            Blobs.of([name.encode() for name in cell]),
            Blobs.of(metadata),
        )
        digests = digest128(raw), digest128(block)
        line = (self._number, len(self.ids), len(cell), len(self._records), len(block), *digests)
        self._vectors += raw
        self._records += block
        self._metadata += metadata
        self.ids += cell
        return line

    def put(self, world: World, dataset: Dataset, sequence: int) -> ShardRef:
        shard_id = new_token()
        files = {VECTORS_FILE: self._vectors, CELL_RECORDS_FILE: self._records}
        files |= properties_files(self._metadata) if self._indexed else {}
        for name, data in files.items():
            world.objects.put(TenantKeys(dataset.tenant_id).shard_file(shard_id, name), data)
        refs = {name: FileRef(size=len(data), sha256=sha256_hex(data)) for name, data in files.items()}
        return ShardRef(
            shard_id=shard_id,
            rows=len(self.ids),
            min_sequence=sequence,
            max_sequence=sequence,
            files=refs,
        )


def vectors_of(records: Sequence[Record]) -> Vectors:
    return np.array([values for values, _ in records], dtype=np.float32)


def true_scores(rows: Mapping[str, Record], vector: NDArray[np.float32], metric: Metric) -> dict[str, float]:
    """The score of every record, by brute force."""
    if not rows:
        return {}
    scores = exact.scores(vectors_of(list(rows.values())), vector, metric)
    return dict(zip(rows, scores.tolist(), strict=True))


def agree(answer: QueryAnswer, scores: Mapping[str, float], top_k: int, metric: Metric) -> None:
    """The answer is one of the right ones: ties may come in any order."""
    expected = sorted(scores.values(), reverse=not metric.lower_is_better)[:top_k]
    assert len({match.id for match in answer.matches}) == len(answer.matches)
    assert [scores[match.id] for match in answer.matches] == expected
    assert np.allclose([match.score for match in answer.matches], expected, rtol=1e-5, atol=1e-6)
