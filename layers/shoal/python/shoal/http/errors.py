"""Exceptions as answers in the native envelope: `{"error": {"code", "message"[, "details"]}}`."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shoal.errors import (
    Conflict,
    CorruptObject,
    InvalidInput,
    LimitReached,
    ModelBusy,
    ModelDenied,
    ModelError,
    ModelFailed,
    NotFound,
    RequestError,
    StorageBusy,
    TooLarge,
    TryAgain,
    Unauthenticated,
)
from shoal.http.response import Response, json_response
from shoal.observability import describe, log_event

STATUS: dict[type[RequestError], int] = {
    InvalidInput: 400,
    Unauthenticated: 401,
    NotFound: 404,
    Conflict: 409,
    TooLarge: 413,
    LimitReached: 429,
}
"""The status of each kind of request error; total by test."""
OF_MODEL: dict[type[ModelError], tuple[int, str]] = {
    ModelBusy: (503, "model_busy"),
    ModelDenied: (409, "model_access_denied"),
    ModelFailed: (502, "model_failed"),
}
"""Status and code of each kind of failure of an embedding model; total by test."""
MODEL_BUSY_SECONDS = 5
"""When to ask a throttled model again: its limits are by the second or the minute."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What a dialect says of an exception, in its own shape. `ours`: a caller can only name the request to us."""

    status: int
    code: str
    message: str
    details: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    ours: bool = False


def failure_of(error: Exception) -> Failure:
    """What to answer to whatever a handler raised; what is not the caller's doing is logged with its stack."""
    if isinstance(error, RequestError):
        return _of_request(error)
    if isinstance(error, TryAgain):
        return _busy(error.message, error.retry_after)
    if isinstance(error, StorageBusy):
        log_event("storage busy", level=logging.WARNING, **describe(error))
        return _busy("storage is busy; send the request again", 1)
    if isinstance(error, ModelError):
        log_event("model did not answer", level=logging.WARNING, model_id=error.model_id, **describe(error))
        return _of_model(error)
    log_event("request failed", level=logging.ERROR, **describe(error))
    if isinstance(error, CorruptObject):
        # The message names the object, which holds nothing but the caller's own ids.
        return Failure(503, "corrupt_object", str(error), ours=True)
    return Failure(500, "internal", "an internal error occurred", ours=True)


def _of_request(error: RequestError) -> Failure:
    status = 403 if error.code == "forbidden" else STATUS[type(error)]
    headers = {}
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    if isinstance(error, LimitReached | Conflict) and error.retry_after is not None:
        headers["retry-after"] = str(error.retry_after)
    return Failure(status, error.code, error.message, error.details, headers)


def _of_model(error: ModelError) -> Failure:
    status, code = OF_MODEL[type(error)]
    headers = {"retry-after": str(MODEL_BUSY_SECONDS)} if status == 503 else {}
    return Failure(status, code, error.message, {"embedding_model": error.model_id}, headers)


def _busy(message: str, retry_after: int) -> Failure:
    return Failure(503, "try_again", message, headers={"retry-after": str(retry_after)})


def native_error(error: Exception, *, request_id: str) -> Response:
    """The answer to whatever a handler raised."""
    told = failure_of(error)
    body: dict[str, Any] = {"code": told.code, "message": told.message}
    if told.details:
        body["details"] = dict(told.details)
    if told.ours and request_id:
        body["request_id"] = request_id
    return json_response(told.status, {"error": body}, told.headers)
