"""Datasets: create, look up, list, delete."""

import logging
import secrets
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from shoal.errors import Conflict, NotFound, StorageBusy, TransactionCancelled, TryAgain
from shoal.model.bindings import Binding
from shoal.model.datasets import Dataset, DatasetView, Metric, status_of
from shoal.model.ids import new_dataset_id, new_token, transaction_token
from shoal.services.alias_items import parse_name, parse_pointers, read_pointers, without_any
from shoal.services.append import Requirement
from shoal.services.descriptors import describe_dataset, describe_tenant
from shoal.services.heads import keys_of, meta_item, new_head_item, parse_head, parse_meta
from shoal.services.name_items import as_it_is, built_by, head_while_building, own_name_item, visible
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
_MOVES = 8
"""How often a name may point elsewhere while it is looked up, or another alias at what is deleted."""


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
            raise name_taken(name, lost.items[0]) from lost
        raise
    describe_dataset(ports, keys)
    return DatasetView(dataset, parse_head(head), "empty")


def name_taken(name: str, by: Item | None) -> Conflict:
    """The error of a dataset whose name another one has, or an alias."""
    alias = parse_name(by) if by else None
    run_id = built_by(by)
    if run_id is not None:
        return Conflict(
            "dataset_exists",
            f"dataset {name} already exists: it is being built; wait for {run_id}, or cancel it",
            {"building": run_id},
        )
    if alias is None:
        return Conflict("dataset_exists", f"dataset {name} already exists")
    target = alias.alias.target.name
    return Conflict(
        "dataset_exists",
        f"{name} already exists: it is an alias of the dataset {target}",
        {"alias_of": target},
    )


def creation(
    dataset: Dataset, head: Item, *, listed: bool = False, building: str | None = None
) -> list[Write]:
    """What puts a new dataset there, in one transaction: its name first, which must be free.

    Its log goes on from the watermark of HEAD, and the tenant has been told of the rows that HEAD counts.
    `listed`: the sweep looks after it. `building`: the run that makes it, until which it is not to be seen
    (`services.name_items.appearance`).
    """
    keys = keys_of(dataset)
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
        PutItem(own_name_item(dataset, building=building), condition=name_is_free),
        PutItem(meta_item(dataset), condition=Absent("pk")),
        PutItem(head_while_building(head, building=building)),
        PutItem(sequence),
        PutItem(settled),
    ]


def resolve(ports: Ports, tenant_id: str, *, scope: str, name: str) -> Dataset:
    """The dataset behind a name.

    Raises:
        NotFound: code `dataset_not_found`.
    """
    entry = visible(ports.table.get(TenantKeys(tenant_id).name(scope, name)))
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
    seen = None
    for _ in range(_MOVES):
        entry = visible(ports.table.get(TenantKeys(tenant_id).name(scope, name)))
        if entry is None or entry["dataset_id"] == seen:
            raise _not_found()
        views = _views(ports, tenant_id, [entry["dataset_id"]])
        if views:
            return views[0]
        seen = entry["dataset_id"]  # deleted since its name was read; an alias points elsewhere by now
    raise TryAgain(f"{name} is being moved all the time; send the request again")


def list_datasets(ports: Ports, tenant_id: str, *, scope: str) -> list[DatasetView]:
    """All datasets of a scope that are to be seen, by name; an alias is none."""
    prefix = TenantKeys(tenant_id).name(scope, "").sk
    ids: list[str] = []
    aliases: dict[str, list[str]] = defaultdict(list)
    for item in every_item(ports, TenantKeys(tenant_id).partition, prefix=prefix):
        alias = parse_name(item)
        if alias is not None:
            aliases[item["dataset_id"]].append(alias.alias.name)
        elif not item.get("alias") and visible(item):
            ids.append(item["dataset_id"])
    return _views(ports, tenant_id, ids, aliases)


def _views(
    ports: Ports, tenant_id: str, dataset_ids: list[str], aliases: Mapping[str, Sequence[str]] | None = None
) -> list[DatasetView]:
    """Those of the datasets that are live; `aliases` of each, where they are known."""
    wanted: list[Key] = []
    for dataset_id in dataset_ids:
        keys = DatasetKeys(tenant_id, dataset_id)
        wanted += [keys.meta, keys.head, keys.sequence]
        wanted += [keys.aliases] if aliases is None else []
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
            if aliases is None:
                names = parse_pointers(items.get((keys.aliases.pk, keys.aliases.sk))).names
            else:
                names = tuple(aliases.get(dataset_id, ()))
            views.append(DatasetView(parse_meta(meta), head, status, names))
    return views


def delete_dataset(
    ports: Ports,
    tenant_id: str,
    *,
    scope: str,
    name: str,
    force: bool = False,
    building: str | None = None,
    requires: Sequence[Requirement] = (),
) -> None:
    """Delete a dataset: its name is free at once, its log is closed, its rows give back their quota.

    Its objects and its items stay until nothing needs them; the janitor finds it by the pointer that is left.

    Args:
        ports: where.
        tenant_id: whose dataset.
        scope: of its name.
        name: its own name, no alias.
        force: also where aliases point at it, which go with it.
        building: the run that makes it, so long as it does; by default, only what is to be seen is deleted.
        requires: what else must be so, or becomes so at once.

    Raises:
        Conflict: `is_alias`: the name points at a dataset of another name; `alias_target`: aliases point at it.
        NotFound: code `dataset_not_found`.
        ShoalError: something in `requires` is not so: the error that goes with it.
        TryAgain: aliases come and go all the time.
    """
    name_key = TenantKeys(tenant_id).name(scope, name)
    for _ in range(_MOVES):
        entry = ports.table.get(name_key)
        if entry is None or built_by(entry) != building:
            raise _not_found()
        if entry.get("alias"):
            raise Conflict("is_alias", f"{name} is an alias; delete the dataset by its own name")
        keys = DatasetKeys(tenant_id, entry["dataset_id"])
        name_as_read = DeleteItem(name_key, condition=as_it_is(entry))
        if _deleted(ports, keys, name_as_read, scope=scope, force=force, requires=requires):
            break
    else:
        raise TryAgain("aliases of the dataset are being moved all the time; send the request again")
    describe_dataset(ports, keys)
    try:
        release_deleted(ports, keys)
        ports.table.update(keys.sequence, [Drop("gsi1pk"), Drop("gsi1sk")])
    except StorageBusy:
        # It is deleted, and the caller is to hear nothing else.
        _log.info("left to the sweep", extra={"dataset_id": keys.dataset_id})


def _deleted(
    ports: Ports,
    keys: DatasetKeys,
    name: DeleteItem,
    *,
    scope: str,
    force: bool,
    requires: Sequence[Requirement],
) -> bool:
    """Whether the dataset was deleted; False where its aliases were not as read."""
    tenant = TenantKeys(keys.tenant_id)
    pointers = read_pointers(ports, [keys])[keys.dataset_id]
    if pointers.names and not force:
        raise Conflict(
            "alias_target",
            f"aliases point at it: {', '.join(pointers.names)}; move them, or delete it with `force`",
            {"aliases": list(pointers.names)},
        )
    left = tenant.deleted(keys.dataset_id)
    writes: list[Write] = [
        name,
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
    writes += without_any(ports, tenant, scope, keys, pointers)
    beside = len(writes)
    writes += [requirement.write for requirement in requires]
    # The token is this attempt's alone: whoever deletes at the same time must lose, not be taken for us.
    token = transaction_token("delete", new_token())
    try:
        retry_busy(lambda: ports.table.transact(writes, token=token), attempts=12)
    except TransactionCancelled as lost:
        if any(lost.failed[:own]):
            raise _not_found() from lost
        for requirement, failed in zip(requires, lost.failed[beside:], strict=True):
            if failed:
                raise requirement.error from lost
        return False
    if pointers.names:
        describe_tenant(ports, keys.tenant_id)
    return True
