"""Committing: a contiguous run of the log becomes one delta and one swap of HEAD.

Whoever holds the lease drains the log. What dies with a committer is the lease, which runs out; the objects it
wrote, which nothing names; and nothing else, because the swap is the only effect that counts. Telling the quota
and marking the jobs come after it and can be made up for.
"""

import logging
import time
from dataclasses import dataclass
from enum import Enum, auto

from shoal.errors import ShoalError
from shoal.model.datasets import Dataset, Head
from shoal.model.ids import new_token
from shoal.model.jobs import JobKind, next_commit
from shoal.model.limits import COMMIT_SPACING_SECONDS, GAP_SECONDS, LEASE_SECONDS
from shoal.model.merge_policy import Nothing
from shoal.services.compaction.deciding import work_due
from shoal.services.descriptors import describe_dataset
from shoal.services.followers import try_to_wake_followers
from shoal.services.heads import parse_head, parse_meta, read_head, swap_head
from shoal.services.job_items import expire_jobs
from shoal.services.leases import Lease, acquire, kept, release
from shoal.services.log import read_tail
from shoal.services.log_data import LogData
from shoal.services.parts import PartReader
from shoal.services.publish_jobs import publish_jobs
from shoal.services.settle import settle
from shoal.services.snapshot import open_snapshot
from shoal.services.sweep import unlist
from shoal.services.wake import send
from shoal.storage.keys import DatasetKeys
from shoal.storage.ports import Ports

_log = logging.getLogger(__name__)
DRAIN_SECONDS = 8.0
"""Short, because a batch may hold ten busy datasets, which are drained one after the other within the 120 s that
the function has: what is left of one comes back behind the others."""


class _Outcome(Enum):
    COMMITTED = auto()
    NOTHING_TO_DO = auto()
    MUST_WAIT = auto()
    """A place of the log is still open; its writer may come."""
    LOST = auto()
    """Somebody else committed, or the dataset is gone: read again."""


@dataclass(slots=True)
class _Drain:
    """One committer at work on one dataset."""

    ports: Ports
    reader: PartReader
    dataset: Dataset
    keys: DatasetKeys
    last_commit: float = 0.0
    untold: bool = False


def drain(
    ports: Ports,
    tenant_id: str,
    dataset_id: str,
    *,
    owner: str,
    reader: PartReader | None = None,
    budget_seconds: float = DRAIN_SECONDS,
) -> None:
    """Apply all that the log holds. Safe to call at any time, from any number of processes, any number of times.

    Returns at once when somebody else holds the lease: the holder reads the log once more after giving it back,
    or, where that is a builder, sends a wake-up.

    Args:
        ports: where the dataset is.
        tenant_id: the dataset's tenant.
        dataset_id: the dataset.
        owner: a name for the log lines.
        reader: the container's cache of parts.
        budget_seconds: after this long the rest is left to a new wake-up.

    Raises:
        StorageError: storage failed; nothing is half done, and the wake-up should be delivered again.
    """
    keys = DatasetKeys(tenant_id, dataset_id)
    meta = ports.table.get(keys.meta)
    if meta is None:
        return
    cache = reader or PartReader(ports.objects, cache_bytes=64 * 1024 * 1024)
    work = _Drain(ports, cache, parse_meta(meta), keys)
    deadline = ports.clock() + budget_seconds
    while ports.clock() < deadline:
        lease = acquire(ports, keys, owner=f"{owner}-{new_token()}")
        if lease is None:
            return
        try:
            with kept(ports, keys, lease):
                outcome = _commit_while_leased(work, lease, deadline)
        finally:
            release(ports, keys, lease)
        _tell_others(work)
        # Whoever found the lease taken left their write to us, so the log is read again without it.
        head = read_head(ports, keys)
        if head is None or not head.live:
            return
        if outcome is _Outcome.MUST_WAIT and ports.table.get(keys.job(head.watermark + 1)) is None:
            _wake_later(work)
            return
        if outcome is _Outcome.NOTHING_TO_DO and _nothing_new(work, head):
            return
    _wake_later(work, delay_seconds=0)


def _nothing_new(work: _Drain, head: Head) -> bool:
    """Whether the log ends at the watermark; if so the dataset leaves the sweep's list."""
    counter = work.ports.table.get(work.keys.sequence)
    if counter is None or int(counter["next"]) > head.watermark:
        return counter is None
    if _build_due(work, head):
        return True  # it stays listed until that is done, should the message be lost
    return unlist(work.ports, work.keys, watermark=head.watermark)


def _commit_while_leased(work: _Drain, lease: Lease, deadline: float) -> _Outcome:
    """Commit until the log is empty or the lease has run for half its time."""
    outcome = _Outcome.NOTHING_TO_DO
    while True:
        outcome = _commit_once(work, lease)
        if outcome is not _Outcome.COMMITTED:
            return outcome
        now = work.ports.clock()
        if now > lease.until - LEASE_SECONDS / 2 or now > deadline:
            return outcome


def _commit_once(work: _Drain, lease: Lease) -> _Outcome:
    ports, keys = work.ports, work.keys
    item = ports.table.get(keys.head)
    if item is None:
        return _Outcome.LOST
    head = parse_head(item)
    if not head.live or head.fence != lease.fence:
        return _Outcome.LOST
    tail = read_tail(ports, keys, watermark=head.watermark)
    spacing = work.last_commit + COMMIT_SPACING_SECONDS - ports.clock()
    shared = bool(tail.jobs) and tail.jobs[0].kind not in {JobKind.IMPORT, JobKind.RESTORE}
    if shared and 0 < spacing <= COMMIT_SPACING_SECONDS:
        # Under load: what arrives meanwhile goes into the same swap. An import or a restore has one for itself.
        time.sleep(spacing)
        tail = read_tail(ports, keys, watermark=head.watermark)
    if not tail.jobs:
        return _Outcome.MUST_WAIT if tail.waits else _Outcome.NOTHING_TO_DO
    log = LogData(ports, work.reader, work.dataset, keys, lease.fence)
    swap = publish_jobs(log, head, next_commit(tail.jobs))
    if not swap_head(ports, keys, read=head, fence=lease.fence, swap=swap):
        _log.info("lost the swap", extra={"dataset_id": keys.dataset_id, "version": swap.manifest.version})
        return _Outcome.LOST
    work.last_commit = ports.clock()
    work.untold = True
    _log.info(
        "committed",
        extra={
            "dataset_id": keys.dataset_id,
            "version": swap.manifest.version,
            "watermark": swap.manifest.watermark,
            "jobs": swap.manifest.watermark - head.watermark,
            "row_count": swap.manifest.row_count,
            "deltas": len(swap.manifest.deltas),
        },
    )
    return _Outcome.COMMITTED


def _build_due(work: _Drain, head: Head) -> bool:
    """Whether the builder has something to do: to build, or to start a compaction."""
    snapshot = open_snapshot(work.reader, work.dataset, head)
    return snapshot is not None and work_due(snapshot) != Nothing()


def _tell_others(work: _Drain) -> None:
    """Quota, builder, job items: the sweep makes up for the first two, and the next commit for all."""
    if not work.untold:
        return
    ports, keys = work.ports, work.keys
    try:
        head = read_head(ports, keys)
        if head is not None and head.live:
            describe_dataset(ports, keys)
            settle(ports, keys)
            try_to_wake_followers(ports, keys, head)
            if _build_due(work, head) and not (head.build_owner and head.build_until > ports.clock()):
                send(ports.builds, keys)
            expire_jobs(ports, keys, up_to=head.watermark)
        work.untold = False
    except ShoalError as error:
        _log.warning("left for later", extra={"dataset_id": keys.dataset_id, "reason": str(error)})


def _wake_later(work: _Drain, *, delay_seconds: int = int(GAP_SECONDS) + 1) -> None:
    send(work.ports.wakeups, work.keys, delay_seconds=delay_seconds)
