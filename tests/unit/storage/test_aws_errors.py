"""SDK errors: the table knows every code that the adapters can see, and each becomes what it means."""

import inspect
import re
from typing import Any

import botocore.session
import pytest
from botocore import xform_name
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    IncompleteReadError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
    ResponseStreamingError,
    SSLError,
)

from shoal.errors import (
    ConditionFailed,
    CorruptObject,
    InvalidInput,
    ObjectMissing,
    PreconditionFailed,
    StorageBusy,
    StorageError,
    TransactionCancelled,
)
from shoal.storage import (
    aws_multipart,
    aws_objects,
    aws_outbound,
    aws_parameters,
    aws_queue,
    aws_table,
    aws_uploads,
    aws_upstream,
    aws_workflows,
)
from shoal.storage.aws_errors import MEANINGS, Meaning, meaning_of, translated

CALLS = {
    "dynamodb": [
        "GetItem",
        "BatchGetItem",
        "PutItem",
        "UpdateItem",
        "DeleteItem",
        "Query",
        "TransactWriteItems",
        "BatchWriteItem",
    ],
    "s3": [
        "PutObject",
        "GetObject",
        "HeadObject",
        "ListObjectsV2",
        "DeleteObjects",
        "CreateMultipartUpload",
        "UploadPart",
        "CompleteMultipartUpload",
        "AbortMultipartUpload",
        "CopyObject",
        "UploadPartCopy",
    ],
    "sqs": ["SendMessage"],
    "sts": ["AssumeRole"],
    "lambda": ["Invoke"],
    "ssm": ["GetParameter", "PutParameter"],
    "stepfunctions": ["StartExecution", "DescribeExecution", "StopExecution"],
}
# What the services answer beyond their models, by their documentation.
UNMODELLED = {
    "ValidationException": Meaning.MISUSE,
    "NoSuchVersion": Meaning.MISSING,
    "PreconditionFailed": Meaning.THERE,
    "ConditionalRequestConflict": Meaning.BUSY,
    "InvalidRange": Meaning.SHORT,
    "SlowDown": Meaning.BUSY,
    "InvalidPart": Meaning.PARTS,
    "InvalidPartOrder": Meaning.PARTS,
    "EntityTooSmall": Meaning.PARTS,
    "Throttling": Meaning.BUSY,
    "404": Meaning.MISSING,
    "403": Meaning.LOUD,
}


def answer(code: str, status: int = 400, **more: Any) -> ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": "said AWS"},
        "ResponseMetadata": {"HTTPStatusCode": status},
        **more,
    }
    return ClientError(response, "Operation")


def translate(error: Exception) -> Exception:
    with pytest.raises(Exception) as found, translated("put item", "p a"):
        raise error
    assert found.value.__cause__ is error
    # A client is not told our keys, and a transaction tells which of its writes failed.
    assert "put item p a" in str(found.value) or isinstance(found.value, TransactionCancelled | InvalidInput)
    return found.value


@pytest.mark.parametrize("service", CALLS)
def test_the_table_knows_every_error_of_every_call(service: str) -> None:
    model = botocore.session.get_session().get_service_model(service)
    shapes: list[Any] = [
        shape for call in CALLS[service] for shape in model.operation_model(call).error_shapes
    ]
    codes = {shape.error_code or shape.name for shape in shapes}
    assert codes
    assert codes <= set(MEANINGS)


def test_these_are_the_calls_that_the_adapters_make() -> None:
    modules = (
        aws_table,
        aws_objects,
        aws_multipart,
        aws_queue,
        aws_uploads,
        aws_upstream,
        aws_workflows,
        aws_outbound,
        aws_parameters,
    )
    sources = [inspect.getsource(module) for module in modules]
    made = {name for source in sources for name in re.findall(r"\b_?(?:client|sts)\.(\w+)\(", source)}
    assert made - {"generate_presigned_url"} == {
        xform_name(call) for calls in CALLS.values() for call in calls
    }


@pytest.mark.parametrize(("code", "meaning"), UNMODELLED.items())
def test_and_what_is_in_no_model(code: str, meaning: Meaning) -> None:
    assert meaning_of(code) is meaning


KINDS: dict[Meaning, type[Exception]] = {
    Meaning.BUSY: StorageBusy,
    Meaning.MISSING: ObjectMissing,
    Meaning.THERE: PreconditionFailed,
    Meaning.SHORT: CorruptObject,
    Meaning.PARTS: InvalidInput,
    Meaning.CONDITION: ConditionFailed,
    Meaning.MISUSE: ValueError,
    Meaning.LOUD: StorageError,
    Meaning.CANCELLED: StorageError,  # without reasons nobody knows why
}


@pytest.mark.parametrize(("code", "meaning"), MEANINGS.items())
def test_every_code_becomes_what_it_means(code: str, meaning: Meaning) -> None:
    assert type(translate(answer(code))) is KINDS[meaning]


def test_an_unknown_code_is_loud() -> None:
    error = translate(answer("SomethingNew", 400))
    assert type(error) is StorageError
    assert str(error) == "put item p a: SomethingNew: said AWS"


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_unless_its_status_says_to_try_again(status: int) -> None:
    assert type(translate(answer("SomethingNew", status))) is StorageBusy


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ReadTimeoutError(endpoint_url="https://x"), StorageBusy),
        (ConnectTimeoutError(endpoint_url="https://x"), StorageBusy),
        (EndpointConnectionError(endpoint_url="https://x"), StorageBusy),
        (ConnectionClosedError(endpoint_url="https://x"), StorageBusy),
        (ResponseStreamingError(error="broke off"), StorageBusy),
        (IncompleteReadError(actual_bytes=1, expected_bytes=2), StorageBusy),
        (SSLError(endpoint_url="https://x", error=ValueError("bad certificate")), StorageError),
        (NoCredentialsError(), StorageError),
        (ParamValidationError(report="bad"), ValueError),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_errors_that_are_no_answer(error: Exception, kind: type[Exception]) -> None:
    assert type(translate(error)) is kind


def test_errors_of_others_pass() -> None:
    with pytest.raises(KeyError), translated("put item", "p a"):
        raise KeyError("a bug")


def test_a_failed_condition_brings_its_item() -> None:
    error = translate(answer("ConditionalCheckFailedException", Item={"pk": {"S": "p"}, "n": {"N": "1"}}))
    assert isinstance(error, ConditionFailed)
    assert error.item == {"pk": "p", "n": 1}
    error = translate(answer("ConditionalCheckFailedException"))
    assert isinstance(error, ConditionFailed)
    assert error.item is None


NONE = {"Code": "None"}
LOST = {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}
CONFLICT = {"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"}


def cancelled(*reasons: dict[str, Any]) -> Exception:
    return translate(answer("TransactionCanceledException", CancellationReasons=list(reasons)))


def test_a_transaction_that_lost_its_conditions() -> None:
    error = cancelled(NONE, LOST | {"Item": {"n": {"N": "1"}}}, LOST)
    assert isinstance(error, TransactionCancelled)
    assert error.failed == (False, True, True)
    assert error.items == (None, {"n": 1}, None)


@pytest.mark.parametrize("code", ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"])
def test_a_transaction_that_met_another(code: str) -> None:
    assert type(cancelled(NONE, {"Code": code})) is StorageBusy


def test_a_false_condition_counts_more_than_a_conflict() -> None:
    error = cancelled(CONFLICT, LOST)
    assert isinstance(error, TransactionCancelled)
    assert error.failed == (False, True)


def test_a_mistake_counts_more_than_a_false_condition() -> None:
    error = cancelled(LOST, {"Code": "ValidationError", "Message": "Item size exceeded"})
    assert type(error) is ValueError
    assert "Item size exceeded" in str(error)


@pytest.mark.parametrize("reasons", [[NONE, {"Code": "SomethingNew"}], [NONE, NONE], []], ids=repr)
def test_a_transaction_cancelled_for_an_unknown_reason_is_loud(reasons: list[dict[str, Any]]) -> None:
    assert type(cancelled(*reasons)) is StorageError
