"""The port to other people's buckets, over S3: what is theirs is copied inside S3, and never read here."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from shoal.errors import InvalidInput, NotFound, StorageError
from shoal.storage.aws_errors import translated
from shoal.storage.object_checks import check_object_key
from shoal.storage.ports import UpstreamObject
from shoal.storage.upstream_checks import check_bucket

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

READ_SECONDS = 60
"""How long the client should wait for S3, which answers a copy when it is made."""
PART_BYTES = 128 * 1024**2
"""Larger objects are copied in parts of this size, some of them at once: each takes a few seconds."""
_THREADS = 8
_CONTENT_TYPE = "application/octet-stream"


class AwsUpstream:
    """`Upstream`, into the bucket `own`; the client may be shared between threads.

    An object's own metadata and tags stay behind: reading them takes permissions that nothing else needs.
    """

    def __init__(self, client: "S3Client", own: str, *, part_bytes: int = PART_BYTES) -> None:
        self._client = client
        self._own = own
        self._part_bytes = part_bytes

    def check(self, bucket: str) -> None:
        """See that a name may be that of somebody else's bucket."""
        check_bucket(bucket, own=self._own)

    def list(self, bucket: str, prefix: str) -> Iterator[UpstreamObject]:
        """The objects below a prefix, in the order of their keys."""
        self.check(bucket)
        request: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix}
        while True:
            with translated("list objects of", bucket), _refusals(bucket):
                answer = self._client.list_objects_v2(**request)
            for found in answer.get("Contents", []):
                yield UpstreamObject(
                    key=found["Key"],
                    size=found["Size"],
                    etag=found["ETag"].strip('"'),
                    modified_at=found["LastModified"].timestamp(),
                )
            if not answer["IsTruncated"]:
                return
            request["ContinuationToken"] = answer["NextContinuationToken"]

    def copy(self, bucket: str, source: UpstreamObject, *, to: str) -> None:
        """Copy an object as it was listed: its ETag is compared by S3, with each part."""
        self.check(bucket)
        check_object_key(to)
        where: dict[str, Any] = {
            "CopySource": {"Bucket": bucket, "Key": source.key},
            "CopySourceIfMatch": f'"{source.etag}"',
        }
        if source.size > self._part_bytes:
            self._copy_parts(bucket, source, to, where)
            return
        with translated("copy from", bucket), _refusals(bucket):
            self._client.copy_object(
                Bucket=self._own,
                Key=to,
                MetadataDirective="REPLACE",
                TaggingDirective="REPLACE",
                ContentType=_CONTENT_TYPE,
                **where,
            )

    def _copy_parts(self, bucket: str, source: UpstreamObject, to: str, where: dict[str, Any]) -> None:
        """Copy a large object: it is there when the last part is, or not at all."""
        with translated("start parts of", to):
            upload_id = self._client.create_multipart_upload(
                Bucket=self._own, Key=to, ContentType=_CONTENT_TYPE
            )["UploadId"]

        def copy_part(number: int) -> "CompletedPartTypeDef":
            first = (number - 1) * self._part_bytes
            last = min(first + self._part_bytes, source.size) - 1
            with translated("copy from", bucket), _refusals(bucket):
                copied = self._client.upload_part_copy(
                    Bucket=self._own,
                    Key=to,
                    UploadId=upload_id,
                    PartNumber=number,
                    CopySourceRange=f"bytes={first}-{last}",
                    **where,
                )
            return {"PartNumber": number, "ETag": copied["CopyPartResult"]["ETag"]}

        count = -(-source.size // self._part_bytes)
        try:
            with ThreadPoolExecutor(max_workers=_THREADS) as pool:
                try:
                    parts = list(pool.map(copy_part, range(1, count + 1)))
                except BaseException:
                    pool.shutdown(cancel_futures=True)
                    raise
            with translated("join parts of", to):
                self._client.complete_multipart_upload(
                    Bucket=self._own, Key=to, UploadId=upload_id, MultipartUpload={"Parts": parts}
                )
        except BaseException:
            # The first error is the one to tell; what this cannot remove, the bucket's rule does.
            with suppress(StorageError), translated("abort parts of", to):
                self._client.abort_multipart_upload(Bucket=self._own, Key=to, UploadId=upload_id)
            raise


@contextmanager
def _refusals(bucket: str) -> Iterator[None]:
    """What the owner of a bucket, or of an object, can mend, in words for them.

    Raises:
        NotFound: `bucket_not_found`, `object_not_found`.
        InvalidInput: `bucket_not_readable`, `object_not_readable`.
    """
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        match code:
            case "NoSuchBucket":
                raise NotFound("bucket_not_found", f"there is no bucket {bucket}") from error
            case "NoSuchKey" | "404" | "PreconditionFailed" | "412":
                raise NotFound(
                    "object_not_found", "it was replaced or deleted after it was listed; start again"
                ) from error
            case "AccessDenied" | "403" | "AllAccessDisabled" | "KMS.DisabledException":
                raise InvalidInput(
                    "bucket_not_readable",
                    f"Shoal may not read the bucket {bucket}: name it in the setting ingest_buckets, and see that "
                    "the bucket's policy, and its key where it is encrypted with one, allow it",
                ) from error
            case "InvalidObjectState" | "ObjectNotInActiveTierError":
                raise InvalidInput("object_not_readable", "it is archived; restore it first") from error
        raise
