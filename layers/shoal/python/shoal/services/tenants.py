"""Tenants: made and changed by the operator, never over HTTP."""

from shoal.errors import ConditionFailed, NotFound
from shoal.model.ids import new_tenant_id
from shoal.model.tenants import Tenant, check_label
from shoal.services.descriptors import describe_tenant
from shoal.services.retry import retry_busy
from shoal.storage.keys import GSI, TENANTS, TenantKeys
from shoal.storage.ports import Absent, Action, Assign, Drop, Exists, Item, Key, Ports


def create_tenant(ports: Ports, *, name: str) -> Tenant:
    """Make a tenant with the deployment's default quotas. Names are labels: two tenants may share one.

    Raises:
        InvalidInput: the name is empty or too long.
    """
    tenant = Tenant(new_tenant_id(), check_label(name, "name"), ports.clock())
    keys = TenantKeys(tenant.tenant_id)
    item: Item = {
        "pk": keys.meta.pk,
        "sk": keys.meta.sk,
        "tenant_id": tenant.tenant_id,
        "name": tenant.name,
        "created_at": tenant.created_at,
        "gsi1pk": TENANTS,
        "gsi1sk": tenant.tenant_id,
    }
    retry_busy(lambda: ports.table.put(item, condition=Absent("pk")))
    describe_tenant(ports, tenant.tenant_id)
    return tenant


def get_tenant(ports: Ports, tenant_id: str) -> Tenant:
    """One tenant.

    Raises:
        NotFound: code `tenant_not_found`.
    """
    item = retry_busy(lambda: ports.table.get(_keys(tenant_id).meta))
    if item is None:
        raise _not_found()
    return parse_tenant(item)


def quota_now(ports: Ports, tenant_id: str, told: int | None) -> int | None:
    """Vectors that a tenant may hold, for work that goes on long after it was asked for: None for no limit.

    Args:
        ports: where the tenant is.
        tenant_id: the tenant.
        told: what held when the work was asked for: the deployment's default, where the tenant has no quota of
            its own by now.
    """
    try:
        own = get_tenant(ports, tenant_id).vector_quota
    except NotFound:
        return told
    return told if own is None else own


def list_tenants(ports: Ports) -> list[Tenant]:
    """All tenants, oldest first. Read from the index, which may lag a moment behind."""
    tenants: list[Tenant] = []
    after = None
    while True:
        page = ports.table.query(TENANTS, index=GSI, after=after)
        found = ports.table.batch_get([Key(item["pk"], item["sk"]) for item in page.items])
        tenants += [parse_tenant(item) for item in found]
        after = page.after
        if after is None:
            return sorted(tenants, key=lambda tenant: (tenant.created_at, tenant.tenant_id))


def set_quota(ports: Ports, tenant_id: str, *, vector_quota: int | None, query_quota: int | None) -> Tenant:
    """Replace both quotas of a tenant; None goes back to the deployment's default.

    Raises:
        NotFound: code `tenant_not_found`.
        ValueError: a quota is negative.
    """
    actions: list[Action] = []
    for attribute, value in (("vector_quota", vector_quota), ("query_quota", query_quota)):
        if value is not None and value < 0:
            raise ValueError(f"{attribute} is negative")
        actions.append(Drop(attribute) if value is None else Assign(attribute, value))
    meta = _keys(tenant_id).meta
    try:
        tenant = parse_tenant(retry_busy(lambda: ports.table.update(meta, actions, condition=Exists("pk"))))
    except ConditionFailed as lost:
        raise _not_found() from lost
    describe_tenant(ports, tenant_id)
    return tenant


def parse_tenant(item: Item) -> Tenant:
    """A tenant as stored."""
    return Tenant(
        tenant_id=item["tenant_id"],
        name=item["name"],
        created_at=float(item["created_at"]),
        vector_quota=_optional_int(item.get("vector_quota")),
        query_quota=_optional_int(item.get("query_quota")),
    )


def _optional_int(value: float | None) -> int | None:
    return None if value is None else int(value)


def _keys(tenant_id: str) -> TenantKeys:
    try:
        return TenantKeys(tenant_id)
    except ValueError as error:
        raise _not_found() from error


def _not_found() -> NotFound:
    return NotFound("tenant_not_found", "tenant not found")
