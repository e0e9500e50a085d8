"""The port to models over Amazon Bedrock's InvokeModel."""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Any, Protocol, cast

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - the name that botocore gives it
    HTTPClientError,
    IncompleteReadError,
    ParamValidationError,
    SSLError,
)

from shoal.errors import ModelBusy, ModelDenied, ModelError, ModelFailed, StorageError
from shoal.storage.model_ports import Answer

HEADERS = ("content-type", "x-amzn-bedrock-input-token-count")
"""What is passed on of an answer's headers."""
_SHOWN_CHARACTERS = 300
_SERVER_ERROR, _TOO_MANY, _REFUSED = 500, 429, 400


class BedrockRuntime(Protocol):
    """What is used of botocore's client."""

    @property
    def meta(self) -> Any:
        """Which region it asks."""

    def invoke_model(self, **arguments: Any) -> Mapping[str, Any]:
        """One call; its `body` is a stream."""


class Meaning(Enum):
    """What an error code means to who asked."""

    BUSY = auto()
    ACCESS = auto()
    """The account, or the function's role, may not use the model."""
    MISSING = auto()
    """There is no such model in the region."""
    REFUSED = auto()
    """The request is wrong."""
    BROKEN = auto()
    """The model itself failed: it depends on what it answered."""


MEANINGS: Mapping[str, Meaning] = {
    "AccessDeniedException": Meaning.ACCESS,
    "ResourceNotFoundException": Meaning.MISSING,
    "ThrottlingException": Meaning.BUSY,
    "ModelTimeoutException": Meaning.BUSY,
    "ModelNotReadyException": Meaning.BUSY,
    "InternalServerException": Meaning.BUSY,
    "ServiceUnavailableException": Meaning.BUSY,
    "ServiceQuotaExceededException": Meaning.BUSY,  # documented as one to send again later
    "ValidationException": Meaning.REFUSED,
    "ModelErrorException": Meaning.BROKEN,
}
_NOT_THE_TEXT: Mapping[str, Meaning] = {
    "model identifier is invalid": Meaning.MISSING,
    "on-demand throughput": Meaning.MISSING,  # ...isn't supported: only its profiles can be called here
    "inference profile": Meaning.MISSING,
    "end of its life": Meaning.MISSING,
    "operation not allowed": Meaning.ACCESS,
}
"""What a `ValidationException` says, in lower case, where not the request is wrong but the model's name."""


class AwsInference:
    """`Inference` over Bedrock in the region of the client, which may be shared between threads."""

    def __init__(self, client: BedrockRuntime) -> None:
        self._client = client

    def invoke(self, model: str, body: bytes) -> Answer:
        """Ask a model once.

        Raises:
            ModelBusy: throttled, a time-out, or unavailable.
            ModelDenied: no access to the model, or none of that name in the region; says what to do.
            ModelFailed: the request is refused for what is in it.
            StorageError: this process cannot ask at all: it has no credentials, for one.
        """
        try:
            found = self._client.invoke_model(
                modelId=model, body=body, contentType="application/json", accept="application/json"
            )
            data = cast("bytes", found["body"].read())
        except ClientError as error:
            raise _of_answer(model, str(self._client.meta.region_name), error) from error
        except SSLError as error:  # a kind of ConnectionError, which trying again does not mend
            raise StorageError(f"invoke {model}: {error}") from error
        except (HTTPClientError, ConnectionError, IncompleteReadError) as error:
            raise ModelBusy(model, "Bedrock does not answer") from error
        except ParamValidationError as error:
            raise ValueError(f"invoke {model}: {error}") from error
        except BotoCoreError as error:
            raise StorageError(f"invoke {model}: {error}") from error
        metadata = found["ResponseMetadata"]
        headers = {str(name).lower(): str(value) for name, value in metadata["HTTPHeaders"].items()}
        return Answer(
            int(metadata["HTTPStatusCode"]),
            data,
            {name: headers[name] for name in HEADERS if name in headers},
        )


def _of_answer(model: str, region: str, error: ClientError) -> ModelError:
    response = cast("Mapping[str, Any]", error.response)
    code = str(response.get("Error", {}).get("Code", ""))
    said = str(response.get("Error", {}).get("Message", ""))[:_SHOWN_CHARACTERS]
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    match _meaning(code, said, status, int(response.get("originalStatusCode") or 0)):
        case Meaning.ACCESS:
            return ModelDenied(
                model,
                f"access denied: enable access to {model} in the Bedrock console of region {region}, and name it "
                f"in the deployment's setting bedrock_models ({said})",
            )
        case Meaning.MISSING:
            return ModelDenied(
                model,
                f"cannot be called in region {region}: look in its Bedrock console which models it has, and by "
                f"which profile (us., eu., global.) they are called ({said})",
            )
        case Meaning.BUSY:
            return ModelBusy(model, f"Bedrock asks to come back later ({code})")
        case _:
            return ModelFailed(model, f"{code}: {said}")


def _meaning(code: str, said: str, status: int, original: int) -> Meaning:
    meaning = MEANINGS.get(code)
    if meaning is None:
        return Meaning.BUSY if status >= _SERVER_ERROR or status == _TOO_MANY else Meaning.REFUSED
    if meaning is Meaning.BROKEN:
        of_request = _REFUSED <= original < _SERVER_ERROR and original != _TOO_MANY
        return Meaning.REFUSED if of_request else Meaning.BUSY
    if meaning is Meaning.REFUSED:
        lowered = said.lower()
        return next((found for words, found in _NOT_THE_TEXT.items() if words in lowered), meaning)
    return meaning
