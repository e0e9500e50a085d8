"""Queries: one version of a dataset, every shard of it searched, the best k with their records."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.errors import InvalidInput, NotFound
from shoal.model import ranking
from shoal.model.datasets import Dataset, Head, Metric
from shoal.model.ids import job_id
from shoal.model.limits import EXACT_FILTER_BYTES
from shoal.model.queries import Explanation, Match, QueryAnswer, QueryRequest
from shoal.services import filtered, flat
from shoal.services.cell_search import CellSearch
from shoal.services.disk_tier import DiskTier
from shoal.services.filtered import Found, Limits
from shoal.services.heads import parse_head, parse_meta
from shoal.services.name_items import visible
from shoal.services.parts import PartReader
from shoal.services.query_trace import Trace
from shoal.services.rounds import BUDGET_BYTES, imports_of
from shoal.services.snapshot import Snapshot, open_snapshot
from shoal.services.tolerance import Loader
from shoal.services.winners import Source, matches_of, spots_of
from shoal.storage.keys import DatasetKeys, TenantKeys
from shoal.storage.ports import Item, Ports

__all__ = ["Match", "QueryAnswer", "QueryRequest", "Searcher"]

type Embed = Callable[[Dataset], NDArray[np.float32]]
"""Makes the vector of a query, once it is known of which dataset: float32, shape (dimension,)."""

_NAMES_KEPT = 1024
_MOVES = 8
"""How often a name may point elsewhere while one request looks it up; an alias does so now and then."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """The best rows of a version, best first: source, row and score; and all that was loaded to find them.

    `partial`: the budget of bytes, or a damaged cell, ended the search before all was looked at.
    """

    rows: list[tuple[Source, int, float]]
    loaded: dict[str, Any]
    partial: bool


@dataclass(frozen=True, slots=True)
class _Opened:
    dataset: Dataset
    head: Head
    newest_sequence: int


class Searcher:
    """Answers queries from one container's cache, reading what is missing. Safe to use from several threads.

    Args:
        ports: where everything is stored.
        cache_bytes: of the cache in memory.
        disk_bytes: of the cache on disk, for what memory had no room for; 0: none.
        budget_bytes: of the cells that one request opens at most.
        exact_bytes: of the cells in which something matches a filter, up to which all of them are opened.
    """

    def __init__(
        self,
        ports: Ports,
        *,
        cache_bytes: int,
        disk_bytes: int = 0,
        budget_bytes: int = BUDGET_BYTES,
        exact_bytes: int = EXACT_FILTER_BYTES,
    ) -> None:
        self._ports = ports
        self.budget_bytes = budget_bytes
        self._limits = Limits(budget_bytes, exact_bytes)
        self.reader = PartReader(ports.objects, cache_bytes=cache_bytes, disk=DiskTier(disk_bytes))
        self._names: OrderedDict[tuple[str, str, str], str] = OrderedDict()
        self._metas: OrderedDict[str, Dataset] = OrderedDict()
        self._lock = Lock()

    def query(
        self, tenant_id: str, *, scope: str, name: str, request: QueryRequest, embed: Embed | None = None
    ) -> QueryAnswer:
        """The best `top_k` live records of the dataset's current version.

        Args:
            tenant_id: whose dataset it is.
            scope: that of its name.
            name: its name, or an alias.
            request: what is asked.
            embed: makes the vector that is searched for, in place of the request's, once the dataset is known.

        Raises:
            NotFound: `dataset_not_found`.
            InvalidInput: `dimension_mismatch`, `response_too_large` naming the top_k that fits, or
                `filter_not_indexed` naming the paths.
            CorruptObject: something stored is not what names it.
            ShoalError: what `embed` raises.
        """
        trace = Trace()
        with trace.stage("open"):
            opened = self._open(tenant_id, scope=scope, name=name)
            dataset = opened.dataset
        if embed is not None:
            with trace.stage("embed"):
                request = replace(request, vector=embed(dataset))
        with trace.stage("open"):
            _check_query_vector(dataset, request.vector)
            snapshot = open_snapshot(self.reader.traced(trace), dataset, opened.head)
        answer = QueryAnswer((), "ephemeral", 0, job_id(dataset.dataset_id, opened.newest_sequence))
        if snapshot is not None:
            matches, partial = _search(snapshot, request, trace, self._limits)
            mode = "cold" if trace.storage_requests else "hot"
            answer = QueryAnswer(matches, mode, opened.head.version, partial=partial)
        return replace(
            answer,
            explanation=_explanation(trace) if request.explain else None,
            embedding_model=dataset.binding.model_id if dataset.binding else None,
        )

    def snapshot(self, tenant_id: str, *, scope: str, name: str) -> Snapshot | None:
        """The current version of a dataset; None before its first commit.

        Raises:
            NotFound: `dataset_not_found`.
        """
        return self.open(tenant_id, scope=scope, name=name)[1]

    def open(self, tenant_id: str, *, scope: str, name: str) -> tuple[Dataset, Snapshot | None]:
        """A dataset and its current version, of one read; no version before its first commit.

        Raises:
            NotFound: `dataset_not_found`.
        """
        opened = self._open(tenant_id, scope=scope, name=name)
        return opened.dataset, open_snapshot(self.reader, opened.dataset, opened.head)

    def rank(self, snapshot: Snapshot, request: QueryRequest) -> Ranked:
        """The best `top_k` live rows of a version, whatever their records weigh.

        Raises:
            InvalidInput: `dimension_mismatch`, or `filter_not_indexed` naming the paths.
            CorruptObject: something stored is not what names it.
        """
        _check_query_vector(snapshot.dataset, request.vector)
        loader = Loader(snapshot.reader, tolerant=request.allow_partial)
        return _rank(snapshot, request, Trace(), loader, self._limits)

    def _open(self, tenant_id: str, *, scope: str, name: str) -> _Opened:
        """Name, HEAD and log counter in one consistent read, once the name's dataset has been seen."""
        cache_key = (tenant_id, scope, name)
        name_key = TenantKeys(tenant_id).name(scope, name)
        with self._lock:
            dataset_id = self._names.get(cache_key)
        opened = None
        for _ in range(_MOVES):
            wanted = [name_key]
            if dataset_id is not None:
                keys = DatasetKeys(tenant_id, dataset_id)
                wanted += [keys.head, keys.sequence]
                with self._lock:
                    wanted += [] if dataset_id in self._metas else [keys.meta]
            items = {item["sk"]: item for item in self._ports.table.batch_get(wanted)}
            entry = visible(items.get(name_key.sk))
            if entry is None:
                raise _not_found()
            opened = self._opened(dataset_id, items) if dataset_id is not None else None
            if dataset_id == entry["dataset_id"]:
                break
            dataset_id = str(entry["dataset_id"])
            with self._lock:
                _remember(self._names, cache_key, dataset_id, most=_NAMES_KEPT)
        if opened is None:
            raise _not_found()
        # An alias that is moved all the time has pointed here, too, since the request came.
        return opened

    def _opened(self, dataset_id: str, items: dict[str, Item]) -> _Opened | None:
        with self._lock:
            dataset = self._metas.get(dataset_id)
            if dataset is None and "META" in items:
                dataset = parse_meta(items["META"])
                _remember(self._metas, dataset_id, dataset, most=_NAMES_KEPT)
        if dataset is None or "HEAD" not in items or "SEQ" not in items:
            return None
        return _Opened(dataset, parse_head(items["HEAD"]), int(items["SEQ"]["next"]))


def _not_found() -> NotFound:
    return NotFound("dataset_not_found", "dataset not found")


def _search(
    snapshot: Snapshot, request: QueryRequest, trace: Trace, limits: Limits
) -> tuple[tuple[Match, ...], bool]:
    """The winners of all shards and cells, and whether more should have been looked at."""
    loader = Loader(snapshot.reader, tolerant=request.allow_partial)
    ranked = _rank(snapshot, request, trace, loader, limits)
    best = ranked.rows
    with trace.stage("records"):
        shown = _readable(snapshot, best, ranked.loaded, loader, request) if request.allow_partial else best
        matches = matches_of(
            snapshot,
            shown,
            ranked.loaded,
            include_values=request.include_values,
            include_document=request.include_document,
        )
        return matches, ranked.partial or len(shown) < len(best)


def _rank(snapshot: Snapshot, request: QueryRequest, trace: Trace, loader: Loader, limits: Limits) -> Ranked:
    """The best rows of all shards and cells."""
    selection = request.selection
    if selection is None:
        found = _search_all(snapshot, request, trace, loader, limits.budget)
    else:
        found = filtered.search(snapshot, request, selection, trace, loader, limits)
    with trace.stage("score"):
        best = ranking.merge(found.best, request.top_k, snapshot.dataset.metric.lower_is_better)
    return Ranked(best, found.loaded, found.partial)


def _search_all(
    snapshot: Snapshot, request: QueryRequest, trace: Trace, loader: Loader, budget: int
) -> Found:
    """The best of all live rows."""
    with trace.stage("open"):
        dead = snapshot.dead_rows()
        imports = imports_of(snapshot)
        trace.cells_total = sum(len(item.cells) for item in imports)
        cells = CellSearch(imports, request, snapshot.dataset.metric, trace, budget=budget)
    with trace.stage("route"):
        pieces = cells.begin(wanted=request.top_k - flat.live_rows(snapshot.manifest, dead))
    with trace.stage("load"):
        loaded = loader.load([*flat.parts_of(snapshot, request, {}), *pieces])
    with trace.stage("score"):
        best: list[tuple[Source, NDArray[np.int64], NDArray[np.float32]]] = []
        best += flat.search(snapshot, request, loaded, dead, {}, trace)
        cells.score(loaded)
    return Found([*best, *cells.best], loaded, cells.partial)


def _readable(
    snapshot: Snapshot,
    best: Sequence[tuple[Source, int, float]],
    loaded: dict[str, Any],
    loader: Loader,
    request: QueryRequest,
) -> list[tuple[Source, int, float]]:
    """The winners whose cells can be read, which are in `loaded` then."""
    spots = spots_of(snapshot, [(source, row) for source, row, _ in best])
    wanted = [spot.loadables(include_values=request.include_values) for spot in spots]
    missing = {part.name: part for parts in wanted for part in parts if part.name not in loaded}
    loaded |= loader.load(list(missing.values()))
    pairs = zip(best, wanted, strict=True)
    return [winner for winner, parts in pairs if all(part.name in loaded for part in parts)]


def _explanation(trace: Trace) -> Explanation:
    return Explanation(
        cells_opened=trace.cells_opened,
        cells_total=trace.cells_total,
        candidates=trace.candidates,
        storage_bytes=trace.storage_bytes,
        storage_requests=trace.storage_requests,
        disk_bytes=trace.disk_bytes,
        memory_hits=trace.memory_hits,
        decided=trace.decided,
        matches=trace.matches if trace.decided else None,
        milliseconds={stage: round(seconds * 1000, 3) for stage, seconds in trace.seconds.items()},
    )


def _check_query_vector(dataset: Dataset, vector: NDArray[np.float32]) -> None:
    if len(vector) != dataset.dimension:
        message = f"dimension mismatch: got {len(vector)} expected {dataset.dimension}"
        details: dict[str, Any] = {"expected": dataset.dimension, "got": len(vector)}
        if dataset.binding is not None:
            model_id = details["embedding_model"] = dataset.binding.model_id
            message += f", which is what the dataset's embedding model {model_id} makes"
        raise InvalidInput("dimension_mismatch", message, details)
    if dataset.metric is Metric.COSINE and not vector.any():
        raise InvalidInput("invalid_request", "vector must not be zero: a zero vector has no cosine")


def _remember[K, V](cache: OrderedDict[K, V], key: K, value: V, *, most: int) -> None:
    cache[key] = value
    cache.move_to_end(key)
    while len(cache) > most:
        cache.popitem(last=False)
