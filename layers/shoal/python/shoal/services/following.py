"""Bringing all that follows a dataset up to its newest version."""

import logging

from shoal.errors import NotFound, ShoalError
from shoal.model.datasets import Dataset, Head
from shoal.services.derived.keeping_up import keep_up
from shoal.services.embedding import Embedder
from shoal.services.followers import (
    Child,
    ChildKind,
    children_of,
    forget_child,
    say_synced,
    wake_followers,
)
from shoal.services.heads import parse_meta, read_head
from shoal.services.parts import PartReader
from shoal.services.retry import retry_busy
from shoal.storage.keys import DatasetKeys
from shoal.storage.ports import Ports

_log = logging.getLogger(__name__)


def follow(
    ports: Ports,
    embedder: Embedder,
    reader: PartReader,
    tenant_id: str,
    dataset_id: str,
    *,
    owner: str,
    budget_seconds: float,
) -> None:
    """Bring the followers of a dataset up to it.

    Safe to call at any time, from any number of processes. One that cannot be brought up holds up none of the
    others; what is left of the time's end is woken for again. Of one that is gone, or whose source is, nothing is
    remembered here any more.

    Args:
        ports: where the dataset is.
        embedder: the models that content indexes are made with.
        reader: the container's cache of parts.
        tenant_id: the dataset's tenant.
        dataset_id: the dataset that others follow.
        owner: a name for the log lines.
        budget_seconds: after this long the rest is left to a new wake-up.

    Raises:
        ShoalError: one could not be brought up, and the wake-up should be delivered again.
    """
    keys = DatasetKeys(tenant_id, dataset_id)
    deadline = ports.clock() + budget_seconds
    meta = retry_busy(lambda: ports.table.get(keys.meta))
    head = read_head(ports, keys)
    children = children_of(ports, keys)
    if meta is None or head is None or not head.live:
        for child in children:
            forget_child(ports, keys, child.dataset_id)
        return
    failure: ShoalError | None = None
    for child in children:
        if not child.follows or child.synced_version >= head.version:
            continue
        left = deadline - ports.clock()
        if left <= 0:
            wake_followers(ports, keys)
            return
        try:
            in_step = _bring_up(ports, embedder, reader, parse_meta(meta), head, child, owner, left)
        except NotFound:
            forget_child(ports, keys, child.dataset_id)
            continue
        except ShoalError as error:
            _log.warning(
                "a follower was not brought up", extra={"dataset_id": child.dataset_id, "reason": str(error)}
            )
            failure = error
            continue
        if in_step:
            say_synced(ports, keys, child.dataset_id, version=head.version)
    if failure is not None:
        raise failure


def _bring_up(
    ports: Ports,
    embedder: Embedder,
    reader: PartReader,
    source: Dataset,
    head: Head,
    child: Child,
    owner: str,
    budget_seconds: float,
) -> bool:
    match child.kind:
        case ChildKind.DERIVED:
            return keep_up(ports, reader, source.tenant_id, child.dataset_id, head)
        case ChildKind.CONTENT:
            # Models are looked up there, and most deployments have no content indexes.
            from shoal.services.content.following import follow_content

            return follow_content(
                ports, embedder, reader, source, head, child, owner=owner, budget_seconds=budget_seconds
            )
