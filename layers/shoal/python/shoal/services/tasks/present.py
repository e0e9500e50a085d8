"""Which objects a collection has at this moment, all that its log holds applied."""

from collections.abc import Collection, Sequence

from shoal.index.id_index import hash_ids
from shoal.model.datasets import Dataset
from shoal.services.heads import keys_of
from shoal.services.parts import PartReader
from shoal.services.retry import retry_busy
from shoal.services.snapshot import open_snapshot
from shoal.services.waiting import Pause, wait_until
from shoal.services.wake import wake_indexer
from shoal.storage.ports import Ports


def present_objects(
    ports: Ports,
    reader: PartReader,
    dataset: Dataset,
    object_ids: Sequence[str],
    *,
    seconds: float,
    pause: Pause,
) -> Collection[str] | None:
    """Those of the ids that are there. It holds for as long as nobody else writes, which is for as long as the
    lease of the family's line is held.

    Args:
        ports: where.
        reader: the container's cache of parts.
        dataset: the collection.
        object_ids: the objects in question.
        seconds: how long to wait for the log to be applied; None is answered where it is not by then.
        pause: how to wait.

    Raises:
        NotFound: the collection has been deleted.
    """
    keys = keys_of(dataset)
    counter = retry_busy(lambda: ports.table.get(keys.sequence))
    last = int(counter["next"]) if counter else 0
    wake_indexer(ports, keys)
    head = wait_until(ports, keys, sequence=last, seconds=seconds, pause=pause)
    if head is None:
        return None
    snapshot = open_snapshot(reader, dataset, head)
    if snapshot is None:
        return frozenset()
    located = snapshot.locate(hash_ids(tuple(object_ids), dataset.hash_key))
    return frozenset(name for name, live in zip(object_ids, located.live.tolist(), strict=True) if live)
