"""The outside in memory: endpoints that a test makes up, and what they were sent."""

import threading
from collections.abc import Callable, Mapping

from shoal.errors import InvalidInput, StorageBusy, TooLarge
from shoal.storage.model_ports import MAX_ANSWER_BYTES, Answer, Outbound
from shoal.storage.outbound_messages import Request, request_payload

type Endpoint = Callable[[Request], Answer]


class MemoryOutbound(Outbound):
    """The port's fake: a URL is answered by the endpoint put there, and by nobody else.

    `sent` holds what reached an endpoint, in order. An endpoint may raise what the port raises, as `hang` and
    `refuse` do.
    """

    def __init__(self) -> None:
        self.endpoints: dict[str, Endpoint] = {}
        self.sent: list[Request] = []
        self._lock = threading.Lock()

    def put(self, url: str, endpoint: Endpoint | Answer) -> None:
        """Answer a URL: by a function of the request, or always the same."""
        self.endpoints[url] = endpoint if callable(endpoint) else lambda _request: endpoint

    def post(
        self, url: str, body: bytes, *, headers: Mapping[str, str], key_parameter: str | None = None
    ) -> Answer:
        """Ask the endpoint of a URL."""
        if not url.startswith(("http://", "https://")):
            raise InvalidInput("invalid_url", "a URL begins with https:// or http://")
        request = Request(url, body, dict(headers), key_parameter)
        request_payload(request)  # what does not fit into a call of the function is refused
        endpoint = self.endpoints.get(url)
        if endpoint is None:
            raise StorageBusy("no connection: nobody is there")
        with self._lock:
            self.sent.append(request)
        answer = endpoint(request)
        if len(answer.body) > MAX_ANSWER_BYTES:
            raise TooLarge("answer_too_large", f"it answers with more than {MAX_ANSWER_BYTES} bytes")
        return answer


def hang(request: Request) -> Answer:  # noqa: ARG001 - an endpoint
    """An endpoint that never answers."""
    raise StorageBusy("it does not answer within 10 s")


def refuse(request: Request) -> Answer:  # noqa: ARG001 - an endpoint
    """An endpoint inside a network of ours."""
    raise InvalidInput("address_not_allowed", "it is not, or not only, at a public internet address")
