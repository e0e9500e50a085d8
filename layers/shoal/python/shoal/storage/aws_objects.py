"""The object port over S3."""

import hashlib
import time
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from email.utils import parsedate_to_datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

from shoal.errors import ObjectMissing, StorageBusy, StorageError
from shoal.storage.aws_errors import Meaning, meaning_of, translated
from shoal.storage.aws_multipart import in_parts, put_parts
from shoal.storage.object_checks import check_object_key, check_range
from shoal.storage.ports import ObjectHead

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DELETE_BATCH = 1000
READ_TRIES = 3
"""The SDK repeats a request, but not the reading of a body that broke off: that is tried so often here."""


class AwsObjects:
    """An `ObjectStore` over one bucket; the client may be shared between threads."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def put(self, key: str, body: bytes | memoryview, *, if_none_match: bool = False) -> ObjectHead:
        """Store an object; S3 compares it with its SHA-256."""
        check_object_key(key)
        content = bytes(body)
        request: dict[str, Any] = {"IfNoneMatch": "*"} if if_none_match else {}
        with translated("put object", key):
            answer = self._client.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=content,
                ChecksumSHA256=b64encode(hashlib.sha256(content).digest()).decode(),
                **request,
            )
        return ObjectHead(
            key=key,
            size=len(content),
            etag=answer["ETag"].strip('"'),
            version_id=answer.get("VersionId"),
            modified_at=_answered_at(answer["ResponseMetadata"]["HTTPHeaders"]),
        )

    def get(
        self, key: str, *, byte_range: tuple[int, int] | None = None, version_id: str | None = None
    ) -> bytes:
        """Read an object, or a range of its bytes (cut where the object ends)."""
        check_object_key(key)
        check_range(byte_range)
        request: dict[str, Any] = self._versioned(key, version_id)
        if byte_range is not None:
            request["Range"] = f"bytes={byte_range[0]}-{byte_range[1] - 1}"
        for attempt in range(READ_TRIES):
            with translated("get object", key):
                answer = self._client.get_object(**request)
            try:
                with translated("read object", key), answer["Body"] as stream:
                    return stream.read()
            except StorageBusy:
                if attempt == READ_TRIES - 1:
                    raise
        raise AssertionError("unreachable")

    def head(self, key: str, *, version_id: str | None = None) -> ObjectHead | None:
        """Describe an object; None when there is none."""
        check_object_key(key)
        try:
            with translated("head object", key):
                answer = self._client.head_object(**self._versioned(key, version_id))
        except ObjectMissing:
            return None
        return ObjectHead(
            key=key,
            size=answer["ContentLength"],
            etag=answer["ETag"].strip('"'),
            version_id=answer.get("VersionId"),
            modified_at=answer["LastModified"].timestamp(),
        )

    def put_pieces(self, key: str, pieces: Iterable[bytes]) -> ObjectHead:
        """Store an object given in pieces: with one put where it is small, else as a multipart upload."""
        check_object_key(key)
        parts = in_parts(pieces)
        first = next(parts, b"")
        second = next(parts, None)
        if second is None:
            return self.put(key, first)
        answer, size = put_parts(self._client, self._bucket, key, chain((first, second), parts))
        return ObjectHead(
            key=key,
            size=size,
            etag=answer["ETag"].strip('"'),
            version_id=answer.get("VersionId"),
            modified_at=_answered_at(answer["ResponseMetadata"]["HTTPHeaders"]),
        )

    def list(self, prefix: str) -> Iterator[ObjectHead]:
        """All objects under a prefix, in key order; S3 does not tell their versions here."""
        request: dict[str, Any] = {"Bucket": self._bucket, "Prefix": prefix}
        while True:
            with translated("list objects", prefix):
                answer = self._client.list_objects_v2(**request)
            for found in answer.get("Contents", []):
                yield ObjectHead(
                    key=found["Key"],
                    size=found["Size"],
                    etag=found["ETag"].strip('"'),
                    version_id=None,
                    modified_at=found["LastModified"].timestamp(),
                )
            if not answer["IsTruncated"]:
                return
            request["ContinuationToken"] = answer["NextContinuationToken"]

    def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; keys that do not exist are fine."""
        for key in keys:
            check_object_key(key)
        for first in range(0, len(keys), DELETE_BATCH):
            batch = keys[first : first + DELETE_BATCH]
            with translated("delete objects", f"{len(batch)} keys"):
                answer = self._client.delete_objects(
                    Bucket=self._bucket, Delete={"Objects": [{"Key": key} for key in batch], "Quiet": True}
                )
            codes = sorted({str(error.get("Code")) for error in answer.get("Errors", [])})
            if codes:
                busy = all(meaning_of(code) is Meaning.BUSY for code in codes)
                raise (StorageBusy if busy else StorageError)(f"objects not deleted: {', '.join(codes)}")

    def _versioned(self, key: str, version_id: str | None) -> dict[str, Any]:
        request = {"Bucket": self._bucket, "Key": key}
        return request if version_id is None else request | {"VersionId": version_id}


def _answered_at(headers: Mapping[str, str]) -> float:
    """S3's own time; the answer to a put does not say when the object was modified."""
    return parsedate_to_datetime(headers["date"]).timestamp() if "date" in headers else time.time()
