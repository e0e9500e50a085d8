"""Looking at a tenant: its datasets, live and deleted, and the roots of all that they need.

The order matters, because everything goes on meanwhile. What is needed can be handed on: from a snapshot to a
restore or a clone, from a place of the log or an import to HEAD, from HEAD to the next version. Whoever hands on
says in one transaction that the giver still has it. So givers are looked at before takers: what was handed on
before the giver was looked at is found with the taker, and what is handed on later was found with the giver.

Names are therefore looked at again after snapshots; places of the log after the watermark that they are behind,
and HEAD once more after them; and the stored manifests last: what was current a moment ago is among them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from shoal.errors import CorruptObject, ObjectMissing
from shoal.model.datasets import Head
from shoal.model.limits import MANIFEST_KEPT_SECONDS
from shoal.model.manifests import PartRef
from shoal.services.descriptor_files import decode_dataset
from shoal.services.heads import parse_head
from shoal.services.janitor.garbage import readable_versions
from shoal.services.janitor.reach import Roots
from shoal.services.paging import every_item
from shoal.services.parallel import in_parallel
from shoal.services.retry import retry_busy
from shoal.storage.keys import (
    COMPACTION_PREFIX,
    DELETED_PREFIX,
    DERIVATION_PREFIX,
    EXPORT_PREFIX,
    NAME_PREFIX,
    SNAPSHOT_PREFIX,
    DatasetKeys,
    TenantKeys,
    sequence_sk,
)
from shoal.storage.ports import Item, Ports

_LAST_SK = sequence_sk(16**16 - 1)


@dataclass(frozen=True, slots=True)
class Survey:
    """A tenant as it was found.

    `deleted`: when each deleted dataset was deleted (epoch seconds). `leftover` are descriptors of datasets that
    are cleaned already.
    """

    roots: Roots
    live: tuple[DatasetKeys, ...]
    deleted: Mapping[DatasetKeys, float]
    leftover: tuple[str, ...]

    def faded(self, now: float) -> list[DatasetKeys]:
        """The deleted datasets of which no reader can hold a version any more."""
        return [keys for keys, at in self.deleted.items() if has_faded(at, now)]


@dataclass(slots=True)
class _Found:
    """What is gathered on the way."""

    live: set[DatasetKeys] = field(default_factory=set)
    deleted: dict[DatasetKeys, float] = field(default_factory=dict)
    manifests: dict[str, str | None] = field(default_factory=dict)
    products: dict[str, str] = field(default_factory=dict)
    log_keys: set[str] = field(default_factory=set)


def has_faded(deleted_at: float, now: float) -> bool:
    """Whether a dataset was deleted so long ago that no reader can hold a version of it any more."""
    return now - deleted_at > MANIFEST_KEPT_SECONDS


def survey(ports: Ports, tenant: TenantKeys) -> Survey:
    """Look at a tenant.

    Raises:
        CorruptObject: the bucket describes a live dataset that the table does not know: it has to be recovered.
        StorageError: storage failed.
    """
    found = _Found()
    known = _named(ports, tenant, NAME_PREFIX) | _named(ports, tenant, DELETED_PREFIX)
    snapshots = _pinned(ports, known, (SNAPSHOT_PREFIX,))
    later = _named(ports, tenant, NAME_PREFIX) - known
    snapshots += _pinned(ports, later, (SNAPSHOT_PREFIX,))
    _look_at(ports, known | later, found)
    stored = _stored_manifests(ports, tenant)
    described = _described(ports, tenant)
    # Deleted by an older release, without a pointer; or created since.
    strangers = (stored.keys() | described.keys()) - known - later
    snapshots += _pinned(ports, strangers, (SNAPSHOT_PREFIX,))
    _look_at(ports, strangers, found)

    now = ports.clock()
    kept = found.live | {keys for keys, at in found.deleted.items() if not has_faded(at, now)}
    for keys in kept & stored.keys():
        for key in readable_versions(stored[keys], now=now):
            found.manifests.setdefault(key, None)
    for keys, item in snapshots:
        if keys in kept:
            found.manifests[str(item["manifest"])] = str(item["manifest_sha256"])
    roots = Roots(found.manifests, found.products, frozenset(found.log_keys))
    unknown = described.keys() - found.live - found.deleted.keys()
    leftover = tuple(
        described[keys] for keys in sorted(unknown, key=_by_id) if _is_over(ports, described[keys])
    )
    return Survey(roots, tuple(sorted(found.live, key=_by_id)), found.deleted, leftover)


def _look_at(ports: Ports, datasets: Iterable[DatasetKeys], found: _Found) -> None:
    """Gather what datasets that are there need: by HEAD, by their log, and by runs that are under way."""
    for keys, heads, waiting in in_parallel(lambda keys: _state(ports, keys), sorted(datasets, key=_by_id)):
        if not heads:
            continue
        last, deleted_at = heads[-1]
        if last.live:
            found.live.add(keys)
        else:
            found.deleted[keys] = deleted_at
            if has_faded(deleted_at, ports.clock()):
                continue
        for head, _ in heads:
            if head.manifest is not None:
                found.manifests[head.manifest] = head.manifest_sha256
        for item in waiting:
            if item.get("manifest") is not None:
                found.manifests[str(item["manifest"])] = str(item["manifest_sha256"])
            if item.get("masks") is not None:
                found.log_keys.add(PartRef.model_validate_json(item["masks"]).key)
            if item.get("log_key") is not None:
                key = str(item["log_key"])
                if key.startswith(TenantKeys(keys.tenant_id).objects):
                    found.log_keys.add(key)
                else:
                    found.products[key] = str(item["sha256"])


def _state(ports: Ports, keys: DatasetKeys) -> tuple[DatasetKeys, list[tuple[Head, float]], list[Item]]:
    """HEAD before and after, each with the moment of its deletion; and the places and runs that wait, with what a
    derived dataset remembers.
    """
    first = _head(ports, keys)
    if first is None:
        return keys, [], []
    waiting: list[Item] = []
    if first[0].live:
        unapplied = sequence_sk(first[0].watermark + 1)
        # All of them now: HEAD is looked at once more after them.
        waiting = list(every_item(ports, keys.partition, start=unapplied, stop=_LAST_SK))
    runs = _pinned(ports, [keys], (COMPACTION_PREFIX, DERIVATION_PREFIX, EXPORT_PREFIX))
    waiting += [item for _, item in runs if item.get("completed_at") is None]
    lineage = retry_busy(lambda: ports.table.get(keys.derivation))
    waiting += [lineage] if lineage is not None else []
    second = _head(ports, keys)
    return keys, [head for head in (first, second) if head is not None], waiting


def _head(ports: Ports, keys: DatasetKeys) -> tuple[Head, float] | None:
    item = retry_busy(lambda: ports.table.get(keys.head))
    if item is None:
        return None
    # Where it is not known when, it was just now: it goes a day later then.
    return parse_head(item), float(item.get("deleted_at", ports.clock()))


def _named(ports: Ports, tenant: TenantKeys, prefix: str) -> set[DatasetKeys]:
    items = every_item(ports, tenant.partition, prefix=prefix)
    return {DatasetKeys(tenant.tenant_id, str(item["dataset_id"])) for item in items}


def _pinned(
    ports: Ports, datasets: Iterable[DatasetKeys], prefixes: tuple[str, ...]
) -> list[tuple[DatasetKeys, Item]]:
    """The items of these kinds that name a manifest."""

    def read(keys: DatasetKeys) -> list[tuple[DatasetKeys, Item]]:
        items = [item for prefix in prefixes for item in every_item(ports, keys.partition, prefix=prefix)]
        return [(keys, item) for item in items if item.get("manifest") is not None]

    return [pair for pairs in in_parallel(read, sorted(datasets, key=_by_id)) for pair in pairs]


def _stored_manifests(ports: Ports, tenant: TenantKeys) -> dict[DatasetKeys, dict[str, tuple[int, float]]]:
    """By dataset and key: the version, and when it was stored."""
    folder = tenant.folder("manifests")
    gathered: dict[DatasetKeys, dict[str, tuple[int, float]]] = {}
    for found in ports.objects.list(folder):
        dataset_id, _, name = found.key.removeprefix(folder).partition("/")
        keys = DatasetKeys(tenant.tenant_id, dataset_id)
        version = int(name.partition("-")[0], 16)
        gathered.setdefault(keys, {})[found.key] = (version, found.modified_at)
    return gathered


def _described(ports: Ports, tenant: TenantKeys) -> dict[DatasetKeys, str]:
    """The keys of the descriptors of datasets."""
    folder = tenant.folder("datasets")
    return {
        DatasetKeys(tenant.tenant_id, found.key.removeprefix(folder).removesuffix(".json")): found.key
        for found in ports.objects.list(folder)
    }


def _is_over(ports: Ports, descriptor: str) -> bool:
    """Whether a dataset that the table does not know was deleted; it is cleaned then, but for its descriptor."""
    try:
        data = retry_busy(lambda: ports.objects.get(descriptor))
    except ObjectMissing:
        return False  # removed since it was listed
    if decode_dataset(data).live:
        raise CorruptObject(
            f"the table knows nothing of what {descriptor} describes: it has to be recovered first"
        )
    return True


def _by_id(keys: DatasetKeys) -> str:
    return keys.dataset_id
