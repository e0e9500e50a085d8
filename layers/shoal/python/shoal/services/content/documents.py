"""Datasets of documents: making one, and writing versions whose order nobody can count on.

A document is a record of its `_id`; its vector is only a number that spreads records evenly. Each write says how
late its version is, and is dropped when it is applied where a later one is there: two webhooks that overtake each
other, or one that comes twice, leave what the latest says.
"""

from collections.abc import Sequence

from shoal.errors import Conflict, NotFound, TryAgain
from shoal.model.content_documents import (
    DOCUMENTS_SCOPE,
    Change,
    Deletion,
    Document,
    DocumentField,
    EncodedChange,
    encoded_change,
)
from shoal.model.datasets import Dataset, Metric
from shoal.model.document_lines import spread
from shoal.model.writes import WriteCondition
from shoal.services import write
from shoal.services.append import Accepted, Requirement
from shoal.services.datasets import create_dataset, resolve
from shoal.services.heads import keys_of
from shoal.storage.ports import Add, Ports, UpdateItem

__all__ = ["Change", "Deletion", "Document", "ensure_documents", "find_documents", "put_versions"]

DIMENSION = 1
NEWER = WriteCondition("if_newer_than", DocumentField.VERSION)
_ATTEMPTS = 8


def find_documents(ports: Ports, tenant_id: str, name: str) -> Dataset:
    """The dataset of documents of that name.

    Raises:
        NotFound: `dataset_not_found`.
    """
    try:
        return resolve(ports, tenant_id, scope=DOCUMENTS_SCOPE, name=name)
    except NotFound:
        raise NotFound(
            "dataset_not_found",
            f"there is no dataset {name:.80}; it comes into being with its first document or index",
        ) from None


def ensure_documents(ports: Ports, tenant_id: str, name: str) -> Dataset:
    """The dataset of documents of that name, which is made where there is none. `name` has been checked.

    Raises:
        Conflict: `dataset_exists`: it is made and deleted all the time.
    """
    for attempt in range(_ATTEMPTS):
        try:
            return resolve(ports, tenant_id, scope=DOCUMENTS_SCOPE, name=name)
        except NotFound:
            try:
                return _create(ports, tenant_id, name)
            except Conflict:  # somebody else was faster
                if attempt == _ATTEMPTS - 1:
                    raise
    raise AssertionError("unreachable")


def _create(ports: Ports, tenant_id: str, name: str) -> Dataset:
    view = create_dataset(
        ports, tenant_id, scope=DOCUMENTS_SCOPE, name=name, dimension=DIMENSION, metric=Metric.L2
    )
    return view.dataset


def put_versions(
    ports: Ports, dataset: Dataset, changes: Sequence[Change], *, vector_quota: int | None
) -> Accepted:
    """Accept versions of documents, drafts among them, as one place of the log; the latest of each id counts.

    Whatever the order in which versions are put, and however often, the same one is left (see `encoded_change`).

    Args:
        ports: where to write.
        dataset: of documents.
        changes: documents and deletions, some MB together at most; an id may come more than once.
        vector_quota: records that the tenant may hold; None for no limit.

    Raises:
        InvalidInput: `invalid_document`.
        LimitReached: `vector_quota_exceeded`, or `backlog_full` while the indexer is behind.
        NotFound: the dataset has been deleted.
        TooLarge: `document_too_large`; names the document.
        TryAgain: nothing was accepted.
    """
    now = ports.clock()
    return put_encoded(
        ports, dataset, [encoded_change(change, now=now) for change in changes], vector_quota=vector_quota
    )


def put_encoded(
    ports: Ports, dataset: Dataset, changes: Sequence[EncodedChange], *, vector_quota: int | None
) -> Accepted:
    """As `put_versions`, of changes that are records already.

    Raises:
        LimitReached, NotFound, TryAgain: as for `put_versions`.
    """
    return enter(
        ports, dataset, changes, condition=NEWER, requires=counted(dataset), vector_quota=vector_quota
    )


def enter(
    ports: Ports,
    dataset: Dataset,
    changes: Sequence[EncodedChange],
    *,
    condition: WriteCondition | None,
    requires: tuple[Requirement, ...],
    vector_quota: int | None,
) -> Accepted:
    """Put changes into the log, at one place."""
    ids = [change.document_id for change in changes]
    return write.upsert(
        ports,
        dataset,
        ids=ids,
        vectors=spread(ids),
        metadata=[change.metadata for change in changes],
        documents=[change.text for change in changes],
        vector_quota=vector_quota,
        condition=condition,
        requires=requires,
    )


def counted(dataset: Dataset) -> tuple[Requirement, ...]:
    """What every write brings along: who reads documents to change them sees that there was one in between."""
    bump = UpdateItem(keys_of(dataset).content, (Add("changes", 1),))
    return (Requirement(bump, TryAgain("storage is busy; send the request again")),)
