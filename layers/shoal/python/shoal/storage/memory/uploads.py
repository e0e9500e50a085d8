"""Uploads in memory: addresses that name what they allow, and multipart uploads over the memory objects."""

from collections.abc import Sequence
from urllib.parse import quote, urlencode

from shoal.errors import InvalidInput
from shoal.storage.memory.objects import MemoryObjects
from shoal.storage.object_checks import check_parts, check_url_seconds
from shoal.storage.ports import Clock, Target

MIN_PART_BYTES = 5 * 1024 * 1024


class MemoryUploads:
    """The port's fake. Nobody listens at its addresses: a test puts the object, or the part, itself."""

    def __init__(self, objects: MemoryObjects, clock: Clock) -> None:
        self._objects = objects
        self._clock = clock
        self._open: dict[str, tuple[str, dict[int, bytes]]] = {}
        self._started = 0

    def _target(self, method: str, key: str, seconds: int, **more: str) -> Target:
        check_url_seconds(seconds)
        expires_at = self._clock() + seconds
        query = urlencode({"method": method, "expires": int(expires_at), **more})
        return Target(f"memory://bucket/{quote(key)}?{query}", expires_at)

    def put_target(self, key: str, *, content_type: str, seconds: int) -> Target:
        """An address that names key and type."""
        return self._target("PUT", key, seconds, content_type=content_type)

    def start_parts(self, key: str, *, content_type: str) -> str:  # noqa: ARG002 - kept by S3 only
        """Begin a multipart upload."""
        self._started += 1
        upload_id = f"upload-{self._started}"
        self._open[upload_id] = (key, {})
        return upload_id

    def part_targets(self, key: str, *, upload_id: str, count: int, seconds: int) -> list[Target]:
        """Addresses that name key, upload and part."""
        numbers = range(1, count + 1)
        return [
            self._target("PUT", key, seconds, upload_id=upload_id, part_number=str(number))
            for number in numbers
        ]

    def put_part(self, upload_id: str, number: int, data: bytes) -> str:
        """What a client's PUT to a part's address does; the ETag."""
        self._open[upload_id][1][number] = data
        return self._etag(number, data)

    @property
    def started(self) -> int:
        """How many multipart uploads were begun."""
        return self._started

    @staticmethod
    def _etag(number: int, data: bytes) -> str:
        return f"part-{number}-{len(data)}"

    def join_parts(self, key: str, *, upload_id: str, parts: Sequence[tuple[int, str]]) -> None:
        """Store the object; joining again what is joined does nothing."""
        check_parts(parts)
        if upload_id not in self._open:
            if self._objects.head(key) is None:
                raise InvalidInput("invalid_parts", "no such multipart upload")
            return
        _, stored = self._open[upload_id]
        for place, (number, etag) in enumerate(parts):
            data = stored.get(number)
            if data is None or self._etag(number, data) != etag.strip('"'):
                raise InvalidInput("invalid_parts", f"part {number} was not uploaded, or has another ETag")
            if place < len(parts) - 1 and len(data) < MIN_PART_BYTES:
                raise InvalidInput("invalid_parts", f"part {number} is under 5 MiB")
        self._objects.put(key, b"".join(stored[number] for number, _ in parts))
        del self._open[upload_id]

    def drop_parts(self, key: str, *, upload_id: str) -> None:  # noqa: ARG002 - the id is enough here
        """Give a multipart upload up."""
        self._open.pop(upload_id, None)

    def get_target(self, key: str, *, file_name: str, seconds: int) -> Target:
        """An address that names key and file name."""
        return self._target("GET", key, seconds, file_name=file_name)
