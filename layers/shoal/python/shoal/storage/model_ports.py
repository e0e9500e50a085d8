"""Ports to embedding models that are not ours: Amazon Bedrock, and endpoints of the operator's."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

MAX_ANSWER_BYTES = 1024 * 1024
"""Of the body of an answer from outside."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered: an HTTP status, lower-case headers (not all of them), and the body."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Inference(Protocol):
    """Amazon Bedrock's InvokeModel, asked once: nobody below tries again."""

    def invoke(self, model: str, body: bytes) -> Answer:
        """Ask a model (its Bedrock id) with a JSON body; the JSON it answers, with status 200.

        Raises:
            ModelBusy: throttled, a time-out, or unavailable.
            ModelDenied: no access to the model in this account and region, or no such model.
            ModelFailed: the request is refused for what is in it.
        """


class Outbound(Protocol):
    """The one way out: a function without data permissions sends requests to addresses that users gave.

    It refuses every address that is not global, follows no redirect, waits 10 s, reads 1 MB, and knows ports 443
    and 80 (`design.md`: outbound).
    """

    def post(
        self, url: str, body: bytes, *, headers: Mapping[str, str], key_parameter: str | None = None
    ) -> Answer:
        """POST a JSON body. `key_parameter` names an SSM parameter whose value goes along as a bearer token: it is
        read behind this port, and never seen in front of it.

        Raises:
            InvalidInput: `invalid_url`, `address_not_allowed`, `tls_failed`, `key_not_allowed`, `key_not_found`:
                nothing was sent.
            TooLarge: `request_too_large`, where nothing was sent, or `answer_too_large`.
            StorageBusy: no answer in time, or no connection.
            ValueError: headers that are none, or that belong to the way out itself.
        """
