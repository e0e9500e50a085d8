"""How far a reindex is: its stage, its pieces, and the objects that failed."""

from dataclasses import dataclass, replace

from shoal.errors import CorruptObject, ObjectMissing
from shoal.model.import_work import ChunkRecord
from shoal.model.imports import Import, ImportFormat, ImportStatus
from shoal.model.tasks import FailedObject, Task, TaskStatus
from shoal.services.imports.items import keys_of_import
from shoal.services.imports.lookup import find_import
from shoal.services.imports.rejected import rejected_of
from shoal.services.reindex.lookup import import_of, read_reindex, settings_of
from shoal.services.retry import retry_busy
from shoal.storage.ports import Ports

MAX_CHILDREN = 1000
"""Sub-tasks that are listed."""
MAX_FAILED = 1000
"""Objects that failed which are listed."""
_STAGES = {TaskStatus.PENDING: "waiting", TaskStatus.PROCESSING: "starting"}


@dataclass(frozen=True, slots=True)
class ReindexProgress:
    """How far a reindex is.

    `count` of `total` objects are embedded, those that `failed` among them, and those that had too much text
    (`truncated`); `total` is None until they have been
    counted. `stage` is one of waiting, starting, embedding, settling, clustering, assigning, building, committing,
    deploying, and the status of a task that has ended. `children` are the ids of its sub-tasks.
    """

    count: int
    total: int | None
    stage: str
    children: list[str]
    failed: int
    truncated: int = 0


def progress_of(ports: Ports, task: Task) -> ReindexProgress:
    """How far a reindex is."""
    settings = settings_of(task)
    children = children_of(task)
    total = task.total if settings.items or task.status is TaskStatus.DONE else None
    if task.status.terminal:
        status = task.status.value
        return ReindexProgress(task.processed, total, status, children, task.failed, task.truncated)
    job = import_of(ports, task)
    if job is None or job.sequence is None:
        return ReindexProgress(0, total, _STAGES[task.status], children, 0)
    stage = "deploying" if job.status is ImportStatus.COMPLETED else job.stage
    return ReindexProgress(job.objects, total, stage, children, job.records_rejected, job.truncated)


def failed_of(ports: Ports, task: Task, *, limit: int = MAX_FAILED) -> list[FailedObject]:
    """The first objects that could not be embedded, once all of them have been tried."""
    job = import_of(ports, task)
    return rejected_of(ports, job, limit=limit) if job else []


# --- sub-tasks: pieces of the source -----------------------------------------------------------------------


def children_of(task: Task) -> list[str]:
    """The ids of the sub-tasks, as soon as it is known how many there are."""
    settings = settings_of(task)
    return [f"{settings.import_id}.{number:06d}" for number in range(min(settings.items, MAX_CHILDREN))]


def child_of(ports: Ports, tenant_id: str, name: str) -> Task | None:
    """A sub-task, as a task of its own: its objects and how many of them failed. None where there is none."""
    import_id, _, number = name.partition(".")
    if not (number.isascii() and number.isdecimal()):
        return None
    try:
        job = find_import(ports, import_id)
    except ValueError:
        return None
    if job is None or job.tenant_id != tenant_id or job.format is not ImportFormat.REINDEX:
        return None
    task = read_reindex(ports, tenant_id, job.task_id or "")
    if task is None or name not in children_of(task):
        return None
    record = _record_of(ports, job, int(number))
    if record is None:
        status = {ImportStatus.FAILED: _how_it_ended(task)}.get(job.status, TaskStatus.PROCESSING)
        return replace(task, task_id=name, status=status, total=0, processed=0, failed=0)
    return replace(
        task,
        task_id=name,
        status=TaskStatus.DONE,
        total=record.lines,
        processed=record.lines,
        failed=record.rejected,
        detail=None,
    )


def _how_it_ended(task: Task) -> TaskStatus:
    return task.status if task.status.terminal else TaskStatus.FAILED


def _record_of(ports: Ports, job: Import, number: int) -> ChunkRecord | None:
    key = keys_of_import(job).work(f"chunk-{number:06d}.json")
    try:
        return ChunkRecord.parse(retry_busy(lambda: ports.objects.get(key)))
    except (ObjectMissing, CorruptObject):  # not done yet, or expired
        return None
