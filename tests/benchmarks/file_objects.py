"""A versioned bucket in a folder: for several processes at once, and without holding anything in memory.

A key's folder is named by the hash of the key, and holds the key itself in `key` and a file for each version,
``<number>.<etag>``; a delete marker is ``<number>.deleted``. Numbers rise, and the highest is the current version.
"""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from shoal.errors import CorruptObject, ObjectMissing, PreconditionFailed
from shoal.storage.object_checks import check_object_key, check_range
from shoal.storage.ports import ObjectHead

_DELETED = "deleted"
_PIECE = 1 << 20


class _Version(NamedTuple):
    number: int
    etag: str
    path: Path


class FileObjects:
    """An `ObjectStore` over a folder. Only the path goes to another process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._new = folder / "new"
        self._keys = folder / "keys"
        for made in (self._new, self._keys):
            made.mkdir(parents=True, exist_ok=True)

    def put(self, key: str, body: bytes | memoryview, *, if_none_match: bool = False) -> ObjectHead:
        """Store an object."""
        view = memoryview(body).cast("B")
        pieces = (view[start : start + _PIECE] for start in range(0, len(view), _PIECE))
        return self._put(key, pieces, if_none_match=if_none_match)

    def put_pieces(self, key: str, pieces: Iterable[bytes]) -> ObjectHead:
        """Store an object given in pieces."""
        return self._put(key, pieces, if_none_match=False)

    def put_file(self, key: str, path: Path) -> ObjectHead:
        """Store a file without reading it: a link to it, with an ETag that says nothing of its bytes."""
        check_object_key(key)
        new = self._new / os.urandom(16).hex()
        try:
            os.link(path, new)
        except OSError:  # on another file system
            shutil.copyfile(path, new)
        return self._add(key, new, f"linked-{path.stat().st_mtime_ns}", if_none_match=False)

    def get(
        self, key: str, *, byte_range: tuple[int, int] | None = None, version_id: str | None = None
    ) -> bytes:
        """Read an object, or a range of its bytes (cut where the object ends)."""
        check_range(byte_range)
        version = self._find(key, version_id)
        if version is None:
            raise ObjectMissing(f"no object: {key}")
        with version.path.open("rb", buffering=0) as file:
            if byte_range is None:
                return file.readall()
            start, stop = byte_range
            size = os.fstat(file.fileno()).st_size
            if start >= size:
                raise CorruptObject(f"{key} ends before byte {start}")
            return os.pread(file.fileno(), min(stop, size) - start, start)

    def head(self, key: str, *, version_id: str | None = None) -> ObjectHead | None:
        """Describe an object; None when there is none."""
        version = self._find(key, version_id)
        return _head(key, version) if version else None

    def list(self, prefix: str) -> Iterator[ObjectHead]:
        """All objects under a prefix, in key order."""
        found = sorted(
            (name, path.parent)
            for path in self._keys.glob("*/key")
            if (name := path.read_text(encoding="utf-8")).startswith(prefix)
        )
        for key, folder in found:
            version = _current(folder)
            if version:
                yield replace(_head(key, version), version_id=None)

    def delete(self, keys: Sequence[str]) -> None:
        """Hide objects behind a delete marker; their versions stay readable by id."""
        for key in keys:
            check_object_key(key)
        for key in keys:
            new = self._new / os.urandom(16).hex()
            new.touch()
            self._add(key, new, _DELETED, if_none_match=False)

    def _put(self, key: str, pieces: Iterable[bytes | memoryview], *, if_none_match: bool) -> ObjectHead:
        check_object_key(key)
        digest = hashlib.md5(usedforsecurity=False)
        with tempfile.NamedTemporaryFile(dir=self._new, delete=False, buffering=0) as file:
            new = Path(file.name)
            try:
                for piece in pieces:
                    file.write(piece)
                    digest.update(piece)
            except BaseException:
                new.unlink()
                raise
        return self._add(key, new, digest.hexdigest(), if_none_match=if_none_match)

    def _add(self, key: str, new: Path, etag: str, *, if_none_match: bool) -> ObjectHead:
        """Make a new file the current version."""
        folder = self._folder_of(key)
        with _locked(folder, key):
            versions = _versions(folder)
            if if_none_match and versions and versions[-1].etag != _DELETED:
                new.unlink()
                raise PreconditionFailed(f"already there: {key}")
            number = versions[-1].number + 1 if versions else 1
            version = _Version(number, etag, folder / f"{number:08}.{etag}")
            new.rename(version.path)
        return _head(key, version)

    def _folder_of(self, key: str) -> Path:
        return self._keys / hashlib.sha256(key.encode()).hexdigest()

    def _find(self, key: str, version_id: str | None) -> _Version | None:
        check_object_key(key)
        folder = self._folder_of(key)
        if version_id is None:
            return _current(folder)
        return next(
            (found for found in _versions(folder) if _id_of(found) == version_id and found.etag != _DELETED),
            None,
        )


@contextmanager
def _locked(folder: Path, key: str) -> Iterator[None]:
    """One writer of a key at a time, over threads and processes."""
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "key").exists():
            (folder / "key.new").write_text(key, encoding="utf-8")
            (folder / "key.new").rename(folder / "key")
        yield


def _versions(folder: Path) -> list[_Version]:
    """All versions, the oldest first."""
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return []
    split = (name.partition(".") for name in names)
    return sorted(
        _Version(int(number), etag, folder / f"{number}.{etag}")
        for number, _, etag in split
        if number.isdecimal()
    )


def _current(folder: Path) -> _Version | None:
    versions = _versions(folder)
    return versions[-1] if versions and versions[-1].etag != _DELETED else None


def _id_of(version: _Version) -> str:
    return f"v{version.number:08}"


def _head(key: str, version: _Version) -> ObjectHead:
    stat = version.path.stat()
    return ObjectHead(key, stat.st_size, version.etag, _id_of(version), stat.st_mtime)
