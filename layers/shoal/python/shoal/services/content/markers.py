"""Deletions that are remembered: their records go once nothing older can come any more."""

import logging

from shoal.errors import ShoalError, TryAgain
from shoal.model.content_documents import MARKER_KEPT_SECONDS, DocumentField
from shoal.model.datasets import Dataset
from shoal.model.filters import parse_filter
from shoal.model.selection import Selection
from shoal.services import write
from shoal.services.collections.rows import rows_in, with_records
from shoal.services.content.mutate import changes_of, only_after
from shoal.services.heads import keys_of, read_head
from shoal.services.matching import matching_rows
from shoal.services.parts import PartReader
from shoal.services.snapshot import open_snapshot
from shoal.storage.ports import Assign, Drop, Exists, Ports

MOST_AT_ONCE = 1000
_EVERY_SECONDS = 86_400.0
_log = logging.getLogger(__name__)


def tidy(ports: Ports, reader: PartReader, dataset: Dataset) -> None:
    """Forget old deletions of a dataset of documents, once a day; that it cannot be done now is only logged."""
    key, now = keys_of(dataset).content, ports.clock()
    try:
        item = ports.table.get(key)
        if item is None or now < float(item.get("tidied_at", 0.0)) + _EVERY_SECONDS:
            return
        ports.table.update(key, [Assign("tidied_at", now)], condition=Exists("pk"))
        if forget_deletions(ports, reader, dataset) >= MOST_AT_ONCE:  # there are more: the next one goes on
            ports.table.update(key, [Drop("tidied_at")], condition=Exists("pk"))
    except ShoalError as error:
        _log.info("not tidied", extra={"dataset_id": dataset.dataset_id, "reason": str(error)})


def forget_deletions(ports: Ports, reader: PartReader, dataset: Dataset, *, most: int = MOST_AT_ONCE) -> int:
    """Remove the records of deletions that are a week old, some of them; how many.

    To be called once all that is derived from the dataset has seen them. Nothing happens while the dataset is
    being written to: a document that came back in between must stay.

    Raises:
        CorruptObject: something stored is not what names it.
        NotFound: the dataset has been deleted.
        TryAgain: storage is busy; nothing was removed.
    """
    keys = keys_of(dataset)
    count = changes_of(ports, keys)
    counter, head = ports.table.get(keys.sequence), read_head(ports, keys)
    if head is None or counter is None or int(counter["next"]) > head.watermark:
        return 0
    snapshot = open_snapshot(reader, dataset, head)
    if snapshot is None:
        return 0
    before = ports.clock() - MARKER_KEPT_SECONDS
    old = Selection(
        filter=parse_filter({DocumentField.DELETED: True, DocumentField.MARKED_AT: {"$lt": before}})
    )
    rows = rows_in(matching_rows(snapshot, old), stop=most)
    ids = [record.id for _, record in with_records(snapshot, rows)]
    if not ids:
        return 0
    try:
        write.delete_ids(ports, dataset, ids, requires=only_after(keys, count))
    except TryAgain:
        return 0
    return len(ids)
