"""Snapshots: give the current version of a dataset a name, look at those that have one, take the name away.

A version is immutable, so nothing is copied: the item that holds the name keeps everything that its manifest
reaches (invariant 7), until the name is taken away or the dataset is deleted.
"""

from contextlib import suppress

from shoal.errors import ConditionFailed, Conflict, NotFound, StorageBusy, TransactionCancelled, TryAgain
from shoal.model.datasets import Dataset, Head
from shoal.model.ids import new_token, transaction_token
from shoal.model.limits import MAX_SNAPSHOTS
from shoal.model.snapshots import NamedSnapshot
from shoal.services.descriptors import describe_dataset
from shoal.services.heads import keys_of, read_head
from shoal.services.paging import every_item
from shoal.services.retry import retry_busy
from shoal.storage.keys import SNAPSHOT_PREFIX, DatasetKeys
from shoal.storage.ports import Absent, AllOf, CheckItem, Compare, Condition, Item, Ports, PutItem, Write

_ATTEMPTS = 20
"""While writes are committed the current version is another one several times a second."""


def create_snapshot(ports: Ports, dataset: Dataset, name: str) -> NamedSnapshot:
    """Give the current version a name. Writes that are not applied yet are not in it.

    Raises:
        Conflict: `snapshot_exists`, or `too_many_snapshots`.
        NotFound: the dataset has been deleted.
        TryAgain: nothing was named.
    """
    keys = keys_of(dataset)
    if len(list_snapshots(ports, dataset)) >= MAX_SNAPSHOTS and ports.table.get(keys.snapshot(name)) is None:
        raise Conflict(
            "too_many_snapshots",
            f"a dataset keeps at most {MAX_SNAPSHOTS} snapshots; delete one that is not needed any more",
            {"limit": MAX_SNAPSHOTS},
        )
    for _ in range(_ATTEMPTS):
        head = read_head(ports, keys)
        if head is None or not head.live:
            raise NotFound("dataset_not_found", "dataset not found")
        named = _named(ports, dataset, head, name)
        if _put(ports, keys, named, head):
            describe_dataset(ports, keys)
            return named
    raise TryAgain("the dataset changes too quickly to be named; send the request again")


def _named(ports: Ports, dataset: Dataset, head: Head, name: str) -> NamedSnapshot:
    manifest, sha256 = head.manifest, head.manifest_sha256
    if manifest is None or sha256 is None:
        # Before the first commit there is no root yet. The name needs one like any other. Imported here: numpy
        # comes along, which no other name needs.
        from shoal.services.roots import put_root
        from shoal.services.snapshot import empty_manifest

        manifest, sha256 = put_root(ports, keys_of(dataset), empty_manifest(dataset), unique=new_token())
    return NamedSnapshot(
        name, manifest, sha256, head.version, head.watermark, head.row_count, created_at=ports.clock()
    )


def _put(ports: Ports, keys: DatasetKeys, named: NamedSnapshot, head: Head) -> bool:
    """Whether the name is given; False where the version is not the current one any more."""
    same_version = (
        Compare("manifest", "=", head.manifest) if head.manifest is not None else Absent("manifest")
    )
    writes: list[Write] = [
        PutItem(_item(keys, named), condition=Absent("pk")),
        CheckItem(keys.head, AllOf((Compare("state", "=", "live"), same_version))),
    ]
    token = transaction_token("snapshot", new_token())
    try:
        retry_busy(lambda: ports.table.transact(writes, token=token), attempts=10)
    except StorageBusy as busy:
        if ports.table.get(keys.snapshot(named.name)) == _item(keys, named):
            return True  # only the answer was lost
        raise TryAgain("storage is busy; send the request again") from busy
    except TransactionCancelled as lost:
        if lost.failed[0]:
            raise Conflict(
                "snapshot_exists",
                f"there is a snapshot {named.name} already; take another name, or delete it first",
            ) from lost
        return False
    return True


def list_snapshots(ports: Ports, dataset: Dataset) -> tuple[NamedSnapshot, ...]:
    """All snapshots of a dataset, by name."""
    items = every_item(ports, keys_of(dataset).partition, prefix=SNAPSHOT_PREFIX)
    return tuple(map(parse_snapshot, items))


def get_snapshot(ports: Ports, dataset: Dataset, name: str) -> NamedSnapshot:
    """One snapshot.

    Raises:
        NotFound: code `snapshot_not_found`.
    """
    item = ports.table.get(keys_of(dataset).snapshot(name))
    if item is None:
        raise snapshot_not_found()
    return parse_snapshot(item)


def delete_snapshot(ports: Ports, dataset: Dataset, name: str) -> None:
    """Take the name away; what only this version needed goes with time.

    A restore of it that was accepted, and a clone of it, do not need it any more.

    Raises:
        NotFound: code `snapshot_not_found`.
    """
    found = get_snapshot(ports, dataset, name)
    keys = keys_of(dataset)
    # Where it is another by now it was deleted by somebody else, or by an attempt of ours whose answer was lost.
    with suppress(ConditionFailed):
        retry_busy(lambda: ports.table.delete(keys.snapshot(name), condition=still(found)))
    describe_dataset(ports, keys)


def still(named: NamedSnapshot) -> Condition:
    """Condition on a snapshot's item: it names the same version."""
    return Compare("manifest", "=", named.manifest)


def snapshot_not_found() -> NotFound:
    """The error of a name that no snapshot of the dataset has."""
    return NotFound(
        "snapshot_not_found", "there is no snapshot of that name; the dataset's list shows those there are"
    )


def _item(keys: DatasetKeys, named: NamedSnapshot) -> Item:
    key = keys.snapshot(named.name)
    return {
        "pk": key.pk,
        "sk": key.sk,
        "name": named.name,
        "manifest": named.manifest,
        "manifest_sha256": named.manifest_sha256,
        "version": named.version,
        "watermark": named.watermark,
        "row_count": named.row_count,
        "created_at": named.created_at,
    }


def parse_snapshot(item: Item) -> NamedSnapshot:
    """A snapshot as stored."""
    return NamedSnapshot(
        name=item["name"],
        manifest=item["manifest"],
        manifest_sha256=item["manifest_sha256"],
        version=int(item["version"]),
        watermark=int(item["watermark"]),
        row_count=int(item["row_count"]),
        created_at=float(item["created_at"]),
    )
