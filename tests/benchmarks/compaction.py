"""Compaction: 30 % of the rows deleted, then compacted, against a dataset that never had those rows."""

import time
from collections.abc import Mapping

import numpy as np

from shoal.model.datasets import Dataset
from shoal.model.merge_policy import Compact
from shoal.model.records import Vectors
from shoal.services.search import QueryRequest, Searcher
from shoal.services.write import delete_ids, upsert
from tests.benchmarks.compacting import bytes_named, finish, look, with_compactions
from tests.benchmarks.corpus import metadata_of, names
from tests.benchmarks.deployment import SETTINGS, Deployment
from tests.benchmarks.harness import Call, Say, Table, in_turns, ms
from tests.benchmarks.import_data import Data, clustered
from tests.benchmarks.truth import nearest, recall

ROWS = 200_000
DIMENSION = 128
_DELETED = 0.3
_BATCH = 5000
_DELETES = 10_000
_DRAIN_EVERY = 20
_QUERIES, _WARM_UP = 200, 20
_ALLOWED = 1.1


def run(say: Say, *, rows: int = ROWS) -> list[Table]:
    """Write, compact, delete, measure, compact, measure; and the rows that are left by themselves."""
    data = clustered(rows, DIMENSION)
    random = np.random.default_rng(3)
    kept = np.sort(random.permutation(rows)[: round(rows * (1 - _DELETED))])
    deployment = with_compactions(time.time)
    old, fresh = (deployment.create(name, DIMENSION) for name in ("old", "fresh"))
    table = Table(
        f"{rows:,} × {DIMENSION}, l2, {_DELETED:.0%} deleted",
        ("state", "bytes named", "of a fresh build", "shards", "dead", "query p50", "p99", "recall@10"),
    )
    say("writing")
    _write(deployment, old, data.vectors, np.arange(rows))
    written = _compacted(deployment, old, say)
    say("deleting")
    gone = np.setdiff1d(np.arange(rows), kept)
    for start in range(0, len(gone), _DELETES):
        delete_ids(deployment.ports, old, [f"row-{row}" for row in gone[start : start + _DELETES].tolist()])
        deployment.drain(old)
    before = _state(deployment, old)
    hollow = _timed(deployment, data, {"before": old}, kept)
    emptied = _compacted(deployment, old, say)
    say("writing what is left by itself")
    _write(deployment, fresh, data.vectors, kept)
    _compacted(deployment, fresh, say)
    say("asking")
    times = hollow | _timed(deployment, data, {"after": old, "fresh": fresh}, kept)
    states = {"before": before, "after": _state(deployment, old), "fresh": _state(deployment, fresh)}
    labels = {
        "before": f"{_DELETED:.0%} deleted, not compacted",
        "after": "compacted",
        "fresh": "fresh build of what is left",
    }
    for name, label in labels.items():
        size, shards, dead = states[name]
        p50, p99, found = times[name]
        table.add(
            label,
            f"{size / 1e6:.1f} MB",
            f"{size / states['fresh'][0]:.3f}",
            str(shards),
            f"{dead:,}",
            ms(p50),
            ms(p99),
            f"{found:.3f}",
        )
    smaller = states["after"][0] / states["fresh"][0]
    slower = times["after"][0] / times["fresh"][0]
    verdict = "holds" if max(smaller, slower) <= _ALLOWED else "does **not** hold"
    table.notes.append(
        f"The target (bytes and latency of a fresh build within 10 %) {verdict}: {smaller:.3f} × the bytes, "
        f"{slower:.3f} × the median latency. {written:.1f} s to compact {rows:,} uploaded rows into cells, "
        f"{emptied:.1f} s to compact what was left, all steps one after the other in one process."
    )
    return [table]


def _write(deployment: Deployment, dataset: Dataset, vectors: Vectors, chosen: np.ndarray) -> None:
    """Upload rows under the names of their places."""
    for number, start in enumerate(range(0, len(chosen), _BATCH), start=1):
        rows = chosen[start : start + _BATCH]
        upsert(
            deployment.ports,
            dataset,
            ids=[names(row, 1)[0] for row in rows.tolist()],
            vectors=np.ascontiguousarray(vectors[rows]),
            metadata=metadata_of(rows.tolist()),
            vector_quota=None,
        )
        if number % _DRAIN_EVERY == 0:
            deployment.drain(dataset)
    deployment.drain(dataset)


def _compacted(deployment: Deployment, dataset: Dataset, say: Say) -> float:
    """Have done what is due, which is one compaction; its seconds."""
    what = look(deployment, dataset)
    assert isinstance(what, Compact), what
    say("compacting")
    return finish(deployment, dataset)


def _state(deployment: Deployment, dataset: Dataset) -> tuple[int, int, int]:
    """Bytes named, pieces that a query looks at, and dead rows."""
    manifest = deployment.manifest(dataset)
    rows = manifest.flat_rows + sum(ref.rows for ref in manifest.cell_sets)
    pieces = len(manifest.shards) + len(manifest.cell_sets)
    return bytes_named(deployment, dataset), pieces, rows - manifest.row_count


def _timed(
    deployment: Deployment, data: Data, datasets: Mapping[str, Dataset], kept: np.ndarray
) -> dict[str, tuple[float, float, float]]:
    """Median and p99 seconds of queries in turns, and recall, all from memory."""
    queries = data.queries[: _QUERIES + _WARM_UP]
    truth = nearest(np.ascontiguousarray(data.vectors[kept]), queries, metric="l2", k=10)
    ids = [names(row, 1)[0] for row in kept.tolist()]
    calls: dict[str, Call] = {}
    found: dict[str, float] = {}
    for name, dataset in datasets.items():
        searcher = Searcher(deployment.ports, cache_bytes=SETTINGS.cache_bytes)

        def ask(number: int, dataset: Dataset = dataset, searcher: Searcher = searcher) -> list[str]:
            request = QueryRequest(queries[number % len(queries)], 10)
            answer = searcher.query(
                dataset.tenant_id, scope=dataset.scope, name=dataset.name, request=request
            )
            return [match.id for match in answer.matches]

        calls[name] = ask
        found[name] = recall([ask(number) for number in range(len(queries))], truth, ids)
    times = in_turns(calls, rounds=_QUERIES, warm_up=_WARM_UP)
    return {name: (each.median, each.percentile(99), found[name]) for name, each in times.items()}
