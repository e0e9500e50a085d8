"""What S3 says when an object was created, straight to a queue or by way of EventBridge."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

from shoal.batches import json_object

_CREATED = "ObjectCreated:"


def created_keys(body: str) -> tuple[str, ...]:
    """The keys of the objects that a message says were created; none where it is S3's test of the queue.

    Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html

    Raises:
        ValueError: it is no such message.
    """
    message = json_object(body)
    if message.get("Event") == "s3:TestEvent":
        return ()
    try:
        if "detail" in message:
            return _of_event_bridge(message)
        return tuple(
            # Here keys come as in a form: a space as `+`, other characters as %XX.
            unquote_plus(_text(record["s3"]["object"]["key"]), errors="strict")
            for record in message["Records"]
            if record["eventName"].removeprefix("s3:").startswith(_CREATED)
        )
    except (KeyError, TypeError, AttributeError, UnicodeDecodeError):
        raise ValueError("not an event of S3") from None


def _of_event_bridge(message: Mapping[str, Any]) -> tuple[str, ...]:
    """EventBridge gives keys as they are."""
    if message["source"] != "aws.s3" or message["detail-type"] != "Object Created":
        return ()
    return (_text(message["detail"]["object"]["key"]),)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a key is text")
    return value
