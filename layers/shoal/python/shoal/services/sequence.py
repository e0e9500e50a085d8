"""Taking the next place of a log, and closing one that will not be filled."""

import logging
from collections.abc import Callable

from shoal.errors import ConditionFailed, NotFound, StorageBusy, TransactionCancelled, TryAgain
from shoal.model.ids import transaction_token
from shoal.services.places import aborted_item
from shoal.services.retry import retry_busy
from shoal.storage.keys import PENDING, DatasetKeys
from shoal.storage.ports import (
    Absent,
    Action,
    Add,
    AllOf,
    Assign,
    Compare,
    Exists,
    Item,
    Ports,
    PutItem,
    UpdateItem,
)

_log = logging.getLogger(__name__)

_LEAP_ATTEMPTS = 20

LOG_OPEN = AllOf((Exists("pk"), Absent("closed")))
"""Condition on the counter of a log: its dataset has not been deleted."""


def take_place(ports: Ports, keys: DatasetKeys, *, size: int = 0) -> Item:
    """Take the next sequence, for a write of `size` bytes; the counter as it is then (`next`, `bytes`).

    The place must be filled, or closed: otherwise committers wait for it.

    Raises:
        NotFound: the dataset has been deleted.
        TryAgain: storage is busy.
    """
    actions: list[Action] = [
        Add("next", 1),
        Add("bytes", size),
        Assign("taken_at", ports.clock()),
        Assign("gsi1pk", PENDING),
        Assign("gsi1sk", keys.partition),
    ]
    try:
        return or_try_again(lambda: ports.table.update(keys.sequence, actions, condition=LOG_OPEN))
    except ConditionFailed as lost:
        raise NotFound("dataset_not_found", "dataset not found") from lost


def close_place(ports: Ports, keys: DatasetKeys, item: Item) -> Item | None:
    """Close the place at once instead of letting the committer wait for it; what is there, if it was taken."""
    closed = aborted_item(keys, int(item["sequence"]), now=ports.clock(), log_bytes=int(item["log_bytes"]))
    try:
        ports.table.put(closed, condition=Absent("pk"))
    except ConditionFailed as taken:
        return taken.item
    except StorageBusy:
        _log.info("place left to the committer", extra={"job_id": item["job_id"]})
    return None


def leap(ports: Ports, keys: DatasetKeys, *, up_to: int) -> None:
    """Have all further places of the log come after `up_to`; nothing to do where they do already.

    Rows that come from another dataset's log bring sequences of their own, and whatever is written once they are
    here must be newer than they are. The counter and the place `up_to`, which changes nothing and names the place
    it follows, are put at once: the places in between are nobody's, and no committer waits for them.

    Raises:
        NotFound: the dataset has been deleted.
        TryAgain: storage is busy, or others take places all the time; nothing has changed.
    """
    for _ in range(_LEAP_ATTEMPTS):
        counter = or_try_again(lambda: ports.table.get(keys.sequence))
        if counter is None or counter.get("closed"):
            raise NotFound("dataset_not_found", "dataset not found")
        if int(counter["next"]) >= up_to:
            return
        if _leapt(ports, keys, counter, up_to):
            return
    raise TryAgain("the dataset is written to too quickly; send the request again")


def jobs_ahead(counter: Item, *, watermark: int) -> int:
    """How many places are taken that a commit at `watermark` has not applied; those leapt over do not count."""
    over = int(counter.get("leapt_to", 0)) - max(watermark, int(counter.get("leapt_from", 0)))
    return int(counter["next"]) - watermark - max(0, over)


def _leapt(ports: Ports, keys: DatasetKeys, counter: Item, up_to: int) -> bool:
    """Whether the counter is moved on; False where it is not as it was read any more."""
    last, now = int(counter["next"]), ports.clock()
    marker = aborted_item(keys, up_to, now=now, log_bytes=int(counter["bytes"]))
    moved = UpdateItem(
        keys.sequence,
        (
            Assign("next", up_to),
            Assign("leapt_from", last),
            Assign("leapt_to", up_to),
            Assign("taken_at", now),
            Assign("gsi1pk", PENDING),
            Assign("gsi1sk", keys.partition),
        ),
        condition=AllOf((LOG_OPEN, Compare("next", "=", last))),
    )
    place = PutItem({**marker, "follows": last}, condition=Absent("pk"))
    token = transaction_token("leap", keys.partition, last, up_to, str(now))
    try:
        or_try_again(lambda: ports.table.transact([moved, place], token=token))
    except TransactionCancelled:
        return False
    return True


def or_try_again[T](call: Callable[[], T]) -> T:
    """Call with retries; where storage stays busy, the request is to be sent again.

    Raises:
        TryAgain: storage is busy.
    """
    try:
        return retry_busy(call)
    except StorageBusy as busy:
        raise TryAgain("storage is busy; send the request again") from busy
