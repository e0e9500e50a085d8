"""Searching the shards that every query searches whole: the resident one, by graph or exactly, and the deltas."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from shoal.index import exact
from shoal.index.graph import Graph
from shoal.index.records import Records
from shoal.model.datasets import Metric
from shoal.model.manifests import Manifest, ShardRef
from shoal.model.queries import QueryRequest
from shoal.services.loadable import Part
from shoal.services.query_trace import Trace
from shoal.services.snapshot import DeadRows, ShardVectors, Snapshot

DEFAULT_EF = 64
"""Beam width for a graph that has not been calibrated."""

type Best = tuple[NDArray[np.int64], NDArray[np.float32]]
"""Rows and their scores, best first."""
type Loaded = Mapping[str, Any]
"""What a query has loaded, by name, so that nothing is read twice where the cache is small."""
type Known = Mapping[str, NDArray[np.int64]]
"""By shard, the live rows that match, where that was known before anything was loaded: int64, ascending."""


def parts_of(snapshot: Snapshot, request: QueryRequest, known: Known) -> list[Part[Any]]:
    """All that the search is going to ask for, and the records of what it may find."""
    manifest = snapshot.manifest
    parts: list[Part[Any]] = []
    for shard in manifest.shards:
        if shard.shard_id in known and not len(known[shard.shard_id]):
            continue  # nothing in it matches
        parts.append(snapshot.records_part(shard))
        walk = shard is manifest.resident and walks_graph(manifest, request)
        parts.append(snapshot.graph_part(shard) if walk else snapshot.vectors_part(shard))
    return parts


def live_rows(manifest: Manifest, dead: DeadRows) -> int:
    """How many rows of these shards are alive."""
    return sum(shard.rows - len(dead.get(shard.shard_id, ())) for shard in manifest.shards)


def search(
    snapshot: Snapshot, request: QueryRequest, loaded: Loaded, dead: DeadRows, known: Known, trace: Trace
) -> list[tuple[ShardRef, NDArray[np.int64], NDArray[np.float32]]]:
    """The best rows of each shard, with their scores."""
    manifest = snapshot.manifest
    found: list[tuple[ShardRef, NDArray[np.int64], NDArray[np.float32]]] = []
    for shard in manifest.shards:
        mask = dead.get(shard.shard_id)
        if shard is manifest.resident and walks_graph(manifest, request):
            graph: Graph = loaded[snapshot.graph_part(shard).name]
            ef = request.ef or (manifest.recall.ef if manifest.recall else DEFAULT_EF)
            trace.candidates += min(shard.rows, max(ef, request.top_k))
            found.append((shard, *graph.search(request.vector, request.top_k, ef, mask)))
            continue
        rows = known.get(shard.shard_id)
        if rows is None and request.selection is not None:
            records: Records = loaded[snapshot.records_part(shard).name]
            rows = _alive(records.matching(request.selection), mask)
        if rows is not None:
            trace.matched(len(rows))
        if rows is None or len(rows):
            found.append((shard, *_scan(snapshot, shard, request, loaded, mask, rows, trace)))
    return found


def _alive(rows: NDArray[np.uint32], dead: BitMap | None) -> NDArray[np.int64]:
    if dead:
        rows = rows[~np.isin(rows, np.frombuffer(dead.to_array(), dtype=np.uint32), assume_unique=True)]
    return rows.astype(np.int64)


def _scan(
    snapshot: Snapshot,
    shard: ShardRef,
    request: QueryRequest,
    loaded: Loaded,
    dead: BitMap | None,
    rows: NDArray[np.int64] | None,
    trace: Trace,
) -> Best:
    """Exact search over the rows named, or over all that are alive."""
    vectors: ShardVectors = loaded[snapshot.vectors_part(shard).name]
    trace.candidates += shard.rows if rows is None else len(rows)
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


def walks_graph(manifest: Manifest, request: QueryRequest) -> bool:
    """Whether the resident shard is searched by its graph rather than exactly.

    Exactly where a selection decides, and where calibration found the graph wanting at its widest beam (dot
    products of vectors of very unequal lengths do that): slower is better than wrong. An explicit `ef` is obeyed.

    With a selection, a walk for more rows than are asked for, of which those that match are kept, would save 2 ms
    at most. 21,000 x 768 generated rows (64 MB, the most that stay one shard), one thread, milliseconds and
    recall@10 of the worse of held-out rows and midpoints, at beam widths around a recall of 0.99::

        share    exact    ef 64           ef 128          ef 256
         90 %      2.8    0.5  0.984      1.0  0.993      1.8  0.998
         50 %      2.9    0.6  0.988      1.0  0.996      1.7  0.997
         20 %      2.5    0.6  0.961      1.1  0.993      1.8  0.999
         10 %      0.9    0.7  0.604      1.0  0.951      1.9  0.996

    Which width that takes depends on the filter, so it would have to grow until nothing changes, which costs as
    much as being exact; and from storage the graph takes more bytes than the vectors.
    """
    if request.selection is not None:
        return False
    recall = manifest.recall
    return request.ef is not None or recall is None or recall.measured >= recall.target
