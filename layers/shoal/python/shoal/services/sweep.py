"""The sweep: finds what a lost message left behind. It reads one index partition, which is empty when idle."""

import logging

from shoal.errors import ConditionFailed
from shoal.model.limits import BUILD_RETRY_SECONDS
from shoal.services.descriptors import describe_dataset
from shoal.services.heads import parse_head
from shoal.services.listed import look_after_listed
from shoal.services.settle import release_deleted, settle
from shoal.services.wake import send
from shoal.storage.keys import PENDING, DatasetKeys
from shoal.storage.ports import Compare, Drop, Key, Ports

_log = logging.getLogger(__name__)
_GRACE_SECONDS = 10.0
"""A write younger than this still has its own wake-up on the way."""
_BUDGET_SECONDS = 45.0
"""What is not reached within this time is left to the next sweep."""


def sweep(ports: Ports) -> int:
    """Wake the indexer, or the builder, for every dataset that waits for one; how many were woken.

    A dataset that cannot be looked after is logged, and holds up none of the others.
    """

    def look_after(key: Key) -> bool:
        _, tenant_id, dataset_id = key.pk.split("#")
        return _look_after(ports, DatasetKeys(tenant_id, dataset_id))

    return look_after_listed(ports, PENDING, look_after, budget_seconds=_BUDGET_SECONDS)


def _look_after(ports: Ports, keys: DatasetKeys) -> bool:
    # The index lags behind the table, so it only says where to look.
    items = {item["sk"]: item for item in ports.table.batch_get([keys.head, keys.sequence])}
    head_item, counter = items.get(keys.head.sk), items.get(keys.sequence.sk)
    if head_item is None or counter is None or "gsi1pk" not in counter:
        return False
    head = parse_head(head_item)
    if not head.live:
        release_deleted(ports, keys)
        describe_dataset(ports, keys)
        ports.table.update(keys.sequence, [Drop("gsi1pk"), Drop("gsi1sk")])
        return False
    settle(ports, keys)
    now = ports.clock()
    if int(counter["next"]) > head.watermark:
        if now - float(counter["taken_at"]) < _GRACE_SECONDS or head.lease_until > now:
            return False
        send(ports.wakeups, keys)
        _log.info("woke the indexer", extra={"dataset_id": keys.dataset_id})
        return True
    if (head.flat_rows or head.cell_sets) and now - (head.last_indexed_at or 0.0) < BUILD_RETRY_SECONDS:
        # Listed though drained: a build or a compaction was due when the log was last drained. It stays listed
        # until that is done, because who dies at it leaves nothing but a lease that runs out.
        if head.build_until > now:
            return False
        send(ports.builds, keys)
        _log.info("woke the builder", extra={"dataset_id": keys.dataset_id})
        return True
    unlist(ports, keys, watermark=head.watermark)
    return False


def unlist(ports: Ports, keys: DatasetKeys, *, watermark: int) -> bool:
    """Take a dataset off the sweep's list, if nothing was written since `watermark`; whether it was.

    The quota is told first, in place of whoever died between a commit and telling it.
    """
    settle(ports, keys)
    try:
        ports.table.update(
            keys.sequence, [Drop("gsi1pk"), Drop("gsi1sk")], condition=Compare("next", "=", watermark)
        )
    except ConditionFailed:
        return False
    return True
