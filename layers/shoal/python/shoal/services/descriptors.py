"""Keeping descriptors: each tenant and each dataset described in the bucket, whenever its items change.

What has changed in the table stays changed, whether or not it could be described: nothing here raises what storage
raises. The next commit describes a dataset anew, and the janitor whatever is not described as it is.

Whoever puts a descriptor reads the items once more afterwards, and puts it again where they have changed. So the
last one put is as new as what was read after it: of two writers at once, one may put what the other knows to be
old, but then it is the one that finds out.
"""

import logging
from dataclasses import replace

from shoal.errors import ShoalError
from shoal.model.bindings import BLUE, Family
from shoal.model.limits import IMPORT_SECONDS
from shoal.services.described_log import described_log
from shoal.services.descriptor_files import (
    DatasetDescriptor,
    OpenImport,
    TenantDescriptor,
    encode_dataset,
    encode_tenant,
)
from shoal.services.imports.items import parse_import
from shoal.services.paging import every_item
from shoal.services.retry import retry_busy
from shoal.storage.keys import (
    ALIAS_PREFIX,
    IMPORT_PREFIX,
    KEY_PREFIX,
    MODEL_ALIAS_PREFIX,
    SNAPSHOT_PREFIX,
    SOURCE_PREFIX,
    TERM_LIST_PREFIX,
    DatasetKeys,
    TenantKeys,
    api_key_by_id,
)
from shoal.storage.ports import Item, Ports

_log = logging.getLogger(__name__)

_IMPORT_AGE_SECONDS = 2 * IMPORT_SECONDS
"""More than an import gets, the time for its upload included."""
_TRIES = 3
_NOT_OF_HEAD = {
    "fence",
    "lease_owner",
    "lease_until",
    "lease_wanted_until",
    "build_owner",
    "build_until",
    "build_inputs",
}
"""Leases: who works on the dataset, and not what it is."""
_NOT_OF_CONTENT = {
    "changes",
    "tidied_at",
    "turn",
    "synced",
    "after_id",
    "failed",
    "start_count",
    "active",
    "behind",
    "updated_at",
}
"""How far something is, which each write changes: who begins anew finds it out again."""
_NOT_OF_KEYS = {"last_used_at"}
"""Noted once in five minutes for each key in use, and worth no object."""


def describe_dataset(ports: Ports, keys: DatasetKeys) -> bool:
    """Have the bucket say what the table says of a dataset; whether it does now.

    A dataset of which there are no items is left as it is described: the table may be the one that is lost.
    """
    try:
        for _ in range(_TRIES):
            made = dataset_descriptor(ports, keys)
            if made is None:
                return False
            _put(ports, keys.descriptor, encode_dataset(made))
            if dataset_is_described(ports, keys, made):
                return True
    except ShoalError as error:
        _log.warning("dataset not described", extra={"dataset_id": keys.dataset_id, "reason": str(error)})
        return False
    _log.info("dataset changes while it is described", extra={"dataset_id": keys.dataset_id})
    return False


def describe_tenant(ports: Ports, tenant_id: str) -> bool:
    """Have the bucket say what the table says of a tenant, its API keys, aliases, lists of terms and sources;
    whether it does now.
    """
    keys = TenantKeys(tenant_id)
    try:
        for _ in range(_TRIES):
            made = tenant_descriptor(ports, keys)
            if made is None:
                return False
            _put(ports, keys.descriptor, encode_tenant(made))
            if tenant_is_described(ports, keys, made):
                return True
    except ShoalError as error:
        _log.warning("tenant not described", extra={"tenant_id": tenant_id, "reason": str(error)})
        return False
    _log.info("tenant changes while it is described", extra={"tenant_id": tenant_id})
    return False


def dataset_is_described(ports: Ports, keys: DatasetKeys, descriptor: DatasetDescriptor) -> bool:
    """Whether a descriptor says of a dataset what the table does; what is read here is compared, not the log."""
    said = (descriptor.meta, descriptor.head, descriptor.lineage, descriptor.content, descriptor.snapshots)
    return (*_told(ports, keys), _snapshots(ports, keys)) == said


def tenant_is_described(ports: Ports, keys: TenantKeys, descriptor: TenantDescriptor) -> bool:
    """Whether a descriptor says of a tenant what the table does."""
    now = tenant_descriptor(ports, keys)
    return now is not None and replace(now, written_at=descriptor.written_at) == descriptor


def dataset_descriptor(ports: Ports, keys: DatasetKeys) -> DatasetDescriptor | None:
    """What there is to say of a dataset now; None where there is none."""
    now = ports.clock()
    meta, head, lineage, content = _told(ports, keys)
    if meta is None or head is None:
        return None
    if head["state"] != "live":
        return DatasetDescriptor(now, meta, head)
    watermark = int(head["watermark"])
    log = described_log(ports, keys, watermark, now)
    return DatasetDescriptor(
        written_at=now,
        meta=meta,
        head=head,
        snapshots=_snapshots(ports, keys),
        open_imports=_open_imports(ports, keys, now) if head.get("open_imports") else (),
        log_since=log.since,
        log_applied=log.applied,
        lineage=lineage,
        content=content,
    )


def tenant_descriptor(ports: Ports, keys: TenantKeys) -> TenantDescriptor | None:
    """What there is to say of a tenant now; None where there is none."""
    now = ports.clock()
    tenant = retry_busy(lambda: ports.table.get(keys.meta))
    if tenant is None:
        return None
    ids = [item["key_id"] for item in every_item(ports, keys.partition, prefix=KEY_PREFIX)]
    found = retry_busy(lambda: ports.table.batch_get([api_key_by_id(key_id) for key_id in ids]))
    told = [_without(item, _NOT_OF_KEYS) for item in found]
    histories = tuple(every_item(ports, keys.partition, prefix=ALIAS_PREFIX))
    return TenantDescriptor(
        now,
        tenant,
        tuple(sorted(told, key=lambda item: str(item["pk"]))),
        _aliases(ports, keys, histories),
        histories,
        tuple(every_item(ports, keys.partition, prefix=TERM_LIST_PREFIX)),
        tuple(every_item(ports, keys.partition, prefix=SOURCE_PREFIX)),
    )


def _aliases(ports: Ports, keys: TenantKeys, histories: tuple[Item, ...]) -> tuple[Item, ...]:
    """The names of active collections and of aliases, of which there are histories; then those of models."""
    names = [keys.name(family.scope, BLUE) for family in Family]
    names += [keys.name(str(item["scope"]), str(item["name"])) for item in histories]
    found = retry_busy(lambda: ports.table.batch_get(names))
    pointing = [item for item in found if item.get("alias")]
    of_models = every_item(ports, keys.partition, prefix=MODEL_ALIAS_PREFIX)
    return (*sorted(pointing, key=lambda item: str(item["sk"])), *of_models)


def _told(ports: Ports, keys: DatasetKeys) -> tuple[Item | None, Item | None, Item | None, Item | None]:
    """META, HEAD without leases, of what the dataset is derived, and what it has to do with content."""
    wanted = [keys.meta, keys.head, keys.derivation, keys.content]
    items = {item["sk"]: item for item in retry_busy(lambda: ports.table.batch_get(wanted))}
    meta, head, lineage, content = (items.get(key.sk) for key in wanted)
    head = None if head is None else _without(head, _NOT_OF_HEAD)
    return meta, head, lineage, None if content is None else _without(content, _NOT_OF_CONTENT)


def _snapshots(ports: Ports, keys: DatasetKeys) -> tuple[Item, ...]:
    return tuple(every_item(ports, keys.partition, prefix=SNAPSHOT_PREFIX))


def _open_imports(ports: Ports, keys: DatasetKeys, now: float) -> tuple[OpenImport, ...]:
    """The imports that are under way. Ids sort by age, and none goes on for longer than its limit."""
    oldest = int((now - _IMPORT_AGE_SECONDS) * 1000)
    found = every_item(
        ports, keys.partition, start=f"{IMPORT_PREFIX}imp_{oldest:012x}", stop=f"{IMPORT_PREFIX}imp_g"
    )
    jobs = [parse_import(item) for item in found]
    return tuple(
        OpenImport(job.sequence, job.import_id)
        for job in jobs
        if job.sequence is not None and not job.status.terminal
    )


def _put(ports: Ports, key: str, body: bytes) -> None:
    retry_busy(lambda: ports.objects.put(key, body))


def _without(item: Item, names: set[str]) -> Item:
    return {name: value for name, value in item.items() if name not in names}
