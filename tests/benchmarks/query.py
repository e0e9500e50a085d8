"""A warm query: the query function's handler against bare hnswlib, on one graph."""

from collections.abc import Sequence
from typing import Any

import hnswlib
import numpy as np

from shoal.http.app import App
from shoal.index import exact
from shoal.index.container import section_of, unpack
from shoal.index.graph import FORMAT, KIND
from shoal.index.hnsw_file import file_of
from shoal.index.shard import INDEX_FILE
from shoal.model.datasets import Dataset, Metric
from shoal.model.records import Vectors
from shoal.storage.keys import TenantKeys
from tests.benchmarks.corpus import Corpus, names
from tests.benchmarks.deployment import Deployment, answer_of
from tests.benchmarks.harness import Say, Table, Times, in_turns, ms, rate, timed

ROWS = 100_000
DIMENSION = 768
TOP_K = 10
_BATCH = 1000
_DRAIN_EVERY = 60
"""Writes: less than back-pressure allows to wait."""
_QUERIES = 200
_WARM_UP = 20
_DELTA_ROWS = 5000
"""Nearly the 16 MB that deltas may hold before the next build."""
_ALLOWED_RATIO, _ALLOWED_SECONDS = 1.3, 0.003


def run(say: Say, *, rows: int = ROWS) -> list[Table]:
    """Load, build, check the recall, and time."""
    deployment = Deployment()
    dataset = deployment.create("vectors", DIMENSION)
    corpus = Corpus(DIMENSION)
    stored = corpus.draw(rows)
    queries = corpus.draw(_WARM_UP + _QUERIES)

    loading = _load(deployment, dataset, stored, say)
    say("building the graph")
    building = timed(lambda: deployment.build(dataset))
    say(f"built in {building:.0f} s; looking for the true neighbours")
    truth = _true_neighbours(stored, queries)

    tiny = deployment.create("one", DIMENSION)
    deployment.write(tiny, stored[:1])
    deployment.drain(tiny)
    app = deployment.query_app()
    events = [deployment.query_event(dataset, query, top_k=TOP_K) for query in queries]
    tiny_events = [deployment.query_event(tiny, query) for query in queries]
    first = timed(lambda: answer_of(app, events[0]))
    found = [_ids(app, each) for each in events]
    recall = _share(found, truth)

    manifest = deployment.manifest(dataset)
    assert manifest.recall is not None
    bare = _bare_index(deployment, dataset, manifest.recall.ef)
    say("timing")
    times = in_turns(
        {
            "handler": lambda number: app.handle(events[number]),
            "bare": lambda number: bare.knn_query(queries[number].reshape(1, -1), k=TOP_K, num_threads=1),
            "one": lambda number: app.handle(tiny_events[number]),
        },
        rounds=_QUERIES,
        warm_up=_WARM_UP,
    )
    say("timing with deltas")
    deployment.write(dataset, corpus.draw(_DELTA_ROWS), start=rows)
    deployment.drain(dataset)
    times |= in_turns(
        {"deltas": lambda number: app.handle(events[number])}, rounds=_QUERIES, warm_up=_WARM_UP
    )
    return [
        _load_table(rows, loading, building, first),
        _query_table(times, recall=recall, ef=manifest.recall.ef, measured=manifest.recall.measured),
    ]


def _load(deployment: Deployment, dataset: Dataset, stored: Vectors, say: Say) -> float:
    """Seconds for writing and indexing all rows."""

    def work() -> None:
        for number, start in enumerate(range(0, len(stored), _BATCH), start=1):
            deployment.write(dataset, stored[start : start + _BATCH], start=start)
            if number % _DRAIN_EVERY == 0:
                say(f"{start + _BATCH:,} rows written")
                deployment.drain(dataset)
        deployment.drain(dataset)

    return timed(work)


def _true_neighbours(stored: Vectors, queries: Vectors) -> list[set[str]]:
    """The ids of the nearest rows of each query, by exact search."""
    ids = names(0, len(stored))
    norms = exact.vector_norms(stored)
    best = [exact.top_k(stored, query, Metric.L2, TOP_K, norms=norms)[0] for query in queries]
    return [{ids[row] for row in rows.tolist()} for rows in best]


def _ids(app: App, sent: dict[str, Any]) -> list[str]:
    return [match["id"] for match in answer_of(app, sent)["matches"]]


def _share(found: Sequence[Sequence[str]], truth: Sequence[set[str]]) -> float:
    """Recall: which part of the true neighbours was found."""
    pairs = zip(found, truth, strict=True)
    return float(np.mean([len(wanted.intersection(ids)) / len(wanted) for ids, wanted in pairs]))


def _bare_index(deployment: Deployment, dataset: Dataset, ef: int) -> Any:
    """The graph of the resident shard once more, as hnswlib by itself loads it."""
    resident = deployment.manifest(dataset).resident
    assert resident is not None
    key = TenantKeys(dataset.tenant_id).shard_file(resident.shard_id, INDEX_FILE)
    container = unpack(KIND, deployment.ports.objects.get(key), versions=(FORMAT,))
    bare = hnswlib.Index(space="l2", dim=dataset.dimension)
    with file_of(section_of(container, "hnswlib")) as path:
        bare.load_index(path, max_elements=resident.rows)
    bare.set_ef(ef)
    return bare


def _load_table(rows: int, loading: float, building: float, first: float) -> Table:
    table = Table(f"Loading {rows:,} × {DIMENSION} (L2, in process)", ("step", "time", "rate"))
    table.add("write into the log and index, 1,000 rows a write", f"{loading:.1f} s", rate(rows, loading))
    table.add("build the resident graph, calibrated", f"{building:.1f} s", rate(rows, building))
    table.add("first query of a new container", f"{first:.2f} s", "")
    return table


def _query_table(times: dict[str, Times], *, recall: float, ef: int, measured: float) -> Table:
    handler, bare, one, deltas = (times[name] for name in ("handler", "bare", "one", "deltas"))
    allowed = _ALLOWED_RATIO * bare.median + _ALLOWED_SECONDS
    table = Table(f"Warm query, top {TOP_K}, medians of {_QUERIES} in turns", ("what", "median", "p99"))
    table.add("handler of `query`, event to answer", ms(handler.median), ms(handler.percentile(99)))
    table.add(
        "bare `hnswlib.knn_query`, same graph, same ef, one thread", ms(bare.median), ms(bare.percentile(99))
    )
    table.add("handler on a dataset of one row: all but the search", ms(one.median), ms(one.percentile(99)))
    table.add(
        f"handler, with {_DELTA_ROWS:,} rows more in deltas", ms(deltas.median), ms(deltas.percentile(99))
    )
    table.add("allowed: 1.3 × bare + 3 ms", ms(allowed), "")
    verdict = "holds" if handler.median <= allowed else "does **not** hold"
    table.notes.append(
        f"The target {verdict}: {handler.median / bare.median:.2f} × bare, "
        f"{ms(handler.median - bare.median)} over it. ef {ef} (calibration measured {measured:.3f}); "
        f"recall@{TOP_K} of the handler's answers for new vectors {recall:.3f}."
    )
    return table
