"""Wake-ups: a message says which dataset, and nothing else. The sweep finds what is left to do without them."""

import logging

from shoal.errors import ShoalError
from shoal.storage.keys import DatasetKeys
from shoal.storage.ports import Ports, Queue

_log = logging.getLogger(__name__)
THOROUGH = "thorough"
"""In a message to the builder: leave no dead row and no more pieces than must be."""


def wake_indexer(ports: Ports, keys: DatasetKeys) -> None:
    """Ask for the dataset's log to be drained; that the message could not be sent is only logged."""
    _try_to_send(ports.wakeups, keys)


def wake_builder(ports: Ports, keys: DatasetKeys) -> None:
    """Ask for the dataset to be built or compacted, if that is due; that the message could not be sent is only
    logged.
    """
    _try_to_send(ports.builds, keys)


def ask_to_compact(ports: Ports, keys: DatasetKeys, *, delay_seconds: int = 0) -> None:
    """Ask for the dataset to be compacted however little is to be gained.

    Raises:
        StorageBusy: throttled or unavailable.
    """
    message = {"tenant_id": keys.tenant_id, "dataset_id": keys.dataset_id, THOROUGH: "yes"}
    ports.builds.send(message, group=keys.tenant_id, delay_seconds=delay_seconds)


def send(queue: Queue, keys: DatasetKeys, *, delay_seconds: int = 0) -> None:
    """Send the dataset's message.

    Raises:
        StorageBusy: throttled or unavailable.
    """
    message = {"tenant_id": keys.tenant_id, "dataset_id": keys.dataset_id}
    queue.send(message, group=keys.tenant_id, delay_seconds=delay_seconds)


def _try_to_send(queue: Queue, keys: DatasetKeys) -> None:
    try:
        send(queue, keys)
    except ShoalError:
        _log.warning("wake-up not sent", extra={"dataset_id": keys.dataset_id})
