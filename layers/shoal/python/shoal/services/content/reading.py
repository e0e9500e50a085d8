"""Reading documents: by id, all of a version, and those that a part of the log may have changed."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from shoal.errors import InvalidInput, ObjectMissing
from shoal.index.checksums import verify
from shoal.index.log_codec import LogDeleteWhere, decode
from shoal.model.content_documents import (
    Change,
    Document,
    decoded_change,
    is_published,
)
from shoal.model.datasets import Dataset
from shoal.model.jobs import Job, JobKind
from shoal.model.reindex_work import RowSource
from shoal.services.fetch import fetch_from
from shoal.services.heads import keys_of
from shoal.services.places import parse_job
from shoal.services.reindex.version import live_records, parts_of
from shoal.services.retry import retry_busy
from shoal.services.rounds import BUDGET_BYTES
from shoal.services.snapshot import Snapshot
from shoal.storage.keys import sequence_sk
from shoal.storage.ports import Ports

_PAGE = 100
_ROWS_A_PART = 4096
_STRING_BYTES = 57
"""Of a string in a list, beside its characters."""


def read_documents(
    snapshot: Snapshot | None, ids: Sequence[str], *, bodies: bool = True, most_bytes: int | None = None
) -> dict[str, Change]:
    """What a version holds of these ids, by id: documents, drafts among them, and deletions that are remembered.

    Of ids that are nowhere there is nothing.

    Args:
        snapshot: the version; None is a dataset into which nothing was ever written.
        ids: of documents.
        bodies: without them documents have a body of `_id` and `_type` alone.
        most_bytes: of the documents together; None: any number.

    Raises:
        CorruptObject: something stored is not what names it.
        InvalidInput: `transaction_too_large`: the documents have over `most_bytes` together.
    """
    found: dict[str, Change] = {}
    size = 0
    waiting = tuple(ids)
    while waiting:
        fetched = fetch_from(
            snapshot, waiting, include_values=False, include_document=bodies, budget=BUDGET_BYTES
        )
        for record in fetched.records:
            found[record.id] = decoded_change(record.id, record.metadata, record.document if bodies else None)
            size += len(record.document)
        if most_bytes is not None and size > most_bytes:
            raise InvalidInput(
                "transaction_too_large",
                f"the documents have over {most_bytes} bytes together; change fewer at a time",
            )
        waiting = fetched.unprocessed_ids
    return found


def scan(snapshot: Snapshot | None, sources: Iterable[RowSource] | None = None) -> Iterator[Document]:
    """The published documents of a version, in the order in which they are stored: no drafts, no deletions.

    Args:
        snapshot: the version; None is a dataset into which nothing was ever written.
        sources: the rows to look at, as `services.reindex.version.parts_of` deals them out; None: all.

    Raises:
        CorruptObject: something stored is not what names it.
    """
    if snapshot is None:
        return
    if sources is None:
        sources = (part.source for part in parts_of(snapshot, _ROWS_A_PART))
    for record in live_records(snapshot, sources, documents=True):
        change = decoded_change(record.id, record.metadata, record.document)
        if isinstance(change, Document) and is_published(change.document_id):
            yield change


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far somebody is with the changes of a dataset: all places of the log up to `sequence`, and of the one
    after it the ids up to and with `after_id`.
    """

    sequence: int
    after_id: str = ""


@dataclass(frozen=True, slots=True)
class Changed:
    """Ids of documents that may have changed, each once, and how far that goes; `more` is left behind it."""

    ids: tuple[str, ...]
    cursor: Cursor
    more: bool


def changed_since(
    ports: Ports, snapshot: Snapshot, cursor: Cursor, *, most: int, up_to: int | None = None
) -> Changed | None:
    """The next ids that the log may have changed between a cursor and a version.

    None: the log does not tell any more, and everything has to be looked at again. What became of an id is to be
    read from the version (`read_documents`): nothing, a deletion, or a document.

    Args:
        ports: where the log is.
        snapshot: the version, of a dataset of documents.
        cursor: how far the caller is.
        most: ids, at least 1.
        up_to: the last place of the log to look at; None: all that the version has applied.

    Raises:
        CorruptObject: something stored is not what names it.
    """
    applied = snapshot.manifest.watermark
    end = applied if up_to is None else min(up_to, applied)
    ids: dict[str, None] = {}
    at = cursor
    while at.sequence < end:
        jobs = _places(ports, snapshot.dataset, at.sequence, end)
        if jobs is None:
            return None
        for job in jobs:
            room = most - len(ids)
            if room <= 0:
                return Changed(tuple(ids), at, more=True)
            here = _ids_of(ports, snapshot, job, after_id=at.after_id, most=room)
            if here is None:
                return None
            ids |= dict.fromkeys(here)
            if len(here) >= room:
                at = Cursor(at.sequence, here[-1])
                return Changed(tuple(ids), at, more=True)
            at = Cursor(job.sequence)
    return Changed(tuple(ids), at, more=False)


def _places(ports: Ports, dataset: Dataset, after: int, up_to: int) -> list[Job] | None:
    """The next places of the log, without a gap; None where they are kept no longer."""
    page = ports.table.query(
        keys_of(dataset).partition, start=sequence_sk(after + 1), stop=sequence_sk(up_to), limit=_PAGE
    )
    jobs = [parse_job(item) for item in page.items]
    expected = after + 1
    for job in jobs:
        first_not_missing = job.sequence if job.follows is None else job.follows + 1
        if first_not_missing > expected:
            return None
        expected = job.sequence + 1
    return jobs or None


def _ids_of(ports: Ports, snapshot: Snapshot, job: Job, *, after_id: str, most: int) -> list[str] | None:
    """The first ids behind `after_id`, ascending, that a place has changed; None where it does not tell."""
    if job.error is not None:
        return []
    match job.kind:
        case JobKind.ABORTED | JobKind.IMPORT_OPEN | JobKind.IMPORT_END:
            return []
        case JobKind.IMPORT if job.opened is not None:
            ids: Sequence[str] = _imported(snapshot, job.opened)
        case JobKind.UPSERT | JobKind.DELETE | JobKind.PATCH:
            logged = _logged(ports, job)
            if logged is None:
                return None
            ids = sorted(set(logged))
        case _:  # the dataset went back to a snapshot
            return None
    start = bisect_right(ids, after_id)
    return list(ids[start : start + most])


def _imported(snapshot: Snapshot, opened: int) -> Sequence[str]:
    """Ids of the live rows that an import has brought, ascending: they have the sequence at which it began.

    Kept in memory where there is room: they are asked for some at a time.
    """

    def read() -> list[str]:
        within = {
            shard.shard_id
            for shard in snapshot.all_shards()
            if shard.min_sequence <= opened <= shard.max_sequence
        }
        sources = (part.source for part in parts_of(snapshot, _ROWS_A_PART) if part.source.shard_id in within)
        found = live_records(snapshot, sources, documents=False)
        return sorted(record.id for record in found if record.sequence == opened)

    name = f"{snapshot.key}#imported-{opened}"
    return snapshot.reader.made(name, read, lambda ids: sum(len(each) + _STRING_BYTES for each in ids))


def _logged(ports: Ports, job: Job) -> Sequence[str] | None:
    """The ids that a write names."""
    if job.log_key is None:
        return ()
    key = job.log_key
    try:
        data = retry_busy(lambda: ports.objects.get(key))
    except ObjectMissing:
        return None
    verify(data, sha256=job.sha256 or "", size=job.size, name=key)
    written = decode(data)
    if isinstance(written, LogDeleteWhere):
        return None
    return (*written.ids, *getattr(written, "removed", ()))
