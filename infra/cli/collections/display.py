"""Progress of tasks: a line that moves where somebody looks, lines where nobody does; all of it on stderr."""

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from infra.cli import output
from infra.cli.collections.results import TaskInfo
from infra.cli.imports.display import LINE_SECONDS

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_RATE_SECONDS = 15.0
"""A rate is that of the last so many seconds: stages differ, and a pause is no progress."""

_LEAST_SECONDS = 0.5
"""Of less no rate is told."""


@dataclass(frozen=True, slots=True)
class Moment:
    """How far tasks are, in objects, or as `told`. `detail` says what holds them up, where something does."""

    stage: str
    count: int
    total: int | None
    failed: int = 0
    children: int = 0
    detail: str | None = None
    over: bool = False
    told: str | None = None


class View(Protocol):
    """Shows how far tasks are."""

    def state(self, now: Moment) -> None:
        """They are there now."""


def moment_of(task: TaskInfo) -> Moment:
    """What is shown of one task."""
    stage = task.stage or {"processing": "working", "pending": "waiting"}.get(task.status, task.status)
    return Moment(stage, task.count, task.total, task.failed, len(task.children), task.detail, over=task.over)


class Pace:
    """Objects a second, over the last seconds of a stage."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._stage = ""
        self._seen: deque[tuple[float, int]] = deque()

    def rate(self, stage: str, count: int) -> float | None:
        """The rate now that `count` are done; None until it can be told. A count that falls begins anew."""
        now = self._clock()
        if stage != self._stage or (self._seen and count < self._seen[-1][1]):
            self._seen.clear()
            self._stage = stage
        if not self._seen or count != self._seen[-1][1]:
            self._seen.append((now, count))
        while len(self._seen) > 1 and now - self._seen[1][0] >= _RATE_SECONDS:
            self._seen.popleft()
        (began, first), (_, last) = self._seen[0], self._seen[-1]
        return (last - first) / (now - began) if last > first and now - began >= _LEAST_SECONDS else None


def words(now: Moment, rate: float | None) -> str:
    """All but the stage, on one line."""
    of_total = f" of {now.total:,}" if now.total is not None else ""
    parts = [f"{now.count:,}{of_total} objects"] if now.total or now.count else []
    if now.told is not None:
        parts = [now.told]
    elif rate:
        parts.append(f"{rate:,.0f}/s")
    if now.failed:
        parts.append(f"{now.failed:,} failed")
    if now.children:
        parts.append(f"{now.children:,} {'child' if now.children == 1 else 'children'}")
    if now.detail:
        parts.append(now.detail)
    return ", ".join(parts)


class Lines:
    """A line for each stage, and one every two seconds while something moves."""

    def __init__(
        self, *, say: Callable[[str], None] = output.note, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._say, self._clock = say, clock
        self._pace = Pace(clock)
        self._shown: Moment | None = None
        self._last = clock()

    def state(self, now: Moment) -> None:
        """Say a new stage or a new reason to wait at once, and numbers now and then."""
        rate = self._pace.rate(now.stage, now.count)
        if now.over:
            return
        moment, last = self._clock(), self._shown
        known = last is not None and (last.stage, last.detail) == (now.stage, now.detail)
        if known and (now == last or moment - self._last < LINE_SECONDS):
            return
        self._shown, self._last = now, moment
        told = words(now, rate)
        self._say(f"{now.stage}: {told}" if told else now.stage)


class Bars:
    """A bar for each stage."""

    def __init__(self, bar: "Progress", clock: Callable[[], float] = time.monotonic) -> None:
        self._bar, self._pace = bar, Pace(clock)
        self._stage = ""
        self._task: TaskID | None = None

    def state(self, now: Moment) -> None:
        """Move the bar; the stage before it stays as it was, complete."""
        told = words(now, self._pace.rate(now.stage, now.count))
        if self._task is not None and (now.over or now.stage != self._stage):
            left = self._bar.tasks[-1]
            done = left.total or 1
            self._bar.update(self._task, total=done, completed=done)
            self._task = None
        if now.over:
            self._bar.stop()
            return
        if self._task is None:
            self._stage, self._task = now.stage, self._bar.add_task(now.stage, total=None, told=told)
        self._bar.update(self._task, total=now.total or None, completed=now.count, told=told)


@contextmanager
def display() -> Iterator[View]:
    """Something that shows tasks."""
    if not sys.stderr.isatty():
        yield Lines()
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    name, told = TextColumn("{task.description:<11}"), TextColumn("{task.fields[told]}")
    out = output.console(stderr=True)
    with Progress(name, BarColumn(bar_width=24), TimeElapsedColumn(), told, console=out) as bar:
        yield Bars(bar)
