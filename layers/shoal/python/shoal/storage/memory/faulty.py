"""Wrappers that let `Faults` happen to any table, object store or queue."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol, runtime_checkable

from shoal.errors import StorageBusy, StorageError
from shoal.storage.memory.faults import (
    ANY_CALL,
    BATCH,
    MESSAGE,
    STALE_READ,
    WRITE,
    Fault,
    Faults,
    SimulatedCrash,
)
from shoal.storage.messages import MAX_DELAY_SECONDS
from shoal.storage.ports import (
    Action,
    Condition,
    Item,
    Key,
    ObjectHead,
    ObjectStore,
    Page,
    Queue,
    Table,
    Write,
)


@runtime_checkable
class Rewindable(Protocol):
    """A table that can show its past, which stale reads need; `MemoryTable` is one."""

    def as_of(self, writes_ago: int) -> Table:
        """The table as it was some writes ago."""


def happen[Answer](fault: Fault | None, operation: str, effect: Callable[[], Answer]) -> Answer:
    """Run a call with what happens to any call: busy, crash, or a second attempt."""
    if fault is Fault.BUSY_BEFORE:
        raise StorageBusy(f"injected: {operation} was throttled")
    if fault is Fault.CRASH_BEFORE:
        raise SimulatedCrash(f"died before {operation}")
    if fault is Fault.TWICE:
        with suppress(StorageError):  # its answer was lost, an error as much as a success
            effect()
        return effect()
    answer = effect()
    if fault is Fault.BUSY_AFTER:
        raise StorageBusy(f"injected: no answer to {operation}")
    if fault is Fault.CRASH_AFTER:
        raise SimulatedCrash(f"died after {operation}")
    return answer


class FaultyTable:
    """A `Table` that fails as its `Faults` say."""

    def __init__(self, table: Table, faults: Faults) -> None:
        self._table = table
        self._faults = faults

    def get(self, key: Key, *, consistent: bool = True) -> Item | None:
        """One item, or None."""
        rewindable = not consistent and isinstance(self._table, Rewindable)
        fault = self._faults.decide("table.get", _name(key), STALE_READ if rewindable else ANY_CALL)
        source = self._source(fault)
        return happen(fault, "table.get", lambda: source.get(key, consistent=consistent))

    def batch_get(self, keys: Sequence[Key]) -> list[Item]:
        """The items that exist among the keys."""
        fault = self._faults.decide("table.batch_get", f"{len(keys)} keys", ANY_CALL)
        return happen(fault, "table.batch_get", lambda: self._table.batch_get(keys))

    def put(self, item: Item, *, condition: Condition | None = None) -> None:
        """Store a whole item."""
        fault = self._faults.decide("table.put", f"{item.get('pk')} {item.get('sk')}", WRITE)
        happen(fault, "table.put", lambda: self._table.put(item, condition=condition))

    def update(self, key: Key, actions: Sequence[Action], *, condition: Condition | None = None) -> Item:
        """Change attributes and return the new item."""
        fault = self._faults.decide("table.update", _name(key), WRITE)
        return happen(fault, "table.update", lambda: self._table.update(key, actions, condition=condition))

    def delete(self, key: Key, *, condition: Condition | None = None) -> None:
        """Delete an item."""
        fault = self._faults.decide("table.delete", _name(key), WRITE)
        happen(fault, "table.delete", lambda: self._table.delete(key, condition=condition))

    def query(
        self,
        pk: str,
        *,
        prefix: str | None = None,
        start: str | None = None,
        stop: str | None = None,
        index: str | None = None,
        limit: int | None = None,
        ascending: bool = True,
        after: Mapping[str, Any] | None = None,
    ) -> Page:
        """Items of one partition; those of an index may be stale."""
        rewindable = index is not None and isinstance(self._table, Rewindable)
        fault = self._faults.decide(
            "table.query", f"{index or 'table'} {pk}", STALE_READ if rewindable else ANY_CALL
        )
        source = self._source(fault)
        return happen(
            fault,
            "table.query",
            lambda: source.query(
                pk,
                prefix=prefix,
                start=start,
                stop=stop,
                index=index,
                limit=limit,
                ascending=ascending,
                after=after,
            ),
        )

    def transact(self, writes: Sequence[Write], *, token: str) -> None:
        """All writes or none."""
        fault = self._faults.decide("table.transact", f"{len(writes)} writes, token {token}", WRITE)
        happen(fault, "table.transact", lambda: self._table.transact(writes, token=token))

    def batch_put(self, items: Sequence[Item]) -> None:
        """Store whole items; with PARTIAL, only the first half of them."""
        fault = self._faults.decide("table.batch_put", f"{len(items)} items", BATCH)
        if fault is Fault.PARTIAL:
            self._table.batch_put(items[: len(items) // 2])
            raise StorageBusy("injected: items left unprocessed")
        happen(fault, "table.batch_put", lambda: self._table.batch_put(items))

    def _source(self, fault: Fault | None) -> Table:
        if fault is Fault.STALE and isinstance(self._table, Rewindable):
            return self._table.as_of(self._faults.stale_writes)
        return self._table


class FaultyObjects:
    """An `ObjectStore` that fails as its `Faults` say."""

    def __init__(self, objects: ObjectStore, faults: Faults) -> None:
        self._objects = objects
        self._faults = faults

    def put(self, key: str, body: bytes | memoryview, *, if_none_match: bool = False) -> ObjectHead:
        """Store an object."""
        fault = self._faults.decide("objects.put", key, WRITE)
        return happen(fault, "objects.put", lambda: self._objects.put(key, body, if_none_match=if_none_match))

    def get(
        self, key: str, *, byte_range: tuple[int, int] | None = None, version_id: str | None = None
    ) -> bytes:
        """Read an object, or a range of its bytes."""
        fault = self._faults.decide("objects.get", key, ANY_CALL)
        return happen(
            fault,
            "objects.get",
            lambda: self._objects.get(key, byte_range=byte_range, version_id=version_id),
        )

    def head(self, key: str, *, version_id: str | None = None) -> ObjectHead | None:
        """Describe an object."""
        fault = self._faults.decide("objects.head", key, ANY_CALL)
        return happen(fault, "objects.head", lambda: self._objects.head(key, version_id=version_id))

    def put_pieces(self, key: str, pieces: Iterable[bytes]) -> ObjectHead:
        """Store an object given in pieces, which are kept: a second attempt needs them again."""
        fault = self._faults.decide("objects.put_pieces", key, WRITE)
        kept = tuple(pieces)
        return happen(fault, "objects.put_pieces", lambda: self._objects.put_pieces(key, kept))

    def list(self, prefix: str) -> Iterator[ObjectHead]:
        """All objects under a prefix; the call counts when the first is asked for."""
        fault = self._faults.decide("objects.list", prefix, ANY_CALL)
        yield from happen(fault, "objects.list", lambda: self._objects.list(prefix))

    def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; with PARTIAL, only the first half of them."""
        fault = self._faults.decide("objects.delete", f"{len(keys)} keys", BATCH)
        if fault is Fault.PARTIAL:
            self._objects.delete(keys[: len(keys) // 2])
            raise StorageBusy("injected: keys left undeleted")
        happen(fault, "objects.delete", lambda: self._objects.delete(keys))


class FaultyQueue:
    """A `Queue` that fails, loses, repeats and delays as its `Faults` say."""

    def __init__(self, queue: Queue, faults: Faults) -> None:
        self._queue = queue
        self._faults = faults

    def send(self, message: Mapping[str, str], *, group: str, delay_seconds: int = 0) -> None:
        """Send one message."""
        fault = self._faults.decide("queue.send", group, MESSAGE)
        if fault is Fault.LOST:
            return
        delay = delay_seconds
        if fault is Fault.LATE:
            delay = min(delay + self._faults.late_seconds, MAX_DELAY_SECONDS)
        if fault is Fault.DUPLICATE:
            self._queue.send(message, group=group, delay_seconds=delay)
        happen(fault, "queue.send", lambda: self._queue.send(message, group=group, delay_seconds=delay))


def _name(key: Key) -> str:
    return f"{key.pk} {key.sk}"
