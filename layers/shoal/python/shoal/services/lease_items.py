"""Leases in items of the table: an owner, a fence that rises with each, and a time after which others may take it.

Safety comes from the fence, which writes are conditional on; the clock only says how long to wait for the dead.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread

from shoal.errors import ConditionFailed, ShoalError
from shoal.services.retry import retry_busy
from shoal.storage.ports import (
    Absent,
    Action,
    Add,
    AllOf,
    AnyOf,
    Assign,
    Compare,
    Condition,
    Drop,
    Key,
    Ports,
)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to go on: writes are refused once another fence has been handed out. `until` is advisory."""

    owner: str
    fence: int
    until: float


@dataclass(frozen=True, slots=True)
class Leasing:
    """How one kind of item is leased: for how many seconds, under the attribute `wanted` that keeps it for who has
    asked for it, and only where `requires` holds.
    """

    seconds: float
    wanted: str
    requires: tuple[Condition, ...] = ()

    def acquire(self, ports: Ports, key: Key, *, owner: str, has_asked: bool) -> Lease | None:
        """Take the lease; None while somebody else holds it, or where it may not be had.

        `owner` must be new for each call: it is how an attempt whose answer was lost is recognised. What was asked
        for is free to those only who say `has_asked`.
        """
        now = ports.clock()
        until = now + self.seconds
        free_or_expired = AnyOf((Absent("lease_owner"), Compare("lease_until", "<", now)))
        conditions: list[Condition] = [*self.requires, free_or_expired]
        actions: list[Action] = [
            Assign("lease_owner", owner),
            Assign("lease_until", until),
            Add("fence", 1),
        ]
        if has_asked:
            actions.append(Drop(self.wanted))
        else:
            conditions.append(AnyOf((Absent(self.wanted), Compare(self.wanted, "<", now))))
        condition = AllOf(tuple(conditions))
        try:
            item = retry_busy(lambda: ports.table.update(key, actions, condition=condition))
        except ConditionFailed as lost:
            if lost.item is None or lost.item.get("lease_owner") != owner:
                return None
            item = lost.item
        return Lease(owner, int(item["fence"]), until)

    def renew(self, ports: Ports, key: Key, lease: Lease) -> bool:
        """Keep the lease for as long again; whether it is still ours."""
        until = Assign("lease_until", ports.clock() + self.seconds)
        try:
            retry_busy(lambda: ports.table.update(key, [until], condition=_ours(lease)))
        except ShoalError:
            return False
        return True


def release(ports: Ports, key: Key, lease: Lease) -> None:
    """Give the lease back; nothing happens when it has been taken over."""
    actions = [Drop("lease_owner"), Drop("lease_until")]
    try:
        retry_busy(lambda: ports.table.update(key, actions, condition=_ours(lease)))
    except ConditionFailed:
        return


@contextmanager
def renewed(renew: Callable[[], bool], *, every: float, name: str) -> Iterator[None]:
    """Renew in the background, in a thread of that name, while the block runs and so long as it succeeds."""
    done = Event()

    def again() -> None:
        while not done.wait(every) and renew():
            pass

    thread = Thread(target=again, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _ours(lease: Lease) -> Condition:
    return AllOf((Compare("lease_owner", "=", lease.owner), Compare("fence", "=", lease.fence)))
