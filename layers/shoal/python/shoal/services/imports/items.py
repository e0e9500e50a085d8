"""Imports as items of the table."""

from typing import Any

from shoal.model.imports import ErrorMode, Import, ImportFormat, ImportStatus
from shoal.storage.keys import IMPORTS, DatasetKeys, ImportKeys, import_by_id
from shoal.storage.ports import Absent, CheckItem, Compare, Item, PutItem, Write


def keys_of_import(job: Import) -> ImportKeys:
    """The import's keys."""
    return ImportKeys(job.tenant_id, job.dataset_id, job.import_id)


def dataset_keys_of(job: Import) -> DatasetKeys:
    """The keys of the import's dataset."""
    return DatasetKeys(job.tenant_id, job.dataset_id)


def import_item(job: Import) -> dict[str, Any]:
    """A new import as stored."""
    key = keys_of_import(job).item
    return {
        "pk": key.pk,
        "sk": key.sk,
        "import_id": job.import_id,
        "tenant_id": job.tenant_id,
        "dataset_id": job.dataset_id,
        "dataset_name": job.dataset_name,
        "format": job.format.value,
        "error_mode": job.error_mode.value,
        "max_bad_records": job.max_bad_records,
        "created_at": job.created_at,
        "upload_expires_at": job.expires_at,
        "max_bytes": job.max_bytes,
        "status": job.status.value,
        "multipart": job.multipart,
        "vector_quota": job.vector_quota,
        "task_id": job.task_id,
    }


def put_new(job: Import) -> list[Write]:
    """What stores a new import, in a transaction: its dataset must be there; the import; whose it is."""
    return [CheckItem(dataset_keys_of(job).head, Compare("state", "=", "live")), *put_with_dataset(job)]


def put_with_dataset(job: Import) -> list[Write]:
    """What stores a new import in the transaction that makes its dataset: the import; whose it is."""
    pointer = import_by_id(job.import_id)
    owner: Item = {
        "pk": pointer.pk,
        "sk": pointer.sk,
        "tenant_id": job.tenant_id,
        "dataset_id": job.dataset_id,
    }
    listed = {**import_item(job), "gsi1pk": IMPORTS, "gsi1sk": job.import_id}
    return [
        PutItem(listed, condition=Absent("pk")),
        PutItem(owner, condition=Absent("pk")),
    ]


def parse_import(item: Item) -> Import:
    """An import as stored."""
    failed_in = item.get("failed_in")
    return Import(
        import_id=item["import_id"],
        tenant_id=item["tenant_id"],
        dataset_id=item["dataset_id"],
        dataset_name=item["dataset_name"],
        format=ImportFormat(item["format"]),
        error_mode=ErrorMode(item["error_mode"]),
        max_bad_records=_whole(item.get("max_bad_records")),
        created_at=float(item["created_at"]),
        expires_at=float(item["upload_expires_at"]),
        max_bytes=int(item["max_bytes"]),
        status=ImportStatus(item["status"]),
        multipart=item.get("multipart"),
        vector_quota=_whole(item.get("vector_quota")),
        completed_by_owner=bool(item.get("completed_by_owner", False)),
        version_id=item.get("version_id"),
        etag=item.get("etag"),
        size=int(item.get("size", 0)),
        started_at=_real(item.get("started_at")),
        sequence=_whole(item.get("sequence")),
        committed=_whole(item.get("committed")),
        reserved=int(item.get("reserved", 0)),
        stage=item.get("stage", ""),
        total=int(item.get("total", 0)),
        done=int(item.get("done", 0)),
        records_processed=int(item.get("records_processed", 0)),
        records_accepted=int(item.get("records_accepted", 0)),
        records_rejected=int(item.get("records_rejected", 0)),
        reasons=tuple((str(reason), int(count)) for reason, count in item.get("reasons", ())),
        has_rejects=bool(item.get("has_rejects", False)),
        failed_in=ImportStatus(failed_in) if failed_in else None,
        error_message=item.get("error_message"),
        completed_at=_real(item.get("completed_at")),
        task_id=item.get("task_id"),
        objects=int(item.get("objects", 0)),
        tokens=int(item.get("tokens", 0)),
        characters=int(item.get("characters", 0)),
        truncated=int(item.get("truncated", 0)),
        most_parts=int(item.get("most_parts", 0)),
        skipped=int(item.get("skipped", 0)),
        outdated=int(item.get("outdated", 0)),
    )


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)


def _real(value: Any) -> float | None:
    return None if value is None else float(value)
