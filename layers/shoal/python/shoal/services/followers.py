"""Datasets that are kept in step with another one, as that other one knows them.

Each is an item beside its source (`CHILD#...`), also where it only was derived once. HEAD of a source says that it
is followed, so that who commits need not look; and followers are listed, so that the sweep finds those that were
left behind.
"""

import logging
from dataclasses import dataclass
from enum import StrEnum

from shoal.errors import ConditionFailed, ShoalError
from shoal.model.datasets import Head
from shoal.services.heads import read_head
from shoal.services.listed import look_after_listed
from shoal.services.name_items import visible
from shoal.services.paging import every_item
from shoal.services.retry import retry_busy
from shoal.services.wake import send
from shoal.storage.keys import CHILD_PREFIX, FOLLOWS, DatasetKeys, TenantKeys
from shoal.storage.ports import Assign, Compare, Exists, Item, Key, Ports, PutItem, UpdateItem, Write

_log = logging.getLogger(__name__)
_BUDGET_SECONDS = 10.0


class ChildKind(StrEnum):
    """How a dataset is derived from another one."""

    DERIVED = "derived"
    """By a filter: rows of the same records (`services.derived`)."""
    CONTENT = "content"
    """By a filter, a projection and an embedding model (`services.content`)."""


@dataclass(frozen=True, slots=True)
class Child:
    """A dataset that is derived from another one. `synced_version` is the version of the source that a follower
    holds all of; 0 before the first.
    """

    dataset_id: str
    kind: ChildKind
    scope: str
    name: str
    follows: bool
    synced_version: int = 0


def child_writes(source: DatasetKeys, child: Child) -> list[Write]:
    """What tells a live dataset of one derived from it; one that follows it from now on is woken for."""
    key = source.child(child.dataset_id)
    item: Item = {
        "pk": key.pk,
        "sk": key.sk,
        "dataset_id": child.dataset_id,
        "kind": child.kind.value,
        "scope": child.scope,
        "name": child.name,
        "follows": child.follows,
        "synced_version": child.synced_version,
        **({"gsi1pk": FOLLOWS, "gsi1sk": f"{key.pk}#{child.dataset_id}"} if child.follows else {}),
    }
    writes: list[Write] = [PutItem(item)]
    if child.follows:
        live = Compare("state", "=", "live")
        writes.append(UpdateItem(source.head, (Assign("followed", True),), condition=live))
    return writes


def children_of(ports: Ports, source: DatasetKeys) -> list[Child]:
    """All that were derived from a dataset and are still told of."""
    return [_parse(item) for item in every_item(ports, source.partition, prefix=CHILD_PREFIX)]


def visible_children(ports: Ports, source: DatasetKeys) -> list[Child]:
    """Those derived from a dataset that are still there and to be seen, by the name that each was given."""
    children = children_of(ports, source)
    names = {
        child.dataset_id: TenantKeys(source.tenant_id).name(child.scope, child.name) for child in children
    }
    found = retry_busy(lambda: ports.table.batch_get(list(names.values())))
    there = {(item["sk"], item["dataset_id"]) for item in found if visible(item)}
    return [child for child in children if (names[child.dataset_id].sk, child.dataset_id) in there]


def say_synced(ports: Ports, source: DatasetKeys, dataset_id: str, *, version: int) -> None:
    """Say which version of its source a follower holds now; nothing happens where it is forgotten."""
    try:
        retry_busy(
            lambda: ports.table.update(
                source.child(dataset_id), [Assign("synced_version", version)], condition=Exists("pk")
            )
        )
    except ConditionFailed:
        _log.info("a follower is gone", extra={"dataset_id": dataset_id})


def forget_child(ports: Ports, source: DatasetKeys, dataset_id: str) -> None:
    """Forget one: it is deleted."""
    retry_busy(lambda: ports.table.delete(source.child(dataset_id)))


def wake_followers(ports: Ports, keys: DatasetKeys, *, delay_seconds: int = 0) -> None:
    """Ask for the followers of a dataset to be brought up to it.

    Raises:
        StorageBusy: throttled or unavailable.
    """
    send(ports.tasks, keys, delay_seconds=delay_seconds)


def try_to_wake_followers(ports: Ports, keys: DatasetKeys, head: Head) -> None:
    """As `wake_followers`, where there are any; that the message could not be sent is only logged."""
    if not head.followed:
        return
    try:
        wake_followers(ports, keys)
    except ShoalError:
        _log.warning("followers not woken", extra={"dataset_id": keys.dataset_id})


def reconcile_followers(ports: Ports) -> int:
    """Wake for the followers that were left behind; for how many.

    One that cannot be looked at is logged, and holds up none of the others.
    """
    return look_after_listed(
        ports, FOLLOWS, lambda key: _look_after(ports, key), budget_seconds=_BUDGET_SECONDS
    )


def _look_after(ports: Ports, key: Key) -> bool:
    _, tenant_id, dataset_id = key.pk.split("#")
    source = DatasetKeys(tenant_id, dataset_id)
    item = retry_busy(lambda: ports.table.get(key))
    if item is None or "gsi1pk" not in item:
        return False
    head = read_head(ports, source)
    if head is not None and head.live and head.version <= int(item["synced_version"]):
        return False
    wake_followers(ports, source)
    return True


def _parse(item: Item) -> Child:
    return Child(
        dataset_id=str(item["dataset_id"]),
        kind=ChildKind(item["kind"]),
        scope=str(item["scope"]),
        name=str(item["name"]),
        follows=bool(item["follows"]),
        synced_version=int(item["synced_version"]),
    )
