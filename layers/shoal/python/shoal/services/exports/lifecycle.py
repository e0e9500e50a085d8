"""An export from its creation on, as its owner sees it."""

from collections.abc import Sequence
from dataclasses import dataclass

from shoal.errors import ConditionFailed, Conflict, NotFound, TransactionCancelled
from shoal.model.datasets import Dataset
from shoal.model.exports import MANIFEST_NAME, Export, ExportedFile, ExportManifest, ExportStatus
from shoal.model.ids import new_export_id, transaction_token
from shoal.model.limits import EXPORT_DAYS
from shoal.model.snapshots import NamedSnapshot
from shoal.services.exports.items import export_item, keys_of_export, parse_export
from shoal.services.heads import keys_of, read_head
from shoal.services.pipeline.items import newest_items, pointer_item
from shoal.services.retry import retry_busy
from shoal.services.sequence import or_try_again
from shoal.services.snapshots import get_snapshot, snapshot_not_found, still
from shoal.storage.keys import EXPORT_PREFIX, WorkKeys
from shoal.storage.ports import Absent, Assign, CheckItem, Compare, Ports, PutItem, Target, Write

URL_SECONDS = 3600
_MOST_UNDER_WAY = 10
_LOOKED_AT = 100
_STARTED_SECONDS = 120.0
"""An export without a workflow for so long never got one: its creator died."""
_ENDED = ("FAILED", "TIMED_OUT", "ABORTED", "SUCCEEDED")


@dataclass(frozen=True, slots=True)
class Download:
    """A file of an export, and where to GET it."""

    file: ExportedFile
    target: Target


def create_export(ports: Ports, dataset: Dataset, *, snapshot: str | None = None) -> Export:
    """Begin to export the current version, or the one that a snapshot names.

    Raises:
        NotFound: `dataset_not_found`, `snapshot_not_found`.
        Conflict: `dataset_empty`: nothing has been indexed yet; `too_many_exports`.
        TryAgain: nothing was begun.
    """
    pinned = get_snapshot(ports, dataset, snapshot) if snapshot is not None else None
    manifest, sha256, version = _version(ports, dataset, pinned)
    if (
        sum(not job.status.terminal for job in list_exports(ports, dataset, limit=_LOOKED_AT))
        >= _MOST_UNDER_WAY
    ):
        raise Conflict(
            "too_many_exports",
            f"{_MOST_UNDER_WAY} exports of the dataset are under way; wait for one to end",
            {"limit": _MOST_UNDER_WAY},
        )
    now = ports.clock()
    job = Export(
        export_id=new_export_id(now),
        tenant_id=dataset.tenant_id,
        dataset_id=dataset.dataset_id,
        dataset_name=dataset.name,
        manifest=manifest,
        manifest_sha256=sha256,
        version=version,
        created_at=now,
    )
    # Its files expire by themselves; what tells of them goes a little later.
    expires_at = int(now) + (EXPORT_DAYS + 1) * 86_400
    owner = pointer_item(keys_of_export(job), expires_at=expires_at)
    writes: list[Write] = [
        CheckItem(keys_of(dataset).head, Compare("state", "=", "live")),
        PutItem({**export_item(job), "expires_at": expires_at}, condition=Absent("pk")),
        PutItem(owner, condition=Absent("pk")),
    ]
    if pinned is not None:  # from here on the export keeps the version, whatever becomes of its name
        writes.append(CheckItem(keys_of(dataset).snapshot(pinned.name), still(pinned)))
    try:
        or_try_again(lambda: ports.table.transact(writes, token=transaction_token("export", job.export_id)))
    except TransactionCancelled as lost:
        if lost.failed[0]:
            raise NotFound("dataset_not_found", "dataset not found") from lost
        if pinned is not None and lost.failed[-1]:
            raise snapshot_not_found() from lost
        raise
    or_try_again(lambda: ports.exports.start(job.export_id, {"run_id": job.export_id}))
    return job


def _version(ports: Ports, dataset: Dataset, pinned: NamedSnapshot | None) -> tuple[str, str, int]:
    """The manifest to export: key, SHA-256, version."""
    if pinned is not None:
        return pinned.manifest, pinned.manifest_sha256, pinned.version
    head = read_head(ports, keys_of(dataset))
    if head is None or not head.live:
        raise NotFound("dataset_not_found", "dataset not found")
    if head.manifest is None or head.manifest_sha256 is None:
        raise Conflict("dataset_empty", "nothing has been indexed yet: there is nothing to export")
    return head.manifest, head.manifest_sha256, head.version


def get_export(ports: Ports, dataset: Dataset, export_id: str) -> Export:
    """An export of the dataset. One whose workflow has died is found out here, and failed.

    Raises:
        NotFound: `export_not_found`.
    """
    try:
        key = WorkKeys(dataset.tenant_id, dataset.dataset_id, export_id).item
    except ValueError:
        raise _unknown() from None
    item = ports.table.get(key) if key.sk.startswith(EXPORT_PREFIX) else None
    if item is None:
        raise _unknown()
    return _looked_after(ports, parse_export(item))


def _unknown() -> NotFound:
    return NotFound("export_not_found", "export not found")


def _looked_after(ports: Ports, job: Export) -> Export:
    if job.status.terminal:
        return job
    status = retry_busy(lambda: ports.exports.status(job.export_id))
    late = status is None and ports.clock() - job.created_at > _STARTED_SECONDS
    if status not in _ENDED and not late:
        return job
    item = ports.table.get(keys_of_export(job).item)  # it may have ended between the two looks
    current = parse_export(item) if item else job
    if current.status.terminal:
        return current
    reason = "its workflow never began" if status is None else f"its workflow ended ({status})"
    return fail_export(ports, current, f"internal error: {reason}; start a new export") or current


def fail_export(ports: Ports, job: Export, message: str) -> Export | None:
    """End an export as failed, unless it has ended; the export as it is then, None where it had."""
    changes = [
        Assign("status", ExportStatus.FAILED.value),
        Assign("error_message", message),
        Assign("completed_at", ports.clock()),
    ]
    running = Compare("status", "=", ExportStatus.RUNNING.value)
    try:
        item = retry_busy(lambda: ports.table.update(keys_of_export(job).item, changes, condition=running))
    except ConditionFailed:
        return None
    return parse_export(item)


def list_exports(ports: Ports, dataset: Dataset, *, limit: int) -> list[Export]:
    """The newest exports of the dataset, newest first."""
    found = newest_items(ports, keys_of(dataset), prefix=EXPORT_PREFIX, limit=limit)
    return [parse_export(item) for item in found]


def downloads(ports: Ports, job: Export) -> tuple[Target | None, Sequence[Download]]:
    """Where to GET the manifest and the files of a completed export, signed afresh; nothing of another one."""
    if job.status is not ExportStatus.COMPLETED:
        return None, ()
    keys = keys_of_export(job)
    data = retry_busy(lambda: ports.objects.get(keys.exported(MANIFEST_NAME)))
    files = ExportManifest.parse(data).files

    def target(name: str) -> Target:
        return ports.uploads.get_target(
            keys.exported(name), file_name=f"{job.dataset_name}-{name}", seconds=URL_SECONDS
        )

    return target(MANIFEST_NAME), [Download(file, target(file.name)) for file in files]
