"""Queries with filters: recall, time and bytes at every share of matches, beside LanceDB on the same rows."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from infra.local.errors import CommandFailed
from shoal.model.datasets import Dataset
from shoal.model.filters import parse_filter
from shoal.model.queries import QueryAnswer, QueryRequest
from shoal.services.search import Searcher
from tests.benchmarks.environment import peers_python
from tests.benchmarks.filter_data import Case, cases, file_of, properties, recall
from tests.benchmarks.harness import Say, Table, Times, ms, timed
from tests.benchmarks.import_data import GLOVE_ROWS, Data, clustered, glove
from tests.benchmarks.import_run import Site, warm_site
from tests.benchmarks.peer_process import Peer, PeerFailed, Task, run_peer
from tests.benchmarks.truth import nearest
from tests.benchmarks.truth import recall as plain_recall

QUERIES = 200
TOP_K = 10
_COLD = 10
_TARGET = 0.99
_UNFILTERED = "without a filter"
_KEPT, _NEW = "asked before", "new"
_LANCE = Peer("LanceDB, prefilter", "lance_filters")


def run(say: Say, *, rows: int = GLOVE_ROWS, peers: int = 1) -> list[Table]:
    """GloVe (made-up rows without the peers' environment) with properties; `peers` 0: without LanceDB."""
    try:
        python: Path | None = peers_python(say)
    except CommandFailed as failed:
        say(f"neither peers nor GloVe: {failed}")
        python = None
    data = glove(python, min(rows, GLOVE_ROWS)) if python else clustered(min(rows, 100_000))
    columns = properties(data)
    asked = cases(data, columns, QUERIES)
    path = file_of(data, columns)
    with warm_site() as site:
        say("importing")
        dataset = site.load(data, path, metric="l2").dataset
        if not site.deployment.manifest(dataset).cell_sets:
            say("building the resident graph")
            site.deployment.build(dataset)
        searcher = site.searcher()
        say("asking, so that everything is in memory")
        answers: dict[str | None, list[QueryAnswer]] = {None: _answers(searcher, dataset, data, None)}
        answers |= {case.name: _answers(searcher, dataset, data, case) for case in asked}
        say("timing")
        times = _times(searcher, dataset, data, asked, turn=0)
        lance = _lance(say, python, data, path, asked) if python and peers else None
        say("timing once more")
        for name, more in _times(searcher, dataset, data, asked, turn=1).items():
            times[name] += more
        say("asking cold containers")
        table = _table(site, dataset, data, asked, answers, times)
    return [table] if lance is None else [table, lance]


def _request(data: Data, number: int, condition: dict[str, Any] | None) -> QueryRequest:
    parsed = None if condition is None else parse_filter(condition)
    return QueryRequest(data.queries[number], TOP_K, filter=parsed, explain=True)


def _ask(searcher: Searcher, dataset: Dataset, request: QueryRequest) -> QueryAnswer:
    return searcher.query(dataset.tenant_id, scope=dataset.scope, name=dataset.name, request=request)


def _answers(searcher: Searcher, dataset: Dataset, data: Data, case: Case | None) -> list[QueryAnswer]:
    return [
        _ask(searcher, dataset, _request(data, number, case.filter(number) if case else None))
        for number in range(QUERIES)
    ]


def _times(
    searcher: Searcher, dataset: Dataset, data: Data, asked: Sequence[Case], *, turn: int
) -> dict[tuple[str, str], tuple[float, ...]]:
    """Seconds of each kind of query, in turns: by case, with a filter that was asked before and with a new one."""
    found: dict[tuple[str, str], list[float]] = {}
    for number in range(QUERIES):
        kinds: list[tuple[tuple[str, str], dict[str, Any] | None]] = [((_UNFILTERED, _KEPT), None)]
        for case in asked:
            kinds.append(((case.name, _KEPT), case.filter(number)))
            kinds.append(((case.name, _NEW), case.unseen_filter(number, turn)))
        first = number % len(kinds)
        for kind, condition in kinds[first:] + kinds[:first]:
            request = _request(data, number, condition)
            seconds = timed(lambda request=request: _ask(searcher, dataset, request))  # type: ignore[misc]
            found.setdefault(kind, []).append(seconds)
    return {kind: tuple(seconds) for kind, seconds in found.items()}


def _cold(site: Site, dataset: Dataset, data: Data, case: Case | None) -> tuple[float, float, float]:
    """Bytes, GETs and seconds of a query in a container that has the manifest and the cell set: medians."""
    rounds = []
    for number in range(_COLD):
        searcher = site.searcher()
        snapshot = searcher.snapshot(dataset.tenant_id, scope=dataset.scope, name=dataset.name)
        assert snapshot is not None
        snapshot.cells()
        request = _request(data, number, case.filter(number) if case else None)
        answers: list[QueryAnswer] = []
        seconds = timed(lambda: answers.append(_ask(searcher, dataset, request)))  # noqa: B023 - called at once
        explained = answers[0].explanation
        assert explained is not None
        rounds.append((float(explained.storage_bytes), float(explained.storage_requests), seconds))
    size, requests, seconds = np.median(np.array(rounds), axis=0).tolist()
    return size, requests, seconds


def _table(
    site: Site,
    dataset: Dataset,
    data: Data,
    asked: Sequence[Case],
    answers: dict[str | None, list[QueryAnswer]],
    times: dict[tuple[str, str], tuple[float, ...]],
) -> Table:
    """A row a case."""
    heads = (
        *("matches", "decided", "cells", "recall@10", "median", "p99", "new filter, median", "p99"),
        *("cold bytes", "GETs", "cold"),
    )
    manifest = site.deployment.manifest(dataset)
    cells = sum(ref.cells for ref in manifest.cell_sets)
    shape = f"{cells:,} cells" if cells else "one resident shard"
    table = Table(f"{len(data.ids):,} x {data.dimension} ({data.name}, l2), {shape}", ("filter", *heads))
    truth = nearest(data.vectors, data.queries[:QUERIES], metric="l2", k=TOP_K)
    plain = [[match.id for match in answer.matches] for answer in answers[None]]
    missed = []
    for case in (None, *asked):
        name = case.name if case else _UNFILTERED
        given = answers[case.name if case else None]
        explained = [answer.explanation for answer in given if answer.explanation is not None]
        exact = sum(one.decided == "exact" for one in explained) / len(explained)
        found = [[match.id for match in answer.matches] for answer in given]
        share = recall(found, case, data.ids) if case else plain_recall(plain, truth, data.ids)
        if case and share < _TARGET:
            missed.append(name)
        kept = Times(times[name, _KEPT])
        new = Times(times[name, _NEW]) if case else None
        size, requests, cold = _cold(site, dataset, data, case)
        table.add(
            name,
            f"{case.matches:,.0f}" if case else f"{len(data.ids):,}",
            "" if case is None else f"{100 * exact:.0f} % exact",
            f"{np.median([one.cells_opened for one in explained]):.0f}",
            f"{share:.4f}",
            ms(kept.median),
            ms(kept.percentile(99)),
            ms(new.median) if new else "",
            ms(new.percentile(99)) if new else "",
            f"{size / 1e6:.1f} MB",
            f"{requests:.0f}",
            ms(cold),
        )
    verdict = "holds at every share" if not missed else f"is **missed** at {', '.join(missed)}"
    table.notes.append(
        f"Recall@10 of at least {_TARGET} {verdict}. {QUERIES} held-out vectors, against exact search over the "
        "rows that match; times are of queries answered from memory, in turns. A *new filter* has not been asked "
        "before, so that which rows match has to be worked out from the index of properties; cold queries start "
        "with the manifest and the cell set, and read from files."
    )
    recalls = [(ref.recall.sure_probes, ref.recall.filtered_probes) for ref in manifest.cell_sets]
    if recalls:
        table.notes.append(
            f"Calibrated for {_TARGET}: {recalls[0][0]} cells without a filter, {recalls[0][1]} at 1 %."
        )
    return table


def _lance(say: Say, python: Path, data: Data, path: Path, asked: Sequence[Case]) -> Table | None:
    """The same queries asked of LanceDB, in a process of its own."""
    say("LanceDB")
    filters = [[f"{case.column} = {value}" for value in case.values] for case in asked]
    more = {
        "columns": list(properties(data)),
        "filters": filters,
        "truths": [case.truth.tolist() for case in asked],
    }
    truth = nearest(data.vectors, data.queries[:QUERIES], metric="l2", k=TOP_K)
    task = Task(path, "l2", data.queries[:QUERIES], truth, more)
    try:
        answer = run_peer(python, _LANCE, task)
    except PeerFailed as failed:
        say(f"LanceDB: {failed}")
        return None
    table = Table(
        f"LanceDB {answer['version']} on the same rows, prefilter, properties with scalar indexes",
        ("filter", "search", "nprobes", "recall@10", "median", "p99"),
    )
    for name, search, probes, share, seconds in answer["rows"]:
        title = _UNFILTERED if name is None else asked[name].name
        times = Times(tuple(seconds))
        table.add(
            title, search, str(probes or ""), f"{share:.4f}", ms(times.median), ms(times.percentile(99))
        )
    table.notes.append(
        "IVF_FLAT at its default number of probes and at the fewest of "
        f"{json.dumps(answer['ladder'])} that reach {_TARGET} (else the last); *flat* compares all rows that "
        "match."
    )
    return table
