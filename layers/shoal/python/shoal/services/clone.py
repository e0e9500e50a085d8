"""Cloning: a new dataset that begins as a version of another one, and shares all that this version needs.

Nothing is copied but the root: objects are immutable and belong to the tenant, so both datasets name the same
ones, and each goes its own way from there. What either names is kept for it, whatever becomes of the other.

That all of it is stored was seen when the version was committed, and it was kept ever since: whatever it is cloned
from, HEAD or a snapshot, is still there when the clone is put.
"""

from dataclasses import dataclass

from shoal.errors import Conflict, NotFound, StorageBusy, TransactionCancelled, TryAgain
from shoal.model.datasets import Dataset, DatasetView, status_of
from shoal.model.ids import new_dataset_id, new_token, transaction_token
from shoal.model.manifests import Manifest
from shoal.model.merge_policy import has_outgrown
from shoal.services.append import over_quota
from shoal.services.datasets import creation, name_taken
from shoal.services.descriptors import describe_dataset
from shoal.services.heads import keys_of, new_head_item, parse_head, read_head
from shoal.services.quotas import vectors_used
from shoal.services.retry import retry_busy
from shoal.services.roots import put_root, read_root
from shoal.services.snapshots import get_snapshot, snapshot_not_found, still
from shoal.storage.keys import DatasetKeys, TenantKeys
from shoal.storage.ports import (
    Absent,
    Add,
    AnyOf,
    CheckItem,
    Compare,
    Condition,
    Item,
    Ports,
    UpdateItem,
    Write,
)

_FIRST_VERSION = 1


@dataclass(frozen=True, slots=True)
class _Origin:
    """What is cloned (None: a dataset before its first commit), what must stay so, and the error if not."""

    manifest: Manifest | None
    check: CheckItem
    gone: NotFound


def clone_dataset(
    ports: Ports, source: Dataset, *, name: str, snapshot: str | None = None, vector_quota: int | None
) -> DatasetView:
    """Create a dataset as a clone of another one's current version, or of one of its snapshots.

    Writes of the source that are not applied yet are not in the clone, and imports that are under way stay the
    source's alone.

    Args:
        ports: where the source is.
        source: what is cloned.
        name: of the clone, in the scope of the source.
        snapshot: the name of a version; None for the current one.
        vector_quota: rows that the tenant may hold, those of the clone too; None for no limit.

    Raises:
        Conflict: code `dataset_exists`.
        NotFound: `snapshot_not_found`, or `dataset_not_found`: deleted just now.
        LimitReached: code `vector_quota_exceeded`.
        CorruptObject: the version is damaged.
        TryAgain: nothing was created.
    """
    origin = _current(ports, source) if snapshot is None else _named(ports, source, snapshot)
    clone = Dataset(
        tenant_id=source.tenant_id,
        dataset_id=new_dataset_id(),
        scope=source.scope,
        name=name,
        dimension=source.dimension,
        metric=source.metric,
        created_at=ports.clock(),
        hash_key=source.hash_key,  # ids are found by hashes under it, in runs that both share
        target_recall=source.target_recall,
        binding=source.binding,
    )
    keys = keys_of(clone)
    head, listed = new_head_item(keys), False
    if origin.manifest is not None:
        goes_on = {
            "dataset_id": clone.dataset_id,
            "version": _FIRST_VERSION,
            "reserved_total": 0,
            "open_imports": (),
            "created_at": clone.created_at,
        }
        manifest = origin.manifest.model_copy(update=goes_on)
        key, sha256 = put_root(ports, keys, manifest, unique=new_token())
        head = _head_at(keys, manifest, key=key, sha256=sha256)
        # The source's build, if one is due, is not the clone's: the sweep has to find that it needs its own.
        listed = has_outgrown(manifest)
    _create(ports, clone, head, origin, listed=listed, vector_quota=vector_quota)
    describe_dataset(ports, keys)
    stored = parse_head(head)
    return DatasetView(clone, stored, status_of(stored, newest_sequence=stored.watermark))


def _current(ports: Ports, source: Dataset) -> _Origin:
    keys, gone = keys_of(source), NotFound("dataset_not_found", "dataset not found")
    head = read_head(ports, keys)
    if head is None or not head.live:
        raise gone
    manifest = None
    if head.manifest is not None and head.manifest_sha256 is not None:
        manifest = read_root(ports, head.manifest, head.manifest_sha256)
    return _Origin(manifest, CheckItem(keys.head, Compare("state", "=", "live")), gone)


def _named(ports: Ports, source: Dataset, name: str) -> _Origin:
    named = get_snapshot(ports, source, name)
    manifest = read_root(ports, named.manifest, named.manifest_sha256)
    return _Origin(manifest, CheckItem(keys_of(source).snapshot(name), still(named)), snapshot_not_found())


def _create(
    ports: Ports, clone: Dataset, head: Item, origin: _Origin, *, listed: bool, vector_quota: int | None
) -> None:
    """Put the clone there and charge the quota, at once."""
    rows = int(head["row_count"])
    quota_key = TenantKeys(clone.tenant_id).quota
    within_quota: Condition | None = None
    if vector_quota is not None and rows:
        within_quota = AnyOf((Absent("used"), Compare("used", "<=", vector_quota - rows)))
        if rows > vector_quota:
            raise over_quota(vector_quota, vectors_used(ports.table.get(quota_key)))
    writes: list[Write] = [*creation(clone, head, listed=listed), origin.check]
    if rows:
        writes.append(UpdateItem(quota_key, (Add("used", rows),), condition=within_quota))
    token = transaction_token("clone", clone.tenant_id, clone.dataset_id)
    try:
        retry_busy(lambda: ports.table.transact(writes, token=token), attempts=10)
    except StorageBusy as busy:
        if ports.table.get(keys_of(clone).meta) is None:  # else only the answer was lost
            raise TryAgain("storage is busy; send the request again") from busy
    except TransactionCancelled as lost:
        if lost.failed[0]:
            taken = name_taken(clone.name, lost.items[0])
            raise Conflict(taken.code, f"{taken.message}; clone under another name", taken.details) from lost
        if rows and lost.failed[-1]:
            raise over_quota(vector_quota or 0, vectors_used(lost.items[-1])) from lost
        raise origin.gone from lost


def _head_at(keys: DatasetKeys, manifest: Manifest, *, key: str, sha256: str) -> Item:
    """HEAD of a dataset that begins with a stored version, given with its root's key and SHA-256 (hex)."""
    return {
        **new_head_item(keys),
        "version": manifest.version,
        "manifest": key,
        "manifest_sha256": sha256,
        "watermark": manifest.watermark,
        "row_count": manifest.row_count,
        "reserved_total": manifest.reserved_total,
        "delta_bytes": manifest.delta_bytes,
        "flat_rows": manifest.flat_rows,
        "cell_sets": len(manifest.cell_sets),
        "open_imports": len(manifest.open_imports),
        "recall": manifest.recall_summary,
        "last_indexed_at": manifest.created_at,
    }
