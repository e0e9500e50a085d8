"""The end of a build: from then on a content index follows its documents."""

import logging
from itertools import batched

from shoal.errors import ShoalError, StorageBusy, TransactionCancelled
from shoal.model.content_indexes import FailedDocument
from shoal.model.ids import new_token, transaction_token
from shoal.model.imports import Import, ImportStatus
from shoal.services.content.items import Failure, IndexItem, failure_item, read_index
from shoal.services.followers import wake_followers
from shoal.services.imports.items import dataset_keys_of
from shoal.services.imports.lookup import find_import
from shoal.services.imports.rejected import MAX_LISTED, rejected_of
from shoal.services.retry import retry_busy
from shoal.storage.ports import AllOf, Assign, CheckItem, Compare, Ports, PutItem, Write

_log = logging.getLogger(__name__)
_PUTS = 90
"""Of one transaction, which holds 100 writes."""


def activate_step(ports: Ports, import_id: str) -> dict[str, str]:
    """Step `deploy` of a content index; nothing happens where it is deleted, or its build has failed.

    Raises:
        StorageBusy: another attempt goes on.
    """
    job = find_import(ports, import_id)
    index = read_index(ports, dataset_keys_of(job)) if job else None
    if job is None or index is None or job.status is ImportStatus.FAILED:
        return {}
    if job.status is not ImportStatus.COMPLETED:
        raise StorageBusy("the build is not committed yet")
    activate(ports, index, job)
    try:
        wake_followers(ports, index.documents)
    except ShoalError:
        _log.info("left to the sweep", extra={"import_id": import_id})
    return {}


def activate(ports: Ports, index: IndexItem, job: Import) -> None:
    """Have an index follow whose build is completed, unless it does; what failed of the build is known by then.

    Raises:
        StorageBusy: storage is busy; it goes on later.
    """
    if index.active or index.import_id != job.import_id:
        return
    for some in batched(rejected_of(ports, job, limit=MAX_LISTED), _PUTS):
        told = (FailedDocument(one.object_id, one.detail, one.stage) for one in some)
        # Who comes late must not bring back what has been mended meanwhile.
        not_yet = CheckItem(index.keys.content, AllOf((Compare("active", "=", False), _same_turn(index))))
        writes: list[Write] = [
            not_yet,
            *(PutItem(failure_item(index.keys, Failure(each))) for each in told),
        ]
        if not _done(ports, writes):
            return
    now = ports.clock()
    done = index.turned(
        Assign("active", True),
        Assign("start_count", job.objects),
        Assign("failed", job.records_rejected),
        now=now,
    )
    if _done(ports, [done]):
        _log.info("content index active", extra={"dataset_id": index.keys.dataset_id})


def _same_turn(index: IndexItem) -> Compare:
    return Compare("turn", "=", index.turn)


def _done(ports: Ports, writes: list[Write]) -> bool:
    """Whether they were made; False where somebody else was faster, or the index is gone."""
    token = transaction_token("activate", new_token())
    try:
        retry_busy(lambda: ports.table.transact(writes, token=token), attempts=10)
    except TransactionCancelled:
        return False
    return True
