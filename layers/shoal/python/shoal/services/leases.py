"""The commit lease and the build lease of a dataset: both in HEAD. Safety comes from the fence, not the clock."""

from dataclasses import dataclass

from shoal.errors import ConditionFailed
from shoal.model.datasets import Head
from shoal.model.limits import BUILD_LEASE_SECONDS, LEASE_SECONDS
from shoal.services.heads import parse_head
from shoal.services.retry import retry_busy
from shoal.storage.keys import DatasetKeys
from shoal.storage.ports import Absent, Action, Add, AllOf, AnyOf, Assign, Compare, Drop, Ports


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to commit: a swap is refused once another fence has been handed out. `until` is advisory."""

    owner: str
    fence: int
    until: float


def acquire(ports: Ports, keys: DatasetKeys, *, owner: str) -> Lease | None:
    """Take the commit lease; None while somebody else holds it, or when the dataset is not live.

    `owner` must be new for each call: it is how an attempt whose answer was lost is recognised.
    """
    now = ports.clock()
    until = now + LEASE_SECONDS
    free_or_expired = AnyOf((Absent("lease_owner"), Compare("lease_until", "<", now)))
    condition = AllOf((Compare("state", "=", "live"), free_or_expired))
    actions: list[Action] = [Assign("lease_owner", owner), Assign("lease_until", until), Add("fence", 1)]
    try:
        item = retry_busy(lambda: ports.table.update(keys.head, actions, condition=condition))
    except ConditionFailed as lost:
        if lost.item is None or lost.item.get("lease_owner") != owner:
            return None
        item = lost.item
    return Lease(owner, int(item["fence"]), until)


def release(ports: Ports, keys: DatasetKeys, lease: Lease) -> None:
    """Give the commit lease back; nothing happens when it has been taken over."""
    still_ours = AllOf((Compare("lease_owner", "=", lease.owner), Compare("fence", "=", lease.fence)))
    try:
        retry_busy(
            lambda: ports.table.update(
                keys.head, [Drop("lease_owner"), Drop("lease_until")], condition=still_ours
            )
        )
    except ConditionFailed:
        return


def acquire_build(
    ports: Ports, keys: DatasetKeys, *, owner: str, read: Head, inputs: tuple[str, ...]
) -> Head | None:
    """Take the build lease for the shards of the manifest in `read`, which then will not be folded away.

    None when a build is running, or when HEAD has moved on since it was read.
    """
    now = ports.clock()
    free_or_expired = AnyOf((Absent("build_owner"), Compare("build_until", "<", now)))
    condition = AllOf((Compare("state", "=", "live"), Compare("version", "=", read.version), free_or_expired))
    actions = [
        Assign("build_owner", owner),
        Assign("build_until", now + BUILD_LEASE_SECONDS),
        Assign("build_inputs", list(inputs)),
    ]
    try:
        return parse_head(retry_busy(lambda: ports.table.update(keys.head, actions, condition=condition)))
    except ConditionFailed as lost:
        ours = lost.item is not None and lost.item.get("build_owner") == owner
        return parse_head(lost.item) if ours and lost.item is not None else None


def release_build(ports: Ports, keys: DatasetKeys, *, owner: str) -> None:
    """Give the build lease back; nothing happens when it has been taken over or ended by its commit."""
    actions = [Drop("build_owner"), Drop("build_until"), Drop("build_inputs")]
    still_ours = Compare("build_owner", "=", owner)
    try:
        retry_busy(lambda: ports.table.update(keys.head, actions, condition=still_ours))
    except ConditionFailed:
        return
