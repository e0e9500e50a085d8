"""Bedrock's InvokeModel: what is sent, what is passed on, and what every error means."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import (
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
    SSLError,
)
from botocore.response import StreamingBody
from botocore.stub import Stubber

from shoal.errors import ModelBusy, ModelDenied, ModelError, ModelFailed, StorageError
from shoal.storage.aws_clients import bedrock_runtime_client
from shoal.storage.aws_inference import MEANINGS, AwsInference

MODEL = "cohere.embed-english-v3"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_CONFIG_FILE": "/dev/null",
    }.items():
        monkeypatch.setenv(name, value)


@contextmanager
def stubbed() -> Iterator[tuple[AwsInference, Stubber]]:
    """The adapter over a client whose answers are made up."""
    client: Any = bedrock_runtime_client()
    with Stubber(client) as stub:
        yield AwsInference(client), stub
        stub.assert_no_pending_responses()


def test_a_call_is_one_call() -> None:
    body = b'{"texts": ["hello"]}'
    answer = b'{"embeddings": []}'
    with stubbed() as (inference, stub):
        stub.add_response(
            "invoke_model",
            {
                "body": StreamingBody(io.BytesIO(answer), len(answer)),
                "contentType": "application/json",
                "ResponseMetadata": {
                    "HTTPStatusCode": 200,
                    "HTTPHeaders": {
                        "Content-Type": "application/json",
                        "X-Amzn-Bedrock-Input-Token-Count": "3",
                        "x-amzn-requestid": "0",
                    },
                },
            },
            {
                "modelId": MODEL,
                "body": body,
                "contentType": "application/json",
                "accept": "application/json",
            },
        )
        found = inference.invoke(MODEL, body)
    assert (found.status, found.body) == (200, answer)
    assert found.headers == {"content-type": "application/json", "x-amzn-bedrock-input-token-count": "3"}


def refused(code: str, message: str = "no", status: int = 400, **fields: Any) -> ModelError:
    """The error that an answer becomes."""
    with stubbed() as (inference, stub):
        stub.add_client_error(
            "invoke_model",
            service_error_code=code,
            service_message=message,
            http_status_code=status,
            modeled_fields={"message": message, **fields} if fields else None,
        )
        with pytest.raises(ModelError) as caught:
            inference.invoke(MODEL, b"{}")
    assert caught.value.model_id == MODEL
    return caught.value


def test_the_table_knows_every_code_of_the_operation() -> None:
    service = botocore.session.get_session().get_service_model("bedrock-runtime")
    shapes = service.operation_model("InvokeModel").error_shapes
    assert {shape.name for shape in shapes} == set(MEANINGS)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("ThrottlingException", 429),
        ("ModelTimeoutException", 408),
        ("ModelNotReadyException", 429),
        ("InternalServerException", 500),
        ("ServiceUnavailableException", 503),
        ("ServiceQuotaExceededException", 400),
        ("ModelErrorException", 424),
        ("SomethingNewException", 500),
        ("TooManyOfThemException", 429),
    ],
)
def test_what_passes_by_itself_is_busy(code: str, status: int) -> None:
    error = refused(code, status=status)
    assert isinstance(error, ModelBusy)
    assert code in error.message


def test_no_access_says_what_to_do() -> None:
    error = refused(
        "AccessDeniedException", "You don't have access to the model with the specified model ID.", 403
    )
    assert isinstance(error, ModelDenied)
    for words in (MODEL, "enable access", "eu-central-1", "bedrock_models", "You don't have access"):
        assert words in error.message


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            "ResourceNotFoundException",
            "Could not resolve the foundation model from the provided model identifier.",
        ),
        ("ResourceNotFoundException", "This model version has reached the end of its life."),
        ("ValidationException", "The provided model identifier is invalid."),
        (
            "ValidationException",
            "Invocation of model ID cohere.embed-v4:0 with on-demand throughput isn\u2019t supported.",
        ),
    ],
)
def test_no_such_model_names_the_region(code: str, message: str) -> None:
    error = refused(code, message)
    assert isinstance(error, ModelDenied)
    assert "eu-central-1" in error.message
    assert "profile" in error.message


def test_an_account_that_may_not_is_denied() -> None:
    assert isinstance(refused("ValidationException", "Operation not allowed"), ModelDenied)


@pytest.mark.parametrize(
    ("code", "message", "fields"),
    [
        (
            "ValidationException",
            "Malformed input request: #/texts/0: expected maxLength: 2048, actual: 2459",
            {},
        ),
        ("ValidationException", "400 Bad Request: Too many input tokens.", {}),
        ("SomethingNewException", "no", {}),
        ("ModelErrorException", "no", {"originalStatusCode": 400}),
    ],
)
def test_the_rest_is_refused(code: str, message: str, fields: dict[str, Any]) -> None:
    error = refused(code, message, **fields)
    assert isinstance(error, ModelFailed)
    assert message in error.message


@pytest.mark.parametrize("original", [429, 500, 503])
def test_a_model_that_was_busy_itself_is_busy(original: int) -> None:
    assert isinstance(refused("ModelErrorException", originalStatusCode=original), ModelBusy)


def test_a_long_message_is_shown_in_part() -> None:
    assert len(refused("ValidationException", "x" * 5000).message) < 400


class Raises:
    """A client that gets no answer; or none that can be read."""

    def __init__(self, error: Exception, *, when_read: bool = False) -> None:
        self.error = error
        self.when_read = when_read

    @property
    def meta(self) -> Any:
        raise AssertionError("not asked")

    def invoke_model(self, **arguments: Any) -> dict[str, Any]:
        if self.when_read:
            return {"body": self, "ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": {}}}
        raise self.error

    def read(self) -> bytes:
        raise self.error


@pytest.mark.parametrize("when_read", [False, True])
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ReadTimeoutError(endpoint_url="https://bedrock"), ModelBusy),
        (ConnectTimeoutError(endpoint_url="https://bedrock"), ModelBusy),
        (EndpointConnectionError(endpoint_url="https://bedrock"), ModelBusy),
        (NoCredentialsError(), StorageError),
        (SSLError(endpoint_url="https://bedrock", error=OSError("certificate")), StorageError),
    ],
)
def test_no_answer(error: Exception, kind: type[Exception], when_read: bool) -> None:
    with pytest.raises(kind):
        AwsInference(Raises(error, when_read=when_read)).invoke(MODEL, b"{}")


def test_a_request_that_cannot_be_sent_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="modelId"):
        AwsInference(bedrock_runtime_client()).invoke("", b"{}")


def test_the_client_asks_once() -> None:
    client: Any = bedrock_runtime_client()
    assert client.meta.config.retries["total_max_attempts"] == 1
