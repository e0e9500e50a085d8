"""How many documents a content index selects, so long as they can be counted in time."""

import time
from collections.abc import Callable

from shoal.errors import NotFound
from shoal.model.content_indexes import Selection
from shoal.model.datasets import Dataset
from shoal.services.applied import wait_for_log
from shoal.services.content.reading import scan
from shoal.services.heads import keys_of, read_head
from shoal.services.parts import PartReader
from shoal.services.snapshot import Snapshot, open_snapshot
from shoal.services.waiting import Pause
from shoal.storage.ports import Ports

_LOOKED_AT_ONCE = 64
"""Documents between two looks at the time."""


def count_now(
    ports: Ports,
    reader: PartReader,
    documents: Dataset,
    selection: Selection,
    *,
    seconds: float,
    pause: Pause,
    timer: Callable[[], float] = time.monotonic,
) -> int:
    """How many documents are selected, those among them that were sent just now; or all that there are.

    Half of the time may go by until the log is applied, the other half by counting.

    Raises:
        NotFound: `dataset_not_found`.
    """
    keys = keys_of(documents)
    head = wait_for_log(ports, keys, seconds=seconds / 2, pause=pause) or read_head(ports, keys)
    if head is None:
        raise NotFound("dataset_not_found", "dataset not found")
    snapshot = open_snapshot(reader, documents, head)
    found = count_selected(snapshot, selection, until=timer() + seconds / 2, timer=timer)
    return head.row_count if found is None else found


def count_selected(
    snapshot: Snapshot | None,
    selection: Selection,
    *,
    until: float,
    timer: Callable[[], float] = time.monotonic,
) -> int | None:
    """How many documents of a version are selected; None where the time was over first."""
    count = 0
    for number, document in enumerate(scan(snapshot)):
        if number % _LOOKED_AT_ONCE == 0 and timer() > until:
            return None
        count += selection.selects(document)
    return count
