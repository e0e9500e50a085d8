"""Quota of rows, kept by differences: `used` is live rows plus rows reserved by writes not yet applied.

Each dataset remembers in SETTLED what the tenant's counter has been told. Telling it again is one transaction
over both, so a crash between a commit and its settlement costs nothing: the next one settles the whole rest.
"""

import logging

from shoal.errors import TransactionCancelled
from shoal.model.datasets import Head
from shoal.model.ids import transaction_token
from shoal.services.heads import read_head
from shoal.services.retry import retry_busy
from shoal.storage.keys import DatasetKeys, TenantKeys
from shoal.storage.ports import Absent, Add, AllOf, Assign, Compare, Condition, Ports, UpdateItem

_log = logging.getLogger(__name__)


def settle(ports: Ports, keys: DatasetKeys) -> None:
    """Bring the tenant's counter up to the dataset's HEAD; nothing to do when it is already there.

    Raises:
        StorageBusy: the counter is where it was.
    """
    # In this order: a HEAD read first could be older than what was told since, and would take that back.
    told = ports.table.get(keys.settled)
    head = read_head(ports, keys)
    if told is None or told.get("closed") or head is None:
        return
    _tell(ports, keys, told_rows=int(told["row_count"]), told_reserved=int(told["reserved_total"]), head=head)


def _tell(ports: Ports, keys: DatasetKeys, *, told_rows: int, told_reserved: int, head: Head) -> None:
    difference = (head.row_count - told_rows) - (head.reserved_total - told_reserved)
    if head.row_count == told_rows and head.reserved_total == told_reserved:
        return
    settled = UpdateItem(
        keys.settled,
        (Assign("row_count", head.row_count), Assign("reserved_total", head.reserved_total)),
        condition=_nobody_settled_since(told_rows, told_reserved),
    )
    counter = UpdateItem(TenantKeys(keys.tenant_id).quota, (Add("used", difference),))
    token = transaction_token("settle", keys.partition, head.version, told_rows, told_reserved)
    try:
        retry_busy(lambda: ports.table.transact([settled, counter], token=token), attempts=10)
    except TransactionCancelled:
        _log.info("settled by somebody else", extra={"dataset_id": keys.dataset_id})


def release_deleted(ports: Ports, keys: DatasetKeys) -> None:
    """Give back all that a deleted dataset holds: its settled rows and its reservations. Safe to repeat."""
    while True:
        told = ports.table.get(keys.settled)
        sequence = ports.table.get(keys.sequence)
        if told is None or sequence is None or told.get("closed"):
            return
        told_rows, told_reserved = int(told["row_count"]), int(told["reserved_total"])
        held = told_rows + int(sequence["reserved"]) - told_reserved
        writes = [
            UpdateItem(
                keys.settled,
                (Assign("closed", True),),
                condition=_nobody_settled_since(told_rows, told_reserved),
            ),
            UpdateItem(TenantKeys(keys.tenant_id).quota, (Add("used", -held),)),
        ]
        token = transaction_token("release", keys.partition, held, told["row_count"], told["reserved_total"])
        try:
            retry_busy(lambda w=writes, t=token: ports.table.transact(w, token=t), attempts=10)  # type: ignore[misc]
        except TransactionCancelled:
            continue
        return


def _nobody_settled_since(told_rows: int, told_reserved: int) -> Condition:
    return AllOf(
        (
            Compare("row_count", "=", told_rows),
            Compare("reserved_total", "=", told_reserved),
            Absent("closed"),
        )
    )
