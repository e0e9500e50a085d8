"""Waiting for all that is in the log of a dataset by now: what was acknowledged before is in the version then."""

from shoal.model.datasets import Head
from shoal.services.retry import retry_busy
from shoal.services.waiting import Pause, wait_until
from shoal.services.wake import wake_indexer
from shoal.storage.keys import DatasetKeys
from shoal.storage.ports import Ports


def wait_for_log(ports: Ports, keys: DatasetKeys, *, seconds: float, pause: Pause) -> Head | None:
    """HEAD once it has applied all that is in the log by now; None if it has not in so many seconds.

    Raises:
        NotFound: `dataset_not_found`: the dataset is deleted, or was never there.
    """
    counter = retry_busy(lambda: ports.table.get(keys.sequence))
    newest = int(counter["next"]) if counter else 0
    wake_indexer(ports, keys)
    return wait_until(ports, keys, sequence=newest, seconds=seconds, pause=pause)
