"""INGEST_UPSTREAM: the objects of a registered source become imports of the tenant's dataset, and that the index.

Each object is copied to where an upload would be, and imported as one is. An import is seen whole or not at all;
the index is begun when all of them are there.
"""

from collections.abc import Sequence
from itertools import islice

from shoal.errors import Conflict, InvalidInput, NotFound, TransactionCancelled
from shoal.model.datasets import NATIVE_SCOPE, Dataset, check_takes_writes
from shoal.model.ids import new_import_id, transaction_token
from shoal.model.imports import ErrorMode, Import, ImportStatus
from shoal.model.limits import MAX_UPLOAD_BYTES, UPLOAD_SECONDS
from shoal.model.openverse import OpenverseTask
from shoal.model.sources import UpstreamSource
from shoal.services.datasets import resolve
from shoal.services.heads import keys_of
from shoal.services.imports.ending import conclude
from shoal.services.imports.items import dataset_keys_of, put_new
from shoal.services.imports.lifecycle import check_imports_room, check_quota
from shoal.services.imports.lookup import read_import
from shoal.services.imports.starting import start, upload_of
from shoal.services.openverse.deriving import follow_derivation
from shoal.services.openverse.pulls import FileState, Pull, PulledFile
from shoal.services.openverse.steps import AGAIN, Next, move, wait, wait_for_others
from shoal.services.openverse.tasks import change_task
from shoal.services.retry import retry_busy
from shoal.services.sources import find_source
from shoal.services.wake import wake_builder, wake_indexer
from shoal.storage.keys import ImportKeys
from shoal.storage.ports import Ports, UpstreamObject

AT_ONCE = 4
"""Imports of one task that are under way: each takes several functions of those that an account has."""
MAX_OBJECTS = 1000
MAX_LISTED = 100_000
"""Keys that are looked at, with those that do not belong to the source."""
MAX_KEY_BYTES = 200_000
"""Of all keys together: the task remembers them, and is one item of the table."""
PULLED_PERCENT = 60.0
"""How far a task is when all is imported."""
_NO_ROOM_SECONDS = 60
_GIB = 1024**3


def pull(ports: Ports, task: OpenverseTask, *, budget_seconds: float) -> Next:
    """Do what is next of a task that pulls records: list them, copy and import them, derive the index.

    Args:
        ports: where.
        task: one that runs.
        budget_seconds: after which no other object is copied.

    Raises:
        RequestError: it cannot be done: why, in words for who asked.
        TryAgain, StorageBusy: the same step again.
    """
    deadline = ports.clock() + budget_seconds
    found = Pull.of(task)
    if not found.planned:
        change_task(ports, task, work=_planned(ports, task).as_work())
        return AGAIN
    if len(found.those(FileState.DONE)) == len(found.files):
        return follow_derivation(ports, task, begin=PULLED_PERCENT)
    dataset = _dataset(ports, task)
    if dataset.dataset_id != found.dataset_id:
        raise Conflict(
            "dataset_not_found", f"the dataset {task.model} was made anew while records were pulled"
        )
    looked, share = _look(ports, task, found)
    crowded = False
    for file in looked.those(FileState.WAITING):
        if len(looked.those(FileState.BEGUN)) >= AT_ONCE or ports.clock() > deadline:
            break
        crowded = not _has_room(ports, dataset)
        if crowded:
            break
        _begin(ports, task, dataset, looked, file)
        looked = looked.with_file(file, FileState.BEGUN)
    if looked != found:
        changed = change_task(ports, task, work=looked.as_work())
        if changed is None:
            return AGAIN
        task = changed
    task = move(ports, task, share * PULLED_PERCENT)
    if crowded and not looked.those(FileState.BEGUN):
        # A compaction makes room. Its message may have been lost, and it is not begun twice.
        wake_builder(ports, keys_of(dataset))
        return wait(_NO_ROOM_SECONDS)
    return AGAIN if not looked.those(FileState.BEGUN) else wait_for_others(ports, task)


def _dataset(ports: Ports, task: OpenverseTask) -> Dataset:
    try:
        return resolve(ports, task.tenant_id, scope=NATIVE_SCOPE, name=task.model)
    except NotFound as missing:
        raise NotFound(
            "dataset_not_found",
            f"there is no dataset {task.model} to pull records into; create it first, with their dimension",
        ) from missing


# --- what there is to pull


def _planned(ports: Ports, task: OpenverseTask) -> Pull:
    source = find_source(ports, task.tenant_id, task.model)
    dataset = _dataset(ports, task)
    objects = _objects(ports, source)
    check_objects(source, objects)
    now = ports.clock()
    files = tuple(
        PulledFile(found.key, found.size, found.etag, new_import_id(now + number / 1000))
        for number, found in enumerate(objects)
    )
    return Pull(source.bucket, source.format, dataset.dataset_id, files)


def _objects(ports: Ports, source: UpstreamSource) -> list[UpstreamObject]:
    """The objects of a source that hold anything; of too many, one more than may be."""
    listed = islice(ports.upstream.list(source.bucket, source.prefix), MAX_LISTED)
    return list(
        islice((found for found in listed if found.size and source.holds(found.key)), MAX_OBJECTS + 1)
    )


def check_objects(source: UpstreamSource, objects: Sequence[UpstreamObject]) -> None:
    """See that all of a source can be pulled, before any of it is.

    Raises:
        InvalidInput: `source_empty`, `object_too_large`, `too_many_objects`: with the source's address.
    """
    if not objects:
        raise InvalidInput("source_empty", f"there is nothing to pull at {source.url}")
    large = [found for found in objects if found.size > MAX_UPLOAD_BYTES]
    if large:
        size, most = large[0].size / _GIB, MAX_UPLOAD_BYTES // _GIB
        raise InvalidInput(
            "object_too_large",
            f"s3://{source.bucket}/{large[0].key} has {size:.2f} GiB, and what is pulled has at most {most}; "
            f"split it ({len(large)} of {len(objects)} objects are too large)",
        )
    if len(objects) > MAX_OBJECTS or sum(len(found.key.encode()) for found in objects) > MAX_KEY_BYTES:
        raise InvalidInput(
            "too_many_objects",
            f"there are too many objects at {source.url}; at most {MAX_OBJECTS} are pulled, with keys of "
            f"{MAX_KEY_BYTES} bytes in all: join some",
        )


# --- one object after the other


def _look(ports: Ports, task: OpenverseTask, found: Pull) -> tuple[Pull, float]:
    """Which imports have ended, and how much of all is done (0 to 1, by bytes).

    Raises:
        Conflict: `import_failed`.
    """
    done = float(sum(file.size for file in found.those(FileState.DONE)))
    total = sum(file.size for file in found.files)
    for file in found.those(FileState.BEGUN):
        job = read_import(ports, ImportKeys(task.tenant_id, found.dataset_id, file.import_id))
        if job is None:
            raise Conflict("import_failed", f"the import of {file.key} is gone")
        job = conclude(ports, job)
        match job.status:
            case ImportStatus.FAILED:
                raise Conflict("import_failed", f"s3://{found.bucket}/{file.key}: {job.error_message}")
            case ImportStatus.COMPLETED:
                found = found.with_file(
                    file, FileState.DONE, records=job.records_accepted, rejected=job.records_rejected
                )
            case ImportStatus.INDEXING if job.committed is not None:
                wake_indexer(ports, dataset_keys_of(job))
            case _:
                pass
        done += file.size * job.percent_complete / 100
    return found, done / total


def _has_room(ports: Ports, dataset: Dataset) -> bool:
    """Whether the dataset takes one more import now."""
    try:
        check_imports_room(ports, dataset)
    except Conflict:
        return False
    return True


def _begin(ports: Ports, task: OpenverseTask, dataset: Dataset, found: Pull, file: PulledFile) -> None:
    """Copy an object, and start its import; whatever of it was done before is not done again.

    Raises:
        Conflict: `dataset_follows`.
        InvalidInput, NotFound: it cannot be copied.
        LimitReached: `vector_quota_exceeded`.
    """
    keys = ImportKeys(task.tenant_id, dataset.dataset_id, file.import_id)
    job = read_import(ports, keys)
    if job is None:
        check_takes_writes(dataset)
        check_quota(ports, task.tenant_id, task.vector_quota)
        job = _created(ports, task, dataset, found, file)
    if job.status is not ImportStatus.AWAITING_UPLOAD:
        return
    upload = upload_of(ports, job)
    if upload is None:
        try:
            retry_busy(lambda: ports.upstream.copy(found.bucket, file.listed, to=keys.upload))
        except (InvalidInput, NotFound) as refused:
            where = f"s3://{found.bucket}/{file.key}"
            raise type(refused)(refused.code, f"{where}: {refused.message}") from refused
        upload = upload_of(ports, job)
    if upload is not None:
        start(ports, job, upload)


def _created(ports: Ports, task: OpenverseTask, dataset: Dataset, found: Pull, file: PulledFile) -> Import:
    now = ports.clock()
    job = Import(
        import_id=file.import_id,
        tenant_id=task.tenant_id,
        dataset_id=dataset.dataset_id,
        dataset_name=dataset.name,
        format=found.format,
        error_mode=ErrorMode.CONTINUE,
        max_bad_records=None,
        created_at=now,
        expires_at=now + UPLOAD_SECONDS,
        max_bytes=MAX_UPLOAD_BYTES,
        vector_quota=task.vector_quota,
    )
    writes, token = put_new(job), transaction_token("create import", job.import_id)
    try:
        retry_busy(lambda: ports.table.transact(writes, token=token))
    except TransactionCancelled as lost:
        if lost.failed[0]:
            raise NotFound("dataset_not_found", f"the dataset {dataset.name} has been deleted") from lost
        # By another process of this task, which is as far.
        there = read_import(ports, ImportKeys(task.tenant_id, dataset.dataset_id, file.import_id))
        return there or job
    return job
