"""Waking the indexer: best effort, because the sweep finds what is in the log without it."""

import logging

from shoal.errors import ShoalError
from shoal.storage.keys import DatasetKeys
from shoal.storage.ports import Ports

_log = logging.getLogger(__name__)


def wake_indexer(ports: Ports, keys: DatasetKeys) -> None:
    """Send the dataset's indexer a message; that it could not be sent is only logged."""
    message = {"tenant_id": keys.tenant_id, "dataset_id": keys.dataset_id}
    try:
        ports.wakeups.send(message, group=keys.tenant_id)
    except ShoalError:
        _log.warning("wake-up not sent", extra={"dataset_id": keys.dataset_id})
