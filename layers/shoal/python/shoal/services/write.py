"""Accepting writes: upserts, deletes and patches, checked by the caller, as places in the log.

What a write does is decided when it is applied, in the order of the log (`services.apply`); here it is only made
safe.
"""

from collections.abc import Sequence

from shoal.index.log_codec import (
    SelectionJson,
    encode_delete,
    encode_delete_where,
    encode_patch,
    encode_upsert,
)
from shoal.model.datasets import Dataset
from shoal.model.jobs import JobKind
from shoal.model.records import Vectors
from shoal.model.writes import WriteCondition
from shoal.services.append import Accepted, Entry, Requirement, append
from shoal.services.room import ROW_OVERHEAD_BYTES
from shoal.storage.ports import Ports

__all__ = ["ROW_OVERHEAD_BYTES", "Accepted", "delete_ids", "delete_where", "patch", "upsert"]


def upsert(
    ports: Ports,
    dataset: Dataset,
    *,
    ids: Sequence[str],
    vectors: Vectors,
    metadata: Sequence[bytes],
    vector_quota: int | None,
    namespaces: Sequence[str] = (),
    documents: Sequence[bytes] = (),
    condition: WriteCondition | None = None,
    removed: Sequence[str] = (),
    requires: tuple[Requirement, ...] = (),
) -> Accepted:
    """Accept records whose lines have been validated; n may be 0, which still takes a place in the log.

    Args:
        ports: where to write.
        dataset: where the records go.
        ids: n ids; one that occurs twice counts twice, and the later wins.
        vectors: float32, shape (n, dimension).
        metadata: n compact JSON objects in UTF-8.
        vector_quota: rows the tenant may hold, live and reserved; None for no limit.
        namespaces: n strings, "" for a record in none; nothing at all stands for n empty ones.
        documents: n texts in UTF-8, b"" for a record without one; nothing at all stands for n empty ones.
        condition: when a record is stored, judged record by record when it is applied; None: always.
        removed: ids to delete at the same place of the log; those that do not exist are fine. None of `ids`, and
            none at all under a condition.
        requires: what must be so, or is written, in one with the job.

    Raises:
        LimitReached: `vector_quota_exceeded`, or `backlog_full` while the indexer is behind.
        NotFound: the dataset has been deleted.
        ShoalError: what is required is not so: the error that goes with it.
        TryAgain: nothing was accepted.
    """
    count = len(ids)
    if not count and not removed:
        return append(ports, dataset, Entry(JobKind.UPSERT, None, 0, requires=requires))
    data = encode_upsert(
        ids,
        vectors,
        metadata,
        namespaces=namespaces,
        documents=documents,
        condition=condition,
        removed=removed,
    )
    entry = Entry(
        JobKind.UPSERT,
        data,
        count,
        reserved=count if vector_quota is not None else 0,
        quota=vector_quota,
        requires=requires,
        attributes={"removed": len(set(removed))} if removed else {},
    )
    return append(ports, dataset, entry)


def delete_ids(
    ports: Ports, dataset: Dataset, ids: Sequence[str], *, requires: tuple[Requirement, ...] = ()
) -> Accepted:
    """Accept the deletion of ids; those that do not exist are fine, and one given twice counts once.

    Raises:
        LimitReached, NotFound, ShoalError, TryAgain: as for `upsert`.
    """
    once = list(dict.fromkeys(ids))
    entry = Entry(JobKind.DELETE, encode_delete(once), len(once), requires=requires)
    return append(ports, dataset, entry)


def delete_where(ports: Ports, dataset: Dataset, selection: SelectionJson) -> Accepted:
    """Accept the deletion of all records that a selection means when the write is applied.

    Raises:
        LimitReached, NotFound, TryAgain: as for `upsert`.
    """
    return append(ports, dataset, Entry(JobKind.DELETE, encode_delete_where(selection), 0))


def patch(ports: Ports, dataset: Dataset, *, ids: Sequence[str], patches: Sequence[bytes]) -> Accepted:
    """Accept changes to the metadata of n ids, each a JSON object to merge (RFC 7396); missing ids are fine.

    Raises:
        LimitReached, NotFound, TryAgain: as for `upsert`.
    """
    if not ids:
        return append(ports, dataset, Entry(JobKind.PATCH, None, 0))
    return append(ports, dataset, Entry(JobKind.PATCH, encode_patch(ids, patches), len(ids)))
