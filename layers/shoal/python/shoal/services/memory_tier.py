"""The first tier of a container's cache: values in memory, bounded by what they weigh."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

from shoal.index.checksums import Buffer

_ENTRY_BYTES = 1024
"""What an entry takes beside its value: name, what it was loaded by, the value's own objects."""


@dataclass(frozen=True, slots=True)
class Held:
    """A value, what it weighs in bytes, and the stored bytes that it lies on, where it keeps them anyway."""

    value: Any
    weight: int
    data: Buffer | None


class MemoryTier:
    """Values by name; the least recently used goes first. Safe to use from several threads."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: OrderedDict[str, Held] = OrderedDict()
        self._weight = 0
        self._lock = Lock()

    @property
    def weight(self) -> int:
        """Bytes that all values take."""
        with self._lock:
            return self._weight

    def get(self, names: Sequence[str], default: Any) -> list[Any]:
        """The values of these names, or `default`; each becomes the most recently used."""
        found = []
        with self._lock:
            for name in names:
                held = self._held.get(name)
                if held is not None:
                    self._held.move_to_end(name)
                found.append(default if held is None else held.value)
        return found

    def put(
        self, name: str, value: Any, *, weight: int, data: Buffer | None = None
    ) -> list[tuple[str, Buffer]]:
        """Keep a value; names and bytes of those that had to go, as far as they kept their bytes."""
        evicted = []
        held = Held(value, weight + _ENTRY_BYTES, data)
        with self._lock:
            replaced = self._held.pop(name, None)
            self._weight += held.weight - (replaced.weight if replaced else 0)
            self._held[name] = held
            # The newest stays even when it alone is over the bound: the request at hand needs it.
            while self._weight > self._limit and len(self._held) > 1:
                gone, entry = self._held.popitem(last=False)
                self._weight -= entry.weight
                if entry.data is not None:
                    evicted.append((gone, entry.data))
        return evicted
