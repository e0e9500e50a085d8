"""Reading immutable objects and pieces of them: in parallel, verified before anything is parsed, kept by name.

What was read stays in memory; what memory has no room for goes to the container's disk, as far as its bytes were
kept, and is verified again when it comes back.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from functools import partial
from typing import Any

from shoal.errors import CorruptObject
from shoal.services.bytes_reader import RANGE_BYTES, THREADS, BytesReader
from shoal.services.disk_tier import DiskTier
from shoal.services.loadable import Loadable, Part, Piece
from shoal.services.memory_tier import MemoryTier
from shoal.services.parallel import in_parallel
from shoal.services.query_trace import Trace
from shoal.services.ranges import neighbours
from shoal.storage.ports import ObjectStore

GAP_BYTES = 64 * 1024
"""Bytes between two pieces that are read along to save a request: 1 ms of a connection; a request takes 20."""
_ABSENT: Any = object()

logger = logging.getLogger(__name__)


class PartReader:
    """Loads parts through two tiers of cache, each bounded in bytes; the least recently used goes first.

    One in each container. Safe to use from several threads; two that miss the same part both load it.
    """

    def __init__(self, objects: ObjectStore, *, cache_bytes: int, disk: DiskTier | None = None) -> None:
        self._bytes = BytesReader(objects)
        self.memory = MemoryTier(cache_bytes)
        self.disk = disk or DiskTier(0)
        self._total = Trace()
        self._trace: Trace | None = None

    def traced(self, trace: Trace) -> "PartReader":
        """The same reader, over the same cache; what is read through it counts in `trace` too."""
        view = copy(self)
        view._trace = trace  # noqa: SLF001 - one of us
        return view

    @property
    def bytes_read(self) -> int:
        """What came from storage since the start."""
        return self._total.storage_bytes

    def load[T](self, part: Part[T] | Piece[T]) -> T:
        """One part.

        Raises:
            CorruptObject: the bytes are missing, or not those that were named.
        """
        (value,) = self.load_all([part])
        return value  # type: ignore[no-any-return] # one name always holds one type

    def load_all(self, parts: Sequence[Loadable]) -> list[Any]:
        """Several parts, those that are missing in parallel; in the order asked for.

        Pieces that lie close together in one object come with one request.

        Raises:
            CorruptObject: bytes are missing, or not those that were named.
        """
        names = [part.name for part in parts]
        values = self.memory.get(names, _ABSENT)
        missing = {
            name: part for name, part, value in zip(names, parts, values, strict=True) if value is _ABSENT
        }
        if len(missing) < len(parts) and self._trace:
            self._trace.found_in_memory(len(parts) - len(missing))
        if not missing:
            return values
        tasks = self._tasks(missing.values())
        # Their own reads may be split into ranges on the reader's threads, so parts are loaded from a second pool:
        # a task never waits for a thread of its own pool.
        loaded = in_parallel(lambda task: task(), tasks, threads=THREADS)
        found = {name: value for some in loaded for name, value in some.items()}
        return [found[name] if value is _ABSENT else value for name, value in zip(names, values, strict=True)]

    def _tasks(self, missing: Iterable[Loadable]) -> list[Callable[[], dict[str, Any]]]:
        """What to load together: whole objects, and what is on disk, one by one; pieces by neighbours."""
        tasks: list[Callable[[], dict[str, Any]]] = []
        pieces: dict[str, list[Piece[Any]]] = {}
        for part in missing:
            if isinstance(part, Part) or self.disk.holds(part.name):
                tasks.append(partial(self._load_one, part))
            else:
                pieces.setdefault(part.key, []).append(part)
        for near in pieces.values():
            places = [(piece.start, piece.stop) for piece in near]
            runs = neighbours(places, gap=GAP_BYTES, longest=RANGE_BYTES)
            tasks += [partial(self._load_run, [near[position] for position in run]) for run in runs]
        return tasks

    def _load_one(self, part: Loadable) -> dict[str, Any]:
        value = self._from_disk(part)
        if value is _ABSENT:
            if isinstance(part, Piece):
                data = self.read(part.key, byte_range=(part.start, part.stop))
            else:
                data = self.read(part.key, size=part.size)
            value = self._accept(part, data)
        return {part.name: value}

    def _load_run(self, pieces: list[Piece[Any]]) -> dict[str, Any]:
        """Pieces of one object that lie close together, in rising order."""
        began = pieces[0].start
        run = self.read(pieces[0].key, byte_range=(began, pieces[-1].stop))
        # Slices of bytes are copies: one small piece does not keep the whole run in memory.
        return {
            piece.name: self._accept(piece, run[piece.start - began : piece.stop - began]) for piece in pieces
        }

    def _from_disk(self, part: Loadable) -> Any:
        """The value from the disk tier, verified once more."""
        data = self.disk.get(part.name)
        if data is None:
            return _ABSENT
        try:
            value = part.parse(data)
        except CorruptObject:
            self.disk.forget(part.name)
            logger.warning("a file of the cache was damaged", extra={"object": part.name})
            return _ABSENT  # the object store has the bytes that were named, or is the one to say that it has not
        for trace in self._traces():
            trace.read_disk(len(data))
        self._keep(part, value, data)
        return value

    def _accept(self, part: Loadable, data: bytes) -> Any:
        value = part.parse(data)
        self._keep(part, value, data)
        return value

    def _keep(self, part: Loadable, value: Any, data: bytes) -> None:
        if isinstance(part, Piece):
            self._put(part.name, value, weight=len(data) + part.extra, data=data)
        else:
            weight = part.weight(value) if part.weight else len(data)
            self._put(part.name, value, weight=weight, data=data if part.on_bytes else None)

    def _put(self, name: str, value: Any, *, weight: int, data: bytes | None = None) -> None:
        for evicted, evicted_data in self.memory.put(name, value, weight=weight, data=data):
            self.disk.put(evicted, evicted_data)

    def load_apart[T](self, part: Part[T]) -> T:
        """One part as a value of the caller's own, which it may change: neither from the cache nor into it.

        Raises:
            CorruptObject: the bytes are missing, or not those that were named.
        """
        return part.parse(self.read(part.key, size=part.size))

    def load_range[T](self, key: str, byte_range: tuple[int, int], decode: Callable[[bytes], T]) -> T:
        """Some bytes of an object, cached in memory by their place. `decode` is the one to verify them.

        Raises:
            CorruptObject: there is no such object, or `decode` found the bytes damaged.
        """
        place = f"{key}#{byte_range[0]}"
        (value,) = self.memory.get([place], _ABSENT)
        if value is not _ABSENT:
            return value  # type: ignore[no-any-return] # one place always holds one type
        data = self.read(key, byte_range=byte_range)
        decoded = decode(data)
        self._put(place, decoded, weight=len(data))
        return decoded

    def holds(self, key: str) -> bool:
        """Whether a whole part is in memory."""
        return self.memory.get([key], _ABSENT)[0] is not _ABSENT

    def kept(self, name: str) -> Any:
        """What `made` keeps under a name, or None."""
        (value,) = self.memory.get([name], None)
        return value

    def made[T](self, name: str, make: Callable[[], T], weight: Callable[[T], int]) -> T:
        """A value that is worked out from parts, kept in memory like them; `weight` in bytes."""
        (value,) = self.memory.get([name], _ABSENT)
        if value is _ABSENT:
            value = make()
            self._put(name, value, weight=weight(value))
        return value  # type: ignore[no-any-return] # one name always holds one type

    def remember[T](self, part: Part[T], value: T) -> None:
        """Keep a value that this process has just made."""
        self._put(part.name, value, weight=part.weight(value) if part.weight else part.size or 0)

    def read(self, key: str, *, size: int | None = None, byte_range: tuple[int, int] | None = None) -> bytes:
        """The bytes of an object or a range of it; as `BytesReader.read`, counted. Not verified.

        Raises:
            CorruptObject: there is no such object, though something names it.
        """
        return self._bytes.read(key, size=size, byte_range=byte_range, traces=self._traces())

    def _traces(self) -> tuple[Trace, ...]:
        return (self._total,) if self._trace is None else (self._total, self._trace)
