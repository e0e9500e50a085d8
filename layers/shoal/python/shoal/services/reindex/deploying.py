"""Last of a reindex: its destination is what its source is, and becomes the active collection if that was asked.

The swap is one transaction, made under the lease of the line and between two of its tasks: what was done before it
is in both collections, and what comes after it finds the alias where it points then. Tasks that were accepted
before the import was ready are waited for; those accepted since, until the very swap, are written to both when
their turn comes, where they name the source.
"""

import logging
from dataclasses import replace
from typing import Any

from shoal.errors import NotFound, StorageBusy, TransactionCancelled
from shoal.model.ids import new_token, transaction_token
from shoal.model.imports import ImportStatus
from shoal.model.tasks import TaskKind, TaskStatus
from shoal.services.applied import wait_for_log
from shoal.services.collections.blue import is_live, move_blue, read_blue
from shoal.services.collections.counts import counting, read_counts
from shoal.services.lease_items import Lease
from shoal.services.reindex.beginning import begin_waiting
from shoal.services.reindex.ending import DEST_DELETED, end
from shoal.services.reindex.lookup import Reindex, find_reindex, is_there
from shoal.services.retry import retry_busy
from shoal.services.tasks.family import (
    FamilyState,
    acquire,
    ask_for,
    kept,
    read_family,
    release,
    without_pair,
)
from shoal.services.tasks.items import change, change_now, read_task
from shoal.services.tasks.wake import try_to_wake_line
from shoal.services.waiting import Pause
from shoal.storage.keys import DatasetKeys, FamilyKeys
from shoal.storage.ports import Absent, AllOf, CheckItem, Compare, Ports, Write

_log = logging.getLogger(__name__)
_BARRIER_SECONDS = 600.0
"""How long tasks that were accepted earlier are waited for: a model that does not answer must not hold up all."""
_APPLIED_SECONDS = 10.0
"""How long the line rests while the log of the destination is applied."""
_POLL_SECONDS = 0.5
_WAKE_SECONDS = 10.0
"""Between two messages to whoever does the line: the one who did may be dead."""


def deploy(ports: Ports, import_id: str, *, seconds: float, pause: Pause) -> bool:
    """Deploy a reindex whose import is completed; whether it is now, or had ended otherwise.

    Args:
        ports: where.
        import_id: the import of the reindex.
        seconds: how long to wait for tasks, for the lease, and for the log of the destination.
        pause: how to wait.

    Raises:
        StorageBusy: storage is busy; nothing has changed, or all has.
    """
    give_up_at = ports.clock() + seconds
    spent = 0.0
    while True:
        found = find_reindex(ports, import_id)
        if found is None or found.task.status.terminal:
            return True
        if found.job.status is not ImportStatus.COMPLETED:
            return False
        if not is_there(ports, DatasetKeys(found.task.tenant_id, found.pair.dest)):
            return end(ports, found.task, TaskStatus.FAILED, DEST_DELETED) is not None
        if found.settings.barrier is None:
            _put_barrier(ports, found)
            continue
        if _is_time(ports, found) and _swapped_under_lease(ports, found, pause):
            begin_waiting(ports, found.keys)
            return True
        # Both are counted: a clock may stand still, and a pause may take longer than it says.
        if spent >= seconds or ports.clock() >= give_up_at:
            return False
        if spent % _WAKE_SECONDS == 0:
            try_to_wake_line(ports, found.keys)
        pause(_POLL_SECONDS)
        spent += _POLL_SECONDS


def _put_barrier(ports: Ports, found: Reindex) -> None:
    """Write down which tasks have been accepted by now."""
    counter = retry_busy(lambda: ports.table.get(found.keys.counter))
    settings = replace(
        found.settings,
        barrier=int(counter["next"]) if counter else 0,
        barrier_until=ports.clock() + _BARRIER_SECONDS,
    )
    change_now(ports, found.task, settings=settings.stored())


def _is_time(ports: Ports, found: Reindex) -> bool:
    """Whether the line may be asked to rest.

    Not before the tasks that were accepted before the import was ready are done, or were waited for in vain; nor
    while a task is half done: whoever does the rest would be stopped in the middle of a batch, for nothing.
    """
    waited = ports.clock() > found.settings.barrier_until
    if found.state.done < (found.settings.barrier or 0) and not waited:
        return False
    return not _has_begun_next(ports, found.keys, found.state)


def _swapped_under_lease(ports: Ports, found: Reindex, pause: Pause) -> bool:
    """Whether the swap was made; the line goes on in either case."""
    keys = found.keys
    ask_for(ports, keys)
    lease = acquire(ports, keys, owner=f"deploy-{new_token()}", wanted=True)
    if lease is None:
        return False
    try:
        with kept(ports, keys, lease):
            return _swapped(ports, found, lease, pause)
    finally:
        release(ports, keys, lease)
        try_to_wake_line(ports, keys)


def _swapped(ports: Ports, found: Reindex, lease: Lease, pause: Pause) -> bool:
    keys, task, settings, job = found.keys, found.task, found.settings, found.job
    state = read_family(ports, keys)
    if state.fence != lease.fence or _has_begun_next(ports, keys, state):
        return False
    dest = DatasetKeys(job.tenant_id, job.dataset_id)
    if not _all_applied(ports, dest, pause):
        return False
    now = ports.clock()
    ours = Compare("fence", "=", lease.fence)
    # Tasks that are accepted by now, whenever they are done, still reach what is deployed; no other one is
    # accepted before the swap is made.
    counter = retry_busy(lambda: ports.table.get(keys.counter))
    newest = int(counter["next"]) if counter else 0
    none_since = CheckItem(keys.counter, Compare("next", "=", newest) if counter else Absent("pk"))
    gone = without_pair(keys, state, task.task_id, mirrored_until=newest)
    if gone.condition is not None:
        gone = replace(gone, condition=AllOf((gone.condition, ours)))
    documents = job.objects - job.records_rejected
    known = read_counts(ports, dest).most_parts
    writes: list[Write] = [
        gone,
        change(
            task,
            now=now,
            status=TaskStatus.DONE,
            detail=None,
            processed=job.objects,
            failed=job.records_rejected,
            truncated=job.truncated,
            tokens=job.tokens,
        ),
        none_since,
        is_live(dest),
        counting(
            dest,
            documents=documents,
            characters=job.characters,
            most_parts=job.most_parts if job.most_parts > known else None,
        ),
    ]
    if settings.deploy_as_blue:
        blue = read_blue(ports, keys)
        if blue is None or blue.dataset_id != job.dataset_id:
            writes.append(move_blue(keys, job.dataset_id, blue, now=now))
    token = transaction_token("deploy", lease.owner)
    try:
        retry_busy(lambda: ports.table.transact(writes, token=token), attempts=10)
    except TransactionCancelled:
        return False
    _log.info("reindex deployed", extra={"task_id": task.task_id, "blue": settings.deploy_as_blue})
    return True


def _has_begun_next(ports: Ports, keys: FamilyKeys, state: FamilyState) -> bool:
    """Whether some of the next task is written: the rest of it must reach the same collections."""
    place = retry_busy(lambda: ports.table.get(keys.place(state.done + 1)))
    if place is None or "kind" not in place:  # nothing waits, or it has been done since
        return False
    task = read_task(ports, keys.tenant_id, TaskKind(place["kind"]), str(place["task_id"]))
    if task is None or task.place != state.done + 1 or task.status.terminal:
        return False
    return task.processed > 0 or any(task.written.values())


def _all_applied(ports: Ports, keys: DatasetKeys, pause: Pause) -> bool:
    """Whether all that is in the log of the destination is applied; nobody adds to it now."""
    try:
        return wait_for_log(ports, keys, seconds=_APPLIED_SECONDS, pause=pause) is not None
    except NotFound:
        return False


def deploy_step(ports: Ports, import_id: str, *, seconds: float, pause: Pause) -> dict[str, Any]:
    """Deploy a reindex as the workflow asks for it.

    Raises:
        StorageBusy: not in time; another attempt waits on.
    """
    if not deploy(ports, import_id, seconds=seconds, pause=pause):
        raise StorageBusy("the reindex waits for the line of tasks")
    return {}
