"""A function for the tests of the local stack: tells what it got, and tries what it is asked to try."""

import json
import os
import sys
import time
from typing import Any

import boto3
import probelayer  # type: ignore[import-not-found]  # comes with the layer of the test
from botocore.exceptions import ClientError


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Poison for queues; for HTTP, what the path names."""
    if "Records" in event:
        raise RuntimeError("poison")
    action, _, argument = event["rawPath"].strip("/").partition("/")
    match action:
        case "read":
            answer: Any = try_to(lambda: client("s3").get_object(Bucket=os.environ["BUCKET"], Key="k"))
        case "write":
            answer = try_to(lambda: client("s3").put_object(Bucket=os.environ["BUCKET"], Key="k", Body=b"v"))
        case "send":
            answer = try_to(lambda: client("sqs").send_message(QueueUrl=os.environ["QUEUE"], MessageBody="p"))
        case "environment":
            answer = {"path": sys.path, "layer": probelayer.NAME, "variables": sorted(os.environ)}
        case "raise":
            raise KeyError("a secret")
        case "allocate":
            answer = len(bytearray(int(argument)))
        case "answer":
            answer = "x" * int(argument)
        case "sleep":
            time.sleep(float(argument))
            answer = argument
        case _:
            answer = {name: value for name, value in event.items() if name != "body"}
            answer["body_length"] = len(event.get("body") or "")
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(answer)}


def client(service: str) -> Any:
    """A client with whatever the function's environment gives it."""
    make: Any = boto3.client  # The stubs know one overload for each literal name, none for a string.
    return make(service)


def try_to(call: Any) -> str:
    """The error's code, or `ok`."""
    try:
        call()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "ok"
