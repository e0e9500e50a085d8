"""Reading a dataset's log: the contiguous run of jobs after the watermark, closing places that were abandoned."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from shoal.errors import ConditionFailed
from shoal.model.jobs import Job
from shoal.model.limits import COMMIT_MAX_BYTES, COMMIT_MAX_JOBS, COMMIT_MAX_ROWS, GAP_SECONDS
from shoal.services.places import aborted_item, parse_job
from shoal.services.retry import retry_busy
from shoal.storage.keys import DatasetKeys, sequence_sk
from shoal.storage.ports import Absent, Ports

_log = logging.getLogger(__name__)
_LAST_SK = sequence_sk(16**16 - 1)
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class LogTail:
    """Jobs to apply next, in order and without a gap; `waits` where a place behind them is still open."""

    jobs: tuple[Job, ...]
    waits: bool


def read_tail(ports: Ports, keys: DatasetKeys, *, watermark: int) -> LogTail:
    """The jobs right after `watermark`: at most `COMMIT_MAX_JOBS`, and not much more bytes or rows than one
    commit takes.

    A place without a job is left alone while its writer may still come; once it has been open for
    `GAP_SECONDS` it is closed as aborted, under the condition that the writer's own put carries too.
    """
    jobs: list[Job] = []
    size = rows = 0
    expected = watermark + 1
    first = sequence_sk(expected)
    after = None
    while True:
        page = ports.table.query(keys.partition, start=first, stop=_LAST_SK, limit=_PAGE, after=after)
        for job in map(parse_job, page.items):
            first_not_missing = job.sequence if job.follows is None else job.follows + 1
            if first_not_missing > expected:
                # A later place was taken after the missing ones, so they have been open for as long at least.
                missing = range(expected, first_not_missing)[: COMMIT_MAX_JOBS - len(jobs)]
                closed = _close(ports, keys, missing, open_since=job.accepted_at)
                if closed is None:
                    return LogTail(tuple(jobs), waits=True)
                jobs += closed
                if len(jobs) >= COMMIT_MAX_JOBS:
                    return LogTail(tuple(jobs), waits=False)
            jobs.append(job)
            size += job.size
            rows += job.rows + job.removed
            expected = job.sequence + 1
            if len(jobs) >= COMMIT_MAX_JOBS or size >= COMMIT_MAX_BYTES or rows >= COMMIT_MAX_ROWS:
                return LogTail(tuple(jobs), waits=False)
        after = page.after
        if after is None:
            return _with_open_end(ports, keys, jobs, expected)


def _with_open_end(ports: Ports, keys: DatasetKeys, jobs: list[Job], expected: int) -> LogTail:
    """Places were handed out behind the last job: their writers are at work, or have died."""
    counter = ports.table.get(keys.sequence)
    if counter is None or int(counter["next"]) < expected:
        return LogTail(tuple(jobs), waits=False)
    missing = range(expected, int(counter["next"]) + 1)[: COMMIT_MAX_JOBS - len(jobs)]
    # No job behind them tells how long the log has become, so the last place of all has to.
    length = int(counter["bytes"]) if missing[-1] == int(counter["next"]) else 0
    closed = _close(ports, keys, missing, open_since=float(counter["taken_at"]), length=length)
    return LogTail((*jobs, *(closed or ())), waits=closed is None)


def _close(
    ports: Ports, keys: DatasetKeys, missing: Sequence[int], *, open_since: float, length: int = 0
) -> list[Job] | None:
    """What is at the missing places once none can be filled any more; None while they must be waited for.

    `length` is that of the log up to the last of them, in bytes; 0 where a job behind them tells it.
    """
    now = ports.clock()
    if now - open_since < GAP_SECONDS:
        return None
    jobs = []
    for sequence in missing:
        log_bytes = length if sequence == missing[-1] else 0
        item = aborted_item(keys, sequence, now=now, log_bytes=log_bytes)
        try:
            retry_busy(lambda i=item: ports.table.put(i, condition=Absent("pk")))  # type: ignore[misc]
        except ConditionFailed as late:
            # The writer was faster after all: its job is acknowledged and counts.
            if late.item is None:
                return None
            item = late.item
        else:
            _log.warning(
                "closed an abandoned place", extra={"dataset_id": keys.dataset_id, "sequence": sequence}
            )
        jobs.append(parse_job(item))
    return jobs
