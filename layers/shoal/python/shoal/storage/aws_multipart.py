"""Objects stored part by part: never whole in memory, and visible only when the last part is stored."""

import hashlib
from base64 import b64encode
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from shoal.errors import StorageError
from shoal.storage.aws_errors import translated

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef, CompleteMultipartUploadOutputTypeDef

PART_BYTES = 8 * 1024 * 1024
"""S3 takes parts of 5 MiB or more, 10,000 of them: 80 GB of these."""


def in_parts(pieces: Iterable[bytes], part_bytes: int = PART_BYTES) -> Iterator[bytes]:
    """Cut pieces of any size anew, into parts of `part_bytes`; only the last may be smaller."""
    part = bytearray()
    for piece in pieces:
        part += piece
        while len(part) >= part_bytes:
            yield bytes(part[:part_bytes])
            del part[:part_bytes]
    if part:
        yield bytes(part)


def put_parts(
    client: "S3Client", bucket: str, key: str, parts: Iterable[bytes]
) -> tuple["CompleteMultipartUploadOutputTypeDef", int]:
    """Store an object of at least one part; the answer of S3, and the object's size.

    Whatever goes wrong, what making the parts raises included, no part of it stays. A process that dies leaves
    them to the bucket's rule for incomplete uploads.

    Raises:
        StorageError: one of its kinds.
    """
    with translated("start parts of", key):
        upload_id = client.create_multipart_upload(Bucket=bucket, Key=key, ChecksumAlgorithm="SHA256")[
            "UploadId"
        ]
    stored: list[CompletedPartTypeDef] = []
    size = 0
    try:
        for number, part in enumerate(parts, start=1):
            checksum = b64encode(hashlib.sha256(part).digest()).decode()
            with translated("put part of", key):
                answer = client.upload_part(
                    Bucket=bucket,
                    Key=key,
                    UploadId=upload_id,
                    PartNumber=number,
                    Body=part,
                    ChecksumSHA256=checksum,
                )
            stored.append({"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": checksum})
            size += len(part)
        with translated("join parts of", key):
            joined = client.complete_multipart_upload(
                Bucket=bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": stored}
            )
    except BaseException:
        # The first error is the one to tell; what this cannot remove, the bucket's rule does.
        with suppress(StorageError), translated("abort parts of", key):
            client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id)
        raise
    return joined, size
