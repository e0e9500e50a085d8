"""The commit lease and the build lease of a dataset: both in HEAD. Safety comes from the fence, not the clock."""

from contextlib import AbstractContextManager

from shoal.errors import ConditionFailed
from shoal.model.datasets import Head
from shoal.model.limits import BUILD_LEASE_SECONDS, LEASE_SECONDS
from shoal.services import lease_items
from shoal.services.heads import parse_head
from shoal.services.lease_items import Lease, Leasing
from shoal.services.retry import retry_busy
from shoal.storage.keys import DatasetKeys
from shoal.storage.ports import Absent, AllOf, AnyOf, Assign, Compare, Drop, Ports, UpdateItem

__all__ = [
    "Lease",
    "acquire",
    "acquire_build",
    "ask_for",
    "build_lease",
    "kept",
    "release",
    "release_build",
    "renew_build",
]

_RENEW_EVERY_SECONDS = LEASE_SECONDS / 8
_WANTED_SECONDS = 2.0
_WANTED = "lease_wanted_until"
_LEASING = Leasing(LEASE_SECONDS, _WANTED, requires=(Compare("state", "=", "live"),))


def acquire(ports: Ports, keys: DatasetKeys, *, owner: str, for_build: bool = False) -> Lease | None:
    """Take the commit lease; None while somebody else holds it, or when the dataset is not live.

    `owner` must be new for each call: it is how an attempt whose answer was lost is recognised. What a builder
    has asked for with `ask_for` is free to builders only.
    """
    return _LEASING.acquire(ports, keys.head, owner=owner, has_asked=for_build)


def ask_for(ports: Ports, keys: DatasetKeys) -> float:
    """Keep the commit lease from all but builders once it is free; until when.

    While writes never stop there is always a committer that is quicker. Those that are refused leave their
    wake-ups to the builder, which has to send one of its own.
    """
    until = ports.clock() + _WANTED_SECONDS
    live = Compare("state", "=", "live")
    try:
        retry_busy(lambda: ports.table.update(keys.head, [Assign(_WANTED, until)], condition=live))
    except ConditionFailed:
        return 0.0
    return until


def kept(
    ports: Ports, keys: DatasetKeys, lease: Lease, *, every: float = _RENEW_EVERY_SECONDS
) -> AbstractContextManager[None]:
    """Renew the commit lease in the background while the block runs.

    Without it, a commit that takes longer than the lease would be overtaken by one that takes as long, and that
    by the next: safe, but without end. What dies with its process is not renewed.
    """
    return lease_items.renewed(lambda: _LEASING.renew(ports, keys.head, lease), every=every, name="lease")


def release(ports: Ports, keys: DatasetKeys, lease: Lease) -> None:
    """Give the commit lease back; nothing happens when it has been taken over."""
    lease_items.release(ports, keys.head, lease)


def build_lease(
    keys: DatasetKeys, *, owner: str, read: Head, inputs: tuple[str, ...], now: float
) -> UpdateItem:
    """What takes the build lease for shards of the manifest in `read`, which then will not be folded away.

    It fails while a build is running, or when HEAD has moved on since it was read.
    """
    free_or_expired = AnyOf((Absent("build_owner"), Compare("build_until", "<", now)))
    condition = AllOf((Compare("state", "=", "live"), Compare("version", "=", read.version), free_or_expired))
    actions = (
        Assign("build_owner", owner),
        Assign("build_until", now + BUILD_LEASE_SECONDS),
        Assign("build_inputs", list(inputs)),
    )
    return UpdateItem(keys.head, actions, condition=condition)


def acquire_build(
    ports: Ports, keys: DatasetKeys, *, owner: str, read: Head, inputs: tuple[str, ...]
) -> Head | None:
    """Take the build lease; None where `build_lease` fails."""
    taken = build_lease(keys, owner=owner, read=read, inputs=inputs, now=ports.clock())
    try:
        return parse_head(
            retry_busy(lambda: ports.table.update(taken.key, taken.actions, condition=taken.condition))
        )
    except ConditionFailed as lost:
        ours = lost.item is not None and lost.item.get("build_owner") == owner
        return parse_head(lost.item) if ours and lost.item is not None else None


def renew_build(ports: Ports, keys: DatasetKeys, *, owner: str) -> Head | None:
    """Keep the build lease for as long again; None where it is not `owner`'s any more, or the dataset is gone."""
    still_ours = AllOf((Compare("state", "=", "live"), Compare("build_owner", "=", owner)))
    until = Assign("build_until", ports.clock() + BUILD_LEASE_SECONDS)
    try:
        return parse_head(retry_busy(lambda: ports.table.update(keys.head, [until], condition=still_ours)))
    except ConditionFailed:
        return None


def release_build(ports: Ports, keys: DatasetKeys, *, owner: str) -> None:
    """Give the build lease back; nothing happens when it has been taken over or ended by its commit."""
    actions = [Drop("build_owner"), Drop("build_until"), Drop("build_inputs")]
    still_ours = Compare("build_owner", "=", owner)
    try:
        retry_busy(lambda: ports.table.update(keys.head, actions, condition=still_ours))
    except ConditionFailed:
        return
