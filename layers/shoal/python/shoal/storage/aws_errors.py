"""What the AWS SDK raises, in the words of `shoal.errors`: one table for all services.

A code that is not expected stays loud: a plain `StorageError` that names it, which no service handles.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import Enum, auto
from typing import Any, cast

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - the name that botocore gives it
    HTTPClientError,
    IncompleteReadError,
    ParamValidationError,
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
from shoal.storage.aws_values import item_from_wire


class Meaning(Enum):
    """What a code means to a caller of a port."""

    BUSY = auto()
    """Try again: `StorageBusy`."""
    MISSING = auto()
    """`ObjectMissing`: an object, a version, a multipart upload or an execution."""
    THERE = auto()
    """`PreconditionFailed`."""
    PARTS = auto()
    """A client's list of parts is not what it uploaded: `InvalidInput`."""
    SHORT = auto()
    """The object ends before the range: `CorruptObject`."""
    CONDITION = auto()
    """`ConditionFailed`, with the item that came with it."""
    CANCELLED = auto()
    """A transaction; its reasons say whether a condition was false or it was merely busy."""
    MISUSE = auto()
    """A request that cannot work for anybody, our own mistake: `ValueError`."""
    LOUD = auto()
    """Expected only where something is deployed wrongly: a plain `StorageError`."""


MEANINGS: Mapping[str, Meaning] = {
    # DynamoDB
    "ConditionalCheckFailedException": Meaning.CONDITION,
    "TransactionCanceledException": Meaning.CANCELLED,
    "TransactionConflictException": Meaning.BUSY,
    "TransactionInProgressException": Meaning.BUSY,
    "ReplicatedWriteConflictException": Meaning.BUSY,
    "ProvisionedThroughputExceededException": Meaning.BUSY,
    "RequestLimitExceeded": Meaning.BUSY,
    "ThrottlingException": Meaning.BUSY,
    "InternalServerError": Meaning.BUSY,
    "ValidationException": Meaning.MISUSE,
    "IdempotentParameterMismatchException": Meaning.MISUSE,
    "ItemCollectionSizeLimitExceededException": Meaning.LOUD,  # only tables with local indexes
    "ResourceNotFoundException": Meaning.LOUD,
    "AccessDeniedException": Meaning.LOUD,
    # S3. A HEAD has no body, hence no code: the SDK gives the status instead.
    "NoSuchKey": Meaning.MISSING,
    "NoSuchVersion": Meaning.MISSING,
    "404": Meaning.MISSING,
    "MethodNotAllowed": Meaning.MISSING,  # the version named is a delete marker
    "405": Meaning.MISSING,
    "PreconditionFailed": Meaning.THERE,
    "ConditionalRequestConflict": Meaning.BUSY,
    "OperationAborted": Meaning.BUSY,
    "SlowDown": Meaning.BUSY,
    "InternalError": Meaning.BUSY,
    "ServiceUnavailable": Meaning.BUSY,
    "RequestTimeout": Meaning.BUSY,
    "BadDigest": Meaning.BUSY,  # damaged on the way there
    "XAmzContentChecksumMismatch": Meaning.BUSY,
    "InvalidRange": Meaning.SHORT,
    "KeyTooLongError": Meaning.MISUSE,
    "EntityTooLarge": Meaning.MISUSE,
    "InvalidArgument": Meaning.MISUSE,
    "InvalidRequest": Meaning.MISUSE,
    "InvalidWriteOffset": Meaning.MISUSE,
    "TooManyParts": Meaning.MISUSE,
    "EncryptionTypeMismatch": Meaning.LOUD,
    "InvalidObjectState": Meaning.LOUD,  # archived, which no rule of ours does
    "ObjectNotInActiveTierError": Meaning.LOUD,  # the same, of what is copied
    "NoSuchBucket": Meaning.LOUD,
    "AccessDenied": Meaning.LOUD,
    "403": Meaning.LOUD,
    "400": Meaning.LOUD,
    "NoSuchUpload": Meaning.MISSING,
    "InvalidPart": Meaning.PARTS,
    "InvalidPartOrder": Meaning.PARTS,
    "EntityTooSmall": Meaning.PARTS,
    "MalformedXML": Meaning.MISUSE,
    # STS
    "Throttling": Meaning.BUSY,
    "MalformedPolicyDocument": Meaning.MISUSE,
    "PackedPolicyTooLarge": Meaning.MISUSE,
    "RegionDisabledException": Meaning.LOUD,
    "ExpiredTokenException": Meaning.LOUD,
    # Step Functions
    "ExecutionAlreadyExists": Meaning.THERE,
    "ExecutionDoesNotExist": Meaning.MISSING,
    "ExecutionLimitExceeded": Meaning.BUSY,
    "KmsThrottlingException": Meaning.BUSY,
    "InvalidArn": Meaning.MISUSE,
    "InvalidExecutionInput": Meaning.MISUSE,
    "InvalidName": Meaning.MISUSE,
    "StateMachineDoesNotExist": Meaning.LOUD,
    "StateMachineDeleting": Meaning.LOUD,
    "KmsAccessDeniedException": Meaning.LOUD,
    "KmsInvalidStateException": Meaning.LOUD,
    # SQS
    "RequestThrottled": Meaning.BUSY,
    "KmsThrottled": Meaning.BUSY,
    "KMS.ThrottlingException": Meaning.BUSY,
    "InvalidMessageContents": Meaning.MISUSE,
    "InvalidParameterValue": Meaning.MISUSE,
    "QueueDoesNotExist": Meaning.LOUD,
    "AWS.SimpleQueueService.NonExistentQueue": Meaning.LOUD,
    "UnsupportedOperation": Meaning.LOUD,
    "InvalidAddress": Meaning.LOUD,
    "InvalidSecurity": Meaning.LOUD,
    "KmsAccessDenied": Meaning.LOUD,
    "KmsDisabled": Meaning.LOUD,
    "KmsInvalidKeyUsage": Meaning.LOUD,
    "KmsInvalidState": Meaning.LOUD,
    "KmsNotFound": Meaning.LOUD,
    "KmsOptInRequired": Meaning.LOUD,
    # Lambda
    "TooManyRequestsException": Meaning.BUSY,
    "ServiceException": Meaning.BUSY,
    "ResourceNotReadyException": Meaning.BUSY,  # the function is being made or changed
    "ResourceConflictException": Meaning.BUSY,
    "CodeArtifactUserPendingException": Meaning.BUSY,
    "SnapStartNotReadyException": Meaning.BUSY,
    "SnapStartTimeoutException": Meaning.BUSY,
    "InvalidParameterValueException": Meaning.MISUSE,
    "InvalidRequestContentException": Meaning.MISUSE,
    "RequestTooLargeException": Meaning.MISUSE,
    "SerializedRequestEntityTooLargeException": Meaning.MISUSE,
    "UnsupportedMediaTypeException": Meaning.MISUSE,
    **dict.fromkeys(
        (
            "CodeArtifactUserDeletedException",
            "CodeArtifactUserFailedException",
            "DurableExecutionAlreadyStartedException",
            "InvalidRuntimeException",
            "InvalidZipFileException",
            "ModeNotSupportedException",
            "NoPublishedVersionException",
            "RecursiveInvocationException",
            "RuntimeAliasDeletedException",
            "RuntimeVersionDeletedException",
            "ServiceQuotaExceededException",
            "SnapStartException",
            "SnapStartRegenerationFailureException",
            # Functions in a network, with a file system, or with a key of one's own: ours are not.
            "EC2AccessDeniedException",
            "EC2ThrottledException",
            "EC2UnexpectedException",
            "EFSIOException",
            "EFSMountConnectivityException",
            "EFSMountFailureException",
            "EFSMountTimeoutException",
            "ENILimitReachedException",
            "ENINotReadyException",
            "InvalidSecurityGroupIDException",
            "InvalidSubnetIDException",
            "KMSAccessDeniedException",
            "KMSDisabledException",
            "KMSInvalidStateException",
            "KMSNotFoundException",
            "S3FilesMountConnectivityException",
            "S3FilesMountFailureException",
            "S3FilesMountTimeoutException",
            "SubnetIPAddressLimitReachedException",
        ),
        Meaning.LOUD,
    ),
    # The Parameter Store of Systems Manager
    "ParameterNotFound": Meaning.MISSING,
    "ParameterVersionNotFound": Meaning.MISSING,
    "InvalidKeyId": Meaning.LOUD,
    "ParameterAlreadyExists": Meaning.THERE,
    "TooManyUpdates": Meaning.BUSY,
    "ParameterLimitExceeded": Meaning.LOUD,
    "ParameterMaxVersionLimitExceeded": Meaning.LOUD,
    "HierarchyLevelLimitExceededException": Meaning.MISUSE,
    "ParameterPatternMismatchException": Meaning.MISUSE,
    "UnsupportedParameterType": Meaning.MISUSE,
    **dict.fromkeys(
        (
            # Types, tiers, patterns and policies of parameters, which ours have none of.
            "HierarchyTypeMismatchException",
            "IncompatiblePolicyException",
            "InvalidAllowedPatternException",
            "InvalidPolicyAttributeException",
            "InvalidPolicyTypeException",
            "PoliciesLimitExceededException",
        ),
        Meaning.LOUD,
    ),
}

REASONS: Mapping[str, Meaning] = {
    "ConditionalCheckFailed": Meaning.CONDITION,
    "TransactionConflict": Meaning.BUSY,
    "ProvisionedThroughputExceeded": Meaning.BUSY,
    "ThrottlingError": Meaning.BUSY,
    "ValidationError": Meaning.MISUSE,
    "ItemCollectionSizeLimitExceeded": Meaning.LOUD,
}
"""Why a write of a transaction was refused; the others of the same transaction say ``None``."""

_SERVER_ERROR, _TOO_MANY = 500, 429


@contextmanager
def translated(operation: str, target: str) -> Iterator[None]:
    """Let out no SDK error: `operation` and `target` name in the message what was tried.

    Raises:
        StorageError: one of its kinds, by the table above.
        InvalidInput: a client's list of parts is wrong.
        ValueError: the request cannot work.
    """
    try:
        yield
    except ClientError as error:
        raise _of_answer(error, f"{operation} {target}") from error
    except SSLError as error:  # a kind of ConnectionError, which trying again does not mend
        raise StorageError(f"{operation} {target}: {error}") from error
    except (HTTPClientError, ConnectionError, IncompleteReadError) as error:
        raise StorageBusy(f"{operation} {target}: no answer: {error}") from error
    except ParamValidationError as error:
        raise ValueError(f"{operation} {target}: {error}") from error
    except BotoCoreError as error:
        raise StorageError(f"{operation} {target}: {error}") from error


def meaning_of(code: str, status: int = 0) -> Meaning:
    """What a code means; one that the table lacks is busy when its HTTP status says so."""
    unknown = Meaning.BUSY if status >= _SERVER_ERROR or status == _TOO_MANY else Meaning.LOUD
    return MEANINGS.get(code, unknown)


def _of_answer(error: ClientError, what: str) -> Exception:
    response = cast("Mapping[str, Any]", error.response)
    code = str(response.get("Error", {}).get("Code", ""))
    text = f"{what}: {code}: {response.get('Error', {}).get('Message', '')}"
    match meaning_of(code, int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))):
        case Meaning.CONDITION:
            found = response.get("Item")
            return ConditionFailed(text, item_from_wire(found) if found else None)
        case Meaning.CANCELLED:
            return _of_reasons(response.get("CancellationReasons", ()), text)
        case meaning:
            return _plain(meaning, text)


def _of_reasons(reasons: list[Mapping[str, Any]], text: str) -> Exception:
    """One error for a transaction: a mistake first, then a false condition, then a conflict."""
    codes = [str(reason.get("Code", "None")) for reason in reasons]
    meanings = {REASONS.get(code, Meaning.LOUD) for code in codes if code != "None"}
    if Meaning.MISUSE in meanings or Meaning.LOUD in meanings or not meanings:
        detail = "; ".join(str(reason.get("Message", "")) for reason in reasons if reason.get("Message"))
        return _plain(Meaning.MISUSE if Meaning.MISUSE in meanings else Meaning.LOUD, f"{text}: {detail}")
    if Meaning.CONDITION not in meanings:
        return StorageBusy(text)
    return TransactionCancelled(
        [code == "ConditionalCheckFailed" for code in codes],
        [item_from_wire(reason["Item"]) if reason.get("Item") else None for reason in reasons],
    )


def _plain(meaning: Meaning, text: str) -> Exception:
    """The error of a meaning that carries nothing but text."""
    match meaning:
        case Meaning.BUSY:
            return StorageBusy(text)
        case Meaning.MISSING:
            return ObjectMissing(text)
        case Meaning.THERE:
            return PreconditionFailed(text)
        case Meaning.SHORT:
            return CorruptObject(text)
        case Meaning.PARTS:
            return InvalidInput("invalid_parts", "a part is missing, too small, or has another ETag")
        case Meaning.MISUSE:
            return ValueError(text)
        case _:
            return StorageError(text)
