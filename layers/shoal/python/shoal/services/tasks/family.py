"""What a family of collections is at: how far its line is done, by whom, and which reindexes are under way.

One item. Whoever does the line holds its lease, and names the fence and the version in every transaction that
writes to a collection: so nothing is written by who was taken for dead, nor without regard to a reindex that has
begun or ended meanwhile. Accepting a task does not touch the item.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

from shoal.services import lease_items
from shoal.services.lease_items import Lease, Leasing
from shoal.services.retry import retry_busy
from shoal.storage.keys import TASKS, FamilyKeys
from shoal.storage.ports import (
    Absent,
    Action,
    AllOf,
    AnyOf,
    Assign,
    CheckItem,
    Compare,
    Condition,
    Drop,
    Item,
    Ports,
    UpdateItem,
)

LEASE_SECONDS = 20.0
"""How long a line waits for a worker that died. One that lives renews its lease long before."""
WANTED_SECONDS = 20.0
_RENEW_EVERY_SECONDS = LEASE_SECONDS / 8
_WANTED = "wanted_until"
_LEASING = Leasing(LEASE_SECONDS, _WANTED)


@dataclass(frozen=True, slots=True)
class Pair:
    """A reindex under way: what is written to the dataset `source` is written to `dest` as well (dataset ids)."""

    task_id: str
    import_id: str
    source: str
    dest: str


@dataclass(frozen=True, slots=True)
class Mirror:
    """What is left of a reindex that is deployed: tasks up to the place `last` were accepted before that, and what
    they write to the dataset `source` is written to `dest` as well (dataset ids).
    """

    source: str
    dest: str
    last: int


@dataclass(frozen=True, slots=True)
class FamilyState:
    """A family as read once.

    Places of the line up to `done` are dealt with, `bytes_done` are those of their bodies. `version` rises
    whenever `reindexes` or `waiting` (task ids of reindexes that wait for another to end) change.
    """

    fence: int = 0
    version: int = 0
    done: int = 0
    bytes_done: int = 0
    reindexes: tuple[Pair, ...] = ()
    mirrors: tuple[Mirror, ...] = ()
    waiting: tuple[str, ...] = ()
    lease_owner: str | None = None
    lease_until: float = 0.0
    wanted_until: float = 0.0

    @property
    def copies(self) -> tuple[Pair | Mirror, ...]:
        """What is written to their sources is written to their destinations, up to `same_until`."""
        return (*self.reindexes, *(mirror for mirror in self.mirrors if mirror.last > self.done))

    @property
    def same_until(self) -> int | None:
        """The last place of the line for which `copies` are as they are now; None: for all."""
        return min((mirror.last for mirror in self.mirrors if mirror.last > self.done), default=None)

    def targets(self, dataset_id: str) -> list[str]:
        """Where a write to a dataset must go: there, and to where it is being, or was just, reindexed."""
        found = [dataset_id, *(copy.dest for copy in self.copies if copy.source == dataset_id)]
        return list(dict.fromkeys(found))

    def pair_of(self, dataset_id: str) -> Pair | None:
        """The reindex that reads or makes a dataset; None where there is none."""
        both = (pair for pair in self.reindexes if dataset_id in (pair.source, pair.dest))
        return next(both, None)


def read_family(ports: Ports, keys: FamilyKeys) -> FamilyState:
    """The family as it is now."""
    return parse_family(retry_busy(lambda: ports.table.get(keys.state)))


def parse_family(item: Item | None) -> FamilyState:
    """The family as stored; None is one of which nothing was ever stored."""
    found = item or {}
    return FamilyState(
        fence=int(found.get("fence", 0)),
        version=int(found.get("version", 0)),
        done=int(found.get("done", 0)),
        bytes_done=int(found.get("bytes_done", 0)),
        reindexes=tuple(_parse_pair(pair) for pair in found.get("reindexes", ())),
        mirrors=tuple(
            Mirror(mirror["source"], mirror["dest"], int(mirror["last"]))
            for mirror in found.get("mirrors", ())
        ),
        waiting=tuple(str(task_id) for task_id in found.get("waiting", ())),
        lease_owner=found.get("lease_owner"),
        lease_until=float(found.get("lease_until", 0)),
        wanted_until=float(found.get("wanted_until", 0)),
    )


def _parse_pair(stored: Mapping[str, Any]) -> Pair:
    return Pair(stored["task_id"], stored["import_id"], stored["source"], stored["dest"])


def _stored_pair(pair: Pair) -> dict[str, str]:
    return {
        "task_id": pair.task_id,
        "import_id": pair.import_id,
        "source": pair.source,
        "dest": pair.dest,
    }


# --- the lease ---------------------------------------------------------------------------------------------


def acquire(ports: Ports, keys: FamilyKeys, *, owner: str, wanted: bool = False) -> Lease | None:
    """Take the lease; None while somebody else holds it.

    `owner` must be new for each call: it is how an attempt whose answer was lost is recognised. What was asked for
    with `ask_for` is free to those only who say `wanted`.
    """
    return _LEASING.acquire(ports, keys.state, owner=owner, has_asked=wanted)


def ask_for(ports: Ports, keys: FamilyKeys) -> float:
    """Keep the lease from all who do not say `wanted`, once it is free; until when.

    A worker gives it back at its next batch. Those that are refused leave their wake-ups to who asked, who has to
    send one when it is done.
    """
    until = ports.clock() + WANTED_SECONDS
    retry_busy(lambda: ports.table.update(keys.state, [Assign(_WANTED, until)]))
    return until


def kept(
    ports: Ports, keys: FamilyKeys, lease: Lease, *, every: float = _RENEW_EVERY_SECONDS
) -> AbstractContextManager[None]:
    """Renew the lease in the background while the block runs. What dies with its process is not renewed."""
    return lease_items.renewed(lambda: _LEASING.renew(ports, keys.state, lease), every=every, name="line")


def release(ports: Ports, keys: FamilyKeys, lease: Lease) -> None:
    """Give the lease back; nothing happens when it has been taken over."""
    lease_items.release(ports, keys.state, lease)


# --- what transactions say of it ---------------------------------------------------------------------------


def unchanged(keys: FamilyKeys, lease: Lease, state: FamilyState) -> CheckItem:
    """That the lease is still ours, and that no reindex has begun or ended since `state` was read."""
    still_ours = Compare("fence", "=", lease.fence)
    return CheckItem(keys.state, AllOf((still_ours, same_version(state))))


def with_pair(keys: FamilyKeys, state: FamilyState, pair: Pair) -> UpdateItem:
    """What begins a reindex; it waits no more. Fails where the version is not as read."""
    reindexes = (*(known for known in state.reindexes if known.task_id != pair.task_id), pair)
    return _changed(keys, state, reindexes, _without(state.waiting, pair.task_id))


def without_pair(
    keys: FamilyKeys, state: FamilyState, task_id: str, *, mirrored_until: int = 0
) -> UpdateItem:
    """What ends a reindex. Fails where the version is not as read.

    What tasks up to the place `mirrored_until` write to its source still goes to its destination, too.
    """
    ended = [pair for pair in state.reindexes if pair.task_id == task_id]
    mirrors = [
        *(mirror for mirror in state.mirrors if mirror.last > state.done),
        *(Mirror(pair.source, pair.dest, mirrored_until) for pair in ended if mirrored_until > state.done),
    ]
    reindexes = tuple(pair for pair in state.reindexes if pair.task_id != task_id)
    changed = _changed(keys, state, reindexes, state.waiting)
    stored = [{"source": one.source, "dest": one.dest, "last": one.last} for one in mirrors]
    return replace(changed, actions=(*changed.actions, Assign("mirrors", stored)))


def with_waiting(keys: FamilyKeys, state: FamilyState, task_id: str) -> UpdateItem:
    """What has a reindex wait behind those that wait already. Fails where the version is not as read."""
    return _changed(keys, state, state.reindexes, (*_without(state.waiting, task_id), task_id))


def without_waiting(keys: FamilyKeys, state: FamilyState, task_id: str) -> UpdateItem:
    """What has a reindex wait no more. Fails where the version is not as read."""
    return _changed(keys, state, state.reindexes, _without(state.waiting, task_id))


def _without(waiting: tuple[str, ...], task_id: str) -> tuple[str, ...]:
    return tuple(known for known in waiting if known != task_id)


def _changed(
    keys: FamilyKeys, state: FamilyState, reindexes: tuple[Pair, ...], waiting: tuple[str, ...]
) -> UpdateItem:
    """A family that has anything under way is listed for the sweep, beside the counters of lines."""
    listed: tuple[Action, ...] = (Drop("gsi1pk"), Drop("gsi1sk"))
    if reindexes or waiting:
        listed = (Assign("gsi1pk", TASKS), Assign("gsi1sk", f"{keys.state.pk}#{keys.family}#reindex"))
    actions: tuple[Action, ...] = (
        Assign("version", state.version + 1),
        Assign("reindexes", [_stored_pair(pair) for pair in reindexes]),
        Assign("waiting", list(waiting)),
        *listed,
    )
    return UpdateItem(keys.state, actions, condition=same_version(state))


def same_version(state: FamilyState) -> Condition:
    """That no reindex has begun or ended since `state` was read."""
    as_read = Compare("version", "=", state.version)
    return as_read if state.version else AnyOf((Absent("version"), as_read))
