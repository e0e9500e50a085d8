"""Taking a place in a dataset's log: durable first, then a place, then the answer.

Put the data under a unique key, take the next sequence, put the job that names the data under that sequence,
answer. A writer that dies in between leaves garbage that no job names, or a sequence without a job, which the
committer closes after `GAP_SECONDS` by putting an aborted job under the same condition: a late writer then
loses and gets 503 instead of an acknowledgement.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from shoal.errors import (
    ConditionFailed,
    LimitReached,
    NotFound,
    ShoalError,
    StorageBusy,
    TransactionCancelled,
    TryAgain,
)
from shoal.index.checksums import sha256_hex
from shoal.model.datasets import Dataset, check_takes_writes
from shoal.model.ids import job_id, new_log_name, transaction_token
from shoal.model.jobs import JobKind
from shoal.services.heads import keys_of
from shoal.services.places import job_item
from shoal.services.quotas import reservation, vectors_used
from shoal.services.retry import retry_busy
from shoal.services.room import LOG_ROW_BYTES, check_room
from shoal.services.sequence import close_place, or_try_again, take_place
from shoal.services.wake import wake_indexer
from shoal.storage.keys import DatasetKeys, TenantKeys
from shoal.storage.ports import Absent, Item, Ports, PutItem, Write

_log = logging.getLogger(__name__)
_QUOTA_RETRY_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Accepted:
    """An acknowledged write: it will be applied in the order of its sequence, whatever dies."""

    job_id: str
    sequence: int


@dataclass(frozen=True, slots=True)
class Requirement:
    """What must be true of another item when the job is put, or becomes of it at once; the error where not."""

    write: Write
    error: ShoalError


@dataclass(frozen=True, slots=True)
class Entry:
    """What takes a place: its kind and its data (None: it changes nothing), `rows` and how many of them reserve
    quota, and the rows that the tenant may hold (None: no limit).

    `attributes` are more of the job's item.
    """

    kind: JobKind
    data: bytes | None
    rows: int
    reserved: int = 0
    quota: int | None = None
    requires: tuple[Requirement, ...] = ()
    attributes: Mapping[str, str | int] = field(default_factory=dict)


class _InDoubt(TryAgain):
    """Whether the job is stored is not known: its data must stay."""


def append(ports: Ports, dataset: Dataset, entry: Entry) -> Accepted:
    """Put a write into the log of a dataset. One that follows another takes nothing but versions of that.

    Raises:
        Conflict: `dataset_follows`.
        LimitReached: `vector_quota_exceeded`, or `backlog_full` while the indexer or a compaction is behind.
        NotFound: the dataset has been deleted.
        ShoalError: what the entry requires is not so: the error that goes with it.
        TryAgain: nothing was accepted.
    """
    if entry.kind is not JobKind.RESTORE:
        check_takes_writes(dataset)
    keys, weight = keys_of(dataset), _weight(dataset, entry)
    check_room(ports, dataset, kind=entry.kind, rows=entry.rows, size=weight)
    log_key = None
    sha256 = None
    if entry.data is not None:
        data = entry.data
        sha256 = sha256_hex(data)
        log_key = keys.log_object(new_log_name(ports.clock(), sha256))
        target = log_key
        or_try_again(lambda: ports.objects.put(target, data))
    try:
        sequence = _enter(ports, keys, entry, weight, log_key=log_key, sha256=sha256)
    except _InDoubt:
        raise
    except ShoalError:
        _forget(ports, log_key)
        raise
    wake_indexer(ports, keys)
    return Accepted(job_id(dataset.dataset_id, sequence), sequence)


def _weight(dataset: Dataset, entry: Entry) -> int:
    """Bytes by which the log becomes longer. Those of a patch are what an upsert of its records would bring: a few
    bytes may touch a record of many, and what waits must be known to have room once it is applied.
    """
    size = len(entry.data or b"")
    if entry.kind is not JobKind.PATCH:
        return size
    return max(size, entry.rows * (dataset.dimension * 4 + LOG_ROW_BYTES))


def _enter(
    ports: Ports, keys: DatasetKeys, entry: Entry, weight: int, *, log_key: str | None, sha256: str | None
) -> int:
    """Take a place for what has been stored; its number."""
    place = take_place(ports, keys, size=weight)
    sequence = int(place["next"])
    item: Item = {
        **job_item(
            keys,
            sequence,
            kind=entry.kind,
            log_key=log_key,
            sha256=sha256,
            size=len(entry.data or b""),
            rows=entry.rows,
            reserved=entry.reserved,
            accepted_at=ports.clock(),
            log_bytes=int(place["bytes"]),
        ),
        **entry.attributes,
    }
    if (entry.reserved and entry.quota is not None) or entry.requires:
        _put_job_and_more(ports, keys, item, entry)
    else:
        _put_job(ports, keys, item)
    return sequence


def _put_job(ports: Ports, keys: DatasetKeys, item: Item) -> None:
    try:
        retry_busy(lambda: ports.table.put(item, condition=Absent("pk")))
    except ConditionFailed as lost:
        _recognise(lost.item, item)
    except StorageBusy as busy:
        _end_doubt(ports, keys, item, busy)


def _put_job_and_more(ports: Ports, keys: DatasetKeys, item: Item, entry: Entry) -> None:
    """Put the job in one transaction with what it reserves and what it requires."""
    reserves: tuple[Write, ...] = ()
    if entry.reserved and entry.quota is not None:
        if entry.reserved > entry.quota:
            close_place(ports, keys, item)
            raise over_quota(entry.quota, vectors_used(ports.table.get(TenantKeys(keys.tenant_id).quota)))
        reserves = reservation(keys, rows=entry.reserved, quota=entry.quota)
    required = [requirement.write for requirement in entry.requires]
    writes: list[Write] = [PutItem(item, condition=Absent("pk")), *reserves, *required]
    # A place of a log is handed out once, so nobody else can be at it.
    token = transaction_token("place", keys.partition, int(item["sequence"]))
    try:
        retry_busy(lambda: ports.table.transact(writes, token=token))
    except StorageBusy as busy:
        _end_doubt(ports, keys, item, busy)
    except TransactionCancelled as lost:
        if reserves and lost.failed[1]:
            close_place(ports, keys, item)
            raise over_quota(entry.quota or 0, vectors_used(lost.items[1])) from lost
        if reserves and lost.failed[2]:
            raise NotFound("dataset_not_found", "dataset not found") from lost
        if not lost.failed[0]:
            of_requirements = lost.failed[1 + len(reserves) :]
            for requirement, failed in zip(entry.requires, of_requirements, strict=True):
                if failed:
                    close_place(ports, keys, item)
                    raise requirement.error from lost
        _recognise(lost.items[0], item)


def over_quota(quota: int, used: int) -> LimitReached:
    """The error of a write for which the tenant's quota has no room."""
    return LimitReached(
        "vector_quota_exceeded",
        "the tenant's vector quota would be exceeded; nothing was stored",
        retry_after=_QUOTA_RETRY_SECONDS,
        details={"limit": quota, "used": used},
    )


def _end_doubt(ports: Ports, keys: DatasetKeys, item: Item, busy: StorageBusy) -> None:
    """Whether the job was stored is not known: close its place, unless it turns out to be there."""
    stored = close_place(ports, keys, item)
    if stored is None:
        raise _InDoubt("storage is busy; send the request again") from busy
    _recognise(stored, item)


def _recognise(stored: Item | None, ours: Item) -> None:
    """The place is taken: by our own first attempt, or closed because we were late."""
    if stored is None or stored.get("log_key") != ours["log_key"] or stored.get("kind") != ours["kind"]:
        raise TryAgain("the write took too long and was closed; nothing was stored, send it again")


def _forget(ports: Ports, log_key: str | None) -> None:
    """Remove the data of a write that was refused, and that no place names.

    Best effort: the janitor finds it too. But should the table ever be lost, log objects that were not applied are
    taken for writes that were accepted.
    """
    if log_key is None:
        return
    try:
        ports.objects.delete([log_key])
    except ShoalError:
        _log.info("data of a refused write left to the janitor", extra={"log_key": log_key})
