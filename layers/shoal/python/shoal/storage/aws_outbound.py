"""The port to the outside: a Lambda function that sends requests, and may do nothing else."""

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from shoal.errors import StorageBusy
from shoal.storage.aws_errors import translated
from shoal.storage.model_ports import Answer
from shoal.storage.outbound_messages import Request, read_answer, request_payload

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

_WORD = re.compile(r"[A-Za-z0-9_.]{1,80}")


class AwsOutbound:
    """`Outbound` over the function `outbound`; the client may be shared between threads."""

    def __init__(self, client: "LambdaClient", function_arn: str) -> None:
        self._client = client
        self._function = function_arn

    def post(
        self, url: str, body: bytes, *, headers: Mapping[str, str], key_parameter: str | None = None
    ) -> Answer:
        """Have the function POST a body."""
        payload = request_payload(Request(url, body, headers, key_parameter))
        with translated("invoke", self._function):
            answer = self._client.invoke(FunctionName=self._function, Payload=payload)
            said = answer["Payload"].read()
        if answer.get("FunctionError"):
            raise StorageBusy(f"the outbound function failed: {_type_of(said)}")
        return read_answer(said)


def _type_of(said: bytes) -> str:
    """The type of what a function raised, or that its time was over; its message may quote the request."""
    try:
        found = json.loads(said).get("errorType", "")
    except (ValueError, AttributeError):
        return "without a reason"
    return found if isinstance(found, str) and _WORD.fullmatch(found) else "without a reason"
