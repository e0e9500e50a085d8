"""Other people's buckets in memory."""

from collections.abc import Iterator

from shoal.errors import InvalidInput, NotFound
from shoal.storage.memory.objects import MemoryObjects
from shoal.storage.ports import Clock, UpstreamObject
from shoal.storage.upstream_checks import check_bucket

OWN = "shoal"
"""The name that the bucket of ours goes by here."""


class MemoryUpstream:
    """The port's fake: copies into memory objects, out of the buckets that a test makes."""

    def __init__(self, objects: MemoryObjects, clock: Clock) -> None:
        self._objects = objects
        self._clock = clock
        self.buckets: dict[str, MemoryObjects] = {}
        self.closed: set[str] = set()
        """Buckets that we may not read."""

    def put(self, bucket: str, key: str, body: bytes) -> UpstreamObject:
        """What the owner of a bucket does; makes the bucket."""
        stored = self.buckets.setdefault(bucket, MemoryObjects(self._clock)).put(key, body)
        return UpstreamObject(stored.key, stored.size, stored.etag, stored.modified_at)

    def check(self, bucket: str) -> None:
        """See that a name may be that of somebody else's bucket."""
        check_bucket(bucket, own=OWN)

    def list(self, bucket: str, prefix: str) -> Iterator[UpstreamObject]:
        """The objects below a prefix, in the order of their keys."""
        for found in self._bucket(bucket).list(prefix):
            yield UpstreamObject(found.key, found.size, found.etag, found.modified_at)

    def copy(self, bucket: str, source: UpstreamObject, *, to: str) -> None:
        """Copy an object, as it was listed."""
        theirs = self._bucket(bucket)
        now = theirs.head(source.key)
        if now is None or now.etag != source.etag:
            raise NotFound("object_not_found", "it was replaced or deleted after it was listed; start again")
        self._objects.put(to, theirs.get(source.key))

    def _bucket(self, bucket: str) -> MemoryObjects:
        self.check(bucket)
        if bucket in self.closed:
            raise InvalidInput("bucket_not_readable", f"Shoal may not read the bucket {bucket}")
        if bucket not in self.buckets:
            raise NotFound("bucket_not_found", f"there is no bucket {bucket}")
        return self.buckets[bucket]
