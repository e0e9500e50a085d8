"""Reading immutable objects: in parallel, verified before anything is parsed, and kept in memory by key."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import Any

from shoal.errors import CorruptObject, ObjectMissing
from shoal.index.checksums import verify
from shoal.services.retry import retry_busy
from shoal.storage.ports import ObjectStore

RANGE_BYTES = 8 * 1024 * 1024
"""One S3 connection gives about 85 MB/s; ranges of 8-16 MB over several connections add up.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance-guidelines.html
"""
THREADS = 16
_ENTRY_BYTES = 1024
"""What an entry of the cache takes beside its value: key, part, the value's own object."""


@dataclass(frozen=True, slots=True)
class Part[T]:
    """An object to load: what names it, and how its verified bytes become a value.

    `size` is None where only the checksum is known. `weight` is what the value takes in memory, in bytes, for the
    cache; the object's size where there is none.
    """

    key: str
    size: int | None
    sha256: str
    decode: Callable[[bytes], T]
    weight: Callable[[T], int] | None = None


class PartReader:
    """Loads parts through a cache that is bounded in bytes; the least recently used goes first.

    One in each container. Safe to use from several threads; two that miss the same part both load it.
    `bytes_read` counts what came from storage since the start.
    """

    def __init__(self, objects: ObjectStore, *, cache_bytes: int) -> None:
        self._objects = objects
        self._cache_bytes = cache_bytes
        self._cached: OrderedDict[str, tuple[Any, int]] = OrderedDict()
        self._held = 0
        self._lock = Lock()
        self._threads: ThreadPoolExecutor | None = None
        self.bytes_read = 0

    def load[T](self, part: Part[T]) -> T:
        """One part.

        Raises:
            CorruptObject: the bytes are missing, or not those that were named.
        """
        found, value = self._look_up(part.key)
        if found:
            return value  # type: ignore[no-any-return] # one key always holds one type
        fetched, size = self._fetch(part)
        self.remember(part, fetched, default_weight=size)
        return fetched

    def load_apart[T](self, part: Part[T]) -> T:
        """One part as a value of the caller's own, which it may change: neither from the cache nor into it.

        Raises:
            CorruptObject: the bytes are missing, or not those that were named.
        """
        return self._fetch(part)[0]

    def _fetch[T](self, part: Part[T]) -> tuple[T, int]:
        data = self.read(part.key, size=part.size)
        verify(data, sha256=part.sha256, size=len(data) if part.size is None else part.size, name=part.key)
        return part.decode(data), len(data)

    def load_range[T](self, key: str, byte_range: tuple[int, int], decode: Callable[[bytes], T]) -> T:
        """Some bytes of an object, cached by their place. `decode` is the one to verify them.

        Raises:
            CorruptObject: there is no such object, or `decode` found the bytes damaged.
        """
        place = f"{key}#{byte_range[0]}"
        found, value = self._look_up(place)
        if found:
            return value  # type: ignore[no-any-return] # one place always holds one type
        data = self.read(key, byte_range=byte_range)
        decoded = decode(data)
        self.remember(Part(place, len(data), "", decode), decoded)
        return decoded

    def holds(self, key: str) -> bool:
        """Whether a whole part is in memory."""
        return self._look_up(key)[0]

    def load_all(self, parts: Sequence[Part[Any]]) -> list[Any]:
        """Several parts, those that are missing in parallel; in the order asked for."""
        missing = [part for part in parts if not self._look_up(part.key)[0]]
        if len(missing) > 1:
            # Their own reads may be split into ranges on the same threads, so parts are loaded from a second
            # pool: a task never waits for a thread of its own pool.
            with ThreadPoolExecutor(max_workers=min(THREADS, len(missing))) as pool:
                loaded = {
                    part.key: value for part, value in zip(missing, pool.map(self.load, missing), strict=True)
                }
        else:
            loaded = {part.key: self.load(part) for part in missing}
        return [loaded[part.key] if part.key in loaded else self.load(part) for part in parts]

    def read(self, key: str, *, size: int | None = None, byte_range: tuple[int, int] | None = None) -> bytes:
        """The bytes of an object or a range of it; whole large ones by ranges in parallel. Not verified.

        Raises:
            CorruptObject: there is no such object, though something names it.
        """
        try:
            if byte_range is not None:
                data = self._read_range(key, byte_range)
            elif size is None or size <= 2 * RANGE_BYTES:
                data = retry_busy(lambda: self._objects.get(key))
            else:
                starts = range(0, size, RANGE_BYTES)
                ranges = [(start, min(start + RANGE_BYTES, size)) for start in starts]
                data = b"".join(self._pool().map(lambda part: self._read_range(key, part), ranges))
        except ObjectMissing as missing:
            raise CorruptObject(f"{key} is named but missing") from missing
        with self._lock:
            self.bytes_read += len(data)
        return data

    def _read_range(self, key: str, byte_range: tuple[int, int]) -> bytes:
        return retry_busy(lambda: self._objects.get(key, byte_range=byte_range))

    def _pool(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(max_workers=THREADS)
            return self._threads

    def _look_up(self, key: str) -> tuple[bool, Any]:
        with self._lock:
            entry = self._cached.get(key)
            if entry is None:
                return False, None
            self._cached.move_to_end(key)
            return True, entry[0]

    def remember[T](self, part: Part[T], value: T, *, default_weight: int = 0) -> None:
        """Keep a value that this process has just made or loaded."""
        weight = _ENTRY_BYTES + (part.weight(value) if part.weight else part.size or default_weight)
        with self._lock:
            replaced = self._cached.pop(part.key, None)
            self._held += weight - (replaced[1] if replaced else 0)
            self._cached[part.key] = (value, weight)
            # The newest stays even when it alone is over the bound: the request at hand needs it.
            while self._held > self._cache_bytes and len(self._cached) > 1:
                _, (_, freed) = self._cached.popitem(last=False)
                self._held -= freed
