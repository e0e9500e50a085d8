"""Quotas and rates: counted in the table by conditional updates, so that they hold across all functions."""

from datetime import UTC, datetime, timedelta

from shoal.errors import ConditionFailed, LimitReached
from shoal.model.tenants import Principal, RateLimit, Usage, microseconds
from shoal.services.retry import retry_busy
from shoal.services.sequence import LOG_OPEN
from shoal.storage.keys import DatasetKeys, TenantKeys, rate_by_key_id
from shoal.storage.ports import (
    Absent,
    Action,
    Add,
    AnyOf,
    Assign,
    AssignIfAbsent,
    Compare,
    Condition,
    Item,
    Ports,
    UpdateItem,
    Write,
)

_KEEP_SECONDS = 2 * 86_400


def charge_query(ports: Ports, principal: Principal) -> None:
    """Count a query against the tenant's UTC day. A query that is refused is not counted.

    Raises:
        LimitReached: code `query_quota_exceeded`.
    """
    now = datetime.fromtimestamp(ports.clock(), UTC)
    key = TenantKeys(principal.tenant_id).queries(now.date())
    actions: list[Action] = [
        Add("count", 1),
        AssignIfAbsent("expires_at", int(now.timestamp()) + _KEEP_SECONDS),
    ]
    quota = principal.query_quota
    within_quota: Condition | None = None
    if quota is not None:
        within_quota = AnyOf((Absent("count"), Compare("count", "<", quota)))
        if quota < 1:
            raise _over_query_quota(now, quota)
    try:
        retry_busy(lambda: ports.table.update(key, actions, condition=within_quota))
    except ConditionFailed as lost:
        raise _over_query_quota(now, quota or 0) from lost


def refund_query(ports: Ports, principal: Principal) -> None:
    """Take back a charge: the query turned out to be one that cannot be answered (contract: not counted)."""
    today = datetime.fromtimestamp(ports.clock(), UTC).date()
    key = TenantKeys(principal.tenant_id).queries(today)
    charged_today = Compare("count", ">", 0)
    try:
        retry_busy(lambda: ports.table.update(key, [Add("count", -1)], condition=charged_today))
    except ConditionFailed:
        return  # charged before midnight: that day is over


def check_rate(ports: Ports, principal: Principal, limit: RateLimit | None) -> None:
    """Admit one request of a key, or refuse it; None for no limit.

    The generic cell rate algorithm: one number, the theoretical arrival time `tat` (epoch microseconds), which
    each admitted request pushes on by one interval, and which may run ahead of the clock by the burst. One
    write admits a key that rested or refuses one that is too fast, two admit a key in the middle of a burst:
    `tat` never goes back, so a request that failed to start anew finds it ahead of the clock for good.

    Raises:
        LimitReached: code `rate_limited`.
    """
    if limit is None:
        return
    now = microseconds(ports.clock())
    key = rate_by_key_id(principal.key_id)
    rested = AnyOf((Absent("tat"), Compare("tat", "<", now)))
    start_anew = [Assign("tat", now + limit.interval)]
    try:
        retry_busy(lambda: ports.table.update(key, start_anew, condition=rested))
    except ConditionFailed as lost:
        arrival = _arrival(lost)
    else:
        return
    conforms = Compare("tat", "<=", now + limit.tolerance)
    if arrival <= now + limit.tolerance:
        try:
            retry_busy(lambda: ports.table.update(key, [Add("tat", limit.interval)], condition=conforms))
        except ConditionFailed as lost:
            arrival = _arrival(lost)
        else:
            return
    raise LimitReached(
        "rate_limited",
        "too many requests with this key",
        retry_after=limit.retry_after(arrival, now),
        details={"limit_rps": limit.rps, "burst": limit.burst},
    )


def _arrival(lost: ConditionFailed) -> int:
    return int((lost.item or {}).get("tat", 0))


def vectors_used(counter: Item | None) -> int:
    """Live and reserved rows, as the tenant's counter says; 0 where nothing was counted yet."""
    return int((counter or {}).get("used", 0))


def reservation(keys: DatasetKeys, *, rows: int, quota: int) -> tuple[Write, Write]:
    """What reserves rows for a dataset, in a transaction: of the tenant's quota first, then on the dataset.

    The first fails where the quota does not hold them, the second where the dataset has been deleted.
    """
    within_quota: Condition = AnyOf((Absent("used"), Compare("used", "<=", quota - rows)))
    return (
        UpdateItem(TenantKeys(keys.tenant_id).quota, (Add("used", rows),), condition=within_quota),
        UpdateItem(keys.sequence, (Add("reserved", rows),), condition=LOG_OPEN),
    )


def usage(ports: Ports, principal: Principal) -> Usage:
    """What the tenant has used; the quotas are those of `principal`."""
    now = datetime.fromtimestamp(ports.clock(), UTC)
    keys = TenantKeys(principal.tenant_id)
    today = keys.queries(now.date())
    found = {item["sk"]: item for item in retry_busy(lambda: ports.table.batch_get([keys.quota, today]))}
    return Usage(
        vectors_used=vectors_used(found.get(keys.quota.sk)),
        vector_quota=principal.vector_quota,
        queries_today=int(found.get(today.sk, {}).get("count", 0)),
        daily_query_quota=principal.query_quota,
        queries_reset_at=_next_midnight(now).date().isoformat(),
    )


def _next_midnight(now: datetime) -> datetime:
    return (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)


def _over_query_quota(now: datetime, quota: int) -> LimitReached:
    reset = _next_midnight(now)
    return LimitReached(
        "query_quota_exceeded",
        "the tenant's queries of this UTC day are used up",
        retry_after=max(1, int((reset - now).total_seconds()) + 1),
        details={"limit": quota, "reset_at": reset.date().isoformat()},
    )
