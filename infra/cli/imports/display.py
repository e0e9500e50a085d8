"""Progress of an upload and of what follows it: bars where somebody looks, lines where nobody does.

All of it goes to stderr, so that results stay alone on stdout.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from infra.cli import output
from infra.cli.imports.results import ImportInfo

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

LINE_SECONDS = 2.0
"""At least so long between two lines about the same thing."""


class Display(Protocol):
    """Shows how far an import is."""

    def uploaded(self, size: int) -> None:
        """So many more bytes are sent; negative where they must be sent again."""

    def state(self, job: ImportInfo) -> None:
        """The import is there now."""


def stage_of(job: ImportInfo) -> str:
    """The word for what is being done."""
    return (job.progress.stage if job.progress else "") or job.status.replace("_", " ")


class Lines:
    """A line now and then."""

    def __init__(
        self,
        total: int,
        *,
        say: Callable[[str], None] = output.note,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total, self._say, self._clock = total, say, clock
        self._began = self._last = clock()
        self._done = 0
        self._shown: tuple[str, int, int] | None = None
        self._lock = threading.Lock()

    def uploaded(self, size: int) -> None:
        """Count; say so at most every two seconds, and at the end."""
        with self._lock:
            self._done += size
            now = self._clock()
            if size > 0 and (now - self._last >= LINE_SECONDS or self._done == self._total):
                self._last = now
                self._say(rate_line(self._done, self._total, now - self._began))

    def state(self, job: ImportInfo) -> None:
        """Say each new stage at once, and its pieces every two seconds."""
        if job.over:
            return
        stage = stage_of(job)
        done, total = (job.progress.done, job.progress.total) if job.progress else (0, 0)
        now = self._clock()
        known = self._shown is not None and self._shown[0] == stage and self._shown[2] == total
        if known and (self._shown == (stage, done, total) or now - self._last < LINE_SECONDS):
            return
        self._shown, self._last = (stage, done, total), now
        self._say(f"{stage}: {done:,} of {total:,} pieces" if total else stage)


class Bars:
    """Bars that move; one for the upload, one for each stage."""

    def __init__(self, upload: "Bar", upload_task: "TaskID", stages: "Bar") -> None:
        self._upload, self._upload_task, self._stages = upload, upload_task, stages
        self._stage = ""
        self._task: TaskID | None = None

    def uploaded(self, size: int) -> None:
        """Move the bar."""
        self._upload.advance(self._upload_task, size)

    def state(self, job: ImportInfo) -> None:
        """Move the stage's bar; a new stage gets a new one."""
        self._upload.stop()
        stage = stage_of(job)
        if stage != self._stage or job.over:
            if self._task is not None:
                left = self._stages.tasks[-1]
                self._stages.update(self._task, total=left.total or 1, completed=left.total or 1)
            self._task = None
        if job.over:
            self._stages.stop()
            return
        self._stages.start()
        if self._task is None:
            self._stage, self._task = stage, self._stages.add_task(stage, total=None)
        if job.progress and job.progress.total:
            self._stages.update(self._task, total=job.progress.total, completed=job.progress.done)


@contextmanager
def display(total: int) -> Iterator[Display]:
    """Something that shows an import whose file has `total` bytes (0: it is uploaded already)."""
    if not sys.stderr.isatty():
        yield Lines(total)
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

    out = output.console(stderr=True)
    name = TextColumn("{task.description:<11}")
    speed, left = TransferSpeedColumn(), TimeRemainingColumn()
    upload = Progress(name, BarColumn(), DownloadColumn(), speed, left, console=out)
    stages = Progress(name, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=out)
    task = upload.add_task("uploading", total=total)
    try:
        if total:
            upload.start()
        yield Bars(upload, task, stages)
    finally:
        upload.stop()
        stages.stop()


def rate_line(done: int, total: int, seconds: float, *, verb: str = "uploaded") -> str:
    """Bytes, rate and what is left, on one line."""
    rate = done / seconds if seconds > 0 else 0.0
    line = f"{verb} {size_text(done)} of {size_text(total)} ({done * 100 // max(total, 1)} %)"
    if rate:
        line += f", {size_text(rate)}/s"
        line += f", {(total - done) / rate:.0f} s left" if done < total else ""
    return line


def size_text(size: float) -> str:
    """Bytes in the unit that reads best."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.2f} GB"
