"""The sources of a tenant's records in buckets of others: registered by the operator, one for each media type."""

from shoal.errors import InvalidInput, NotFound
from shoal.model.imports import ImportFormat, check_format
from shoal.model.openverse import MEDIA_TYPES
from shoal.model.sources import UpstreamSource, parse_s3_url
from shoal.services.descriptors import describe_tenant
from shoal.services.paging import every_item
from shoal.services.retry import retry_busy
from shoal.services.tenants import get_tenant
from shoal.storage.keys import SOURCE_PREFIX, TenantKeys
from shoal.storage.ports import Item, Ports


def put_source(ports: Ports, tenant_id: str, model: str, url: str, file_format: str) -> UpstreamSource:
    """Register where the records of a media type come from, whatever was registered before.

    Raises:
        NotFound: `tenant_not_found`.
        InvalidInput: `invalid_model`, `invalid_source`, `invalid_format`, `invalid_bucket`, `own_bucket`.
    """
    bucket, prefix = parse_s3_url(url)
    ports.upstream.check(bucket)
    made = UpstreamSource(checked_model(model), bucket, prefix, check_format(file_format), ports.clock())
    key = TenantKeys(get_tenant(ports, tenant_id).tenant_id).source(made.model)
    item: Item = {
        "pk": key.pk,
        "sk": key.sk,
        "model": made.model,
        "bucket": made.bucket,
        "prefix": made.prefix,
        "format": made.format.value,
        "created_at": made.created_at,
    }
    retry_busy(lambda: ports.table.put(item))
    describe_tenant(ports, tenant_id)
    return made


def find_source(ports: Ports, tenant_id: str, model: str) -> UpstreamSource:
    """Where the records of a media type come from.

    Raises:
        NotFound: `source_not_found`: the operator has registered none.
    """
    item = retry_busy(lambda: ports.table.get(TenantKeys(tenant_id).source(model)))
    if item is None:
        raise NotFound(
            "source_not_found",
            f"no source is registered for {model}; the operator of the deployment names one: "
            f"shoal sources add {tenant_id} {model} s3://bucket/folder",
        )
    return _parse(item)


def list_sources(ports: Ports, tenant_id: str) -> list[UpstreamSource]:
    """All that is registered for a tenant, by media type.

    Raises:
        NotFound: `tenant_not_found`.
    """
    keys = TenantKeys(get_tenant(ports, tenant_id).tenant_id)
    return [_parse(item) for item in every_item(ports, keys.partition, prefix=SOURCE_PREFIX)]


def drop_source(ports: Ports, tenant_id: str, model: str) -> None:
    """Forget where the records of a media type come from. Those that were pulled stay, and a task that has begun
    to pull goes on.

    Raises:
        NotFound: `tenant_not_found`, `source_not_found`.
        InvalidInput: `invalid_model`.
    """
    tenant_id = get_tenant(ports, tenant_id).tenant_id
    find_source(ports, tenant_id, checked_model(model))
    retry_busy(lambda: ports.table.delete(TenantKeys(tenant_id).source(model)))
    describe_tenant(ports, tenant_id)


def checked_model(model: str) -> str:
    """A media type, if it is one.

    Raises:
        InvalidInput: `invalid_model`.
    """
    if model not in MEDIA_TYPES:
        raise InvalidInput("invalid_model", f"a media type is one of {', '.join(MEDIA_TYPES)}")
    return model


def _parse(item: Item) -> UpstreamSource:
    return UpstreamSource(
        model=str(item["model"]),
        bucket=str(item["bucket"]),
        prefix=str(item["prefix"]),
        format=ImportFormat(item["format"]),
        created_at=float(item["created_at"]),
    )
