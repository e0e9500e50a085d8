"""Steps `commit` and `fail`: the import becomes visible whole, or ends with nothing of it indexed."""

import logging
import time
from collections.abc import Mapping
from typing import Any

from shoal.errors import CorruptObject, ImportStopped, NotFound, StorageBusy
from shoal.index.checksums import sha256_hex
from shoal.model.import_work import Product, Settled
from shoal.model.imports import Import, ImportFormat, ImportStatus
from shoal.model.jobs import JobKind
from shoal.services.commit import drain
from shoal.services.heads import read_head
from shoal.services.imports.ending import conclude, fail
from shoal.services.imports.items import dataset_keys_of
from shoal.services.imports.log_entries import enter_log
from shoal.services.imports.lookup import find_import
from shoal.services.imports.workflow import how_to_try_again
from shoal.services.imports.workspace import Step, Workspace
from shoal.services.retry import retry_busy
from shoal.services.settle import settle
from shoal.services.wake import wake_indexer
from shoal.storage.ports import Absent, AllOf, Compare, Ports

_log = logging.getLogger(__name__)
_PATIENCE_SECONDS = 600.0
_POLL_SECONDS = 0.1


def commit_with(patience_seconds: float) -> Step:
    """The step, for a process that waits so long for whoever holds the dataset's lease."""

    def commit(work: Workspace, item: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG001 - no map's item
        """Enter the log with the product, have it applied, and conclude the import.

        Raises:
            ImportStopped: the import has ended.
            StorageBusy: it was not applied in time; another attempt waits on.
        """
        job, seen = work.job, None
        if job.committed is None:
            if job.format is ImportFormat.DOCUMENTS:
                # What was written while the import was open may be older than what the file holds.
                seen = _newest_place(work)
                drain(work.ports, job.tenant_id, job.dataset_id, owner=f"import-{job.import_id}")
                _put_again(work, after=work.sequence, up_to=seen)
            job = _enter(work)
        give_up_at = time.monotonic() + patience_seconds
        while True:
            # Whoever holds the lease applies it too; where nobody does, this process.
            drain(work.ports, job.tenant_id, job.dataset_id, owner=f"import-{job.import_id}")
            # Told first: who sees the import completed sees its rows in the tenant's usage.
            settle(work.ports, dataset_keys_of(job))
            job = conclude(work.ports, job)
            if job.status.terminal:
                if seen is not None:
                    _put_late_ones(work, job, after=seen)
                return {"status": job.status.value}
            if time.monotonic() > give_up_at:
                break
            time.sleep(_POLL_SECONDS)
        wake_indexer(work.ports, dataset_keys_of(job))
        raise StorageBusy("the import waits for its commit")

    return commit


commit = commit_with(_PATIENCE_SECONDS)


def _newest_place(work: Workspace) -> int:
    """The place of the log that was taken last."""
    counter = retry_busy(lambda: work.ports.table.get(dataset_keys_of(work.job).sequence))
    return int(counter["next"]) if counter else 0


def _put_again(work: Workspace, *, after: int, up_to: int) -> None:
    # Imported here: no other format reads what the dataset holds.
    from shoal.services.imports.documents import put_again

    put_again(work, after=after, up_to=up_to)


def _put_late_ones(work: Workspace, job: Import, *, after: int) -> None:
    """Put documents again that were written just before the import entered the log."""
    try:
        _put_again(work, after=after, up_to=(job.committed or 0) - 1)
    except (ImportStopped, StorageBusy) as reason:
        # The import is completed, and nothing may say otherwise.
        _log.warning("late writes are left", extra={"import_id": job.import_id, "reason": str(reason)})


def _enter(work: Workspace) -> Import:
    if work.recorded("product", Product) is None:
        if work.needed("settled", Settled).rows:
            raise CorruptObject("the import has rows, but nothing was built of them")
        work.record("product", Product(rows=0))
    key = work.keys.work("product.json")
    data = retry_busy(lambda: work.ports.objects.get(key))
    work.enter("committing")
    entered = enter_log(
        work.ports,
        work.job,
        JobKind.IMPORT,
        place_field="committed",
        changes=(),
        condition=AllOf((Compare("status", "=", ImportStatus.INDEXING.value), Absent("committed"))),
        log_key=key,
        sha256=sha256_hex(data),
        size=len(data),
        reserved=work.job.reserved,
    )
    job = work.fresh()
    if not entered and job.committed is None:
        raise ImportStopped("the import has ended")
    return job


def handle_failure(ports: Ports, event: Mapping[str, Any]) -> dict[str, str]:
    """What the workflow does when a state has failed for good: see that the import ends, and say why it did.

    `stopped`: it had ended for a reason that its owner was told; `error`: for one that an operator must look at.
    """
    import_id = str(event["import_id"])
    job = find_import(ports, import_id)
    error = event.get("error") or {}
    if job is None or job.status.terminal:
        return {"outcome": "stopped"}
    keys = dataset_keys_of(job)
    head = read_head(ports, keys)
    if head is None or not head.live:
        fail(ports, job, "the dataset has been deleted")
        return {"outcome": "stopped"}
    if job.committed is not None:
        # It is in the log and will be applied; the sweep concludes it.
        wake_indexer(ports, keys)
        return {"outcome": "error"}
    name = str(error.get("Error", "unknown"))
    _log.error("import failed", extra={"import_id": import_id, "error": name})
    try:
        fail(ports, job, f"internal error ({name}); nothing was indexed, {how_to_try_again(job)}")
    except NotFound:
        return {"outcome": "stopped"}
    return {"outcome": "error"}
