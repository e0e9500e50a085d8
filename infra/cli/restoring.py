"""A restore that was accepted, watched until it is applied."""

import time
from collections.abc import Callable

from infra.cli import output
from infra.cli.client import ShoalClient
from infra.cli.failures import JobFailed, NotIndexedInTime

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.05, 2.0
_LINE_SECONDS = 5.0
_WORDS = {"validating": "waiting for its turn in the log", "indexing": "being applied"}


def run_restore(
    client: ShoalClient,
    dataset: str,
    job_id: str,
    *,
    timeout_seconds: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> float:
    """Wait until a restore is applied; the seconds it took. Each new state is said at once, the same one again
    every few seconds.

    Raises:
        JobFailed: it failed, and nothing has changed.
        NotIndexedInTime: it was not applied in time.
    """
    began, pause = clock(), _FIRST_PAUSE_SECONDS
    said, last = "", began
    while True:
        job = client.job(job_id)
        waited = clock() - began
        if job.status == "failed":
            raise JobFailed(
                f"the restore {job_id} failed: {job.error or 'no reason given'}", hint="nothing has changed"
            )
        if job.done:
            return waited
        if waited > timeout_seconds:
            raise NotIndexedInTime(
                f"the restore was not applied after {timeout_seconds:.0f} s",
                hint=f"it goes on by itself: `shoal job {job_id} --wait 600`",
            )
        text = _WORDS.get(client.get_dataset(dataset).status, "waiting")
        if text != said or clock() - last >= _LINE_SECONDS:
            output.note(f"{text}, {waited:.0f} s")
            said, last = text, clock()
        sleep(pause)
        pause = min(pause * 1.3, _LONGEST_PAUSE_SECONDS)
