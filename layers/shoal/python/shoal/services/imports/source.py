"""A stored file, read by ranges; what is read next is fetched while the last of it is worked on."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from shoal.errors import CorruptObject
from shoal.model.import_work import Chunk
from shoal.services.imports.workspace import Workspace
from shoal.services.retry import retry_busy
from shoal.storage.ports import ObjectStore

READ_BYTES = 8 * 1024 * 1024
"""Of one ranged GET: the size from which S3 is at its fastest for one connection."""


@dataclass(frozen=True, slots=True)
class Source:
    """One version of an object of `size` bytes."""

    objects: ObjectStore
    key: str
    version_id: str | None
    size: int

    def read(self, start: int, stop: int) -> bytes:
        """Bytes ``[start, stop)``.

        Raises:
            CorruptObject: the object is shorter than it should be.
        """
        if start >= stop:
            return b""
        data = retry_busy(
            lambda: self.objects.get(self.key, byte_range=(start, stop), version_id=self.version_id)
        )
        if len(data) != stop - start:
            raise CorruptObject(f"{self.key} ends before byte {stop}")
        return data

    def pieces(self, start: int, stop: int, *, size: int = READ_BYTES) -> Iterator[bytes]:
        """Bytes ``[start, stop)`` in pieces of `size`; at most two of them are in memory here."""
        if start >= stop:
            return
        with ThreadPoolExecutor(max_workers=1) as pool:
            upcoming = pool.submit(self.read, start, min(start + size, stop))
            for at in range(start + size, stop, size):
                piece = upcoming.result()
                upcoming = pool.submit(self.read, at, min(at + size, stop))
                yield piece
            yield upcoming.result()


def upload_of(work: Workspace) -> Source:
    """The file as it was uploaded, in the version that counts."""
    return Source(work.ports.objects, work.keys.upload, work.job.version_id, work.job.size)


def source_of(work: Workspace, chunk: Chunk) -> Source:
    """What a chunk is a piece of: the upload, or an object that it was unpacked into and that is one chunk."""
    upload = upload_of(work)
    size = upload.size if chunk.key == upload.key else chunk.stop
    return Source(work.ports.objects, chunk.key, chunk.version_id, size)
