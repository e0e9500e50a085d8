"""The queue port over SQS."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from shoal.storage.aws_errors import translated
from shoal.storage.messages import message_text

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class AwsQueue:
    """A `Queue` over one standard SQS queue; the client may be shared between threads."""

    def __init__(self, client: "SQSClient", queue_url: str) -> None:
        self._client = client
        self._url = queue_url

    def send(self, message: Mapping[str, str], *, group: str, delay_seconds: int = 0) -> None:
        """Send one message; on a standard queue the group makes it fair instead of ordering it."""
        text = message_text(message, group=group, delay_seconds=delay_seconds)
        with translated("send message", self._url):
            self._client.send_message(
                QueueUrl=self._url, MessageBody=text, MessageGroupId=group, DelaySeconds=delay_seconds
            )
