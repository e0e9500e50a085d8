"""Where derived datasets and content indexes come from, told again: to themselves, and to what they come from."""

import logging
from collections.abc import Iterable

from shoal.errors import TransactionCancelled
from shoal.model.datasets import Dataset
from shoal.model.ids import new_token, transaction_token
from shoal.services.derived.items import parse_lineage
from shoal.services.descriptor_files import DatasetDescriptor
from shoal.services.followers import Child, ChildKind, child_writes
from shoal.services.heads import parse_meta
from shoal.services.retry import retry_busy
from shoal.storage.keys import DatasetKeys
from shoal.storage.ports import CheckItem, Compare, Item, Ports, Write

_log = logging.getLogger(__name__)
_TRIES = 12


def lineage_again(descriptor: DatasetDescriptor) -> tuple[Item, ...]:
    """What a derived dataset remembers; the run that was under way is lost."""
    if descriptor.lineage is None:
        return ()
    return ({name: value for name, value in descriptor.lineage.items() if name != "running"},)


def content_again(descriptor: DatasetDescriptor) -> tuple[Item, ...]:
    """What a content index selects, or that a dataset holds documents.

    An index is taken for built, and nothing of its documents for seen: so it is compared with all of them, and
    takes up what it lacks, whether or not its build was done.
    """
    content = descriptor.content
    if content is None:
        return ()
    if "import_id" not in content:
        return ({**content, "changes": 0},)
    return (
        {
            **content,
            "updated_at": descriptor.written_at,
            "start_count": int(descriptor.head["row_count"]),
            "active": True,
            "synced": 0,
            "after_id": "",
            "turn": 0,
            "failed": 0,
        },
    )


def tell_sources(ports: Ports, descriptors: Iterable[DatasetDescriptor]) -> None:
    """Tell what datasets are made of them, once all that can be is back."""
    for descriptor in descriptors:
        dataset = parse_meta(descriptor.meta)
        found = _child_of(dataset, descriptor)
        if found is None:
            continue
        source, child = DatasetKeys(dataset.tenant_id, found[0]), found[1]
        writes: list[Write] = child_writes(source, child)
        if not child.follows:
            writes.append(CheckItem(source.head, Compare("state", "=", "live")))
        try:
            token = transaction_token("child", new_token())
            retry_busy(lambda: ports.table.transact(writes, token=token), attempts=_TRIES)  # noqa: B023 - at once
        except TransactionCancelled:
            _log.info("the source is gone", extra={"dataset_id": dataset.dataset_id})


def _child_of(dataset: Dataset, descriptor: DatasetDescriptor) -> tuple[str, Child] | None:
    """The id of what a dataset is made of, and what that is told; None where it is made of nothing."""
    if descriptor.content is not None and "documents_id" in descriptor.content:
        child = Child(dataset.dataset_id, ChildKind.CONTENT, dataset.scope, dataset.name, follows=True)
        return str(descriptor.content["documents_id"]), child
    if descriptor.lineage is None:
        return None
    lineage = parse_lineage(descriptor.lineage)
    child = Child(
        dataset_id=dataset.dataset_id,
        kind=ChildKind.DERIVED,
        scope=dataset.scope,
        name=dataset.name,
        follows=dataset.follows,
        synced_version=lineage.source_version or 0,
    )
    return lineage.source_id, child
