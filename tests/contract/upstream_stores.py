"""What to run a test of other people's buckets over: the fake in memory, and S3 as moto plays it."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from shoal.storage.aws_upstream import AwsUpstream
from shoal.storage.memory import MemoryObjects, MemoryUpstream
from shoal.storage.memory.upstream import OWN
from shoal.storage.ports import ObjectStore, Upstream
from tests.contract.stores import Aws

PART = 5 * 1024 * 1024
"""The least that S3 takes for a part which is not the last."""


@dataclass(frozen=True, slots=True)
class UpstreamUnderTest:
    """The port; our bucket and its name; a bucket of somebody else's, and how they put an object there."""

    upstream: Upstream
    objects: ObjectStore
    own: str
    bucket: str
    put: Callable[[str, bytes], None]


def memory_upstream() -> UpstreamUnderTest:
    """Over memory."""
    objects = MemoryObjects(time.time)
    upstream = MemoryUpstream(objects, time.time)
    upstream.buckets["theirs"] = MemoryObjects(time.time)

    def put(key: str, body: bytes) -> None:
        upstream.put("theirs", key, body)

    return UpstreamUnderTest(upstream, objects, OWN, "theirs", put)


def aws_upstream(aws: Aws) -> UpstreamUnderTest:
    """Over two new buckets."""
    objects = aws.objects()
    own: str = vars(objects)["_bucket"]
    bucket = f"theirs-{uuid.uuid4().hex}"
    aws.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})

    def put(key: str, body: bytes) -> None:
        aws.s3.put_object(Bucket=bucket, Key=key, Body=body, Metadata={"theirs": "yes"})

    return UpstreamUnderTest(AwsUpstream(aws.s3, own, part_bytes=PART), objects, own, bucket, put)
