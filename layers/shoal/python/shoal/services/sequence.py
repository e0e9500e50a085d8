"""Taking the next place of a log, and closing one that will not be filled."""

import logging
from collections.abc import Callable

from shoal.errors import ConditionFailed, NotFound, StorageBusy, TryAgain
from shoal.services.places import aborted_item
from shoal.services.retry import retry_busy
from shoal.storage.keys import PENDING, DatasetKeys
from shoal.storage.ports import Absent, Action, Add, AllOf, Assign, Exists, Item, Ports

_log = logging.getLogger(__name__)

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


def or_try_again[T](call: Callable[[], T]) -> T:
    """Call with retries; where storage stays busy, the request is to be sent again.

    Raises:
        TryAgain: storage is busy.
    """
    try:
        return retry_busy(call)
    except StorageBusy as busy:
        raise TryAgain("storage is busy; send the request again") from busy
