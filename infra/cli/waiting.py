"""Waiting for jobs, asking again at growing distances."""

import time
from collections.abc import Callable, Sequence

from infra.cli.failures import JobFailed, NotIndexedInTime
from infra.cli.results import JobInfo


def wait_for_jobs(
    job: Callable[[str], JobInfo],
    job_ids: Sequence[str],
    *,
    timeout_seconds: float,
    progress: Callable[[int], None] | None = None,
) -> float:
    """Wait until all jobs are indexed; as `ShoalClient.wait_indexed`, with `job` to ask for one."""
    began = time.monotonic()
    pause = 0.02
    for done, job_id in enumerate(job_ids, 1):
        while not (found := job(job_id)).done:
            if time.monotonic() - began > timeout_seconds:
                raise NotIndexedInTime(
                    f"{job_id} is still {found.status} after {timeout_seconds:.0f} s",
                    hint=f"it goes on by itself: `shoal job {job_id}`",
                )
            time.sleep(pause)
            pause = min(pause * 1.5, 1.0)
        if found.status == "failed":
            raise JobFailed(f"{job_id} failed: {found.error or 'no reason given'}")
        if progress is not None:
            progress(done)
    return time.monotonic() - began
