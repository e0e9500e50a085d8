"""A DynamoDB table in memory: single items, conditions, transactions, pages and the index."""

import threading
from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from shoal.errors import ConditionFailed, TransactionCancelled
from shoal.storage import checks
from shoal.storage.keys import GSI
from shoal.storage.memory.conditions import applied, holds
from shoal.storage.ports import (
    Action,
    Clock,
    Condition,
    DeleteItem,
    Item,
    Key,
    Page,
    PutItem,
    UpdateItem,
    Write,
)
from shoal.storage.values import duplicate, item_size, plain_item

PAGE_BYTES = 1024 * 1024
TOKEN_SECONDS = 600
HISTORY = 1000
"""How many writes `MemoryTable.as_of` can take back."""

type _Place = tuple[str, str, str]
"""Where an item stands in a partition: its sort key there, then its own pk and sk."""


_INDEX_NAMES = ("pk", "sk", "gsi1pk", "gsi1sk")


class MemoryTable:
    """A `Table` in memory. Safe to use from threads; every call is atomic.

    Stored dicts are never changed in place, only replaced, so that history can keep them as they are.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._items: dict[Key, dict[str, Any]] = {}
        self._partitions: dict[tuple[str | None, str], list[_Place]] = {}
        self._history: deque[tuple[Key, dict[str, Any] | None]] = deque(maxlen=HISTORY)
        self._tokens: dict[str, tuple[float, str]] = {}

    def get(self, key: Key, *, consistent: bool = True) -> Item | None:  # noqa: ARG002 - one copy, never behind
        """One item, or None."""
        checks.check_key(key)
        with self._lock:
            return self._copy(key)

    def batch_get(self, keys: Sequence[Key]) -> list[Item]:
        """The items that exist among the keys."""
        for key in keys:
            checks.check_key(key)
        checks.check_distinct(keys)
        with self._lock:
            return [_copied(self._items[key]) for key in keys if key in self._items]

    def put(self, item: Item, *, condition: Condition | None = None) -> None:
        """Store a whole item."""
        new = plain_item(item)
        checks.check_condition(condition)
        key = Key(new["pk"], new["sk"])
        with self._lock:
            self._demand(key, condition)
            self._store(key, new)

    def update(self, key: Key, actions: Sequence[Action], *, condition: Condition | None = None) -> Item:
        """Change attributes and return the new item."""
        checks.check_key(key)
        checks.check_actions(actions)
        checks.check_condition(condition)
        with self._lock:
            self._demand(key, condition)
            new = self._updated(key, actions)
            self._store(key, new)
            return _copied(new)

    def delete(self, key: Key, *, condition: Condition | None = None) -> None:
        """Delete an item; an absent one is fine."""
        checks.check_key(key)
        checks.check_condition(condition)
        with self._lock:
            self._demand(key, condition)
            self._store(key, None)

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
        """Items of one partition in sort-key order."""
        checks.check_query(pk, prefix=prefix, start=start, stop=stop, index=index, limit=limit, after=after)
        with self._lock:
            places = self._partitions.get((index, pk), [])
            first, last = 0, len(places)
            if after is not None:
                read = (after["sk" if index is None else "gsi1sk"], after["pk"], after["sk"])
                if ascending:
                    first = bisect_right(places, read)
                else:
                    last = bisect_left(places, read)
            if start is not None and stop is not None:
                first = max(first, bisect_left(places, (start, "", "")))
                last = min(last, bisect_right(places, stop, key=lambda place: place[0]))
            chosen = places[first:last] if ascending else places[first:last][::-1]
            return self._page([place for place in chosen if place[0].startswith(prefix or "")], index, limit)

    def transact(self, writes: Sequence[Write], *, token: str) -> None:
        """All writes or none."""
        checks.check_transaction(writes, token)
        with self._lock:
            now = self._clock()
            self._tokens = {old: used for old, used in self._tokens.items() if used[0] > now - TOKEN_SECONDS}
            if token in self._tokens:
                if self._tokens[token][1] != repr(tuple(writes)):
                    raise ValueError("a token of another transaction")
                return
            keys = [checks.key_of(write) for write in writes]
            found = [self._items.get(key) for key in keys]
            failed = [not holds(write.condition, item) for write, item in zip(writes, found, strict=True)]
            if any(failed):
                items = [
                    _copied(item) if lost and item else None for lost, item in zip(failed, found, strict=True)
                ]
                raise TransactionCancelled(failed, items)
            changes = [self._changed(write) for write in writes]
            for key, (writing, new) in zip(keys, changes, strict=True):
                if writing:
                    self._store(key, new)
            self._tokens[token] = (now, repr(tuple(writes)))

    def batch_put(self, items: Sequence[Item]) -> None:
        """Store whole items without conditions."""
        new = [plain_item(item) for item in items]
        keys = [Key(item["pk"], item["sk"]) for item in new]
        checks.check_distinct(keys)
        with self._lock:
            for key, item in zip(keys, new, strict=True):
                self._store(key, item)

    # --- for tests -----------------------------------------------------------------------------------------

    def items(self) -> list[Item]:
        """Copies of all items, in key order."""
        with self._lock:
            return [
                _copied(self._items[key]) for key in sorted(self._items, key=lambda key: (key.pk, key.sk))
            ]

    def as_of(self, writes_ago: int) -> "MemoryTable":
        """A table of its own that holds what this one held some writes ago (at most 1,000)."""
        past = MemoryTable(self._clock)
        with self._lock:
            past._items = dict(self._items)
            past._partitions = {name: places.copy() for name, places in self._partitions.items()}
            undone = list(self._history)[len(self._history) - min(writes_ago, len(self._history)) :]
        for key, old in reversed(undone):
            past._store(key, old)
        return past

    # --- inside, with the lock held ------------------------------------------------------------------------

    def _copy(self, key: Key) -> dict[str, Any] | None:
        item = self._items.get(key)
        return None if item is None else _copied(item)

    def _demand(self, key: Key, condition: Condition | None) -> None:
        if not holds(condition, self._items.get(key)):
            raise ConditionFailed(f"condition failed: {key.pk} {key.sk}", self._copy(key))

    def _updated(self, key: Key, actions: Sequence[Action]) -> dict[str, Any]:
        return applied(actions, self._items.get(key) or {"pk": key.pk, "sk": key.sk})

    def _changed(self, write: Write) -> tuple[bool, dict[str, Any] | None]:
        """Whether a write changes its item, and to what."""
        match write:
            case PutItem(item):
                return True, plain_item(item)
            case UpdateItem(key, actions):
                return True, self._updated(key, actions)
            case DeleteItem():
                return True, None
            case _:
                return False, None

    def _store(self, key: Key, new: dict[str, Any] | None) -> None:
        old = self._items.pop(key, None)
        self._history.append((key, old))
        for name, place in _places(old):
            self._partitions[name].remove(place)
        if new is not None:
            self._items[key] = new
            for name, place in _places(new):
                insort(self._partitions.setdefault(name, []), place)

    def _page(self, places: Sequence[_Place], index: str | None, limit: int | None) -> Page:
        found: list[dict[str, Any]] = []
        room = PAGE_BYTES
        for _, pk, sk in places:
            item = self._items[Key(pk, sk)]
            room -= item_size(item)
            if room < 0 or len(found) == limit:
                break
            found.append({name: item[name] for name in _INDEX_NAMES} if index else _copied(item))
        # Like DynamoDB, a page that ends at its limit has a cursor, though nothing may come after it.
        if len(found) == len(places) and len(found) != limit:
            return Page(tuple(found), None)
        names = ("pk", "sk") if index is None else _INDEX_NAMES
        return Page(tuple(found), {name: found[-1][name] for name in names})


def _copied(item: dict[str, Any]) -> dict[str, Any]:
    return {name: duplicate(value) for name, value in item.items()}


def _places(item: dict[str, Any] | None) -> list[tuple[tuple[str | None, str], _Place]]:
    """The partitions that an item stands in: its own, and the index's when it has both index keys."""
    if item is None:
        return []
    own: _Place = (item["sk"], item["pk"], item["sk"])
    places: list[tuple[tuple[str | None, str], _Place]] = [((None, item["pk"]), own)]
    if "gsi1pk" in item and "gsi1sk" in item:
        places.append(((GSI, item["gsi1pk"]), (item["gsi1sk"], item["pk"], item["sk"])))
    return places
