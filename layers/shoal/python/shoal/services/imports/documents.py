"""What an import of documents takes care of beyond that of any file: it never undoes what is newer.

Rows of an import replace all that was there when it began, and lose to all that was written since, whatever that
was. Documents have versions of their own. So those of which the dataset holds a later version are left out of the
import; and those that were written while it was open are put once more, on the condition of all such writes: that
what is there is older.
"""

import logging
import time
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shoal.errors import ImportStopped, LimitReached, NotFound, StorageBusy, TryAgain
from shoal.index import id_index
from shoal.index.column_file import Columns, decode_columns
from shoal.model.content_documents import EncodedChange, version_of
from shoal.model.import_work import ChunkRecord
from shoal.services.applied import wait_for_log
from shoal.services.base_records import read_records
from shoal.services.content.documents import put_encoded
from shoal.services.content.reading import Cursor, changed_since
from shoal.services.heads import keys_of, read_head
from shoal.services.imports.workspace import Workspace
from shoal.services.parts import PartReader
from shoal.services.pipeline.run import Piece
from shoal.services.resolve import located_at
from shoal.services.snapshot import Snapshot, open_snapshot
from shoal.services.waiting import Pause
from shoal.storage.ports import Assign

_log = logging.getLogger(__name__)
_CACHE_BYTES: Final = 256 * 1000 * 1000
_WAIT_SECONDS: Final = 60.0
_ROWS_AT_ONCE: Final = 100_000
"""Rows whose stored versions are compared together: each reads the pieces in which they lie once."""
_METADATA_BYTES: Final = 400 * 1000 * 1000
_IDS_AT_ONCE: Final = 5000
_PUT_BYTES: Final = 4 * 1000 * 1000

type Mask = NDArray[np.bool_]


def outdated_rows(
    work: Workspace,
    records: Sequence[ChunkRecord],
    hashes: Sequence[NDArray[np.uint64]],
    counting: Mask,
    *,
    pause: Pause = time.sleep,
) -> Mask:
    """Which of an import's rows the dataset holds a version of that is as late or later: bool, shape (n,).

    Counts them on the import.

    Args:
        work: the import, of documents.
        records: its chunks that have accepted rows.
        hashes: of the ids of each: uint64, shape (rows, 2).
        counting: which of all rows count at all: bool, shape (n,).
        pause: how to wait for what was written before the import.

    Raises:
        ImportStopped: the dataset has been deleted.
        StorageBusy: what was written before the import is not applied in time; another attempt waits on.
    """
    outdated = np.zeros(len(counting), dtype=np.bool_)
    snapshot = _snapshot(work, at_least=work.sequence, pause=pause)
    if snapshot is not None and snapshot.manifest.row_count:
        located = snapshot.locate(np.concatenate(hashes))
        doubtful = np.flatnonzero(counting & located.live)
        starts = np.cumsum([0, *(len(some) for some in hashes)])
        for start in range(0, len(doubtful), _ROWS_AT_ONCE):
            some = doubtful[start : start + _ROWS_AT_ONCE]
            names, versions = _versions_of(work, records, starts, some)
            stored = read_records(
                snapshot,
                located_at(located, some.tolist()),
                list(enumerate(names)),
                values=False,
                most_bytes=_METADATA_BYTES,
            )
            outdated[some] = [
                name in stored and version_of(stored[name].metadata) >= version
                for name, version in zip(names, versions, strict=True)
            ]
    work.update(Assign("outdated", int(outdated.sum())))
    return outdated


def _versions_of(
    work: Workspace, records: Sequence[ChunkRecord], starts: NDArray[np.int64], rows: NDArray[np.intp]
) -> tuple[list[str], list[str]]:
    """Ids and versions of rows (ascending) of the import."""
    names: list[str] = []
    versions: list[str] = []
    for number, record in enumerate(records):
        first, last = np.searchsorted(rows, (starts[number], starts[number + 1]))
        if first == last or record.columns is None:
            continue
        columns = decode_columns(work.read(record.columns))
        here = (rows[first:last] - starts[number]).astype(np.intp)
        names += [each.decode() for each in columns.ids.take(here).tolist()]
        versions += [version_of(each) for each in columns.metadata.take(here).tolist()]
    return names, versions


def put_again(work: Workspace, *, after: int, up_to: int, pause: Pause = time.sleep) -> int:
    """Put documents of an import once more whose ids were written between two places of the log; how many.

    Args:
        work: the import, of documents.
        after: a place.
        up_to: a later place.
        pause: how to wait for the log.

    Raises:
        ImportStopped: the dataset has been deleted.
        StorageBusy: the log is not applied in time, or has no room; another attempt goes on.
    """
    if after >= up_to:
        return 0
    snapshot = _snapshot(work, at_least=up_to, pause=pause)
    if snapshot is None:
        return 0
    cursor, done = Cursor(after), 0
    while True:
        changed = changed_since(work.ports, snapshot, cursor, most=_IDS_AT_ONCE, up_to=up_to)
        if changed is None:
            _log.warning("log of an import is gone", extra={"import_id": work.job.import_id})
            return done
        done += _put(work, changed.ids)
        cursor = changed.cursor
        if not changed.more:
            return done


def _put(work: Workspace, ids: Sequence[str]) -> int:
    """Put the documents that the import has of these ids."""
    if not ids:
        return 0
    wanted = id_index.hash_ids(ids, work.dataset.hash_key)
    done = 0
    for piece in work.pieces():
        rows = _rows_of(work, piece, wanted)
        if not len(rows):
            continue
        changes = _changes(decode_columns(work.read(piece.columns)), rows)
        for batch in _batches(changes):
            try:
                put_encoded(work.ports, work.dataset, batch, vector_quota=work.job.vector_quota)
            except NotFound as gone:
                raise ImportStopped("the dataset has been deleted") from gone
            except (LimitReached, TryAgain) as full:
                raise StorageBusy(f"the import waits for the log: {full}") from full
        done += len(changes)
    return done


def _rows_of(work: Workspace, piece: Piece, wanted: NDArray[np.uint64]) -> NDArray[np.intp]:
    """The rows of a piece that count and have one of these hashes."""
    hashes = np.frombuffer(work.read(piece.hashes), dtype="<u8").reshape(piece.rows, 2)
    found = np.isin(hashes[:, 0], wanted[:, 0]) & np.isin(hashes[:, 1], wanted[:, 1])
    if piece.kept is not None:
        counts = np.zeros(piece.rows, dtype=np.bool_)
        counts[np.frombuffer(work.read(piece.kept), dtype="<u4")] = True
        found &= counts
    return np.flatnonzero(found)


def _changes(columns: Columns, rows: NDArray[np.intp]) -> list[EncodedChange]:
    taken = zip(
        columns.ids.take(rows).tolist(),
        columns.metadata.take(rows).tolist(),
        columns.documents.take(rows).tolist(),
        strict=True,
    )
    return [EncodedChange(name.decode(), metadata, text) for name, metadata, text in taken]


def _batches(changes: Sequence[EncodedChange]) -> list[list[EncodedChange]]:
    batches: list[list[EncodedChange]] = [[]]
    size = 0
    for change in changes:
        if size > _PUT_BYTES:
            batches.append([])
            size = 0
        batches[-1].append(change)
        size += len(change.text) + len(change.metadata)
    return batches


def _snapshot(work: Workspace, *, at_least: int, pause: Pause) -> Snapshot | None:
    """A version in which everything up to a place of the log is applied.

    Raises:
        ImportStopped: the dataset has been deleted.
        StorageBusy: it is not in time.
    """
    keys = keys_of(work.dataset)
    try:
        head = read_head(work.ports, keys)
        if head is None or head.watermark < at_least:
            head = wait_for_log(work.ports, keys, seconds=_WAIT_SECONDS, pause=pause)
    except NotFound as gone:
        raise ImportStopped("the dataset has been deleted") from gone
    if head is None:
        raise StorageBusy("the import waits for what was written before it")
    return open_snapshot(PartReader(work.ports.objects, cache_bytes=_CACHE_BYTES), work.dataset, head)
