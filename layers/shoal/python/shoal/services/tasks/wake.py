"""Wake-ups of workers: a message says which family, and nothing else. The sweep makes up for lost ones."""

import logging

from shoal.errors import ShoalError
from shoal.storage.keys import FamilyKeys
from shoal.storage.ports import Ports

_log = logging.getLogger(__name__)


def wake_line(ports: Ports, keys: FamilyKeys, *, delay_seconds: int = 0) -> None:
    """Ask for the family's tasks to be done.

    Raises:
        StorageBusy: throttled or unavailable.
    """
    message = {"tenant_id": keys.tenant_id, "family": keys.family}
    ports.tasks.send(message, group=keys.tenant_id, delay_seconds=delay_seconds)


def try_to_wake_line(ports: Ports, keys: FamilyKeys) -> None:
    """As `wake_line`; that the message could not be sent is only logged."""
    try:
        wake_line(ports, keys)
    except ShoalError:
        _log.warning("wake-up not sent", extra={"tenant_id": keys.tenant_id, "family": keys.family})
