"""Over the whole local stack: front, emulator, function processes, storage. The figures are theirs too."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson

from infra.cli.client import ShoalClient
from infra.cli.local_stack import ensure_key, ports_of
from infra.cli.results import Record
from infra.local.info import StackInfo
from infra.local.lifecycle import down, up
from infra.local.session import session_of
from shoal.model.datasets import NATIVE_SCOPE
from shoal.model.merge_policy import build_is_due
from shoal.services.datasets import resolve
from shoal.services.heads import keys_of, read_head
from shoal.services.search import Searcher
from shoal.services.snapshot import open_snapshot
from shoal.storage.ports import Ports
from tests.benchmarks.corpus import Corpus, names
from tests.benchmarks.harness import Say, Table, Times, in_turns, ms, rate

ROWS = 20_000
DIMENSION = 768
_QUERIES = 100
_WARM_UP = 10
_SINGLES = 100
_PATIENCE_SECONDS = 240.0
_POLL_SECONDS = 0.01


def run(say: Say, *, rows: int = ROWS) -> list[Table]:
    """Load over HTTP, query, and watch single rows become queryable."""
    with local_stack(say) as info, ShoalClient(info.api_url, str(info.api_key)) as client:
        return _measure(info, client, say, rows)


@contextmanager
def local_stack(say: Say) -> Iterator[StackInfo]:
    """A local stack of its own, in a folder that goes with it."""
    with tempfile.TemporaryDirectory(prefix="shoal-stack-") as folder:
        try:
            yield up(state=Path(folder), progress=say, after_deploy=ensure_key)
        finally:
            down(state=Path(folder))


def _measure(info: StackInfo, client: ShoalClient, say: Say, rows: int) -> list[Table]:
    client.create_dataset("vectors", dimension=DIMENSION)
    corpus = Corpus(DIMENSION)
    stored = corpus.draw(rows)
    say("uploading")
    numbered = zip(names(0, rows), stored, strict=True)
    report = client.upsert("vectors", (Record(name, values, {}) for name, values in numbered))
    indexing = client.wait_indexed(report.job_ids, timeout_seconds=_PATIENCE_SECONDS)
    say("waiting for the builder")
    building = _wait_until_built(info, say)

    say("querying")
    queries = [values.tolist() for values in corpus.draw(_WARM_UP + _QUERIES)]
    first = client.query("vectors", queries[0])
    served: list[float] = []

    def query(number: int) -> None:
        answer = client.query("vectors", queries[number])
        if answer.mode == "hot" and number >= _WARM_UP:
            served.append(answer.latency_ms / 1000)

    times = in_turns({"query": query, "health": lambda _: client.health()}, rounds=_QUERIES, warm_up=_WARM_UP)
    title = f"{rows:,} × {DIMENSION} over HTTP, one client, bodies of up to 10 MiB gzipped"
    loading = Table(title, ("step", "time", "rate"))
    loading.add(
        f"upload, {report.requests} requests, until answered",
        f"{report.seconds:.1f} s",
        rate(rows, report.seconds),
    )
    loading.add("then until the last row is queryable", f"{indexing:.1f} s", "")
    loading.add("then until the builder rests", f"{building:.1f} s", "")
    querying = Table(f"{_QUERIES} queries, top 10", ("what", "median", "p99"))
    warm = Times(tuple(served))
    querying.add("round trip", ms(times["query"].median), ms(times["query"].percentile(99)))
    querying.add(f"`latency_ms` of the {len(served)} hot answers", ms(warm.median), ms(warm.percentile(99)))
    querying.add(
        "round trip of `GET /healthz`: front, emulator, process",
        ms(times["health"].median),
        ms(times["health"].percentile(99)),
    )
    querying.notes.append(f"The first query, {first.mode}, had `latency_ms` {first.latency_ms:.0f}.")
    return [loading, querying, _singles(client, corpus, rows, say)]


def _singles(client: ShoalClient, corpus: Corpus, rows: int, say: Say) -> Table:
    """Upsert one row, then query for it until it is the answer."""
    say("single rows")
    fresh = corpus.draw(_SINGLES)
    acknowledged, queryable = [], []
    for number, values in enumerate(fresh):
        name = f"single-{number}"
        began = time.perf_counter()
        client.upsert("vectors", [Record(name, values, {})])
        answered = time.perf_counter()
        vector = orjson.loads(orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY))
        while [match.id for match in client.query("vectors", vector, top_k=1).matches] != [name]:
            if time.perf_counter() - answered > _PATIENCE_SECONDS:
                raise TimeoutError(f"{name} is not queryable")
            time.sleep(_POLL_SECONDS)
        acknowledged.append(answered - began)
        queryable.append(time.perf_counter() - answered)
    title = f"{_SINGLES} single rows onto {rows:,}, one after the other"
    table = Table(title, ("step", "median", "p99"))
    for step, seconds in (
        ("upsert, until acknowledged", acknowledged),
        ("then until a query finds it", queryable),
    ):
        times = Times(tuple(seconds))
        table.add(step, ms(times.median), ms(times.percentile(99)))
    return table


def _wait_until_built(info: StackInfo, say: Say) -> float:
    """Seconds until nobody builds and no build is due."""
    ports: Ports = ports_of(session_of(info))
    dataset = resolve(ports, str(info.tenant_id), scope=NATIVE_SCOPE, name="vectors")
    searcher = Searcher(ports, cache_bytes=1)
    began = time.monotonic()
    while time.monotonic() - began < _PATIENCE_SECONDS:
        head = read_head(ports, keys_of(dataset))
        snapshot = open_snapshot(searcher.reader, dataset, head) if head else None
        if head and snapshot and not head.build_owner:
            resident = snapshot.manifest.resident
            resident_bytes = resident.rows * dataset.dimension * 4 if resident else 0
            if not build_is_due(delta_bytes=head.delta_bytes, resident_bytes=resident_bytes):
                return time.monotonic() - began
        time.sleep(0.5)
    say("the builder did not come to rest")
    return time.monotonic() - began
