"""One dataset made anew from its descriptor and what that names: first all of it is read, then all of it put."""

from collections.abc import Mapping
from dataclasses import dataclass

from shoal.errors import CorruptObject, ObjectMissing
from shoal.index.cell_set import shards_of
from shoal.index.checksums import verify
from shoal.model.datasets import Dataset
from shoal.model.ids import new_token, transaction_token
from shoal.model.manifests import Manifest
from shoal.services.descriptor_files import DatasetDescriptor
from shoal.services.heads import keys_of, parse_meta
from shoal.services.name_items import own_name_item
from shoal.services.parallel import in_parallel
from shoal.services.recovered_lineage import content_again, lineage_again
from shoal.services.recovered_log import Again, log_again
from shoal.services.retry import retry_busy
from shoal.services.roots import named_by, read_root
from shoal.services.wake import wake_indexer
from shoal.storage.keys import PENDING, DatasetKeys, TenantKeys, sequence_sk
from shoal.storage.ports import Absent, Add, Item, Key, Ports, PutItem, UpdateItem, Write

_LAST_SK = sequence_sk(16**16 - 1)


@dataclass(frozen=True, slots=True)
class Plan:
    """A dataset as it is going to be. `lost` says in words what of it cannot be brought back."""

    dataset: Dataset
    descriptor: DatasetDescriptor
    snapshots: tuple[Item, ...]
    again: Again
    lost: tuple[str, ...]


def plan_dataset(
    ports: Ports, keys: DatasetKeys, descriptor: DatasetDescriptor, stored: Mapping[str, int]
) -> Plan:
    """Read all that says what a dataset was, and see that what it needs is there.

    Args:
        ports: where it is.
        keys: the dataset.
        descriptor: what describes it; it is live.
        stored: sizes of the tenant's objects by key: at least those of parts and shards.

    Raises:
        CorruptObject: its descriptor is another's, or its manifest cannot be read.
    """
    dataset, head = parse_meta(descriptor.meta), descriptor.head
    if (keys_of(dataset), head["pk"]) != (keys, keys.partition):
        raise CorruptObject(f"{keys.descriptor} describes another dataset")
    manifest = None
    if head.get("manifest") is not None:
        manifest = read_root(ports, str(head["manifest"]), str(head["manifest_sha256"]))
        said = (keys.dataset_id, int(head["version"]), int(head["watermark"]), int(head["row_count"]))
        if (manifest.dataset_id, manifest.version, manifest.watermark, manifest.row_count) != said:
            raise CorruptObject(f"{head['manifest']} is not the version that {keys.descriptor} describes")
    lost = _lost_objects(ports, keys, manifest, stored, what="the dataset")
    snapshots, lost_snapshots = _snapshots(ports, keys, descriptor, stored)
    open_imports = manifest.open_imports if manifest else ()
    again = log_again(ports, keys, descriptor, open_imports)
    imports = [
        f"import {known.import_id or 'at place ' + str(known.sequence)}: it was under way"
        for known in descriptor.open_imports
    ]
    damaged = [f"the write in {key}: it cannot be read" for key in again.damaged]
    return Plan(dataset, descriptor, snapshots, again, (*lost, *lost_snapshots, *imports, *damaged))


def put_dataset(ports: Ports, plan: Plan) -> None:
    """Put the items of a dataset: all that nobody sees without the others first, then the others at once.

    Raises:
        TransactionCancelled: it is there already, or its name is taken.
        StorageBusy: nothing can be seen of it.
    """
    keys, head, again = keys_of(plan.dataset), plan.descriptor.head, plan.again
    _remove_places(ports, keys)
    told = (*lineage_again(plan.descriptor), *content_again(plan.descriptor))
    ports.table.batch_put([*plan.snapshots, *told, *again.items])
    reserved, rows = int(head["reserved_total"]), int(head["row_count"])
    items: list[Item] = [
        own_name_item(plan.dataset),
        plan.descriptor.meta,
        {**head, "fence": 0},
        {
            "pk": keys.sequence.pk,
            "sk": keys.sequence.sk,
            "next": again.last,
            "bytes": again.log_bytes,
            "reserved": reserved,
            "taken_at": ports.clock(),
            "gsi1pk": PENDING,  # the sweep sees what it needs: an indexer, a builder, or nothing
            "gsi1sk": keys.partition,
            **again.leapt,
        },
        {
            "pk": keys.settled.pk,
            "sk": keys.settled.sk,
            "row_count": rows,
            "reserved_total": reserved,
            "expired_up_to": int(head["watermark"]),
        },
    ]
    writes: list[Write] = [PutItem(item, condition=Absent("pk")) for item in items]
    if rows:
        writes.append(UpdateItem(TenantKeys(keys.tenant_id).quota, (Add("used", rows),)))
    token = transaction_token("recover", keys.partition, new_token())
    retry_busy(lambda: ports.table.transact(writes, token=token), attempts=10)
    if again.items:
        wake_indexer(ports, keys)


def _remove_places(ports: Ports, keys: DatasetKeys) -> None:
    """Remove what a recovery that was cut off has put, should there be more of it than there will be."""
    after = None
    while True:
        page = ports.table.query(keys.partition, start=sequence_sk(0), stop=_LAST_SK, after=after)
        keys_there = [Key(str(item["pk"]), str(item["sk"])) for item in page.items]
        in_parallel(lambda key: retry_busy(lambda: ports.table.delete(key)), keys_there)
        after = page.after
        if after is None:
            return


def _snapshots(
    ports: Ports, keys: DatasetKeys, descriptor: DatasetDescriptor, stored: Mapping[str, int]
) -> tuple[tuple[Item, ...], list[str]]:
    """The snapshots that can be read, and what is lost with the others, or of them."""
    good: list[Item] = []
    lost: list[str] = []
    for item in descriptor.snapshots:
        try:
            manifest = read_root(ports, str(item["manifest"]), str(item["manifest_sha256"]))
            lost += _lost_objects(ports, keys, manifest, stored, what=f"snapshot {item['name']}")
        except CorruptObject as error:
            lost.append(f"snapshot {item['name']}: {error}")
        else:
            good.append(item)
    return tuple(good), lost


def _lost_objects(
    ports: Ports, keys: DatasetKeys, manifest: Manifest | None, stored: Mapping[str, int], *, what: str
) -> list[str]:
    """The objects that a version names and that are not there, or not of their size."""
    if manifest is None:
        return []
    named = named_by(keys.tenant_id, manifest)
    tenant = TenantKeys(keys.tenant_id)
    for ref in manifest.cell_sets:
        try:
            data = retry_busy(lambda key=ref.key: ports.objects.get(key))  # type: ignore[misc]
            verify(data, sha256=ref.sha256, size=ref.size, name=ref.key)
            shards = shards_of(data)
        except (CorruptObject, ObjectMissing):
            shards = ()
            named[ref.key] = -1  # of no size that there is: it counts as lost
        for shard in shards:
            named |= {
                tenant.shard_file(shard.shard_id, name): file.size for name, file in shard.files.items()
            }
    return [f"{what} needs {key}" for key, size in named.items() if stored.get(key) != size]
