"""What a run of jobs makes of a dataset: their data read, applied or failed, what they did noted, all stored."""

from collections.abc import Sequence
from dataclasses import dataclass

from shoal.index.log_codec import LogWrite
from shoal.model.datasets import Head
from shoal.model.jobs import Job, JobKind
from shoal.model.manifests import Manifest
from shoal.services.apply import Applied, apply
from shoal.services.heads import Swap
from shoal.services.job_items import note_outcomes
from shoal.services.log_data import LogData, fail, read_product, read_writes
from shoal.services.publish import Publication, publish
from shoal.services.publish_import import publish_import
from shoal.services.publish_restore import publish_restore, read_restored
from shoal.services.snapshot import Snapshot, empty_manifest, open_snapshot


@dataclass(frozen=True, slots=True)
class _Base:
    """What jobs are applied to."""

    log: LogData
    head: Head
    snapshot: Snapshot | None

    @property
    def manifest(self) -> Manifest:
        return self.snapshot.manifest if self.snapshot else empty_manifest(self.log.dataset)

    def publication(self, jobs: Sequence[Job], error: str | None) -> Publication:
        manifest = self.manifest
        opened = tuple(job.sequence for job in jobs if job.kind is JobKind.IMPORT_OPEN)
        return Publication(
            dataset=self.log.dataset,
            head=self.head,
            manifest=manifest.model_copy(update={"open_imports": (*manifest.open_imports, *opened)}),
            snapshot=self.snapshot,
            watermark=jobs[-1].sequence,
            reserved=sum(job.reserved for job in jobs),
            log_bytes=max(self.head.log_bytes, *(job.log_bytes for job in jobs)),
            error_message=error,
            now=self.log.ports.clock(),
            closed=frozenset(job.opened for job in jobs if job.opened is not None),
        )


def publish_jobs(log: LogData, head: Head, jobs: tuple[Job, ...]) -> Swap:
    """Store what jobs make of the dataset: of all of them, or of as many of the first as one commit takes.

    Args:
        log: the dataset's log, and the fence of the lease: who has a newer one has the last word on jobs.
        head: HEAD as read.
        jobs: the next ones, as `model.jobs.next_commit` takes them.

    Raises:
        StorageError: nothing has changed for anybody.
    """
    base = _Base(log, head, open_snapshot(log.reader, log.dataset, head))
    if jobs[0].kind is JobKind.IMPORT:
        product, error = read_product(log, jobs[0], head=head)
        if product is not None and product.rows:
            return publish_import(log.ports, log.reader, base.publication(jobs, error), product)
        return _publish_writes(base, jobs, [], error)
    if jobs[0].kind is JobKind.RESTORE:
        restored, error = read_restored(log, jobs[0], current=base.manifest)
        if restored is not None:
            return publish_restore(log.ports, log.reader, base.publication(jobs, error), restored)
        return _publish_writes(base, jobs, [], error)
    return _publish_writes(base, jobs, *read_writes(log, jobs))


def _publish_writes(
    base: _Base, jobs: tuple[Job, ...], writes: Sequence[tuple[int, LogWrite]], error: str | None
) -> Swap:
    log = base.log
    applied = apply(log.dataset, base.snapshot, writes)
    if applied.count < len(writes):
        behind = writes[applied.count][0]
        jobs = tuple(job for job in jobs if job.sequence < behind)
    error = _fail_some(log, jobs, applied) or error
    note_outcomes(log.ports, log.keys, jobs, applied.outcomes, fence=log.fence)
    return publish(log.ports, log.reader, base.publication(jobs, error), applied)


def _fail_some(log: LogData, jobs: Sequence[Job], applied: Applied) -> str | None:
    """Fail the jobs that can never be applied; what is wrong with the last of them."""
    error = None
    for job in jobs:
        reason = applied.failed.get(job.sequence)
        if reason is not None:
            error = f"write {job.job_id} failed: {reason}"
            fail(log, job, reason)
    return error
