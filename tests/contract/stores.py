"""What to run one test over, for each port: the fake in memory, and the AWS adapter over moto."""

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from moto import mock_aws

from shoal.storage.aws_clients import (
    dynamodb_client,
    s3_client,
    sqs_client,
    stepfunctions_client,
    sts_client,
)
from shoal.storage.aws_objects import AwsObjects
from shoal.storage.aws_queue import AwsQueue
from shoal.storage.aws_table import AwsTable
from shoal.storage.aws_uploads import AwsUploads
from shoal.storage.aws_workflows import AwsWorkflows
from shoal.storage.memory import MemoryObjects, MemoryQueue, MemoryUploads, MemoryWorkflows
from shoal.storage.ports import ObjectStore, Uploads, Workflows

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient
    from mypy_boto3_sts import STSClient

UPLOAD_ROLE = "arn:aws:iam::123456789012:role/uploads"
WAITING_MACHINE = json.dumps(
    {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 600, "End": True}}}
)

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass(frozen=True, slots=True)
class Aws:
    """The clients of a pretended AWS, with makers of empty stores."""

    dynamodb: "DynamoDBClient"
    s3: "S3Client"
    sqs: "SQSClient"
    sts: "STSClient"
    stepfunctions: "SFNClient"

    def table(self) -> AwsTable:
        """A new table as the stack deploys it."""
        name = f"table-{uuid.uuid4().hex}"
        self.dynamodb.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "gsi1pk", "gsi1sk")
            ],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "gsi1",
                    "KeySchema": [
                        {"AttributeName": "gsi1pk", "KeyType": "HASH"},
                        {"AttributeName": "gsi1sk", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                }
            ],
        )
        return AwsTable(self.dynamodb, name, sleep=lambda _seconds: None)

    def objects(self) -> AwsObjects:
        """A new versioned bucket."""
        name = f"bucket-{uuid.uuid4().hex}"
        self.s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        self.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        return AwsObjects(self.s3, name)

    def queue(self) -> "QueueUnderTest":
        """A new standard queue."""
        url = self.sqs.create_queue(QueueName=f"queue-{uuid.uuid4().hex}")["QueueUrl"]

        def receive() -> list[tuple[Mapping[str, str], str]]:
            answer = self.sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["MessageGroupId"]
            )
            return [
                (json.loads(found["Body"]), found["Attributes"]["MessageGroupId"])
                for found in answer.get("Messages", [])
            ]

        return QueueUnderTest(AwsQueue(self.sqs, url), receive)

    def uploads_to(self, objects: AwsObjects) -> AwsUploads:
        """Uploads to a bucket."""
        return AwsUploads(
            self.s3,
            self.sts,
            objects._bucket,
            role_arn=UPLOAD_ROLE,
            signed_by=lambda credentials: s3_client(credentials=credentials),
            clock=time.time,
        )

    def uploads(self) -> "UploadsUnderTest":
        """Uploads to a new bucket."""
        objects = self.objects()

        def put_part(key: str, upload_id: str, number: int, data: bytes) -> str:
            return self.s3.upload_part(
                Bucket=objects._bucket, Key=key, UploadId=upload_id, PartNumber=number, Body=data
            )["ETag"]

        return UploadsUnderTest(self.uploads_to(objects), objects, put_part)

    def machine(self) -> str:
        """A new state machine, whose executions wait."""
        return self.stepfunctions.create_state_machine(
            name=f"machine-{uuid.uuid4().hex}",
            definition=WAITING_MACHINE,
            roleArn="arn:aws:iam::123456789012:role/machine",
        )["stateMachineArn"]

    def workflows(self) -> AwsWorkflows:
        """A new state machine, without executions."""
        return AwsWorkflows(self.stepfunctions, self.machine())


@dataclass(frozen=True, slots=True)
class QueueUnderTest:
    """A queue, and the other end of it: what can be received now, as (message, group)."""

    queue: AwsQueue | MemoryQueue
    receive: Callable[[], list[tuple[Mapping[str, str], str]]]


@dataclass(frozen=True, slots=True)
class UploadsUnderTest:
    """Uploads, the bucket they go to, and a client that puts a part: (key, upload id, number, data) -> ETag."""

    uploads: Uploads
    objects: ObjectStore
    put_part: Callable[[str, str, int, bytes], str]


def memory_uploads() -> UploadsUnderTest:
    """Uploads to a bucket in memory."""
    objects = MemoryObjects(time.time)
    uploads = MemoryUploads(objects, time.time)

    def put_part(_: str, upload_id: str, number: int, data: bytes) -> str:
        return uploads.put_part(upload_id, number, data)

    return UploadsUnderTest(uploads, objects, put_part)


def memory_workflows() -> Workflows:
    """A state machine that runs nothing."""
    return MemoryWorkflows()


def memory_queue() -> QueueUnderTest:
    """A queue in memory."""
    queue = MemoryQueue(time.time)
    return QueueUnderTest(queue, lambda: [(found.message, found.group) for found in queue.receive()])


@contextmanager
def pretended_aws() -> Iterator[Aws]:
    """AWS in this process, with credentials that open nothing."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in ENVIRONMENT.items():
            environment.setenv(name, value)
        for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION"):
            environment.delenv(name, raising=False)
        with mock_aws():
            yield Aws(dynamodb_client(), s3_client(), sqs_client(), sts_client(), stepfunctions_client())
