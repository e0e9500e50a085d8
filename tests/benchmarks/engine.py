"""The indexer by itself: how many rows a second it takes from the log, in how many swaps, with how much memory."""

import resource
import time

from shoal.model.datasets import Dataset
from tests.benchmarks.corpus import Corpus
from tests.benchmarks.deployment import Deployment
from tests.benchmarks.harness import Say, Table, Times, ms, rate, timed

ROWS = 100_000
DIMENSION = 256
_WRITE = 1000
_SINGLE = 100


def run(say: Say, *, rows: int = ROWS) -> list[Table]:
    """The same writes twice: all of them waiting, and each indexed before the next; then single rows on top."""
    corpus = Corpus(DIMENSION)
    stored = corpus.draw(rows)
    title = f"{rows // _WRITE} writes of {_WRITE:,} × {DIMENSION}, over stores in memory"
    table = Table(title, ("how", "time", "rows", "swaps", "deltas left", "bytes put, of a byte sent"))

    together = Deployment()
    dataset = together.create("together", DIMENSION)
    for start in range(0, rows, _WRITE):
        together.write(dataset, stored[start : start + _WRITE], start=start)
    say("draining a full log")
    before, logged = _peak(), _stored(together)
    seconds = timed(lambda: together.drain(dataset))
    raised = _peak() - before
    put_together = _stored(together) - logged
    _add(table, "all waiting, one drain", together, dataset, seconds, put_together / stored.nbytes)

    apart = Deployment()
    dataset = apart.create("apart", DIMENSION)
    say("draining write by write")
    seconds = 0.0
    for start in range(0, rows, _WRITE):
        apart.write(dataset, stored[start : start + _WRITE], start=start)
        seconds += timed(lambda: apart.drain(dataset))
    put_apart = _stored(apart) - logged
    _add(table, "each drained before the next", apart, dataset, seconds, put_apart / stored.nbytes)
    table.notes.append(
        f"Vectors sent: {stored.nbytes / 1e6:.0f} MB. Draining the full log raised the process's peak of memory "
        f"by {raised / 1e6:.0f} MB, of which {put_together / 1e6:.0f} MB are the stores in memory."
    )
    say("single rows")
    return [table, _single_rows(apart, dataset, corpus, rows)]


def _single_rows(deployment: Deployment, dataset: Dataset, corpus: Corpus, rows: int) -> Table:
    """One row a write, drained at once, onto what is there."""
    fresh = corpus.draw(_SINGLE)
    writes, drains = [], []
    for number in range(_SINGLE):
        began = time.perf_counter()
        deployment.write(dataset, fresh[number : number + 1], start=rows + number)
        written = time.perf_counter()
        deployment.drain(dataset)
        writes.append(written - began)
        drains.append(time.perf_counter() - written)
    table = Table(f"{_SINGLE} single rows onto {rows:,} without a resident shard", ("step", "median", "p99"))
    for name, times in (("write into the log", Times(tuple(writes))), ("drain", Times(tuple(drains)))):
        table.add(name, ms(times.median), ms(times.percentile(99)))
    return table


def _add(
    table: Table, how: str, deployment: Deployment, dataset: Dataset, seconds: float, put: float
) -> None:
    manifest = deployment.manifest(dataset)
    rows = manifest.row_count
    table.add(
        how,
        f"{seconds:.2f} s",
        rate(rows, seconds),
        str(manifest.version),
        str(len(manifest.deltas)),
        f"{put:.1f}",
    )


def _stored(deployment: Deployment) -> int:
    """Bytes of all objects; nothing is ever put twice under one key."""
    return sum(head.size for head in deployment.ports.objects.list("t/"))


def _peak() -> int:
    """The most bytes that this process has had in memory; Linux counts in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
