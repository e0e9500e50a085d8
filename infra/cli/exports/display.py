"""Progress of an export: bars where somebody looks, lines where nobody does; all of it on stderr."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from infra.cli import output
from infra.cli.exports.results import ExportInfo
from infra.cli.imports.display import LINE_SECONDS, rate_line

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID


class Display(Protocol):
    """Shows how far an export and its download are."""

    def state(self, job: ExportInfo) -> None:
        """The export is there now."""

    def begin(self, size: int) -> None:
        """So many bytes are to be downloaded."""

    def downloaded(self, size: int) -> None:
        """So many more bytes have come; negative where they must come again."""


class Lines:
    """A line now and then."""

    def __init__(
        self, *, say: Callable[[str], None] = output.note, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._say, self._clock = say, clock
        self._began = self._last = clock()
        self._done = self._total = 0
        self._lock = threading.Lock()

    def state(self, job: ExportInfo) -> None:
        """Say each new number of files."""
        if not job.over:
            self._say(f"writing: {job.done:,} of {job.total:,} files" if job.total else "planning")

    def begin(self, size: int) -> None:
        """Count from here on."""
        self._total, self._done, self._began = size, 0, self._clock()
        self._last = self._began

    def downloaded(self, size: int) -> None:
        """Count; say so at most every two seconds, and at the end."""
        with self._lock:
            self._done += size
            now = self._clock()
            if size > 0 and (now - self._last >= LINE_SECONDS or self._done == self._total):
                self._last = now
                self._say(rate_line(self._done, self._total, now - self._began, verb="downloaded"))


class Bars:
    """Bars that move: one for what is written there, one for what comes here."""

    def __init__(self, files: "Bar", bytes_: "Bar") -> None:
        self._files, self._bytes = files, bytes_
        self._written: TaskID | None = None
        self._coming: TaskID | None = None

    def state(self, job: ExportInfo) -> None:
        """Move the bar of files."""
        if self._written is None:
            self._files.start()
            self._written = self._files.add_task("writing", total=None)
        if job.total:
            self._files.update(self._written, total=job.total, completed=job.done)
        if job.over:
            self._files.stop()

    def begin(self, size: int) -> None:
        """Show the bar of bytes."""
        self._bytes.start()
        self._coming = self._bytes.add_task("downloading", total=size)

    def downloaded(self, size: int) -> None:
        """Move it."""
        if self._coming is not None:
            self._bytes.advance(self._coming, size)


@contextmanager
def display() -> Iterator[Display]:
    """Something that shows an export."""
    if not sys.stderr.isatty():
        yield Lines()
        return
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    out, name = output.console(stderr=True), TextColumn("{task.description:<11}")
    files = Progress(name, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=out)
    speed, left = TransferSpeedColumn(), TimeRemainingColumn()
    bytes_ = Progress(name, BarColumn(), DownloadColumn(), speed, left, console=out)
    try:
        yield Bars(files, bytes_)
    finally:
        files.stop()
        bytes_.stop()
