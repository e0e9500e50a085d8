"""Steps `finish` and `fail`: an export is completed with its manifest, or ends as failed."""

import logging
from collections.abc import Mapping
from typing import Any

from shoal.errors import CorruptObject
from shoal.model.exports import MANIFEST_NAME, ExportedFile, ExportManifest, ExportPlan, ExportStatus
from shoal.services.exports.items import dataset_keys_of
from shoal.services.exports.lifecycle import fail_export
from shoal.services.exports.run import ExportRun, find_export
from shoal.services.heads import read_head
from shoal.services.parallel import in_parallel
from shoal.services.retry import retry_busy
from shoal.storage.ports import Assign, Ports

_log = logging.getLogger(__name__)


def finish(work: ExportRun, item: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG001 - no map's item
    """Put the manifest that lists the files, and complete the export.

    Raises:
        CorruptObject: a file is missing, or the files hold more or fewer rows than the version does.
        RunStopped: the export has ended.
    """
    planned = work.needed("plan", ExportPlan)
    names = [f"file-{number:06d}" for number in range(planned.files)]
    files = [file for file in in_parallel(lambda name: work.needed(name, ExportedFile), names) if file.rows]
    manifest = work.snapshot().manifest
    rows = sum(file.rows for file in files)
    if rows != manifest.row_count:
        raise CorruptObject(f"{rows} rows were written of a version of {manifest.row_count}")
    dataset, job = work.dataset, work.job
    made = ExportManifest(
        dataset=dataset.name,
        dimension=dataset.dimension,
        metric=dataset.metric.value,
        target_recall=dataset.target_recall,
        version=manifest.version,
        watermark=manifest.watermark,
        row_count=rows,
        exported_at=job.created_at,
        files=tuple(files),
    )
    # The same bytes whoever puts them: the records of the files are what counts.
    key = work.keys.exported(MANIFEST_NAME)
    retry_busy(lambda: work.ports.objects.put(key, made.line()))
    work.update(
        Assign("status", ExportStatus.COMPLETED.value),
        Assign("rows", rows),
        Assign("bytes", sum(file.size for file in files)),
        Assign("done", planned.files),
        Assign("completed_at", work.ports.clock()),
    )
    return {}


def handle_failure(ports: Ports, event: Mapping[str, Any]) -> dict[str, str]:
    """What the workflow does when a state has failed for good: see that the export ends, and say why it did.

    `stopped`: it had ended already, or its dataset is gone; `error`: an operator must look at it.
    """
    job = find_export(ports, str(event["run_id"]))
    if job is None or job.status.terminal:
        return {"outcome": "stopped"}
    head = read_head(ports, dataset_keys_of(job))
    if head is None or not head.live:
        fail_export(ports, job, "the dataset has been deleted")
        return {"outcome": "stopped"}
    name = str((event.get("error") or {}).get("Error", "unknown"))
    _log.error("export failed", extra={"run_id": job.export_id, "error": name})
    fail_export(ports, job, f"internal error ({name}); start a new export")
    return {"outcome": "error"}
