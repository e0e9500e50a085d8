"""The daily look at all datasets: what a lost message, or a compaction that failed, has left to be done."""

from collections.abc import Iterator

from shoal.model.datasets import Head
from shoal.services.heads import parse_head
from shoal.services.retry import retry_busy
from shoal.services.tenants import list_tenants
from shoal.services.wake import wake_builder
from shoal.storage.keys import DatasetKeys, TenantKeys
from shoal.storage.ports import Item, Key, Ports

_RECENT_SECONDS = 3 * 86_400
"""A dataset that nobody has written to for so long was looked at more than once since."""
_NAMES = "NAME#"


def wake_due(ports: Ports) -> int:
    """Have the builder look at each dataset that was written to in the last days; how many.

    It is the builder that finds out whether something is due: that takes the version itself, and its dead rows.
    """
    now = ports.clock()
    woken = 0
    for tenant in list_tenants(ports):
        for keys, head in _heads(ports, tenant.tenant_id):
            written_at = head.last_indexed_at or 0.0
            at_work = head.build_owner is not None and head.build_until > now
            if head.live and head.version and not at_work and now - written_at < _RECENT_SECONDS:
                wake_builder(ports, keys)
                woken += 1
    return woken


def _heads(ports: Ports, tenant_id: str) -> Iterator[tuple[DatasetKeys, Head]]:
    """The datasets of a tenant, a page at a time."""
    after = None
    while True:
        page = retry_busy(
            lambda start=after: ports.table.query(  # type: ignore[misc] # bound now
                TenantKeys(tenant_id).partition, prefix=_NAMES, after=start
            )
        )
        named = [DatasetKeys(tenant_id, str(entry["dataset_id"])) for entry in page.items]
        wanted: list[Key] = [keys.head for keys in named]
        items: dict[str, Item] = {item["pk"]: item for item in ports.table.batch_get(wanted)}
        for keys in named:
            if keys.partition in items:
                yield keys, parse_head(items[keys.partition])
        after = page.after
        if after is None:
            return
