"""What a batch of a task puts into logs: one entry in each of several datasets, and what goes with them, in one
transaction.

So a batch is in the log of a collection and in those of the collections that are made of it, or in none of them;
and the task knows how far it is exactly then. As with any write (`services.append`), who dies in between leaves
data that no place names, or places without a job, which the committers close.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from shoal.errors import (
    NotFound,
    ShoalError,
    StorageBusy,
    TransactionCancelled,
    TryAgain,
)
from shoal.index.checksums import sha256_hex
from shoal.model.datasets import Dataset
from shoal.model.ids import new_log_name, new_token, transaction_token
from shoal.model.jobs import JobKind
from shoal.services.append import over_quota
from shoal.services.heads import keys_of
from shoal.services.places import job_item
from shoal.services.quotas import vectors_used
from shoal.services.retry import retry_busy
from shoal.services.room import check_room
from shoal.services.sequence import LOG_OPEN, close_place, or_try_again, take_place
from shoal.services.wake import wake_indexer
from shoal.storage.keys import DatasetKeys, TenantKeys
from shoal.storage.ports import (
    Absent,
    Add,
    AnyOf,
    Compare,
    Item,
    Ports,
    PutItem,
    UpdateItem,
    Write,
)


class NotAsRead(ShoalError):
    """Something that was to go with the entries is not as it was read; nothing happened."""


@dataclass(frozen=True, slots=True)
class LogEntry:
    """What a dataset's log gets: `rows` records in `data`, `reserved` of which hold quota. `attributes` are more
    of the job's item.
    """

    dataset: Dataset
    kind: JobKind
    data: bytes
    rows: int
    reserved: int = 0
    attributes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Placed:
    """An entry at the place that it has taken."""

    entry: LogEntry
    keys: DatasetKeys
    item: Item


def enter_logs(
    ports: Ports,
    tenant_id: str,
    entries: Sequence[LogEntry],
    *,
    vector_quota: int | None,
    along: Callable[[Mapping[str, int]], Sequence[Write]],
) -> dict[str, int]:
    """Put entries into the logs of distinct datasets, all or none; the place of each, by dataset id.

    Args:
        ports: where.
        tenant_id: whose datasets they are.
        entries: places are taken in their order.
        vector_quota: rows that the tenant may hold; None for no limit.
        along: what is written in the same transaction, given the places.

    Raises:
        LimitReached: `backlog_full`, or `vector_quota_exceeded`.
        NotAsRead: what goes along cannot be written.
        NotFound: a dataset has been deleted.
        TryAgain: it did not happen, or is not known to have: what went along tells.
    """
    if vector_quota is None:
        entries = [replace(entry, reserved=0) for entry in entries]
    reserved = sum(entry.reserved for entry in entries)
    quota_key = TenantKeys(tenant_id).quota
    if vector_quota is not None and reserved > vector_quota:
        raise over_quota(vector_quota, vectors_used(ports.table.get(quota_key)))
    for entry in entries:
        check_room(ports, entry.dataset, kind=entry.kind, rows=entry.rows, size=len(entry.data))
    names = [_stored(ports, entry) for entry in entries]
    placed: list[_Placed] = []
    try:
        for entry, name in zip(entries, names, strict=True):
            placed.append(_placed(ports, entry, *name))
    except ShoalError:
        _give_up(ports, placed, names)
        raise
    writes: list[Write] = [PutItem(one.item, condition=Absent("pk")) for one in placed]
    if reserved and vector_quota is not None:
        room = AnyOf((Absent("used"), Compare("used", "<=", vector_quota - reserved)))
        writes.append(UpdateItem(quota_key, (Add("used", reserved),), condition=room))
        writes += [
            UpdateItem(one.keys.sequence, (Add("reserved", one.entry.reserved),), condition=LOG_OPEN)
            for one in placed
            if one.entry.reserved
        ]
    own = len(writes)
    places = {one.keys.dataset_id: int(one.item["sequence"]) for one in placed}
    writes += along(places)
    try:
        _transact(ports, placed, writes)
    except TransactionCancelled as lost:
        if not _is_ours(placed, lost):
            _give_up(ports, placed, names)
            raise _reason(lost, placed, own, vector_quota if reserved else None) from lost
    for one in placed:
        wake_indexer(ports, one.keys)
    return places


def _stored(ports: Ports, entry: LogEntry) -> tuple[str, str]:
    """Store the data of an entry: its key and its SHA-256."""
    sha256 = sha256_hex(entry.data)
    key = keys_of(entry.dataset).log_object(new_log_name(ports.clock(), sha256))
    or_try_again(lambda: ports.objects.put(key, entry.data))
    return key, sha256


def _placed(ports: Ports, entry: LogEntry, log_key: str, sha256: str) -> _Placed:
    keys = keys_of(entry.dataset)
    counter = take_place(ports, keys, size=len(entry.data))
    item = job_item(
        keys,
        int(counter["next"]),
        kind=entry.kind,
        log_key=log_key,
        sha256=sha256,
        size=len(entry.data),
        rows=entry.rows,
        reserved=entry.reserved,
        accepted_at=ports.clock(),
        log_bytes=int(counter["bytes"]),
    )
    return _Placed(entry, keys, {**item, **entry.attributes})


def _transact(ports: Ports, placed: Sequence[_Placed], writes: Sequence[Write]) -> None:
    # A place of a log is handed out once, so nobody else can be at it.
    of_places = [f"{one.keys.partition} {one.item['sequence']}" for one in placed]
    token = transaction_token("batch", *(of_places or [new_token()]))
    try:
        retry_busy(lambda: ports.table.transact(writes, token=token))
    except StorageBusy as busy:
        # Whether it happened is not known: no place that is closed will be taken, and one that is taken tells.
        for one in placed:
            stored = close_place(ports, one.keys, one.item)
            if stored is not None and stored.get("log_key") == one.item["log_key"]:
                return
        raise TryAgain("storage is busy") from busy


def _is_ours(placed: Sequence[_Placed], lost: TransactionCancelled) -> bool:
    """Whether what is in the way is an attempt of ours whose answer was lost."""
    if not placed or not lost.failed[0]:
        return False
    stored = lost.items[0]
    return stored is not None and stored.get("log_key") == placed[0].item["log_key"]


def _reason(lost: TransactionCancelled, placed: Sequence[_Placed], own: int, quota: int | None) -> ShoalError:
    """What made a transaction fail, by the order of its writes."""
    jobs = len(placed)
    if any(lost.failed[:jobs]):
        return TryAgain("the write took too long and was closed")
    if quota is not None and lost.failed[jobs]:
        return over_quota(quota, vectors_used(lost.items[jobs]))
    if any(lost.failed[jobs:own]):
        return NotFound("dataset_not_found", "dataset not found")
    return NotAsRead("what goes along with a batch is not as it was read")


def _give_up(ports: Ports, placed: Sequence[_Placed], names: Sequence[tuple[str, str]]) -> None:
    """Close the places that nothing will be at, and remove the data; committers and the janitor make up for it."""
    for one in placed:
        close_place(ports, one.keys, one.item)
    try:
        ports.objects.delete([key for key, _ in names])
    except ShoalError:
        return
