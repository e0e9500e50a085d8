"""Exceptions as answers in the native envelope: `{"error": {"code", "message"[, "details"]}}`."""

import logging
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


def native_error(error: Exception, *, request_id: str) -> Response:
    """The answer to whatever a handler raised. What nobody expected is logged with its stack and answers 500."""
    if isinstance(error, RequestError):
        return _request_error(error)
    if isinstance(error, TryAgain):
        return _busy(error.message, error.retry_after)
    if isinstance(error, StorageBusy):
        log_event("storage busy", level=logging.WARNING, **describe(error))
        return _busy("storage is busy; send the request again", 1)
    if isinstance(error, ModelError):
        log_event("model did not answer", level=logging.WARNING, model_id=error.model_id, **describe(error))
        return _model_error(error)
    log_event("request failed", level=logging.ERROR, **describe(error))
    if isinstance(error, CorruptObject):
        # The message names the object, which holds nothing but the caller's own ids.
        return _envelope(503, "corrupt_object", str(error), request_id=request_id)
    return _envelope(500, "internal", "an internal error occurred", request_id=request_id)


def _request_error(error: RequestError) -> Response:
    status = 403 if error.code == "forbidden" else STATUS[type(error)]
    headers = {}
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    if isinstance(error, LimitReached | Conflict) and error.retry_after is not None:
        headers["retry-after"] = str(error.retry_after)
    return _envelope(status, error.code, error.message, details=error.details, headers=headers)


def _model_error(error: ModelError) -> Response:
    status, code = OF_MODEL[type(error)]
    headers = {"retry-after": str(MODEL_BUSY_SECONDS)} if status == 503 else {}
    return _envelope(
        status, code, error.message, details={"embedding_model": error.model_id}, headers=headers
    )


def _busy(message: str, retry_after: int) -> Response:
    return _envelope(503, "try_again", message, headers={"retry-after": str(retry_after)})


def _envelope(
    status: int,
    code: str,
    message: str,
    *,
    details: dict[str, Any] | None = None,
    request_id: str | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    error: dict[str, Any] = {"code": code, "message": message}
    if details:
        error["details"] = details
    if request_id:
        error["request_id"] = request_id
    return json_response(status, {"error": error}, headers)
