"""LanceDB: a table from the file, then one of its vector indexes; the second argument names it."""

import sys

import lancedb  # type: ignore[import-not-found] # only in the peers' environment

from tests.benchmarks.peers.common import Task, Watch, answer, least, read_rows, read_task, recall

_PROBES = [1, 2, 4, 6, 8, 12, 16, 20, 32, 48, 64, 96, 128, 256, 512]
_REFINE = 10
"""Candidates for each answer that are compared by their true distance, where the index holds shortened vectors."""


def main() -> None:
    """Parse, write, index, and look for the number of probes that is enough."""
    task, kind, watch = read_task(), sys.argv[2], Watch()
    with watch.on("parse"):
        rows = read_rows(task)
    database = lancedb.connect(task.folder)
    with watch.on("write"):
        table = database.create_table("vectors", data=rows)
    with watch.on("index"):
        table.create_index(metric=task.metric, index_type=kind, vector_column_name="vector")
    places = {name: place for place, name in enumerate(rows["id"].to_pylist())}
    refine = None if kind == "IVF_FLAT" else _REFINE
    found = least(_PROBES, lambda probes: _measure(task, table, places, probes, refine))
    statistics = table.index_stats(table.list_indices()[0].name)
    answer(watch, what="nprobes", refine=refine, indexed=statistics.num_indexed_rows, **found)


def _measure(
    task: Task, table: lancedb.table.Table, places: dict[str, int], probes: int, refine: int | None
) -> float:
    answers = []
    for query in task.queries:
        search = table.search(query).distance_type(task.metric).nprobes(probes).limit(task.truth.shape[1])
        if refine:
            search = search.refine_factor(refine)
        answers.append([places[name] for name in search.select(["id"]).to_arrow()["id"].to_pylist()])
    return recall(task, answers)


if __name__ == "__main__":
    main()
