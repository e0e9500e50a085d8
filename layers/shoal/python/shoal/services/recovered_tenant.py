"""One tenant made anew from its descriptor, with its API keys, aliases, lists of terms and sources.

Where it has no descriptor that can be read: without all of these.
"""

from shoal.errors import ConditionFailed, CorruptObject, ObjectMissing
from shoal.services.alias_items import parse_name
from shoal.services.aliases import put_back
from shoal.services.descriptor_files import TenantDescriptor, decode_tenant
from shoal.services.retry import retry_busy
from shoal.storage.keys import (
    ALIAS_PREFIX,
    MODEL_ALIAS_PREFIX,
    NAME_PREFIX,
    SOURCE_PREFIX,
    TENANTS,
    TERM_LIST_PREFIX,
    TenantKeys,
    api_key_by_id,
)
from shoal.storage.ports import Absent, Item, Key, Ports


def read_tenant(ports: Ports, tenant: TenantKeys) -> TenantDescriptor:
    """What the bucket says of a tenant.

    Raises:
        CorruptObject: nothing, or not of this one.
    """
    descriptor = decode_tenant(read_named(ports, tenant.descriptor))
    items = {descriptor.tenant["pk"]: tenant.partition} | {
        item["pk"]: api_key_by_id(str(item["key_id"])).pk for item in descriptor.keys
    }
    owners = {str(item["tenant_id"]) for item in (descriptor.tenant, *descriptor.keys)}
    strange = [item for item in descriptor.aliases if not _is_alias(tenant, item)]
    strange += [item for item in descriptor.histories if not _is_of(tenant, item, ALIAS_PREFIX)]
    strange += [item for item in descriptor.term_lists if not _is_of(tenant, item, TERM_LIST_PREFIX)]
    strange += [item for item in descriptor.sources if not _is_of(tenant, item, SOURCE_PREFIX)]
    if owners != {tenant.tenant_id} or any(pk != expected for pk, expected in items.items()) or strange:
        raise CorruptObject(f"{tenant.descriptor} describes another tenant")
    return descriptor


def _is_alias(tenant: TenantKeys, item: Item) -> bool:
    of_model = _is_of(tenant, item, MODEL_ALIAS_PREFIX)
    return of_model or (item["pk"] == tenant.partition and names_dataset(item) is not None)


def _is_of(tenant: TenantKeys, item: Item, prefix: str) -> bool:
    return item["pk"] == tenant.partition and str(item["sk"]).startswith(prefix)


def names_dataset(alias: Item) -> str | None:
    """The id of the dataset that an alias points at; None for one of a model."""
    names = str(alias["sk"]).startswith(NAME_PREFIX) and alias.get("alias")
    return str(alias["dataset_id"]) if names else None


def nameless(ports: Ports, tenant: TenantKeys) -> TenantDescriptor:
    """A tenant of which nothing is known but its id."""
    now = ports.clock()
    item: Item = {
        "pk": tenant.meta.pk,
        "sk": tenant.meta.sk,
        "tenant_id": tenant.tenant_id,
        "name": "recovered",
        "created_at": now,
        "gsi1pk": TENANTS,
        "gsi1sk": tenant.tenant_id,
    }
    return TenantDescriptor(now, item)


def put_tenant(ports: Ports, tenant: TenantKeys, descriptor: TenantDescriptor) -> None:
    """Put the items of a tenant: itself last, so that it has all of the others as soon as it is seen."""
    for item in descriptor.keys:
        key_id = str(item["key_id"])
        pointer = tenant.api_key(key_id)
        _put_if_absent(ports, api_key_by_id(key_id), item)
        _put_if_absent(ports, pointer, {"key_id": key_id})
    histories = {(item["scope"], item["name"]): item for item in descriptor.histories}
    for item in descriptor.aliases:
        if parse_name(item) is None:
            _put_if_absent(ports, Key(tenant.partition, str(item["sk"])), item)
        else:
            put_back(ports, tenant, item, histories.get((item["scope"], item["name"])))
    for item in (*descriptor.term_lists, *descriptor.sources):
        _put_if_absent(ports, Key(tenant.partition, str(item["sk"])), item)
    _put_if_absent(ports, tenant.meta, descriptor.tenant)


def read_named(ports: Ports, key: str) -> bytes:
    """A descriptor as stored.

    Raises:
        CorruptObject: there is none.
    """
    try:
        return retry_busy(lambda: ports.objects.get(key))
    except ObjectMissing as missing:
        raise CorruptObject(f"{key} is missing") from missing


def _put_if_absent(ports: Ports, key: Key, item: Item) -> None:
    whole: Item = {**item, "pk": key.pk, "sk": key.sk}
    try:
        retry_busy(lambda: ports.table.put(whole, condition=Absent("pk")))
    except ConditionFailed:
        return
