"""The sweep: finds what a lost message left behind. It reads one index partition, which is empty when idle."""

import logging

from shoal.errors import ConditionFailed
from shoal.services.heads import parse_head
from shoal.services.settle import release_deleted, settle
from shoal.storage.keys import GSI, PENDING, DatasetKeys
from shoal.storage.ports import Compare, Drop, Ports

_log = logging.getLogger(__name__)
_GRACE_SECONDS = 10.0
"""A write younger than this still has its own wake-up on the way."""


def sweep(ports: Ports) -> int:
    """Wake the indexer, or the builder, for every dataset that waits for one; how many were woken."""
    woken = 0
    after = None
    while True:
        page = ports.table.query(PENDING, index=GSI, after=after)
        for item in page.items:
            _, tenant_id, dataset_id = item["pk"].split("#")
            woken += _look_after(ports, DatasetKeys(tenant_id, dataset_id))
        after = page.after
        if after is None:
            return woken


def _look_after(ports: Ports, keys: DatasetKeys) -> int:
    # The index lags behind the table, so it only says where to look.
    items = {item["sk"]: item for item in ports.table.batch_get([keys.head, keys.sequence])}
    head_item, counter = items.get(keys.head.sk), items.get(keys.sequence.sk)
    if head_item is None or counter is None:
        return 0
    head = parse_head(head_item)
    if not head.live:
        release_deleted(ports, keys)
        ports.table.update(keys.sequence, [Drop("gsi1pk"), Drop("gsi1sk")])
        return 0
    settle(ports, keys, head)
    message = {"tenant_id": keys.tenant_id, "dataset_id": keys.dataset_id}
    now = ports.clock()
    if int(counter["next"]) > head.watermark:
        if now - float(counter["taken_at"]) < _GRACE_SECONDS or head.lease_until > now:
            return 0
        ports.wakeups.send(message, group=keys.tenant_id)
        _log.info("woke the indexer", extra={"dataset_id": keys.dataset_id})
        return 1
    if head.delta_bytes and head.build_until <= now and "gsi1pk" in counter:
        # Listed though drained: a build was due when the log was last drained. The builder decides if it still is.
        ports.builds.send(message, group=keys.tenant_id)
    try:
        ports.table.update(
            keys.sequence,
            [Drop("gsi1pk"), Drop("gsi1sk")],
            condition=Compare("next", "=", head.watermark),
        )
    except ConditionFailed:
        _log.info("written to meanwhile", extra={"dataset_id": keys.dataset_id})
    return 1
