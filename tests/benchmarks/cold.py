"""Cold starts: importing each handler, and the first query of a container against reading the same bytes."""

import hashlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from shoal.model.datasets import Dataset
from shoal.storage.memory import MemoryObjects
from shoal.storage.ports import ObjectHead, ObjectStore
from tests.benchmarks.corpus import Corpus
from tests.benchmarks.deployment import Deployment, answer_of
from tests.benchmarks.harness import Say, Table, Times, in_turns, ms

ROWS = 16_000
DIMENSION = 768
_FUNCTIONS = ("api", "query", "indexer", "builder", "sweep")
_FRESH = 5
_ROUNDS = 15
_SLOWEST = 6
_IMPORT = """
import time
began = time.perf_counter()
import functions.{name}.handler as handler
imported = time.perf_counter()
from shoal import runtime
runtime.ports(*handler.NEEDS)
print(imported - began, time.perf_counter() - imported)
"""
_ENVIRONMENT = {
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "benchmark",
    "AWS_SECRET_ACCESS_KEY": "benchmark",
    "SHOAL_TABLE": "benchmark",
    "SHOAL_BUCKET": "benchmark",
    "SHOAL_WAKEUPS_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/123456789012/wakeups",
    "SHOAL_BUILDS_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/123456789012/builds",
}
_LINE = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)")


class Objects(MemoryObjects):
    """A store that hands out bytes of the reader's own, as a network does: from memory, or from files."""

    def __init__(self, folder: Path) -> None:
        super().__init__(time.time)
        self._folder = folder
        self.from_files = False

    def put(self, key: str, body: bytes | memoryview, *, if_none_match: bool = False) -> ObjectHead:
        """Store an object, in a file of its own too."""
        head = super().put(key, body, if_none_match=if_none_match)
        self._path(key).write_bytes(body)
        return head

    def get(
        self, key: str, *, byte_range: tuple[int, int] | None = None, version_id: str | None = None
    ) -> bytes:
        """Read a fresh copy."""
        if not self.from_files:
            return bytes(bytearray(super().get(key, byte_range=byte_range, version_id=version_id)))
        start, stop = byte_range or (0, -1)
        with self._path(key).open("rb") as file:
            file.seek(start)
            return file.read(stop - start if byte_range else -1)

    def forget(self) -> None:
        """Ask the system to drop what it holds of the files, so that they are read from the disk."""
        os.sync()
        for path in self._folder.iterdir():
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def _path(self, key: str) -> Path:
        return self._folder / hashlib.sha256(key.encode()).hexdigest()


def run(say: Say, *, rows: int = ROWS) -> list[Table]:
    """Imports first, then a resident shard of `rows` × `DIMENSION`."""
    tables = [_imports(say)]
    with tempfile.TemporaryDirectory(prefix="shoal-cold-") as folder:
        store = Objects(Path(folder))
        say("building the shard")
        deployment, dataset, keys = _built(store, rows)
        title = f"First query of a container, {rows:,} × {DIMENSION} in one resident shard"
        table = Table(title, ("bytes come from", "read", "cold query", "read and SHA-256", "ratio"))
        _compare(table, store, deployment, dataset, keys)
        table.notes.append(
            "Each cold query has a searcher with nothing in memory: HEAD, manifest, checksums, hnswlib's own load "
            "and the checks before it, records, the search. Beside it the same objects, one after the other."
        )
        tables.append(table)
    return tables


def _imports(say: Say) -> Table:
    title = f"Import of each handler in a fresh interpreter, medians of {_FRESH}"
    table = Table(
        title, ("function", "import", "then AWS clients", "modules", "slowest, by time of their own")
    )
    for name in _FUNCTIONS:
        say(f"importing {name}")
        runs = [_python("-c", _IMPORT.format(name=name)).stdout.split() for _ in range(_FRESH)]
        imported, clients = (median(float(run[place]) for run in runs) for place in (0, 1))
        listed = _LINE.findall(_python("-X", "importtime", "-c", f"import functions.{name}.handler").stderr)
        own: Counter[str] = Counter()
        for microseconds, module in listed:
            own[module.split(".")[0]] += int(microseconds)
        slowest = ", ".join(f"{module} {ms(spent / 1e6)}" for module, spent in own.most_common(_SLOWEST))
        table.add(f"`{name}`", ms(imported), ms(clients), str(len(listed)), slowest)
    return table


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **_ENVIRONMENT}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=True, env=environment
    )


def _built(store: ObjectStore, rows: int) -> tuple[Deployment, Dataset, Sequence[str]]:
    """A dataset with a resident shard, and the keys of the objects that a query of it needs."""
    deployment = Deployment(store)
    dataset = deployment.create("vectors", DIMENSION)
    stored = Corpus(DIMENSION).draw(rows)
    for start in range(0, rows, 1000):
        deployment.write(dataset, stored[start : start + 1000], start=start)
    deployment.drain(dataset)
    deployment.build(dataset)
    resident = deployment.manifest(dataset).resident
    assert resident is not None
    needed = [head.key for head in store.list(f"t/{dataset.tenant_id}/shards/{resident.shard_id}/")]
    return deployment, dataset, [key for key in needed if not key.endswith("vectors.f32")]


def _compare(
    table: Table, store: Objects, deployment: Deployment, dataset: Dataset, keys: Sequence[str]
) -> None:
    """Cold queries and plain reads in turns."""
    sent = deployment.query_event(dataset, Corpus(DIMENSION, seed=5).draw(1)[0])
    size = sum(len(store.get(key)) for key in keys)

    def query(_: int) -> None:
        assert answer_of(deployment.query_app(), sent)["mode"] == "cold"

    def read(_: int) -> None:
        for key in keys:
            hashlib.sha256(store.get(key)).digest()

    for name in ("memory", "files"):
        store.from_files = name == "files"
        times = in_turns({"query": query, "read": read}, rounds=_ROUNDS, warm_up=2)
        _add(table, name, size, times["query"], times["read"])
    if hasattr(os, "posix_fadvise"):
        seconds: dict[str, list[float]] = {"query": [], "read": []}
        for _ in range(_ROUNDS):
            for what, call in (("query", query), ("read", read)):
                store.forget()
                seconds[what] += in_turns({what: call}, rounds=1)[what].seconds
        found = {what: Times(tuple(each)) for what, each in seconds.items()}
        _add(table, "files that the system has to read from disk", size, found["query"], found["read"])


def _add(table: Table, name: str, size: int, query: Times, read: Times) -> None:
    ratio = f"{query.median / read.median:.1f} ×"
    table.add(name, f"{size / 1e6:.1f} MB", ms(query.median), ms(read.median), ratio)
