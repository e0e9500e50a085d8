"""Whether a dataset has room for one more write: back-pressure, measured where the write would enter."""

from shoal.errors import LimitReached, NotFound
from shoal.model.datasets import Dataset
from shoal.model.jobs import JobKind
from shoal.model.limits import (
    COMMIT_MAX_BYTES,
    LOG_MAX_BYTES_AHEAD,
    LOG_MAX_JOBS_AHEAD,
    RESIDENT_MAX_BYTES,
)
from shoal.services.heads import keys_of
from shoal.services.sequence import jobs_ahead
from shoal.storage.ports import Ports

_BACKLOG_RETRY_SECONDS = 2
_COMPACTION_RETRY_SECONDS = 30
ROW_OVERHEAD_BYTES = 200
"""What a row costs in memory beside its vector: id index entry, links of the graph, id and a little metadata."""
LOG_ROW_BYTES = 11
"""What a row takes at least in the log beside its vector: an id, `{}`, and the length of each."""


def check_room(ports: Ports, dataset: Dataset, *, kind: JobKind, rows: int, size: int) -> None:
    """See that a write of so many rows, and bytes of data, may enter the log now.

    A patch counts as the upsert that it becomes: rows of cells that it touches are no longer in cells.

    Raises:
        LimitReached: `backlog_full` while the indexer or a compaction is behind.
        NotFound: the dataset has been deleted.
    """
    keys = keys_of(dataset)
    found = {item["sk"]: item for item in ports.table.batch_get([keys.head, keys.sequence])}
    head = found.get(keys.head.sk)
    sequence = found.get(keys.sequence.sk)
    if head is None or sequence is None or sequence.get("closed"):
        raise NotFound("dataset_not_found", "dataset not found")
    waiting = jobs_ahead(sequence, watermark=int(head["watermark"]))
    bytes_ahead = int(sequence["bytes"]) - int(head["log_bytes"])
    if waiting >= LOG_MAX_JOBS_AHEAD or bytes_ahead + size > LOG_MAX_BYTES_AHEAD:
        raise _backlog_full(waiting, bytes_ahead)
    if kind in {JobKind.UPSERT, JobKind.PATCH}:
        row_bytes = dataset.dimension * 4 + ROW_OVERHEAD_BYTES
        # Rows of cells do not count, nor do rows that a build is going to leave out. The others become cells when
        # they are too many for one shard: who writes faster than that has to wait for it.
        flat = min(int(head["row_count"]), int(head.get("flat_rows", head["row_count"]))) + rows
        if flat * row_bytes > RESIDENT_MAX_BYTES:
            raise _backlog_full(waiting, bytes_ahead, retry_after=_COMPACTION_RETRY_SECONDS)
        # What waits may all be new rows, or none of it: known once it is applied.
        rows_ahead = max(0, bytes_ahead) // (dataset.dimension * 4 + LOG_ROW_BYTES)
        if (flat + rows_ahead) * row_bytes > RESIDENT_MAX_BYTES + COMMIT_MAX_BYTES:
            raise _backlog_full(waiting, bytes_ahead)


def _backlog_full(
    waiting: int, bytes_ahead: int, *, retry_after: int = _BACKLOG_RETRY_SECONDS
) -> LimitReached:
    return LimitReached(
        "backlog_full",
        "the dataset has too many writes waiting to be indexed; send this one again later",
        retry_after=retry_after,
        details={"jobs_waiting": waiting, "bytes_waiting": bytes_ahead},
    )
