"""Waiting until a write can be queried: HEAD is looked at again and again, at growing distances."""

from collections.abc import Callable

from shoal.errors import NotFound
from shoal.model.datasets import Head
from shoal.services.heads import read_head
from shoal.storage.keys import DatasetKeys
from shoal.storage.ports import Clock, Ports

type Pause = Callable[[float], None]
"""Lets so many seconds pass."""

FIRST_PAUSE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 0.5
_GROWTH = 1.5


def wait_until(
    ports: Ports, keys: DatasetKeys, *, sequence: int = 0, version: int = 0, seconds: float, pause: Pause
) -> Head | None:
    """HEAD once it has applied the log up to a sequence and is at a version, at least; None if it is not in time.

    It is looked at once before and once after all the waiting; 20 s take some 50 reads.

    Args:
        ports: where HEAD is, and the clock.
        keys: of the dataset.
        sequence: the last place of the log that must be applied.
        version: the version that must have been reached.
        seconds: how long to wait at most.
        pause: how to wait.

    Raises:
        NotFound: `dataset_not_found`: the dataset is deleted, or was never there.
    """

    def look() -> Head | None:
        head = read_head(ports, keys)
        if head is None or not head.live:
            raise NotFound("dataset_not_found", "dataset not found")
        return head if head.watermark >= sequence and head.version >= version else None

    return look_again(look, clock=ports.clock, seconds=seconds, pause=pause)


def look_again[T](look: Callable[[], T | None], *, clock: Clock, seconds: float, pause: Pause) -> T | None:
    """What `look` finds, at growing distances until it finds something; None if it does not in so many seconds.

    It looks once before and once after all the waiting.
    """
    until = clock() + seconds
    spent, next_pause = 0.0, FIRST_PAUSE_SECONDS
    while True:
        found = look()
        if found is not None:
            return found
        # Both are counted: a clock may stand still, and a pause may take longer than it says.
        left = min(until - clock(), seconds - spent)
        if left <= 0:
            return None
        step = min(next_pause, left)
        pause(step)
        spent += step
        next_pause = min(next_pause * _GROWTH, LONGEST_PAUSE_SECONDS)
