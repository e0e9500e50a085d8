"""Waiting until a write can be queried: HEAD is looked at again and again, at growing distances."""

from collections.abc import Callable

from shoal.errors import NotFound
from shoal.model.datasets import Head
from shoal.services.heads import read_head
from shoal.storage.keys import DatasetKeys
from shoal.storage.ports import Ports

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
    until = ports.clock() + seconds
    spent, next_pause = 0.0, FIRST_PAUSE_SECONDS
    while True:
        head = read_head(ports, keys)
        if head is None or not head.live:
            raise NotFound("dataset_not_found", "dataset not found")
        if head.watermark >= sequence and head.version >= version:
            return head
        # Both are counted: a clock may stand still, and a pause may take longer than it says.
        left = min(until - ports.clock(), seconds - spent)
        if left <= 0:
            return None
        step = min(next_pause, left)
        pause(step)
        spent += step
        next_pause = min(next_pause * _GROWTH, LONGEST_PAUSE_SECONDS)
