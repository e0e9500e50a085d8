"""What one query did: bytes by where they came from, and time by stage."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

STAGES = ("open", "embed", "filter", "route", "load", "score", "records")
"""Of a query, in order: name, HEAD and manifest; making a vector of a text; which rows match; choosing cells; what
is searched; the search; the winners."""


class Trace:
    """Counters of one query. Its loads run on several threads, its stages follow one another on one.

    `storage_bytes` came from the object store by `storage_requests`, `disk_bytes` from the container's disk, and
    `memory_hits` parts were in memory. `seconds` is wall-clock time by stage.

    Of a query with a filter, `decided` is how it was answered, and `matches` how many live rows match (None:
    nobody had to find out).
    """

    def __init__(self) -> None:
        self.storage_bytes = 0
        self.storage_requests = 0
        self.disk_bytes = 0
        self.memory_hits = 0
        self.cells_opened = 0
        self.cells_total = 0
        self.candidates = 0
        self.decided: str | None = None
        self.matches: int | None = 0
        self.seconds: dict[str, float] = dict.fromkeys(STAGES, 0.0)
        self._lock = Lock()

    def read_storage(self, size: int) -> None:
        """One request was answered with so many bytes."""
        with self._lock:
            self.storage_bytes += size
            self.storage_requests += 1

    def read_disk(self, size: int) -> None:
        """So many bytes were read again from the container's disk."""
        with self._lock:
            self.disk_bytes += size

    def found_in_memory(self, count: int = 1) -> None:
        """So many parts needed no reading."""
        with self._lock:
            self.memory_hits += count

    def matched(self, count: int | None) -> None:
        """So many live rows of one more source match; None where that is not known."""
        self.matches = None if count is None or self.matches is None else self.matches + count

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of a block to a stage."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - began
