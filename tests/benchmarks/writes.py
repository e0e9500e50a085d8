"""Single-row upserts into a dataset of many rows: how soon they are safe and found, and what queries notice."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import orjson

from shoal.model.datasets import Dataset
from shoal.model.ids import parse_job_id
from shoal.model.merge_policy import Compact, Nothing
from shoal.model.records import Vectors
from shoal.storage.memory import MemoryQueue
from tests.benchmarks.compacting import finish, look, with_compactions
from tests.benchmarks.corpus import Corpus
from tests.benchmarks.deployment import Deployment, answer_of
from tests.benchmarks.harness import Say, Table, Times, ms, rate

ROWS = 150_000
DIMENSION = 128
_UPSERTS = 1000
_AT_ONCE = 32
_BATCH = 5000
_QUERIES = 300
_PATIENCE_SECONDS = 60.0


@dataclass
class _Committed:
    """When each watermark was current, and the most pieces that a query had to look at."""

    at: list[tuple[float, int]] = field(default_factory=list)
    shards: int = 0

    def seconds_until(self, sequence: int, sent: float) -> float:
        """From when a write was sent until it could be found."""
        return next(moment for moment, watermark in self.at if watermark >= sequence) - sent


@dataclass(frozen=True, slots=True)
class _Write:
    sequence: int
    sent: float
    acknowledged: float


def run(say: Say, *, rows: int = ROWS) -> list[Table]:
    """Fill a dataset and compact it; then write, one row a request, and ask meanwhile."""
    deployment = with_compactions(time.time)
    dataset = deployment.create("vectors", DIMENSION)
    corpus = Corpus(DIMENSION)
    say("filling")
    for start in range(0, rows, _BATCH):
        deployment.write(dataset, corpus.draw(min(_BATCH, rows - start)), start=start)
        deployment.drain(dataset)
    if isinstance(look(deployment, dataset), Compact):
        say("compacting")
        finish(deployment, dataset)
    queries = corpus.draw(_QUERIES)
    table = Table(
        f"{_UPSERTS:,} upserts of one row into {rows:,} × {DIMENSION}",
        (
            "writers",
            "acknowledged",
            "ack p50",
            "ack p99",
            "queryable p50",
            "queryable p99",
            "most pieces a query sees",
        ),
    )
    asking = Table("Queries beside them, from memory", ("when", "p50", "p99", "pieces"))
    with _Indexer(deployment, dataset) as committed:
        for writers in (1, _AT_ONCE):
            say(f"{writers} at a time")
            committed.shards = 0
            began = time.time()
            found = _upsert(deployment, dataset, corpus.draw(_UPSERTS), writers)
            took = time.time() - began
            _wait_for(committed, max(each.sequence for each in found))
            acks = Times(tuple(each.acknowledged - each.sent for each in found))
            seen = Times(tuple(committed.seconds_until(each.sequence, each.sent) for each in found))
            table.add(
                str(writers),
                rate(_UPSERTS, took),
                ms(acks.median),
                ms(acks.percentile(99)),
                ms(seen.median),
                ms(seen.percentile(99)),
                str(committed.shards),
            )
        say("asking")
        _row(asking, deployment, dataset, "before a compaction", _ask(deployment, dataset, queries, None))
        look(deployment, dataset, thorough=True)
        compacting = threading.Thread(target=finish, args=(deployment, dataset))
        compacting.start()
        during = _ask(deployment, dataset, queries, compacting.is_alive)
        compacting.join()
        _row(asking, deployment, dataset, "while it runs", during)
        _row(asking, deployment, dataset, "after it", _ask(deployment, dataset, queries, None))
    assert look(deployment, dataset) == Nothing()
    asking.notes.append(
        "All in one process on the same cores: the compaction, the indexer and the queries take processor time "
        "from each other, which functions on Lambda do not."
    )
    return [table, asking]


class _Indexer:
    """The indexer's function, called with each wake-up; and somebody who looks at HEAD all the time."""

    def __init__(self, deployment: Deployment, dataset: Dataset) -> None:
        self._deployment = deployment
        self._dataset = dataset
        self._over = threading.Event()
        self._threads = [threading.Thread(target=work) for work in (self._work, self._watch)]
        self._committed = _Committed()

    def __enter__(self) -> _Committed:
        for thread in self._threads:
            thread.start()
        return self._committed

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        wakeups = self._deployment.ports.wakeups
        assert isinstance(wakeups, MemoryQueue)
        while not self._over.is_set():
            if not wakeups.receive():
                time.sleep(0.005)
                continue
            self._deployment.drain(self._dataset)

    def _watch(self) -> None:
        version = -1
        while not self._over.is_set():
            head = self._deployment.head(self._dataset)
            if head.version != version:
                self._committed.at.append((time.time(), head.watermark))
                manifest = self._deployment.manifest(self._dataset)
                pieces = len(manifest.shards) + len(manifest.cell_sets)
                self._committed.shards = max(self._committed.shards, pieces)
                version = head.version
            time.sleep(0.002)


def _upsert(deployment: Deployment, dataset: Dataset, vectors: Vectors, writers: int) -> list[_Write]:
    """One request a row."""
    apps = threading.local()
    headers = {"content-type": "application/x-ndjson"}
    events = [
        deployment.event(
            f"/v1/datasets/{dataset.name}/vectors",
            orjson.dumps({"id": f"new-{number}", "values": values}, option=orjson.OPT_SERIALIZE_NUMPY),
            headers,
        )
        for number, values in enumerate(vectors)
    ]

    def write(number: int) -> _Write:
        if not hasattr(apps, "app"):
            apps.app = deployment.api_app()  # as each container has one
        sent = time.time()
        answer = answer_of(apps.app, events[number], 202)
        place = parse_job_id(answer["job_id"])
        assert place is not None
        return _Write(place[1], sent, time.time())

    if writers == 1:
        return [write(number) for number in range(len(events))]
    with ThreadPoolExecutor(writers) as pool:
        return list(pool.map(write, range(len(events))))


def _wait_for(committed: _Committed, sequence: int) -> None:
    deadline = time.time() + _PATIENCE_SECONDS
    while not committed.at or committed.at[-1][1] < sequence:
        assert time.time() < deadline, "writes are not committed"
        time.sleep(0.01)


def _ask(
    deployment: Deployment, dataset: Dataset, queries: Vectors, while_true: Callable[[], bool] | None
) -> Times:
    """Ask each query once, or again and again while something is true."""
    app = deployment.query_app()
    events = [deployment.query_event(dataset, query) for query in queries]
    for event in events[:20]:
        answer_of(app, event)
    measured: list[float] = []
    number = 0
    while number < len(events) or (while_true is not None and while_true()):
        began = time.perf_counter()
        answer_of(app, events[number % len(events)])
        measured.append(time.perf_counter() - began)
        number += 1
    return Times(tuple(measured))


def _row(table: Table, deployment: Deployment, dataset: Dataset, when: str, times: Times) -> None:
    manifest = deployment.manifest(dataset)
    pieces: Sequence[object] = (*manifest.shards, *manifest.cell_sets)
    table.add(when, ms(times.median), ms(times.percentile(99)), str(len(pieces)))
