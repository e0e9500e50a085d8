"""Where derived datasets come from, told again: to themselves, and to the datasets that they are derived from."""

import logging
from collections.abc import Iterable

from shoal.errors import TransactionCancelled
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


def tell_sources(ports: Ports, descriptors: Iterable[DatasetDescriptor]) -> None:
    """Tell the sources of derived datasets of them, once all that can be is back."""
    for descriptor in descriptors:
        if descriptor.lineage is None:
            continue
        dataset, lineage = parse_meta(descriptor.meta), parse_lineage(descriptor.lineage)
        source = DatasetKeys(dataset.tenant_id, lineage.source_id)
        child = Child(
            dataset_id=dataset.dataset_id,
            kind=ChildKind.DERIVED,
            scope=dataset.scope,
            name=dataset.name,
            follows=dataset.follows,
            synced_version=lineage.source_version or 0,
        )
        writes: list[Write] = child_writes(source, child)
        if not child.follows:
            writes.append(CheckItem(source.head, Compare("state", "=", "live")))
        try:
            token = transaction_token("child", new_token())
            retry_busy(lambda: ports.table.transact(writes, token=token), attempts=_TRIES)  # noqa: B023 - at once
        except TransactionCancelled:
            _log.info("the source is gone", extra={"dataset_id": dataset.dataset_id})
