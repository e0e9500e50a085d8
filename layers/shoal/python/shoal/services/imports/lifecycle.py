"""An import from its creation on, as its owner sees and steers it."""

from collections.abc import Sequence
from dataclasses import dataclass

from shoal.errors import ConditionFailed, Conflict, InvalidInput, LimitReached, NotFound, TransactionCancelled
from shoal.model.datasets import Dataset, check_takes_writes
from shoal.model.ids import new_import_id, transaction_token
from shoal.model.imports import ErrorMode, Import, ImportFormat, ImportStatus, too_many_cell_sets
from shoal.model.limits import (
    MAX_CELL_SETS,
    MAX_UPLOAD_BYTES,
    MAX_UPLOAD_PARTS,
    REJECTS_URL_SECONDS,
    UPLOAD_PART_BYTES,
    UPLOAD_SECONDS,
)
from shoal.services.heads import keys_of, read_head
from shoal.services.imports.ending import conclude, fail
from shoal.services.imports.items import keys_of_import, parse_import, put_new
from shoal.services.imports.starting import start, upload_of
from shoal.services.imports.workflow import workflow_of
from shoal.services.pipeline.items import newest_items
from shoal.services.quotas import vectors_used
from shoal.services.retry import retry_busy
from shoal.services.sequence import or_try_again
from shoal.storage.keys import IMPORT_PREFIX, ImportKeys, TenantKeys
from shoal.storage.ports import Absent, Assign, Ports, Target

CONTENT_TYPE = "application/octet-stream"
CANCELLED = "cancelled"
_MOST_UNDER_WAY = 100
_QUOTA_RETRY_SECONDS = 60


@dataclass(frozen=True, slots=True)
class UploadTargets:
    """Where the file goes: one address, or one a part of `part_bytes` (the last may be smaller)."""

    targets: tuple[Target, ...]
    max_bytes: int
    expires_at: float
    part_bytes: int | None = None


def create_import(
    ports: Ports,
    dataset: Dataset,
    *,
    file_format: ImportFormat,
    error_mode: ErrorMode,
    max_bad_records: int | None,
    multipart: bool,
    vector_quota: int | None,
) -> tuple[Import, UploadTargets]:
    """Create an import.

    Raises:
        LimitReached: `vector_quota_exceeded`: the tenant is at its quota already.
        NotFound: `dataset_not_found`.
        Conflict: `too_many_imports`: under way, or indexed and not merged; `dataset_follows`.
        TryAgain: nothing was created.
    """
    check_takes_writes(dataset)
    check_quota(ports, dataset.tenant_id, vector_quota)
    check_imports_room(ports, dataset)
    now = ports.clock()
    keys = ImportKeys(dataset.tenant_id, dataset.dataset_id, new_import_id(now))
    upload_id = None
    if multipart:
        upload_id = or_try_again(lambda: ports.uploads.start_parts(keys.upload, content_type=CONTENT_TYPE))
    uploads = _targets(ports, keys, upload_id)
    job = Import(
        import_id=keys.import_id,
        tenant_id=dataset.tenant_id,
        dataset_id=dataset.dataset_id,
        dataset_name=dataset.name,
        format=file_format,
        error_mode=error_mode,
        max_bad_records=max_bad_records,
        created_at=now,
        expires_at=uploads.expires_at,
        max_bytes=uploads.max_bytes,
        multipart=upload_id,
        vector_quota=vector_quota,
    )
    writes = put_new(job)
    token = transaction_token("create import", keys.import_id)
    try:
        or_try_again(lambda: ports.table.transact(writes, token=token))
    except TransactionCancelled as lost:
        if lost.failed[0]:
            raise NotFound("dataset_not_found", "dataset not found") from lost
        raise
    return job, uploads


def check_quota(ports: Ports, tenant_id: str, vector_quota: int | None) -> None:
    """See that the tenant may hold more rows at all; how many there will be is not known yet.

    Raises:
        LimitReached: `vector_quota_exceeded`.
    """
    if vector_quota is None:
        return
    used = vectors_used(ports.table.get(TenantKeys(tenant_id).quota))
    if used >= vector_quota:
        raise LimitReached(
            "vector_quota_exceeded",
            "the tenant's vector quota is used up",
            retry_after=_QUOTA_RETRY_SECONDS,
            details={"limit": vector_quota, "used": used},
        )


def check_imports_room(ports: Ports, dataset: Dataset) -> None:
    """See that one more import may be under way.

    Raises:
        Conflict: `too_many_imports`: under way, or indexed and not merged.
    """
    head = read_head(ports, keys_of(dataset))
    if head is not None and head.cell_sets >= MAX_CELL_SETS:
        raise Conflict(
            "too_many_imports",
            too_many_cell_sets(head.cell_sets),
            {"limit": MAX_CELL_SETS},
        )
    newest = list_imports(ports, dataset, limit=_MOST_UNDER_WAY)
    all_under_way = len(newest) == _MOST_UNDER_WAY and not any(job.status.terminal for job in newest)
    if all_under_way or (head is not None and head.open_imports >= _MOST_UNDER_WAY):
        raise Conflict(
            "too_many_imports",
            f"{_MOST_UNDER_WAY} imports of the dataset are under way; complete or cancel some",
            {"limit": _MOST_UNDER_WAY},
        )


def _targets(ports: Ports, keys: ImportKeys, upload_id: str | None) -> UploadTargets:
    if upload_id is None:
        target = ports.uploads.put_target(keys.upload, content_type=CONTENT_TYPE, seconds=UPLOAD_SECONDS)
        return UploadTargets((target,), MAX_UPLOAD_BYTES, target.expires_at)
    targets = ports.uploads.part_targets(
        keys.upload, upload_id=upload_id, count=MAX_UPLOAD_PARTS, seconds=UPLOAD_SECONDS
    )
    return UploadTargets(
        targets=tuple(targets),
        max_bytes=MAX_UPLOAD_PARTS * UPLOAD_PART_BYTES,
        expires_at=min(target.expires_at for target in targets),
        part_bytes=UPLOAD_PART_BYTES,
    )


def complete_import(
    ports: Ports, dataset: Dataset, import_id: str, *, parts: Sequence[tuple[int, str]] | None
) -> Import:
    """Start what was uploaded. The event of S3 may have been faster: the first call succeeds all the same.

    Raises:
        NotFound: `import_not_found`.
        Conflict: `import_not_pending`: it was completed before, or has ended otherwise.
        InvalidInput: `upload_missing`, `invalid_parts`.
        TryAgain: nothing was started.
    """
    job = get_import(ports, dataset, import_id)
    cancelled = job.status is ImportStatus.FAILED and job.sequence is None
    if cancelled or job.completed_by_owner:
        raise _not_pending(job)
    if job.status is ImportStatus.AWAITING_UPLOAD:
        if job.multipart is not None:
            _join(ports, job, parts)
        upload = upload_of(ports, job)
        if upload is None:
            raise InvalidInput(
                "upload_missing", "nothing has been uploaded; PUT the file to upload.url first"
            )
        start(ports, job, upload)
    try:
        item = or_try_again(
            lambda: ports.table.update(
                keys_of_import(job).item,
                [Assign("completed_by_owner", True)],
                condition=Absent("completed_by_owner"),
            )
        )
    except ConditionFailed as lost:
        raise _not_pending(job) from lost
    return parse_import(item)


def _not_pending(job: Import) -> Conflict:
    return Conflict("import_not_pending", f"the import is not awaiting its upload: it is {job.status}")


def _join(ports: Ports, job: Import, parts: Sequence[tuple[int, str]] | None) -> None:
    if not parts:
        raise InvalidInput("invalid_parts", "a multipart upload is completed with its parts and their ETags")
    upload_id = job.multipart or ""
    or_try_again(
        lambda: ports.uploads.join_parts(keys_of_import(job).upload, upload_id=upload_id, parts=parts)
    )


def get_import(ports: Ports, dataset: Dataset, import_id: str) -> Import:
    """An import of the dataset.

    Raises:
        NotFound: `import_not_found`.
    """
    try:
        key = ImportKeys(dataset.tenant_id, dataset.dataset_id, import_id).item
    except ValueError:
        raise _unknown() from None
    item = ports.table.get(key)
    if item is None:
        raise _unknown()
    return conclude(ports, parse_import(item))


def _unknown() -> NotFound:
    return NotFound("import_not_found", "import not found")


def list_imports(ports: Ports, dataset: Dataset, *, limit: int) -> list[Import]:
    """The newest imports of the dataset, newest first."""
    found = newest_items(ports, keys_of(dataset), prefix=IMPORT_PREFIX, limit=limit)
    return [parse_import(item) for item in found]


def cancel_import(ports: Ports, dataset: Dataset, import_id: str) -> Import:
    """End an import with nothing of it indexed; one that has failed stays as it is.

    Raises:
        NotFound: `import_not_found`.
        Conflict: `import_not_cancellable`: it is completed, or about to be.
        TryAgain: it goes on.
    """
    job = get_import(ports, dataset, import_id)
    fail(ports, job, CANCELLED)
    now = get_import(ports, dataset, import_id)
    if now.status is not ImportStatus.FAILED:
        raise Conflict("import_not_cancellable", f"the import is {now.status}, or about to be completed")
    retry_busy(lambda: workflow_of(ports, now).stop(import_id, cause=CANCELLED))
    return now


def rejects_target(ports: Ports, job: Import) -> Target | None:
    """Where the rejected records can be read; None where there are none (yet)."""
    if not job.has_rejects:
        return None
    return ports.uploads.get_target(
        keys_of_import(job).rejects, file_name=f"{job.import_id}-rejected.jsonl", seconds=REJECTS_URL_SECONDS
    )
