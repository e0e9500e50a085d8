"""Reading bytes of stored objects: large ones by ranges in parallel, and again where storage asks for it."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

from shoal.errors import CorruptObject, ObjectMissing
from shoal.services.query_trace import Trace
from shoal.services.retry import retry_busy
from shoal.storage.ports import ObjectStore

RANGE_BYTES = 8 * 1024 * 1024
"""One S3 connection gives about 85 MB/s; ranges of 8-16 MB over several connections add up.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance-guidelines.html
"""
THREADS = 16


class BytesReader:
    """Reads from an object store; safe to use from several threads, which are made with the first large object."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._threads: ThreadPoolExecutor | None = None
        self._lock = Lock()

    def read(
        self, key: str, *, size: int | None, byte_range: tuple[int, int] | None, traces: Sequence[Trace]
    ) -> bytes:
        """The bytes of an object, or of a range (first byte, end) of it; not verified.

        Args:
            key: of the object.
            size: of the whole object, where it is known; over two ranges it is read in parallel.
            byte_range: what to read; None for all.
            traces: where to count each request.

        Raises:
            CorruptObject: there is no such object, though something names it.
        """

        def get(some: tuple[int, int] | None) -> bytes:
            data = retry_busy(lambda: self._objects.get(key, byte_range=some))
            for trace in traces:
                trace.read_storage(len(data))
            return data

        try:
            if byte_range is not None or size is None or size <= 2 * RANGE_BYTES:
                return get(byte_range)
            ranges = [(start, min(start + RANGE_BYTES, size)) for start in range(0, size, RANGE_BYTES)]
            return b"".join(self._pool().map(get, ranges))
        except ObjectMissing as missing:
            raise CorruptObject(f"{key} is named but missing") from missing

    def _pool(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(max_workers=THREADS)
            return self._threads
