"""LanceDB: queries with filters, applied before the search, by IVF_FLAT and by comparing all rows that match."""

import time
from collections.abc import Sequence
from typing import Any

import lancedb  # type: ignore[import-not-found] # only in the peers' environment
import numpy as np
import orjson
import pyarrow as pa

from tests.benchmarks.peers.common import Task, Watch, answer, read_rows, read_task

_DEFAULT_PROBES = 20
_LADDER = [8, 20, 32, 48, 64, 96, 128, 192, 256, 384, 632]
_ENOUGH = 0.99
_LADDER_QUERIES = 100
_WARM_UP = 20
_MANY = 1000
"""Values from which on a column gets a B-tree and not bitmaps."""
_NOTHING = -1


def main() -> None:
    """Write, index, ask: the answer has a row for each filter and way to search."""
    task, watch = read_task(), Watch()
    with watch.on("parse"):
        rows = read_rows(task)
        for name, values in _columns(task).items():
            rows = rows.append_column(name, pa.array(values))
    with watch.on("write"):
        database = lancedb.connect(task.folder)
        table = database.create_table("vectors", data=rows)
    with watch.on("index"):
        table.create_index(metric=task.metric, index_type="IVF_FLAT", vector_column_name="vector")
        for name in task.more["columns"]:
            many = len(set(rows[name].to_pylist())) > _MANY
            table.create_scalar_index(name, index_type="BTREE" if many else "BITMAP")
    asking = _Asking(task, table, rows["id"].to_pylist())
    cases: list[tuple[int | None, list[str | None], Any]] = [(None, [None] * len(task.queries), task.truth)]
    filters, truths = task.more["filters"], task.more["truths"]
    for number, (some, truth) in enumerate(zip(filters, truths, strict=True)):
        cases.append((number, some, np.array(truth)))
    found = [row for case in cases for row in asking.all_ways(*case)]
    answer(watch, rows=found, ladder=_LADDER, version=lancedb.__version__)


def _columns(task: Task) -> dict[str, list[int]]:
    names: Sequence[str] = task.more["columns"]
    values: dict[str, list[int]] = {name: [] for name in names}
    with task.ndjson.open("rb") as file:
        for line in file:
            metadata = orjson.loads(line)["metadata"]
            for name in names:
                values[name].append(metadata[name])
    return values


class _Asking:
    """Asks a table, and compares with what is true."""

    def __init__(self, task: Task, table: lancedb.table.Table, ids: Sequence[str]) -> None:
        self._task = task
        self._table = table
        self._ids = ids
        self._k = task.truth.shape[1]

    def all_ways(
        self, case: int | None, filters: Sequence[str | None], truth: np.ndarray[Any, Any]
    ) -> list[list[Any]]:
        """Case, way, probes, recall, and seconds of each query, for each way."""
        found = [[case, "IVF_FLAT, default", _DEFAULT_PROBES, *self._asked(filters, truth, _DEFAULT_PROBES)]]
        for probes in _LADDER:
            share, _ = self._asked(filters[:_LADDER_QUERIES], truth, probes)
            if share >= _ENOUGH:
                break
        found.append([case, f"IVF_FLAT, for {_ENOUGH}", probes, *self._asked(filters, truth, probes)])
        found.append([case, "flat", None, *self._asked(filters, truth, None)])
        return found

    def _asked(
        self, filters: Sequence[str | None], truth: np.ndarray[Any, Any], probes: int | None
    ) -> tuple[float, list[float]]:
        shares, seconds = [], []
        for number in range(-_WARM_UP, len(filters)):
            query, condition = self._task.queries[number], filters[number]
            began = time.perf_counter()
            search = self._table.search(query).distance_type(self._task.metric).limit(self._k)
            search = search.bypass_vector_index() if probes is None else search.nprobes(probes)
            if condition is not None:
                search = search.where(condition, prefilter=True)
            names = search.select(["id"]).to_arrow()["id"].to_pylist()
            took = time.perf_counter() - began
            if number < 0:
                continue
            seconds.append(took)
            wanted = {self._ids[place] for place in truth[number].tolist() if place != _NOTHING}
            if wanted:
                shares.append(len(wanted.intersection(names)) / len(wanted))
        return float(np.mean(shares)), seconds


if __name__ == "__main__":
    main()
