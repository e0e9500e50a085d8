"""The second tier of a container's cache: stored bytes on its disk, for what memory had no room for.

A file is what an object store gave, so whoever reads it checks it again, as anything that was read. Nothing here
raises: a disk that is full, slow to come or broken is only a cache that holds less.
"""

import fcntl
import logging
import os
import shutil
import tempfile
import weakref
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from threading import Lock

from shoal.index.checksums import Buffer

_PREFIX = "shoal-cache-"
_LOCK_FILE = "lock"

logger = logging.getLogger(__name__)


class DiskTier:
    """Bytes by name in a folder of this process's own, bounded; the least recently used goes first.

    Safe to use from several threads. The folder is made with the first file, and readable by its owner only. A
    process that dies leaves its folder behind (a Lambda container is used on after a crash); the next one finds
    that nobody holds the lock inside, and removes it.

    Args:
        limit: bytes of all files; 0 switches the tier off.
        folder: where to make the folder; the system's place for temporary files when absent.
    """

    def __init__(self, limit: int, *, folder: Path | None = None) -> None:
        self._limit = limit
        self._parent = folder
        self._folder: Path | None = None
        self._remove: Callable[[], object] | None = None
        self._sizes: OrderedDict[str, int] = OrderedDict()
        self._held = 0
        self._made = 0
        self._complained = False
        self._lock = Lock()

    @property
    def held(self) -> int:
        """Bytes of all files."""
        with self._lock:
            return self._held

    def get(self, name: str) -> bytes | None:
        """The bytes under a name, not verified; None where there are none that can be read."""
        if not self.holds(name):
            return None
        file_name = _file_name(name)
        with self._lock:
            if file_name not in self._sizes or self._folder is None:
                return None
            self._sizes.move_to_end(file_name)
            path = self._folder / file_name
        try:
            return path.read_bytes()
        except OSError:
            self.forget(name)  # gone while we looked, or the disk is broken: the object store has it
            return None

    def holds(self, name: str) -> bool:
        """Whether there is a file of that name."""
        with self._lock:
            return bool(self._sizes) and _file_name(name) in self._sizes

    def put(self, name: str, data: Buffer) -> None:
        """Keep bytes, unless they are there or cannot be kept."""
        size, file_name = memoryview(data).nbytes, _file_name(name)
        if not 0 < size <= self._limit:
            return
        try:
            self._store(file_name, data, size)
        except OSError as error:
            if isinstance(error, FileNotFoundError):
                self.close()  # somebody cleaned up: begin anew with the next file
            if not self._complained:
                self._complained = True
                logger.warning("nothing kept on disk", extra={"errno": error.errno})

    def _store(self, file_name: str, data: Buffer, size: int) -> None:
        with self._lock:
            if file_name in self._sizes:
                self._sizes.move_to_end(file_name)
                return
            while self._held + size > self._limit and self._sizes:
                self._drop(next(iter(self._sizes)))
            if self._held + size > self._limit:
                return  # all that is held is being written just now
            folder = self._folder or self._make_folder()
            self._made += 1
            unfinished = folder / f"{file_name}.{self._made}"
            self._held += size  # before it is written, so that several threads stay within the bound
        try:
            with unfinished.open("wb") as file:
                file.write(data)
            unfinished.rename(folder / file_name)
        except OSError:
            with self._lock:
                self._held -= size
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)
            raise
        with self._lock:
            if folder != self._folder:
                return  # closed meanwhile
            self._held -= self._sizes.pop(file_name, 0)  # where another thread wrote the same meanwhile
            self._sizes[file_name] = size

    def forget(self, name: str) -> None:
        """Remove what is under a name."""
        with self._lock:
            self._drop(_file_name(name))

    def close(self) -> None:
        """Remove the folder; the tier is empty, and makes a new one when it is used again."""
        with self._lock:
            if self._remove is not None:
                self._remove()
            self._folder = self._remove = None
            self._sizes.clear()
            self._held = 0

    def _drop(self, file_name: str) -> None:
        size = self._sizes.pop(file_name, None)
        if size is None or self._folder is None:
            return
        self._held -= size
        try:
            (self._folder / file_name).unlink(missing_ok=True)
        except OSError as error:
            logger.warning("file of the cache stays", extra={"errno": error.errno})

    def _make_folder(self) -> Path:
        parent = self._parent or Path(tempfile.gettempdir())
        _remove_abandoned(parent)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        lock_file = os.open(folder / _LOCK_FILE, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._remove = weakref.finalize(self, _remove_own, folder, lock_file)  # also when the process ends
        self._folder = folder
        return folder


def _remove_own(folder: Path, lock_file: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    os.close(lock_file)


def _file_name(name: str) -> str:
    return blake2b(name.encode(), digest_size=20).hexdigest()


def _remove_abandoned(parent: Path) -> None:
    """Folders of our own user whose process has ended."""
    for folder in parent.glob(f"{_PREFIX}*"):
        try:
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            lock_file = os.open(folder / _LOCK_FILE, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            continue  # being made, or being removed
        try:
            fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue  # its process lives
        else:
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock_file)
