"""Exports as items of the table."""

from typing import Any

from shoal.model.exports import Export, ExportStatus
from shoal.storage.keys import DatasetKeys, WorkKeys
from shoal.storage.ports import Item


def keys_of_export(job: Export) -> WorkKeys:
    """The export's keys."""
    return WorkKeys(job.tenant_id, job.dataset_id, job.export_id)


def dataset_keys_of(job: Export) -> DatasetKeys:
    """The keys of the export's dataset."""
    return DatasetKeys(job.tenant_id, job.dataset_id)


def export_item(job: Export) -> dict[str, Any]:
    """A new export as stored."""
    key = keys_of_export(job).item
    return {
        "pk": key.pk,
        "sk": key.sk,
        "export_id": job.export_id,
        "tenant_id": job.tenant_id,
        "dataset_id": job.dataset_id,
        "dataset_name": job.dataset_name,
        "manifest": job.manifest,
        "manifest_sha256": job.manifest_sha256,
        "version": job.version,
        "created_at": job.created_at,
        "status": job.status.value,
    }


def parse_export(item: Item) -> Export:
    """An export as stored."""
    completed_at = item.get("completed_at")
    return Export(
        export_id=item["export_id"],
        tenant_id=item["tenant_id"],
        dataset_id=item["dataset_id"],
        dataset_name=item["dataset_name"],
        manifest=item["manifest"],
        manifest_sha256=item["manifest_sha256"],
        version=int(item["version"]),
        created_at=float(item["created_at"]),
        status=ExportStatus(item["status"]),
        total=int(item.get("total", 0)),
        done=int(item.get("done", 0)),
        rows=int(item.get("rows", 0)),
        bytes=int(item.get("bytes", 0)),
        completed_at=None if completed_at is None else float(completed_at),
        error_message=item.get("error_message"),
    )
