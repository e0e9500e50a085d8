"""A versioned S3 bucket in memory."""

import hashlib
import threading
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from shoal.errors import CorruptObject, ObjectMissing, PreconditionFailed
from shoal.storage.object_checks import check_object_key, check_range
from shoal.storage.ports import Clock, ObjectHead


@dataclass(frozen=True, slots=True)
class _Version:
    """A version of a key; `body` is None for a delete marker."""

    head: ObjectHead
    body: bytes | None


class MemoryObjects:
    """An `ObjectStore` in memory, with versions as a versioned bucket keeps them. Safe to use from threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._versions: dict[str, list[_Version]] = {}
        self._keys: list[str] = []
        self._count = 0

    def put(self, key: str, body: bytes | memoryview, *, if_none_match: bool = False) -> ObjectHead:
        """Store an object."""
        check_object_key(key)
        content = bytes(body)
        with self._lock:
            if if_none_match and self._current(key):
                raise PreconditionFailed(f"already there: {key}")
            return self._add(key, content).head

    def get(
        self, key: str, *, byte_range: tuple[int, int] | None = None, version_id: str | None = None
    ) -> bytes:
        """Read an object, or a range of its bytes (cut where the object ends)."""
        check_range(byte_range)
        version = self._find(key, version_id)
        if version is None or version.body is None:
            raise ObjectMissing(f"no object: {key}")
        if byte_range is None:
            return version.body
        start, stop = byte_range
        if start >= len(version.body):
            raise CorruptObject(f"{key} ends before byte {start}")
        return version.body[start:stop]

    def head(self, key: str, *, version_id: str | None = None) -> ObjectHead | None:
        """Describe an object; None when there is none."""
        version = self._find(key, version_id)
        return version.head if version and version.body is not None else None

    def put_pieces(self, key: str, pieces: Iterable[bytes]) -> ObjectHead:
        """Store an object given in pieces."""
        return self.put(key, b"".join(pieces))

    def list(self, prefix: str) -> Iterator[ObjectHead]:
        """All objects under a prefix, in key order, as of the first step."""
        with self._lock:
            place = bisect_left(self._keys, prefix)
            found = []
            while place < len(self._keys) and self._keys[place].startswith(prefix):
                version = self._current(self._keys[place])
                if version:
                    found.append(version.head)
                place += 1
        yield from (ObjectHead(head.key, head.size, head.etag, None, head.modified_at) for head in found)

    def delete(self, keys: Sequence[str]) -> None:
        """Hide objects behind a delete marker; their versions stay readable by id."""
        for key in keys:
            check_object_key(key)
        with self._lock:
            for key in keys:
                self._add(key, None)

    def _add(self, key: str, content: bytes | None) -> _Version:
        self._count += 1
        if key not in self._versions:
            insort(self._keys, key)
        head = ObjectHead(
            key=key,
            size=len(content or b""),
            etag=self._etag(content or b""),
            version_id=f"v{self._count:08}",
            modified_at=self._clock(),
        )
        version = _Version(head, content)
        self._versions.setdefault(key, []).append(version)
        return version

    def _etag(self, content: bytes) -> str:
        """As S3 makes it. What measures time need not do S3's work."""
        return hashlib.md5(content, usedforsecurity=False).hexdigest()

    def _current(self, key: str) -> _Version | None:
        versions = self._versions.get(key)
        return versions[-1] if versions and versions[-1].body is not None else None

    def _find(self, key: str, version_id: str | None) -> _Version | None:
        check_object_key(key)
        with self._lock:
            if version_id is None:
                return self._current(key)
            return next((v for v in self._versions.get(key, []) if v.head.version_id == version_id), None)
