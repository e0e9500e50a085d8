"""Datasets: create, look up, list, delete."""

import logging
import secrets
from collections.abc import Callable, Sequence

from shoal.errors import Conflict, NotFound, StorageBusy, TransactionCancelled
from shoal.model.bindings import Binding
from shoal.model.datasets import Dataset, DatasetView, Metric, status_of
from shoal.model.ids import new_dataset_id, new_token, transaction_token
from shoal.services.append import Requirement
from shoal.services.descriptors import describe_dataset
from shoal.services.heads import keys_of, meta_item, new_head_item, parse_head, parse_meta
from shoal.services.paging import every_item
from shoal.services.retry import retry_busy
from shoal.services.settle import release_deleted
from shoal.storage.keys import PENDING, DatasetKeys, TenantKeys
from shoal.storage.ports import (
    Absent,
    Assign,
    Compare,
    DeleteItem,
    Drop,
    Item,
    Key,
    Ports,
    PutItem,
    UpdateItem,
    Write,
)

_log = logging.getLogger(__name__)


def _not_found() -> NotFound:
    return NotFound("dataset_not_found", "dataset not found")


def create_dataset(
    ports: Ports,
    tenant_id: str,
    *,
    scope: str,
    name: str,
    dimension: int,
    metric: Metric,
    binding: Binding | None = None,
    beside: Callable[[DatasetKeys], Sequence[Write]] = lambda _: (),
) -> DatasetView:
    """Create an empty dataset. Of two creates of one name at once, one succeeds.

    What `beside` makes of the new dataset's keys is written in the same transaction.

    Raises:
        Conflict: code `dataset_exists`.
    """
    dataset = Dataset(
        tenant_id=tenant_id,
        dataset_id=new_dataset_id(),
        scope=scope,
        name=name,
        dimension=dimension,
        metric=metric,
        created_at=ports.clock(),
        hash_key=secrets.token_bytes(16),
        binding=binding,
    )
    keys = keys_of(dataset)
    head = new_head_item(keys)
    writes = [*creation(dataset, head), *beside(keys)]
    token = transaction_token("create", tenant_id, dataset.dataset_id)
    try:
        retry_busy(lambda: ports.table.transact(writes, token=token))
    except TransactionCancelled as lost:
        if lost.failed[0]:
            raise Conflict("dataset_exists", f"dataset {name} already exists") from lost
        raise
    describe_dataset(ports, keys)
    return DatasetView(dataset, parse_head(head), "empty")


def creation(dataset: Dataset, head: Item, *, listed: bool = False) -> list[Write]:
    """What puts a new dataset there, in one transaction: its name first, which must be free.

    Its log goes on from the watermark of HEAD, and the tenant has been told of the rows that HEAD counts.
    `listed`: the sweep looks after it.
    """
    keys = keys_of(dataset)
    name_key = TenantKeys(dataset.tenant_id).name(dataset.scope, dataset.name)
    name_item: Item = {"pk": name_key.pk, "sk": name_key.sk, "dataset_id": dataset.dataset_id}
    sequence = {
        "pk": keys.sequence.pk,
        "sk": keys.sequence.sk,
        "next": head["watermark"],
        "bytes": 0,
        "reserved": 0,
        **({"taken_at": dataset.created_at, "gsi1pk": PENDING, "gsi1sk": keys.partition} if listed else {}),
    }
    settled: Item = {
        "pk": keys.settled.pk,
        "sk": keys.settled.sk,
        "row_count": head["row_count"],
        "reserved_total": 0,
    }
    name_is_free = Absent("pk")
    return [
        PutItem(name_item, condition=name_is_free),
        PutItem(meta_item(dataset), condition=Absent("pk")),
        PutItem(head),
        PutItem(sequence),
        PutItem(settled),
    ]


def resolve(ports: Ports, tenant_id: str, *, scope: str, name: str) -> Dataset:
    """The dataset behind a name.

    Raises:
        NotFound: code `dataset_not_found`.
    """
    entry = ports.table.get(TenantKeys(tenant_id).name(scope, name))
    if entry is None:
        raise _not_found()
    meta = ports.table.get(DatasetKeys(tenant_id, entry["dataset_id"]).meta)
    if meta is None:
        raise _not_found()
    return parse_meta(meta)


def get_dataset(ports: Ports, tenant_id: str, *, scope: str, name: str) -> DatasetView:
    """A dataset with its status.

    Raises:
        NotFound: code `dataset_not_found`.
    """
    entry = ports.table.get(TenantKeys(tenant_id).name(scope, name))
    views = _views(ports, tenant_id, [entry["dataset_id"]]) if entry else []
    if not views:
        raise _not_found()
    return views[0]


def list_datasets(ports: Ports, tenant_id: str, *, scope: str) -> list[DatasetView]:
    """All datasets of a scope, by name; an alias is none."""
    prefix = TenantKeys(tenant_id).name(scope, "").sk
    names = every_item(ports, TenantKeys(tenant_id).partition, prefix=prefix)
    return _views(ports, tenant_id, [item["dataset_id"] for item in names if not item.get("alias")])


def _views(ports: Ports, tenant_id: str, dataset_ids: list[str]) -> list[DatasetView]:
    wanted: list[Key] = []
    for dataset_id in dataset_ids:
        keys = DatasetKeys(tenant_id, dataset_id)
        wanted += [keys.meta, keys.head, keys.sequence]
    items = {(item["pk"], item["sk"]): item for item in ports.table.batch_get(wanted)}
    views = []
    for dataset_id in dataset_ids:
        keys = DatasetKeys(tenant_id, dataset_id)
        found = [items.get((key.pk, key.sk)) for key in (keys.meta, keys.head, keys.sequence)]
        meta, head_item, sequence = found
        if meta is None or head_item is None or sequence is None:
            continue  # deleted since its name was read
        head = parse_head(head_item)
        if head.live:
            status = status_of(head, newest_sequence=int(sequence["next"]))
            views.append(DatasetView(parse_meta(meta), head, status))
    return views


def delete_dataset(
    ports: Ports, tenant_id: str, *, scope: str, name: str, requires: Sequence[Requirement] = ()
) -> None:
    """Delete a dataset: its name is free at once, its log is closed, its rows give back their quota.

    Its objects and its items stay until nothing needs them; the janitor finds it by the pointer that is left.

    Raises:
        Conflict: code `is_alias`: the name points at a dataset of another name.
        NotFound: code `dataset_not_found`.
        ShoalError: something in `requires` is not so: the error that goes with it.
    """
    name_key = TenantKeys(tenant_id).name(scope, name)
    entry = ports.table.get(name_key)
    if entry is None:
        raise _not_found()
    if entry.get("alias"):
        raise Conflict("is_alias", f"{name} is an alias; delete the dataset by its own name")
    keys = DatasetKeys(tenant_id, entry["dataset_id"])
    left = TenantKeys(tenant_id).deleted(keys.dataset_id)
    writes: list[Write] = [
        DeleteItem(name_key, condition=Compare("dataset_id", "=", entry["dataset_id"])),
        PutItem({"pk": left.pk, "sk": left.sk, "dataset_id": keys.dataset_id}),
        UpdateItem(
            keys.head,
            (Assign("state", "deleted"), Assign("deleted_at", ports.clock())),
            condition=Compare("state", "=", "live"),
        ),
        # From here on no sequence is handed out: `reserved` is final, and so is what has to be given back.
        # It stays marked as pending until that is done, for the sweep to finish what we may not.
        UpdateItem(
            keys.sequence,
            (Assign("closed", True), Assign("gsi1pk", PENDING), Assign("gsi1sk", keys.partition)),
        ),
    ]
    own = len(writes)
    writes += [requirement.write for requirement in requires]
    # The token is this attempt's alone: whoever deletes at the same time must lose, not be taken for us.
    token = transaction_token("delete", new_token())
    try:
        retry_busy(lambda: ports.table.transact(writes, token=token), attempts=12)
    except TransactionCancelled as lost:
        for requirement, failed in zip(requires, lost.failed[own:], strict=True):
            if failed and not any(lost.failed[:own]):
                raise requirement.error from lost
        raise _not_found() from lost
    describe_dataset(ports, keys)
    try:
        release_deleted(ports, keys)
        ports.table.update(keys.sequence, [Drop("gsi1pk"), Drop("gsi1sk")])
    except StorageBusy:
        # It is deleted, and the caller is to hear nothing else.
        _log.info("left to the sweep", extra={"dataset_id": keys.dataset_id})
