"""An indexer dies in the middle of a write: every acknowledged row must be there all the same.

Runs beside the other steps, because a dead committer's lease takes up to 20 seconds to run out. Writing goes on
meanwhile, as it would; whoever writes after that wakes the next indexer.
"""

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from infra.cli.client import ShoalClient
from infra.cli.demo.steps import Steps
from infra.cli.failures import ApiError
from infra.cli.results import Record

DATASET = "demo-crash"
DIMENSION = 64
ROWS_A_WRITE = 100
_WRITES_BEFORE, _WRITES_AFTER = 4, 4
_KILL_WITHIN_SECONDS = 20.0
_RECOVER_WITHIN_SECONDS = 100.0
_SUCCESSOR_WITHIN_SECONDS = 10.0
_PAUSE_SECONDS = 0.5

type Pids = Callable[[], list[int]]


@dataclass(slots=True)
class _Story:
    """What happened, told by the thread that did it."""

    ids: list[str] = field(default_factory=list)
    jobs: list[str] = field(default_factory=list)
    killed: list[int] = field(default_factory=list)
    pending_at_kill: int = 0
    written_at_kill: int = 0
    recovered_seconds: float | None = None
    error: Exception | None = None


class Crash:
    """Writes, kills and goes on writing in a thread; `finish` waits for it and checks the rows."""

    def __init__(self, client: ShoalClient, pids: Pids) -> None:
        """`pids` tells the processes that run the indexer at this moment."""
        self._client = client
        self._pids = pids
        self._story = _Story()
        self._succeeded = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="crash")

    def start(self, steps: Steps) -> None:
        """Start writing to a dataset of its own, unless that has begun."""
        if self._thread.ident is None:
            steps.say(f"beside all that follows: writing to `{DATASET}`, killing its indexer, and writing on")
            self._thread.start()

    def wait_for_successor(self) -> None:
        """Return once the indexer was killed and another one started, so that neither delays what comes next."""
        self._succeeded.wait(_KILL_WITHIN_SECONDS + _SUCCESSOR_WITHIN_SECONDS)

    def finish(self, steps: Steps) -> None:
        """Wait until all is indexed again, and check every row."""
        steps.begin("an indexer was killed in the middle of a write: looking for every acknowledged row")
        self._thread.join(_RECOVER_WITHIN_SECONDS + 60)
        story = self._story
        if story.error is not None:
            raise story.error
        killed = ", ".join(map(str, story.killed)) or "none"
        steps.check(
            "an indexer was killed while writes were pending",
            bool(story.killed) and story.pending_at_kill > 0,
            f"process {killed}: {story.written_at_kill:,} rows written, {story.pending_at_kill} writes pending",
        )
        recovered = story.recovered_seconds
        steps.check(
            "another one took over",
            recovered is not None,
            "not in time"
            if recovered is None
            else f"all that was pending is applied, {recovered:.1f} s after the kill",
        )
        self._compare(steps)
        self._client.delete_dataset(DATASET)

    def _compare(self, steps: Steps) -> None:
        """Every acknowledged row by id, its values as they were sent, and the exact count."""
        wanted = self._story.ids
        found = self._client.fetch(DATASET, wanted, include_values=True)
        intact = sum(record.values == _values(record.id) for record in found.records)
        steps.check(
            "every acknowledged row is there",
            intact == len(wanted) and not found.missing_ids,
            f"{intact:,} of {len(wanted):,}, bit for bit",
        )
        count = self._client.get_dataset(DATASET).row_count
        steps.check("their count is exact", count == len(wanted), f"{count:,}")

    def _run(self) -> None:
        try:
            self._write_and_kill()
        except Exception as error:  # noqa: BLE001 - handed to the thread that waits, which raises it
            self._story.error = error
        finally:
            self._succeeded.set()

    def _write_and_kill(self) -> None:
        self._fresh_dataset()
        story = self._story
        self._write()
        self._client.wait_indexed(story.jobs)  # so that the one that dies is at work, not at its start
        for _ in range(_WRITES_BEFORE):
            self._write()
        deadline = time.monotonic() + _KILL_WITHIN_SECONDS
        while not story.killed and time.monotonic() < deadline:
            self._write()
            self._strike()
        killed_at = time.monotonic()
        for _ in range(_WRITES_AFTER):
            self._write()
        self._await_successor()
        newest = story.jobs[-1]
        while not self._client.job(newest).done:
            if time.monotonic() - killed_at > _RECOVER_WITHIN_SECONDS:
                return
            time.sleep(_PAUSE_SECONDS)
            self._write()
        story.recovered_seconds = time.monotonic() - killed_at
        self._client.wait_indexed(story.jobs, timeout_seconds=_RECOVER_WITHIN_SECONDS)

    def _await_successor(self) -> None:
        """Wait until an indexer runs again; it finds the lease taken and leaves the log to later ones."""
        deadline = time.monotonic() + _SUCCESSOR_WITHIN_SECONDS
        while not self._pids() and time.monotonic() < deadline:
            time.sleep(0.1)
        self._succeeded.set()

    def _strike(self) -> None:
        """Kill the indexer if there is one and it has something to do.

        Only the newest write is looked at before: on a busy machine the indexer is done while one asks for more.
        """
        pids = self._pids()
        if not pids or self._client.job(self._story.jobs[-1]).done:
            return
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            self._story.killed.append(pid)
        self._story.pending_at_kill = sum(not self._client.job(job).done for job in self._story.jobs[-8:])
        self._story.written_at_kill = len(self._story.ids)

    def _write(self) -> None:
        """One acknowledged write of new rows."""
        start = len(self._story.ids)
        ids = [f"row-{start + n}" for n in range(ROWS_A_WRITE)]
        records = [Record(each, _values(each), {}) for each in ids]
        report = self._client.upsert(DATASET, records)
        self._story.ids += ids
        self._story.jobs += report.job_ids

    def _fresh_dataset(self) -> None:
        try:
            self._client.delete_dataset(DATASET)
        except ApiError as error:
            if error.code != "dataset_not_found":
                raise
        self._client.create_dataset(DATASET, dimension=DIMENSION)


def _values(record_id: str) -> list[float]:
    """The row's vector: worked out from its id, in numbers that float32 holds exactly."""
    number = int(record_id.rsplit("-", 1)[1])
    return [float((number * 31 + place * 7) % 1024) / 8 for place in range(DIMENSION)]
