"""A stored object as the random-access file that pyarrow reads from, by ranged GETs of one version of it."""

from collections.abc import Sequence

import numpy as np

from shoal.errors import CorruptObject
from shoal.services.imports.workspace import Workspace
from shoal.services.parallel import in_parallel
from shoal.services.retry import retry_busy

PIECE_BYTES = 8 * 1024 * 1024
"""One GET. S3 serves a connection at 85 to 90 MB/s: larger ranges are read by several at once."""
MAX_GAP_BYTES = 1024 * 1024
"""Bytes between two ranges that are read along with them: one request costs about as much time."""
READ_AHEAD_BYTES = 256 * 1024
MAX_READ_BYTES = 512 * 1024 * 1024
"""No caller has a reason to ask for more at once: only a broken footer does."""
_CONNECTIONS = 8


type Range = tuple[int, int]
"""Bytes ``[start, stop)``."""


class RangedFile:
    """What `pyarrow.PythonFile` asks of a file. Views are handed out: pyarrow reads them without a copy.

    Bytes that are known to be needed are held (`hold`), and read in parallel; anything else is read when it is
    asked for, with a little more behind it.
    """

    def __init__(self, work: Workspace) -> None:
        """Open the import's upload, in the version that counts."""
        self._objects = work.ports.objects
        self._key = work.keys.upload
        self._version_id = work.job.version_id
        self._size = work.job.size
        self._place = 0
        self._held: list[tuple[int, memoryview]] = []
        self._ahead: tuple[int, memoryview] = (0, memoryview(b""))
        self.closed = False

    # --- what is known to be needed

    def hold(self, ranges: Sequence[Range]) -> None:
        """Read ranges and keep them, instead of those that were held before."""
        self.release()
        for start, stop in coalesced(ranges):
            self._held.append((start, self._read_whole(start, stop)))

    def held(self, start: int, stop: int) -> memoryview:
        """A held range.

        Raises:
            ValueError: it is not held.
        """
        found = self._find(start, stop)
        if found is None:
            raise ValueError(f"bytes {start} to {stop} are not held")
        return found

    def release(self) -> None:
        """Forget what is held."""
        self._held.clear()
        self._ahead = (0, memoryview(b""))

    # --- what pyarrow calls

    def readable(self) -> bool:
        """Always."""
        return True

    def writable(self) -> bool:
        """Never."""
        return False

    def seekable(self) -> bool:
        """Always."""
        return True

    def close(self) -> None:
        """Forget everything."""
        self.release()
        self.closed = True

    def tell(self) -> int:
        """The place of the next read."""
        return self._place

    def size(self) -> int:
        """Bytes of the object."""
        return self._size

    def seek(self, offset: int, whence: int = 0) -> int:
        """Set the place of the next read."""
        self._place = (0, self._place, self._size)[whence] + offset
        return self._place

    def read(self, count: int = -1) -> memoryview:
        """The next `count` bytes, or what there is up to the end.

        Raises:
            ValueError: so much at once is no part of a file, but the whole of it.
        """
        start = self._place
        stop = self._size if count < 0 else min(start + count, self._size)
        if stop <= start:
            return memoryview(b"")
        if stop - start > MAX_READ_BYTES:
            raise ValueError(f"a read of {stop - start} bytes")
        found = self._find(start, stop)
        if found is None:
            ahead = min(max(stop, start + READ_AHEAD_BYTES), self._size)
            self._ahead = (start, self._read_whole(start, ahead))
            found = self._ahead[1][: stop - start]
        self._place = stop
        return found

    # --- GETs

    def _find(self, start: int, stop: int) -> memoryview | None:
        for first, view in (*self._held, self._ahead):
            if first <= start and stop <= first + len(view):
                return view[start - first : stop - first]
        return None

    def _read_whole(self, start: int, stop: int) -> memoryview:
        pieces = [(at, min(at + PIECE_BYTES, stop)) for at in range(start, stop, PIECE_BYTES)]
        if len(pieces) == 1:
            return memoryview(self._get(pieces[0]))
        whole = np.empty(stop - start, dtype=np.uint8).data  # a bytearray would be filled with zeros first

        def fill(piece: Range) -> None:
            whole[piece[0] - start : piece[1] - start] = self._get(piece)

        in_parallel(fill, pieces, threads=_CONNECTIONS)
        return whole.toreadonly()

    def _get(self, piece: Range) -> bytes:
        data = retry_busy(lambda: self._objects.get(self._key, byte_range=piece, version_id=self._version_id))
        if len(data) != piece[1] - piece[0]:
            raise CorruptObject(f"{self._key} ends before byte {piece[1]}")
        return data


def coalesced(ranges: Sequence[Range]) -> list[Range]:
    """Ranges in order, those joined that overlap or lie close together."""
    joined: list[Range] = []
    for start, stop in sorted(each for each in ranges if each[0] < each[1]):
        if joined and start - joined[-1][1] <= MAX_GAP_BYTES:
            joined[-1] = (joined[-1][0], max(joined[-1][1], stop))
        else:
            joined.append((start, stop))
    return joined
