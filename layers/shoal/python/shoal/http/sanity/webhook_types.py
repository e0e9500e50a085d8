"""What a webhook tells: a document as it is now, or that it is gone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from pydantic import ConfigDict

from shoal.errors import InvalidInput
from shoal.http.native.types import Body
from shoal.model.content_documents import (
    Change,
    Deletion,
    check_document_id,
    clamped,
    document_of,
    moment_of,
)

SIGNATURE_HEADER = "sanity-webhook-signature"
OPERATION_HEADER = "sanity-operation"
ID_HEADER = "sanity-document-id"
_DELETE = "delete"
_OPERATIONS = ("create", "update", _DELETE)
_PROJECTED = "operation"
"""The member of the body in which a projection may say `delta::operation()`."""


class WebhookAnswer(Body):
    """What became of a change: it is kept, or it is of a draft or of a version, which no index holds."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"documentId": "movie-1", "operation": "upsert", "status": "accepted"}]
        }
    )

    documentId: str  # noqa: N815 - the contract's name
    operation: Literal["upsert", "delete"]
    status: Literal["accepted", "ignored"]


@dataclass(frozen=True, slots=True)
class Told:
    """A change, and how an answer calls it."""

    change: Change

    @property
    def document_id(self) -> str:
        """Of which document."""
        return self.change.document_id

    @property
    def operation(self) -> Literal["upsert", "delete"]:
        """What is done for it."""
        return "delete" if isinstance(self.change, Deletion) else "upsert"


def change_told(data: bytes, headers: Mapping[str, str], *, sent_ms: int) -> Told:
    """The change that a webhook tells of.

    Args:
        data: the body, whose signature has been checked: what the webhook's projection makes of the document.
        headers: of the request, in lower case.
        sent_ms: when it was signed, in epoch milliseconds: it counts for a document that does not say when it was
            changed.

    Raises:
        InvalidInput: `invalid_request`: no JSON, or another operation than there are; `invalid_document`,
            `invalid_document_id`: no `_id`, or no `_type`.
    """
    value = _json(data)
    said = headers.get(OPERATION_HEADER, "").strip().lower()
    if said and said not in _OPERATIONS:
        raise InvalidInput("invalid_request", f"{OPERATION_HEADER}: must be one of {', '.join(_OPERATIONS)}")
    if isinstance(value, dict):
        projected = value.get(_PROJECTED)
        if projected in _OPERATIONS and said in ("", projected):
            # A member that the projection has added is not the document's.
            value = {name: member for name, member in value.items() if name != _PROJECTED}
            said = projected
    if said == _DELETE:
        return Told(_deletion(value, headers, sent_ms=sent_ms))
    return Told(document_of(value, updated_ms=clamped(sent_ms), where="the webhook's document"))


def _deletion(value: Any, headers: Mapping[str, str], *, sent_ms: int) -> Deletion:
    """Of a document the body shows what it was last: it went after that."""
    body = value if isinstance(value, dict) else {}
    said = body.get("_id", headers.get(ID_HEADER))
    if said is None:
        raise InvalidInput(
            "invalid_document",
            "the webhook tells of a deletion, but not of what: its projection has no _id, and there is no header "
            f"{ID_HEADER}",
        )
    last_ms = moment_of(body.get("_updatedAt"))
    return Deletion(check_document_id(said), clamped(sent_ms) if last_ms is None else last_ms)


def _json(data: bytes) -> Any:
    if not data.strip():
        return None
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        raise InvalidInput("invalid_request", "body must be valid JSON") from None
