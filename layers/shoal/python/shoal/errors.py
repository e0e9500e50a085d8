"""Every error Shoal raises on purpose.

The tree::

    ShoalError
    ├── StorageError                  something below a port
    │   ├── ObjectMissing             no object under that key (or version)
    │   ├── PreconditionFailed        S3 412: somebody else put the object first
    │   ├── ConditionFailed           a conditional write lost; carries the item that is there
    │   ├── TransactionCancelled      a transaction lost; carries a reason for each write
    │   ├── StorageBusy               throttled, in conflict or unavailable: worth another try
    │   └── CorruptObject             bytes that do not match their checksum or their format
    ├── RequestError                  the caller's doing; has a code, a message and details
    │   ├── InvalidInput              400
    │   ├── Unauthenticated           401
    │   ├── NotFound                  404
    │   ├── Conflict                  409, with seconds to wait where it passes by itself
    │   ├── TooLarge                  413
    │   └── LimitReached              429, with seconds to wait
    ├── ImportRejected                an import cannot succeed, and why: ends it, is never tried again
    ├── ImportStopped                 an import has ended while a step of it was at work
    ├── RunStopped                    a run of another workflow has: a compaction, for one
    ├── ModelError                    an embedding model; says which, and what to do
    │   ├── ModelBusy                 throttled or not answering: worth another try later
    │   ├── ModelDenied               we may not use it: access, key, or a model that is not there
    │   └── ModelFailed               it answers, but not what it should
    └── TryAgain                      503: nothing was done, the same request may succeed later

HTTP statuses and bodies belong to `shoal.http`; the numbers above are only there for the reader.
"""

from collections.abc import Mapping, Sequence
from typing import Any


class ShoalError(Exception):
    """Base of every error raised on purpose."""


class StorageError(ShoalError):
    """Base of what a storage port raises."""


class ObjectMissing(StorageError):
    """There is no object under the key, or not in that version."""


class PreconditionFailed(StorageError):
    """A put with ``if_none_match`` found an object under the key (S3 412)."""


class ConditionFailed(StorageError):
    """A conditional write found its condition false.

    `item` is what is stored there (None when nothing is), so that a caller whose first attempt was
    answered too late can recognise its own write.
    """

    def __init__(self, message: str, item: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.item = item


class TransactionCancelled(StorageError):
    """A transaction was refused as a whole; `items` holds, for each write, the item that made it fail.

    `failed` has a flag for each write, in order; `items` the stored item where its condition failed.
    """

    def __init__(self, failed: Sequence[bool], items: Sequence[Mapping[str, Any] | None]) -> None:
        super().__init__(f"transaction cancelled by writes {[n for n, lost in enumerate(failed) if lost]}")
        self.failed = tuple(failed)
        self.items = tuple(items)


class StorageBusy(StorageError):
    """Throttling, a conflict between transactions, or a service that is unavailable: try again."""


class CorruptObject(StorageError):
    """Bytes that do not match the checksum of who names them, or that are not the format they claim."""


class RequestError(ShoalError):
    """Base of errors that the caller can mend.

    `code` is a stable word for programs, the message a sentence for people, `details` a small object.
    """

    def __init__(self, code: str, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = dict(details) if details else None


class InvalidInput(RequestError):
    """The request is malformed or breaks a documented limit."""


class Unauthenticated(RequestError):
    """No valid key, or a key without the scope that the call needs."""


class NotFound(RequestError):
    """What was named does not exist for this tenant."""


class Conflict(RequestError):
    """The request contradicts what is stored; `retry_after` says in how many seconds it may not any more."""

    def __init__(
        self,
        code: str,
        message: str,
        details: Mapping[str, Any] | None = None,
        *,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(code, message, details)
        self.retry_after = retry_after


class TooLarge(RequestError):
    """The body is over a documented size."""


class LimitReached(RequestError):
    """A quota or a rate is used up; `retry_after` says in how many seconds to come back."""

    def __init__(
        self, code: str, message: str, *, retry_after: int, details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(code, message, details)
        self.retry_after = retry_after


class ImportRejected(ShoalError):
    """An import cannot succeed; the message is for its owner: what is wrong with the file, and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ImportStopped(ShoalError):
    """The import has failed, was cancelled, or its dataset is gone: what is left of its workflow must not run."""


class RunStopped(ShoalError):
    """A compaction or an export has ended while a step of it was at work: somebody else was faster, or what it
    works on is gone. The workflow must not go on.
    """


class ModelError(ShoalError):
    """An embedding model did not do what was asked; the message is for its user and quotes no text of theirs.

    `reason` is the message without the model's name.
    """

    def __init__(self, model_id: str, message: str) -> None:
        super().__init__(f"{model_id}: {message}")
        self.model_id = model_id
        self.reason = message
        self.message = f"{model_id}: {message}"


class ModelBusy(ModelError):
    """The model is throttled, or does not answer; the same call may succeed later: in `retry_after` seconds, where
    that is known.
    """

    def __init__(self, model_id: str, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(model_id, message)
        self.retry_after = retry_after


class ModelDenied(ModelError):
    """The model may not be used: no access to it, a wrong key, or none of that name at the provider."""


class ModelFailed(ModelError):
    """The model answers something that no other try will make right."""


class TryAgain(ShoalError):
    """Nothing was done because a part was busy; the same request may succeed later."""

    def __init__(self, message: str, *, retry_after: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after
