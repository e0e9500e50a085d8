"""What to run one test of the way out over: the fake in memory, and the adapter over the real function.

The function runs in this process, behind a real client of Lambda whose last step, the network, is replaced; what
it asks is a server on this machine.
"""

import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders

from functions.outbound import handler as function
from shoal.storage.aws_clients import lambda_client, ssm_client
from shoal.storage.aws_outbound import AwsOutbound
from shoal.storage.memory import MemoryOutbound
from shoal.storage.memory.outbound import hang, refuse
from shoal.storage.model_ports import Answer, Outbound
from tests.functions.world import LambdaContext, container
from tests.unit.outbound.loopback import Asked, answer, raw, serving

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

FUNCTION = "arn:aws:lambda:eu-central-1:123456789012:function:outbound"
KEY_PARAMETER = "/shoal/keys/contract"
KEY = "sk-contract"
ENVIRONMENT = {"SHOAL_PARAMETER_PREFIX": "/shoal/keys", "SHOAL_OUTBOUND_ALLOW_LOOPBACK": "true"}


@dataclass(frozen=True, slots=True)
class Arrived:
    """What an endpoint was sent: the body, and the headers that the caller gave; whether a key went along."""

    body: bytes
    headers: Mapping[str, str]
    has_key: bool


class OutboundUnderTest(Protocol):
    """A way out, and the other end of it."""

    @property
    def outbound(self) -> Outbound:
        """The way out."""

    def endpoint(self, said: Answer) -> str:
        """The URL of an endpoint that answers so."""

    def silent(self) -> str:
        """The URL of one that takes a request and gives no answer."""

    def inside(self) -> str:
        """A URL at an address that is not public."""

    def nobody(self) -> str:
        """A URL where nobody listens."""

    def arrived(self) -> list[Arrived]:
        """What all endpoints were sent, in order."""


class MemoryUnderTest:
    """The fake."""

    def __init__(self) -> None:
        self.outbound = MemoryOutbound()

    def endpoint(self, said: Answer) -> str:
        url = f"https://api.example.com/{len(self.outbound.endpoints)}"
        self.outbound.put(url, said)
        return url

    def silent(self) -> str:
        self.outbound.put("https://silent.example.com/", hang)
        return "https://silent.example.com/"

    def inside(self) -> str:
        self.outbound.put("http://10.0.0.1/", refuse)
        return "http://10.0.0.1/"

    def nobody(self) -> str:
        return "https://nobody.example.com/"

    def arrived(self) -> list[Arrived]:
        return [
            Arrived(sent.body, sent.headers, sent.key_parameter is not None) for sent in self.outbound.sent
        ]


class LambdaUnderTest:
    """The adapter, the function, and servers on this machine."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._servers: list[list[Asked]] = []
        self.outbound: Outbound = AwsOutbound(
            client_of(lambda event: (function.handler(event, CONTEXT), "")), FUNCTION
        )

    def endpoint(self, said: Answer) -> str:
        headers = tuple(f"{name}: {value}" for name, value in said.headers.items())
        return self._serve(answer(said.body, status=f"{said.status} Said", headers=headers))

    def silent(self) -> str:
        return self._serve(raw(b""))

    def inside(self) -> str:
        return "http://10.0.0.1/"

    def nobody(self) -> str:
        with serving(answer()) as gone:
            return f"http://localhost:{gone.port}/"

    def arrived(self) -> list[Arrived]:
        return [
            Arrived(asked.body, asked.headers, asked.headers.get("authorization") == f"Bearer {KEY}")
            for server in self._servers
            for asked in server
        ]

    def _serve(self, script: Any) -> str:
        server = self._stack.enter_context(serving(script))
        self._servers.append(server.asked)
        return f"http://localhost:{server.port}/"


CONTEXT = LambdaContext()


@contextmanager
def lambda_under_test() -> Iterator[LambdaUnderTest]:
    """The adapter over the real function, in a container of its own; within a pretended AWS."""
    ssm_client().put_parameter(Name=KEY_PARAMETER, Value=KEY, Type="SecureString", Overwrite=True)
    with ExitStack() as stack:
        stack.enter_context(container(ENVIRONMENT, "outbound"))
        yield LambdaUnderTest(stack)


def client_of(invoked: Callable[[Any], tuple[Any, str]]) -> "LambdaClient":
    """A client of Lambda whose functions are one in this process: event -> (what it answers, function error)."""
    client = lambda_client()

    def send(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        sent = request.body
        assert isinstance(sent, bytes | str)
        said, error = invoked(json.loads(sent or b"null"))
        headers = HTTPHeaders()
        headers["content-type"] = "application/json"
        if error:
            headers["X-Amz-Function-Error"] = error
        return AWSResponse(request.url, 200, headers, _Raw(json.dumps(said).encode()))

    # What a handler of this event answers is taken for the response; the stubs do not know that.
    handler: Any = send
    client.meta.events.register_first("before-send.lambda.Invoke", handler)
    return client


class _Raw(io.BytesIO):
    """A body as urllib3 gives it."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()
