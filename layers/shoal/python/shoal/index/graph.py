"""hnswlib graphs with every check that hnswlib leaves out, and exactly as many results as there can be."""

import threading
from typing import Any

import hnswlib
import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from shoal.errors import CorruptObject, ShoalError
from shoal.index import exact
from shoal.index.checksums import Buffer
from shoal.index.container import pack, section_of, unpack
from shoal.index.exact import Scores
from shoal.index.geometry import Geometry, geometry_of
from shoal.index.hnsw_file import check_file, file_of, written_file
from shoal.model.datasets import Metric
from shoal.model.records import Vectors

KIND = "hnsw"
FORMAT = 1
DEFAULT_M = 16
DEFAULT_EF_CONSTRUCTION = 200
_SEED = 100
_GROWTH = 4
_FALLBACK_ROWS = 1024
_FEW_LIVE = 64
"""With fewer than `ef` live rows a walk visits all others: 30 ms for 50,000 x 256, where 100 rows take 2 ms."""
_ROW_OVERHEAD_BYTES = 128
"""What hnswlib keeps of a row outside its file: lock, level, label, list pointer, visited mark."""


class NeedsRebuild(ShoalError):
    """New vectors do not fit the geometry that the graph was built with."""


class Graph:
    """One graph over rows 0 to n-1; safe to use from several threads, one search at a time.

    Scores are those of `exact.scores` to rounding: within 1e-5 of the product of the lengths under cosine and
    dot, of the score itself under l2, where equal vectors score exactly 0.0.
    """

    def __init__(self, index: Any, geometry: Geometry, rows: int) -> None:
        self._index = index
        self._geometry = geometry
        self._rows = rows
        self._hidden = BitMap()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self._rows

    @property
    def dimension(self) -> int:
        """Length of the vectors as sent."""
        return self._geometry.dimension

    @property
    def metric(self) -> Metric:
        """How near two vectors are."""
        return self._geometry.metric

    @property
    def memory_bytes(self) -> int:
        """About what the graph occupies, without the raw vectors of its caller."""
        with self._lock:
            return int(self._index.index_file_size()) + _ROW_OVERHEAD_BYTES * self._rows

    def extend(self, vectors: Vectors, *, threads: int = 0) -> None:
        """Add rows after those that are there: float32, shape (m, dimension).

        Raises:
            NeedsRebuild: a vector is longer than the geometry has room for; nothing was added.
        """
        _check_vectors(vectors, self.dimension)
        if not len(vectors):
            return
        if not self._geometry.holds(vectors):
            raise NeedsRebuild("a new vector is longer than the graph has room for")
        with self._lock:
            total = self._rows + len(vectors)
            self._index.resize_index(total)
            labels = np.arange(self._rows, total)
            self._index.add_items(self._geometry.placed(vectors), labels, num_threads=threads or -1)
            self._rows = total

    def save(self) -> bytes:
        """The object to store. Which rows are dead is not part of it."""
        with self._lock:
            hidden = self._hidden
            self._hide(BitMap())
            try:
                with written_file(self._index.save_index) as stored:
                    attributes = {
                        "structure": "graph",
                        "m": int(self._index.M),
                        "ef_construction": int(self._index.ef_construction),
                        **self._geometry.attributes,
                    }
                    return pack(KIND, FORMAT, attributes, {"hnswlib": stored})
            finally:
                self._hide(hidden)

    def search(
        self, query: Vectors, k: int, ef: int, dead: BitMap | None = None
    ) -> tuple[NDArray[np.int64], Scores]:
        """The k nearest rows, best first, ties by row: exactly k while as many are alive.

        Args:
            query: float32, shape (dimension,), finite.
            k: how many.
            ef: how many candidates to keep while walking the graph; at least k are kept.
            dead: rows to leave out.

        Returns:
            Row numbers (int64) and scores (float32).
        """
        query = _check_query(query, self.dimension)
        with self._lock:
            self._hide(dead or BitMap())
            live = self._rows - len(self._hidden)
            wanted = min(k, live)
            if wanted <= 0:
                return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
            if live <= ef and live * _FEW_LIVE < self._rows:
                rows, found = self._every_live_row(query)
            else:
                rows, found = self._walk(query, wanted, max(ef, wanted))
            return exact.top_k_of(rows, found, wanted, self.metric)

    def _walk(self, query: Vectors, k: int, ef: int) -> tuple[NDArray[np.int64], Scores]:
        """Ask hnswlib, which refuses to answer when it reached fewer than k live rows; then with more room."""
        aimed = self._geometry.aimed(query).reshape(1, -1)
        while True:
            self._index.set_ef(ef)
            try:
                labels, distances = self._index.knn_query(aimed, k=k, num_threads=1)
            except RuntimeError:
                if ef >= self._rows:
                    return self._every_live_row(query)
                ef = min(self._rows, _GROWTH * ef)
            else:
                return np.asarray(labels[0], dtype=np.int64), self._geometry.scored(distances[0], query)

    def _every_live_row(self, query: Vectors) -> tuple[NDArray[np.int64], Scores]:
        """Exact, for few live rows, and where some are not linked from any other."""
        alive = np.ones(self._rows, dtype=np.bool_)
        alive[np.frombuffer(self._hidden.to_array(), dtype=np.uint32)] = False
        rows = np.flatnonzero(alive)
        found = np.empty(len(rows), dtype=np.float32)
        for start in range(0, len(rows), _FALLBACK_ROWS):
            some = slice(start, start + _FALLBACK_ROWS)
            placed = np.asarray(self._index.get_items(rows[some]), dtype=np.float32)
            found[some] = exact.scores(self._geometry.unplaced(placed), query, self.metric)
        return rows, found

    def _hide(self, dead: BitMap) -> None:
        """Keep hnswlib's deletion marks in step with the dead rows of this search."""
        if dead == self._hidden:
            return
        if dead and dead.max() >= self._rows:
            raise CorruptObject(f"row {dead.max()} is dead in a graph of {self._rows} rows")
        for row in dead - self._hidden:
            self._index.mark_deleted(row)
        for row in self._hidden - dead:
            self._index.unmark_deleted(row)
        self._hidden = dead.copy()


def build_graph(
    vectors: Vectors,
    metric: Metric,
    *,
    m: int = DEFAULT_M,
    ef_construction: int = DEFAULT_EF_CONSTRUCTION,
    threads: int = 0,
) -> Graph:
    """Build a graph; row numbers are places in `vectors`.

    Args:
        vectors: float32, shape (n, dimension), n > 0, C-contiguous, finite.
        metric: how near two vectors are.
        m: links of a row; twice as many on the ground level.
        ef_construction: candidates while linking.
        threads: 0 for all cores.
    """
    _check_vectors(vectors, vectors.shape[-1])
    if not len(vectors):
        raise ValueError("a graph has at least one row")
    geometry = geometry_of(vectors, metric)
    index = _new_index(geometry)
    index.init_index(max_elements=len(vectors), M=m, ef_construction=ef_construction, random_seed=_SEED)
    index.add_items(geometry.placed(vectors), np.arange(len(vectors)), num_threads=threads or -1)
    return Graph(index, geometry, len(vectors))


def load_graph(data: Buffer, *, dimension: int, metric: Metric, rows: int) -> Graph:
    """Open a saved graph, after its checksum has been compared.

    Args:
        data: what `Graph.save` gave.
        dimension: of the dataset.
        metric: of the dataset.
        rows: of the shard.

    Raises:
        CorruptObject: not a graph of these rows, this dimension and this metric.
    """
    container = unpack(KIND, data, versions=(FORMAT,))
    geometry = Geometry.from_attributes(container.attributes)
    if geometry.dimension != dimension or geometry.metric is not metric:
        raise CorruptObject(f"graph of dimension {geometry.dimension} and metric {geometry.metric}")
    if container.attributes.get("structure") != "graph":
        raise CorruptObject("index is not a graph")
    stored = section_of(container, "hnswlib")
    check_file(stored, rows=rows, width=geometry.width)
    index = _new_index(geometry)
    with file_of(stored) as path:
        try:
            index.load_index(path, max_elements=rows)
        except RuntimeError as error:
            raise CorruptObject("graph cannot be read") from error
    return Graph(index, geometry, rows)


def _new_index(geometry: Geometry) -> Any:
    return hnswlib.Index(space=geometry.space, dim=geometry.width)


def _check_vectors(vectors: Vectors, dimension: int) -> None:
    if vectors.dtype != np.float32 or vectors.ndim != 2 or vectors.shape[1] != dimension:
        raise ValueError(f"vectors of type {vectors.dtype} and shape {vectors.shape}")
    if not vectors.flags.c_contiguous or not np.isfinite(vectors).all():
        raise ValueError("vectors must be contiguous and finite")


def _check_query(query: Vectors, dimension: int) -> Vectors:
    query = np.ascontiguousarray(query)
    if query.dtype != np.float32 or query.shape != (dimension,) or not np.isfinite(query).all():
        raise ValueError(f"query of type {query.dtype} and shape {query.shape}")
    return query
