"""What the places of a log hold: writes and finished imports, verified, failed where they never can be read.

A job that was failed stays so, whoever comes to it next: its owner may have been told, and what it failed of may
have changed since. A compaction makes room for an import that had none.
"""

import logging
from dataclasses import dataclass

from shoal.errors import CorruptObject, ObjectMissing, TransactionCancelled
from shoal.index.checksums import verify
from shoal.index.log_codec import LogUpsert, LogWrite, decode
from shoal.model.datasets import Dataset, Head
from shoal.model.ids import transaction_token
from shoal.model.import_work import Product
from shoal.model.imports import too_many_cell_sets
from shoal.model.jobs import Job
from shoal.model.limits import MAX_CELL_SETS
from shoal.services.parallel import in_parallel
from shoal.services.parts import PartReader
from shoal.services.publish_import import check_product
from shoal.services.retry import retry_busy
from shoal.storage.keys import DatasetKeys
from shoal.storage.ports import Assign, Compare, Exists, Ports, UpdateItem

_log = logging.getLogger(__name__)
_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class LogData:
    """The log of one dataset, as a committer reads it; `fence` is that of its lease."""

    ports: Ports
    reader: PartReader
    dataset: Dataset
    keys: DatasetKeys
    fence: int


def read_product(log: LogData, job: Job, *, head: Head) -> tuple[Product | None, str | None]:
    """What an import has become; nothing, and why, where that can never be read or has no place."""
    if job.error is not None:
        return None, f"import {job.job_id} failed: {job.error}"
    for _ in range(2):
        try:
            product = Product.parse(_read_log_object(log, job))
            check_product(log.ports, log.reader, log.dataset, product)
        except (CorruptObject, ObjectMissing) as error:
            _log.warning("import is damaged", extra={"job_id": job.job_id, "reason": str(error)})
            reason = (
                "what it was built of was damaged before it could be indexed; try again with a new import"
            )
        else:
            if product.cell_set is None or head.cell_sets < MAX_CELL_SETS:
                return product, None
            # Those under way at once may be more than there is room for: the root must not outgrow its limit.
            reason = too_many_cell_sets(head.cell_sets)
            break
    fail(log, job, reason)
    return None, f"import {job.job_id} failed: {reason}"


def read_writes(log: LogData, jobs: tuple[Job, ...]) -> tuple[list[tuple[int, LogWrite]], str | None]:
    """The writes of these jobs with their sequences, and what is wrong with the last one that can't be applied."""
    wanted = [job for job in jobs if job.log_key is not None]
    loaded = in_parallel(lambda job: job.error or _read_write(log, job), wanted)
    writes: list[tuple[int, LogWrite]] = []
    error = None
    for job, result in zip(wanted, loaded, strict=True):
        if isinstance(result, str):
            error = f"write {job.job_id} failed: {result}"
            if job.error is None:
                fail(log, job, result)
        else:
            writes.append((job.sequence, result))
    return writes, error


def _read_write(log: LogData, job: Job) -> LogWrite | str:
    """The write, or the reason why it can never be applied: what is the same when it is read again."""
    write = _try_to_read(log, job)
    return _try_to_read(log, job) if isinstance(write, str) else write


def _try_to_read(log: LogData, job: Job) -> LogWrite | str:
    try:
        write = decode(_read_log_object(log, job))
    except (CorruptObject, ObjectMissing) as reason:
        return str(reason)
    if isinstance(write, LogUpsert) and write.vectors.shape[1] != log.dataset.dimension:
        return f"vectors of dimension {write.vectors.shape[1]} in a dataset of {log.dataset.dimension}"
    return write


def _read_log_object(log: LogData, job: Job) -> bytes:
    log_key, sha256 = job.log_key or "", job.sha256 or ""
    data = retry_busy(lambda: log.ports.objects.get(log_key))
    verify(data, sha256=sha256, size=job.size, name=log_key)
    return data


def fail(log: LogData, job: Job, reason: str) -> None:
    """Make the failure visible on the job, before the commit that passes over it.

    Who has lost the lease by now has no say any more: the job may have been applied.
    """
    _log.error("write cannot be applied", extra={"job_id": job.job_id, "reason": reason})
    verdict = UpdateItem(log.keys.job(job.sequence), (Assign("error", reason),), condition=Exists("pk"))
    # It changes nothing: a check without a change is a right of its own, which committers have no other need of.
    still_ours = UpdateItem(
        log.keys.head, (Assign("fence", log.fence),), condition=Compare("fence", "=", log.fence)
    )
    token = transaction_token("fail", job.job_id, log.fence, reason)
    try:
        retry_busy(lambda: log.ports.table.transact([verdict, still_ours], token=token), attempts=_ATTEMPTS)
    except TransactionCancelled:
        _log.info("failure found under a lost lease", extra={"job_id": job.job_id})
