"""Jobs: one item of a dataset's log each."""

from dataclasses import dataclass
from enum import StrEnum

from shoal.model.datasets import Head
from shoal.model.writes import Outcome


class JobKind(StrEnum):
    """What a place in the log holds."""

    UPSERT = "upsert"
    DELETE = "delete"
    PATCH = "patch"
    RESTORE = "restore"
    """The dataset goes back to a snapshot, whole."""
    ABORTED = "aborted"
    IMPORT_OPEN = "import_open"
    """An import has begun: from this place on, newer writes of its ids win (invariant 3)."""
    IMPORT = "import"
    """An import is ready: all of it becomes visible at this place."""
    IMPORT_END = "import_end"
    """An import has failed or was cancelled: nothing of it will come."""


class JobStatus(StrEnum):
    """How far a job is. `indexed` and `failed` are terminal."""

    PENDING = "pending"
    INDEXED = "indexed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Job:
    """One place in a log. `rows` counts accepted lines, `reserved` those of them that hold quota, `removed` the
    ids that an upsert deletes beside them.

    `log_bytes` is the length of the log up to and with this place. An aborted place has no log object and changes
    nothing; so does an upsert whose lines were all rejected. `opened` is the place at which an import began, where
    this is the place at which it ends. `outcome` is what it did: to be believed only once it is applied. `follows`
    is the place before this one where that is not the number before: those in between were never handed out.
    """

    job_id: str
    sequence: int
    kind: JobKind
    log_key: str | None
    sha256: str | None
    size: int
    rows: int
    reserved: int
    accepted_at: float
    error: str | None = None
    log_bytes: int = 0
    opened: int | None = None
    outcome: Outcome | None = None
    follows: int | None = None
    removed: int = 0


def status_of(job: Job, head: Head) -> JobStatus:
    """The status follows from the watermark: nothing has to be written to make it true."""
    if job.error is not None or job.kind is JobKind.ABORTED:
        return JobStatus.FAILED
    return JobStatus.INDEXED if head.watermark >= job.sequence else JobStatus.PENDING


def next_commit(jobs: tuple[Job, ...]) -> tuple[Job, ...]:
    """How many of these jobs one commit takes: an import that becomes visible and a restore take one each."""
    for place, job in enumerate(jobs):
        if job.kind in {JobKind.IMPORT, JobKind.RESTORE}:
            return jobs[: max(place, 1)]
    return jobs
