"""Workers: who holds the lease of a line does its tasks, one after the other.

What dies with a worker is the lease, which runs out, and objects that nothing names: how far a task is, is written
in one with what it wrote (`tasks.line`).
"""

import logging
import time
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from shoal.model.bindings import Family
from shoal.model.ids import new_token
from shoal.services.embedding import Embedder
from shoal.services.tasks.batches import Sizes
from shoal.services.tasks.family import WANTED_SECONDS, acquire, kept, release
from shoal.services.tasks.joining import unlist_line
from shoal.services.tasks.line import Line, Means, Outcome
from shoal.services.tasks.wake import wake_line
from shoal.services.waiting import Pause
from shoal.storage.keys import FamilyKeys
from shoal.storage.ports import Ports

if TYPE_CHECKING:  # what reads indexes: few tasks look at what is there
    from shoal.services.parts import PartReader

_log = logging.getLogger(__name__)
WORK_SECONDS = 60.0
THREADS = 8
SIZES = Sizes()
_CACHE_BYTES = 64 * 1024 * 1024


def work(
    ports: Ports,
    embedder: Embedder,
    tenant_id: str,
    family: Family,
    *,
    owner: str,
    budget_seconds: float = WORK_SECONDS,
    reader: Callable[[], "PartReader"] | None = None,
    pause: Pause = time.sleep,
    threads: int = THREADS,
    sizes: Sizes = SIZES,
) -> bool:
    """Do the tasks that wait in a line; whether there may be more. Safe to call at any time, from anywhere.

    Returns at once when somebody else holds the lease: the holder looks at the line once more after giving it
    back, or sends a wake-up, as this does where it stops with something left.

    Args:
        ports: where the line and the collections are.
        embedder: the models.
        tenant_id: whose line.
        family: which of the tenant's.
        owner: a name for the log lines.
        budget_seconds: after this long the rest is left to a new wake-up.
        reader: gives the container's cache of parts, where it is needed.
        pause: how to wait.
        threads: 1 to have everything happen in one order.
        sizes: of batches.

    Raises:
        StorageError: storage failed; nothing is half done, and the wake-up should be delivered again.
    """
    keys = FamilyKeys(tenant_id, family.value)
    means = Means(ports, embedder, reader or _new_reader(ports), pause, threads, sizes)
    deadline = ports.clock() + budget_seconds
    while ports.clock() < deadline:
        lease = acquire(ports, keys, owner=f"{owner}-{new_token()}")
        if lease is None:
            return True
        line = Line(means, keys, lease, deadline=deadline)
        try:
            with kept(ports, keys, lease):
                outcome = line.advance()
        finally:
            release(ports, keys, lease)
        _log.info(
            "line of tasks",
            extra={"tenant_id": tenant_id, "family": family.value, "outcome": outcome.name.lower()},
        )
        match outcome:
            case Outcome.DRAINED:
                # Whoever found the lease taken left their task to us, so the line is read again without it.
                if unlist_line(ports, keys):
                    return False
            case Outcome.HELD:
                wake_line(ports, keys, delay_seconds=line.held_seconds)
                return True
            case Outcome.WANTED:
                wake_line(ports, keys, delay_seconds=int(WANTED_SECONDS) + 1)
                return True
            case Outcome.LOST:
                return True
            case Outcome.OUT_OF_TIME:
                break
    wake_line(ports, keys)
    return True


def _new_reader(ports: Ports) -> Callable[[], "PartReader"]:
    @cache
    def made() -> "PartReader":
        from shoal.services.parts import PartReader

        return PartReader(ports.objects, cache_bytes=_CACHE_BYTES)

    return made
