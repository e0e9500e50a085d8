"""The upload port over S3: addresses signed by a role that may put one object, and by nothing that may do more."""

import json
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from shoal.errors import InvalidInput, ObjectMissing
from shoal.storage.aws_errors import translated
from shoal.storage.object_checks import check_object_key, check_parts, check_url_seconds
from shoal.storage.ports import Clock, Target

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sts import STSClient
    from mypy_boto3_sts.type_defs import CredentialsTypeDef as Credentials

type SignedBy = Callable[["Credentials"], "S3Client"]
"""Makes an S3 client that signs with the credentials of a session."""

LEAST_SESSION_SECONDS = 900
ACTIONS = ("s3:PutObject", "s3:AbortMultipartUpload")
_FILE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")


class AwsUploads:
    """`Uploads` over one bucket.

    Each import gets a session of the role `role_arn` of its own, narrowed to its one key: what a client holds is
    worth no more than that even if the signature leaked. The session is what ends an address at the latest.
    """

    def __init__(
        self,
        client: "S3Client",
        sts: "STSClient",
        bucket: str,
        *,
        role_arn: str,
        signed_by: SignedBy,
        clock: Clock,
    ) -> None:
        self._client = client
        self._sts = sts
        self._bucket = bucket
        self._role_arn = role_arn
        self._signed_by = signed_by
        self._clock = clock

    def put_target(self, key: str, *, content_type: str, seconds: int) -> Target:
        """Where to PUT the object. The type is part of the signature: S3 answers 403 to another one."""
        client, expires_in, expires_at = self._narrowed(key, seconds)
        with translated("sign put of", key):
            url = client.generate_presigned_url(
                "put_object",
                Params={"Bucket": self._bucket, "Key": key, "ContentType": content_type},
                ExpiresIn=expires_in,
            )
        return Target(url, expires_at)

    def start_parts(self, key: str, *, content_type: str) -> str:
        """Begin a multipart upload; its id."""
        client, _, _ = self._narrowed(key, LEAST_SESSION_SECONDS)
        with translated("start parts of", key):
            answer = client.create_multipart_upload(Bucket=self._bucket, Key=key, ContentType=content_type)
        return answer["UploadId"]

    def part_targets(self, key: str, *, upload_id: str, count: int, seconds: int) -> list[Target]:
        """Where to PUT the parts; one session signs for all."""
        client, expires_in, expires_at = self._narrowed(key, seconds)
        targets = []
        for number in range(1, count + 1):
            part = {"Bucket": self._bucket, "Key": key, "UploadId": upload_id, "PartNumber": number}
            with translated("sign part of", key):
                url = client.generate_presigned_url("upload_part", Params=part, ExpiresIn=expires_in)
            targets.append(Target(url, expires_at))
        return targets

    def join_parts(self, key: str, *, upload_id: str, parts: Sequence[tuple[int, str]]) -> None:
        """Make the object of its parts; S3 forgets an upload that is joined, so the object answers for it."""
        check_parts(parts)
        client, _, _ = self._narrowed(key, LEAST_SESSION_SECONDS)
        try:
            with translated("join parts of", key):
                client.complete_multipart_upload(
                    Bucket=self._bucket,
                    Key=key,
                    UploadId=upload_id,
                    MultipartUpload={
                        "Parts": [{"PartNumber": number, "ETag": etag} for number, etag in parts]
                    },
                )
        except ObjectMissing:
            if not self._is_there(key):
                raise InvalidInput("invalid_parts", "no such multipart upload") from None

    def drop_parts(self, key: str, *, upload_id: str) -> None:
        """Give a multipart upload up; an unknown one is fine."""
        client, _, _ = self._narrowed(key, LEAST_SESSION_SECONDS)
        try:
            with translated("abort parts of", key):
                client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload_id)
        except ObjectMissing:
            return

    def get_target(self, key: str, *, file_name: str, seconds: int) -> Target:
        """Where to GET an object. The function signs it itself, and can for what its own role may read."""
        check_object_key(key)
        check_url_seconds(seconds)
        if not _FILE_NAME.fullmatch(file_name):
            raise ValueError(f"not a file name for a header: {file_name!r}")
        signed_at = int(self._clock())
        with translated("sign get of", key):
            url = self._client.generate_presigned_url(
                "get_object",
                Params={
                    "Bucket": self._bucket,
                    "Key": key,
                    "ResponseContentDisposition": f'attachment; filename="{file_name}"',
                },
                ExpiresIn=seconds,
            )
        return Target(url, float(signed_at + seconds))

    def _is_there(self, key: str) -> bool:
        try:
            with translated("head object", key):
                self._client.head_object(Bucket=self._bucket, Key=key)
        except ObjectMissing:
            return False
        return True

    def _narrowed(self, key: str, seconds: int) -> tuple["S3Client", int, float]:
        """A client that may put this one object; for how many seconds from now, and until when."""
        check_object_key(key)
        check_url_seconds(seconds)
        signed_at = int(self._clock())
        with translated("assume role for", key):
            given = self._sts.assume_role(
                RoleArn=self._role_arn,
                RoleSessionName="upload",
                DurationSeconds=max(LEAST_SESSION_SECONDS, seconds),
                Policy=self._only(key),
            )["Credentials"]
        client = self._signed_by(given)
        expires_at = min(float(signed_at + seconds), given["Expiration"].timestamp())
        return client, max(1, int(expires_at) - signed_at), expires_at

    def _only(self, key: str) -> str:
        """The session policy: of what the role may do, only this key."""
        partition = self._role_arn.split(":")[1]
        # `*` and `?` would be wildcards; keys of ours hold neither.
        if set("*?$") & set(key):
            raise ValueError(f"not a key for a policy: {key!r}")
        statement = {
            "Effect": "Allow",
            "Action": ACTIONS,
            "Resource": f"arn:{partition}:s3:::{self._bucket}/{key}",
        }
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, separators=(",", ":"))
