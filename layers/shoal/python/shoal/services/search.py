"""Queries: one version of a dataset, every shard of it searched, the best k with their records."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from pyroaring import BitMap

from shoal.errors import InvalidInput, NotFound
from shoal.index import exact
from shoal.index.graph import Graph
from shoal.index.records import Records
from shoal.model import ranking
from shoal.model.datasets import Dataset, Head, Metric
from shoal.model.filters import Filter
from shoal.model.ids import job_id
from shoal.model.limits import MAX_RESPONSE_BYTES
from shoal.model.manifests import Manifest, ShardRef
from shoal.services.heads import parse_head, parse_meta
from shoal.services.parts import Part, PartReader
from shoal.services.snapshot import DeadRows, Snapshot, open_snapshot
from shoal.storage.keys import DatasetKeys, TenantKeys
from shoal.storage.ports import Item, Ports

DEFAULT_EF = 64
"""Beam width for a graph that has not been calibrated."""
_NAMES_KEPT = 1024
_VERSIONS_KEPT = 64
_MATCH_OVERHEAD_BYTES = 64

type _Best = tuple[NDArray[np.int64], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class QueryRequest:
    """A query vector (float32, shape (dimension,)) with what else decides the answer.

    `ef` is the beam width of the graph search (None: the calibrated one). `nprobe` is accepted for datasets of
    cells and changes nothing for one resident shard. `include_values` returns the stored vectors too.
    """

    vector: NDArray[np.float32]
    top_k: int = 10
    filter: Filter | None = None
    ef: int | None = None
    nprobe: int | None = None
    include_values: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """A record that answers: `metadata` is compact JSON, `values` float32 of shape (dimension,) or None."""

    id: str
    score: float
    metadata: bytes
    values: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class QueryAnswer:
    """The best matches, best first, of one version.

    `mode` is `hot` (all from memory), `cold` (something was read from storage) or `ephemeral` (nothing has been
    indexed yet; `job_id` is the write to wait for).
    """

    matches: tuple[Match, ...]
    mode: str
    version: int
    job_id: str | None = None


@dataclass(frozen=True, slots=True)
class _Opened:
    dataset: Dataset
    head: Head
    newest_sequence: int


class Searcher:
    """Answers queries from one container's memory, reading what is missing. Safe to use from several threads."""

    def __init__(self, ports: Ports, *, cache_bytes: int) -> None:
        self._ports = ports
        self.reader = PartReader(ports.objects, cache_bytes=cache_bytes)
        self._names: OrderedDict[tuple[str, str, str], str] = OrderedDict()
        self._metas: OrderedDict[str, Dataset] = OrderedDict()
        self._dead: OrderedDict[str, DeadRows] = OrderedDict()
        self._lock = Lock()

    def query(self, tenant_id: str, *, scope: str, name: str, request: QueryRequest) -> QueryAnswer:
        """The best `top_k` live records of the dataset's current version.

        Raises:
            NotFound: `dataset_not_found`.
            InvalidInput: `dimension_mismatch`, or `response_too_large` naming the top_k that fits.
            CorruptObject: something stored is not what names it.
        """
        opened = self._open(tenant_id, scope=scope, name=name)
        dataset = opened.dataset
        _check_query_vector(dataset, request.vector)
        before = self.reader.bytes_read
        snapshot = open_snapshot(self.reader, dataset, opened.head)
        if snapshot is None:
            waiting_for = job_id(dataset.dataset_id, opened.newest_sequence)
            return QueryAnswer((), "ephemeral", 0, waiting_for)
        matches = self._search(snapshot, request)
        mode = "hot" if self.reader.bytes_read == before else "cold"
        return QueryAnswer(matches, mode, opened.head.version)

    def snapshot(self, tenant_id: str, *, scope: str, name: str) -> Snapshot | None:
        """The current version of a dataset; None before its first commit.

        Raises:
            NotFound: `dataset_not_found`.
        """
        opened = self._open(tenant_id, scope=scope, name=name)
        return open_snapshot(self.reader, opened.dataset, opened.head)

    def _open(self, tenant_id: str, *, scope: str, name: str) -> _Opened:
        """Name, HEAD and log counter in one consistent read, once the name's dataset has been seen."""
        cache_key = (tenant_id, scope, name)
        name_key = TenantKeys(tenant_id).name(scope, name)
        with self._lock:
            dataset_id = self._names.get(cache_key)
        for _ in range(2):
            wanted = [name_key]
            if dataset_id is not None:
                keys = DatasetKeys(tenant_id, dataset_id)
                wanted += [keys.head, keys.sequence]
                with self._lock:
                    wanted += [] if dataset_id in self._metas else [keys.meta]
            items = {item["sk"]: item for item in self._ports.table.batch_get(wanted)}
            entry = items.get(name_key.sk)
            if entry is None:
                break
            if dataset_id is not None and dataset_id == entry["dataset_id"]:
                return self._opened(dataset_id, items)
            dataset_id = str(entry["dataset_id"])
            with self._lock:
                _remember(self._names, cache_key, dataset_id, most=_NAMES_KEPT)
        raise NotFound("dataset_not_found", "dataset not found")

    def _opened(self, dataset_id: str, items: dict[str, Item]) -> _Opened:
        with self._lock:
            dataset = self._metas.get(dataset_id)
            if dataset is None and "META" in items:
                dataset = parse_meta(items["META"])
                _remember(self._metas, dataset_id, dataset, most=_NAMES_KEPT)
        if dataset is None or "HEAD" not in items or "SEQ" not in items:
            raise NotFound("dataset_not_found", "dataset not found")
        return _Opened(dataset, parse_head(items["HEAD"]), int(items["SEQ"]["next"]))

    def _dead_rows(self, snapshot: Snapshot, version_key: str) -> DeadRows:
        with self._lock:
            known = self._dead.get(version_key)
        if known is None:
            known = snapshot.dead()
            with self._lock:
                _remember(self._dead, version_key, known, most=_VERSIONS_KEPT)
        return known

    def _search(self, snapshot: Snapshot, request: QueryRequest) -> tuple[Match, ...]:
        manifest = snapshot.manifest
        dead = self._dead_rows(snapshot, f"{manifest.dataset_id}/{manifest.version}")
        self._load_in_parallel(snapshot, request)
        found = [
            (shard, *self._scan(snapshot, shard, request, dead.get(shard.shard_id)))
            for shard in manifest.deltas
        ]
        if manifest.resident is not None:
            resident = manifest.resident
            mask = dead.get(resident.shard_id)
            if _walks_graph(manifest, request):
                graph: Graph = self.reader.load(snapshot.graph_part(resident))
                ef = request.ef or (manifest.recall.ef if manifest.recall else DEFAULT_EF)
                found.append((resident, *graph.search(request.vector, request.top_k, ef, mask)))
            else:
                found.append((resident, *self._scan(snapshot, resident, request, mask)))
        lower = snapshot.dataset.metric.lower_is_better
        best = ranking.merge(found, request.top_k, lower)
        return self._with_records(snapshot, best, request)

    def _load_in_parallel(self, snapshot: Snapshot, request: QueryRequest) -> None:
        """Bring in all that the search is going to ask for, at once."""
        manifest = snapshot.manifest
        parts: list[Part[Any]] = []
        for shard in manifest.deltas:
            parts += [snapshot.vectors_part(shard), snapshot.records_part(shard)]
        if manifest.resident is not None:
            parts.append(snapshot.records_part(manifest.resident))
            walk = _walks_graph(manifest, request)
            parts.append(
                snapshot.graph_part(manifest.resident) if walk else snapshot.vectors_part(manifest.resident)
            )
        self.reader.load_all(parts)

    def _scan(self, snapshot: Snapshot, shard: ShardRef, request: QueryRequest, dead: BitMap | None) -> _Best:
        """Exact search over the rows that are live and match the filter."""
        vectors = self.reader.load(snapshot.vectors_part(shard))
        rows = None
        if request.filter is not None:
            records: Records = self.reader.load(snapshot.records_part(shard))
            rows = records.matching(request.filter)
        metric = snapshot.dataset.metric
        return exact.top_k(
            vectors.rows,
            request.vector,
            metric,
            request.top_k,
            rows=rows,
            dead=dead,
            norms=None if metric is Metric.DOT else vectors.lengths,
        )

    def _with_records(
        self,
        snapshot: Snapshot,
        best: Sequence[tuple[ShardRef, int, float]],
        request: QueryRequest,
    ) -> tuple[Match, ...]:
        """Records of the winners only."""
        by_shard: dict[str, list[int]] = {}
        for shard, row, _ in best:
            by_shard.setdefault(shard.shard_id, []).append(row)
        shards = {shard.shard_id: shard for shard, _, _ in best}
        records = {
            shard_id: self.reader.load(snapshot.records_part(shards[shard_id])).by_rows(rows)
            for shard_id, rows in by_shard.items()
        }
        matches = []
        size = 0
        for shard, row, score in best:
            record = records[shard.shard_id][row]
            values = None
            if request.include_values:
                values = self.reader.load(snapshot.vectors_part(shard)).rows[row]
            matches.append(Match(record.id, score, record.metadata, values))
            size += _escaped(record.metadata) + _escaped(orjson.dumps(record.id)) + _MATCH_OVERHEAD_BYTES
            if size > MAX_RESPONSE_BYTES:
                fits = len(matches) - 1
                raise InvalidInput(
                    "response_too_large",
                    f"the answer would be over {MAX_RESPONSE_BYTES} bytes; ask for top_k {fits} at most",
                    {"top_k": fits},
                )
        return tuple(matches)


def _escaped(text: bytes) -> int:
    """Bytes of JSON inside Lambda's answer, where it is a string: quotes and backslashes count twice."""
    return len(text) + text.count(b'"') + text.count(b"\\")


def _walks_graph(manifest: Manifest, request: QueryRequest) -> bool:
    """Whether the resident shard is searched by its graph rather than exactly.

    Exactly where a filter decides, and where calibration found the graph wanting at its widest beam (dot products
    of vectors of very unequal lengths do that): slower is better than wrong. An explicit `ef` is obeyed.
    """
    if request.filter is not None:
        return False
    recall = manifest.recall
    return request.ef is not None or recall is None or recall.measured >= recall.target


def _check_query_vector(dataset: Dataset, vector: NDArray[np.float32]) -> None:
    if len(vector) != dataset.dimension:
        raise InvalidInput(
            "dimension_mismatch",
            f"dimension mismatch: got {len(vector)} expected {dataset.dimension}",
            {"expected": dataset.dimension, "got": len(vector)},
        )
    if dataset.metric is Metric.COSINE and not vector.any():
        raise InvalidInput("invalid_request", "vector must not be zero: a zero vector has no cosine")


def _remember[K, V](cache: OrderedDict[K, V], key: K, value: V, *, most: int) -> None:
    cache[key] = value
    cache.move_to_end(key)
    while len(cache) > most:
        cache.popitem(last=False)
