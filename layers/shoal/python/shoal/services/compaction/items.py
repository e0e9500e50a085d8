"""Compactions as items of the table."""

from typing import Any

from shoal.model.compactions import Compaction, CompactionStatus
from shoal.services.pipeline.items import find_run, newest_items
from shoal.storage.keys import COMPACTION_PREFIX, DatasetKeys, WorkKeys
from shoal.storage.ports import Item, Ports

KEPT_SECONDS = 30 * 86_400
"""How long a compaction can be looked up."""


def keys_of_compaction(job: Compaction) -> WorkKeys:
    """The compaction's keys."""
    return WorkKeys(job.tenant_id, job.dataset_id, job.run_id)


def dataset_keys_of(job: Compaction) -> DatasetKeys:
    """The keys of the compaction's dataset."""
    return DatasetKeys(job.tenant_id, job.dataset_id)


def compaction_item(job: Compaction) -> dict[str, Any]:
    """A new compaction as stored; it expires by itself."""
    key = keys_of_compaction(job).item
    return {
        "pk": key.pk,
        "sk": key.sk,
        "run_id": job.run_id,
        "tenant_id": job.tenant_id,
        "dataset_id": job.dataset_id,
        "dataset_name": job.dataset_name,
        "manifest": job.manifest,
        "manifest_sha256": job.manifest_sha256,
        "version": job.version,
        "watermark": job.watermark,
        "cell_sets": list(job.cell_sets),
        "created_at": job.created_at,
        "status": job.status.value,
        "expires_at": int(job.created_at) + KEPT_SECONDS,
    }


def parse_compaction(item: Item) -> Compaction:
    """A compaction as stored."""
    completed_at = item.get("completed_at")
    return Compaction(
        run_id=item["run_id"],
        tenant_id=item["tenant_id"],
        dataset_id=item["dataset_id"],
        dataset_name=item["dataset_name"],
        manifest=item["manifest"],
        manifest_sha256=item["manifest_sha256"],
        version=int(item["version"]),
        watermark=int(item["watermark"]),
        cell_sets=tuple(item["cell_sets"]),
        created_at=float(item["created_at"]),
        status=CompactionStatus(item["status"]),
        stage=item.get("stage", ""),
        total=int(item.get("total", 0)),
        done=int(item.get("done", 0)),
        rows=int(item.get("rows", 0)),
        error_message=item.get("error_message"),
        completed_at=None if completed_at is None else float(completed_at),
    )


def find_compaction(ports: Ports, run_id: str) -> Compaction | None:
    """The compaction of that id, whoever owns it; None where there is none."""
    item = find_run(ports, run_id)
    return parse_compaction(item) if item else None


def newest_compaction(ports: Ports, keys: DatasetKeys) -> Compaction | None:
    """The compaction of a dataset that began last; None where it never had one, or none for a month."""
    found = newest_items(ports, keys, prefix=COMPACTION_PREFIX, limit=1)
    return parse_compaction(found[0]) if found else None
