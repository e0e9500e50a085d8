"""Descriptors that are not what they should be: their last write failed, or its writer died. Written anew."""

from collections.abc import Callable, Collection
from itertools import batched

from shoal.errors import CorruptObject, ObjectMissing
from shoal.services.descriptor_files import decode_dataset, decode_tenant
from shoal.services.descriptors import (
    dataset_is_described,
    describe_dataset,
    describe_tenant,
    tenant_is_described,
)
from shoal.services.parallel import in_parallel
from shoal.services.retry import retry_busy
from shoal.storage.keys import DatasetKeys, TenantKeys
from shoal.storage.ports import Ports

_AT_ONCE = 200


def describe_anew(
    ports: Ports, tenant: TenantKeys, datasets: Collection[DatasetKeys], *, go_on: Callable[[], None]
) -> int:
    """Describe a tenant and its datasets where the bucket does not say what the table says; how many.

    Args:
        ports: where.
        tenant: the tenant.
        datasets: its live datasets.
        go_on: called now and then; may raise to give up.
    """
    mended = 0
    if not _tenant_is_told(ports, tenant):
        mended += describe_tenant(ports, tenant.tenant_id)
    for some in batched(datasets, _AT_ONCE):
        go_on()
        told = in_parallel(lambda keys: _dataset_is_told(ports, keys), some)
        mended += sum(
            describe_dataset(ports, keys) for keys, is_told in zip(some, told, strict=True) if not is_told
        )
    return mended


def _tenant_is_told(ports: Ports, tenant: TenantKeys) -> bool:
    try:
        descriptor = decode_tenant(retry_busy(lambda: ports.objects.get(tenant.descriptor)))
    except (CorruptObject, ObjectMissing):
        return False
    return tenant_is_described(ports, tenant, descriptor)


def _dataset_is_told(ports: Ports, keys: DatasetKeys) -> bool:
    try:
        descriptor = decode_dataset(retry_busy(lambda: ports.objects.get(keys.descriptor)))
    except (CorruptObject, ObjectMissing):
        return False
    return dataset_is_described(ports, keys, descriptor)
