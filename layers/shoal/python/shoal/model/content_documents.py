"""Documents of content: what one is, which of them are published, and which of two versions is the later one.

A document of a dataset is the record of its `_id`. Its body is the record's text; its metadata are the few fields
that decide which version counts, and a deletion is such a record too, without a body (a marker): so whatever comes
late, or twice, finds what is newer and changes nothing.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from shoal.errors import InvalidInput, TooLarge
from shoal.model.limits import MAX_DOCUMENT_BYTES

DOCUMENTS_SCOPE = "sanity"
"""Scope of the names of datasets of documents."""
MARKER_KEPT_SECONDS = 7 * 86_400
"""How long a deletion is remembered: nothing is delivered later than that."""
_ID = re.compile(r"(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_UNPUBLISHED = ("drafts.", "versions.")
_MAX_TYPE_CHARACTERS = 256
_SHOWN = 80
_FIRST_MS, _LAST_MS = 0, 10**15
"""Moments outside of these are taken for the nearest of them: 1970, and the year 33658."""


class DocumentField:
    """Members of the metadata of a document's record."""

    TYPE = "_type"
    REV = "_rev"
    UPDATED_AT = "_updatedAt"
    UPDATED_MS = "updated_ms"
    VERSION = "version"
    """Orders versions, as text: greater is later."""
    DELETED = "deleted"
    MARKED_AT = "marked_at"
    """When a marker was made, in epoch seconds."""


@dataclass(frozen=True, slots=True)
class Document:
    """A version of a document: `body` is all of it, `_id` and `_type` too; `updated_ms` is when it became so, in
    milliseconds since the epoch.
    """

    document_id: str
    body: Mapping[str, Any]
    updated_ms: int

    @property
    def type(self) -> str:
        """Its `_type`."""
        return str(self.body["_type"])


@dataclass(frozen=True, slots=True)
class Deletion:
    """That a document was deleted, and when, in milliseconds since the epoch."""

    document_id: str
    updated_ms: int


type Change = Document | Deletion


@dataclass(frozen=True, slots=True)
class EncodedChange:
    """A change as a record: metadata and text are compact JSON in UTF-8; a marker has no text."""

    document_id: str
    metadata: bytes
    text: bytes


def is_published(document_id: str) -> bool:
    """Whether it is neither a draft nor a version of a release: those are never indexed."""
    return not document_id.startswith(_UNPUBLISHED)


def check_document_id(value: object, *, where: str = "_id") -> str:
    """The id, if it is one.

    Raises:
        InvalidInput: `invalid_document_id`.
    """
    if not isinstance(value, str) or not value:
        raise InvalidInput("invalid_document_id", f"{where} must be a non-empty string")
    if not _ID.fullmatch(value):
        raise InvalidInput(
            "invalid_document_id",
            f"{where}: {value[:_SHOWN]!r} cannot be an id: 1 to 128 of a-z, A-Z, 0-9, '.', '_' and '-', "
            "not beginning with '-' or '.', without '..'",
        )
    return value


def document_of(value: object, *, updated_ms: int, where: str = "the document") -> Document:
    """A document out of parsed JSON. Where it says when it was changed (`_updatedAt`), that counts.

    Args:
        value: parsed JSON.
        updated_ms: when it was changed if it does not say, in epoch milliseconds.
        where: what errors call it.

    Raises:
        InvalidInput: `invalid_document`, or `invalid_document_id`; says what is missing.
    """
    if not isinstance(value, dict):
        raise InvalidInput("invalid_document", f"{where} must be a JSON object")
    if "_id" not in value:
        raise InvalidInput("invalid_document", f"{where} has no _id")
    document_id = check_document_id(value["_id"])
    check_type(value, where=f"{where} {document_id}")
    said = moment_of(value.get("_updatedAt"))
    return Document(document_id, value, updated_ms if said is None else said)


def check_type(body: Mapping[str, Any], *, where: str) -> str:
    """The `_type` of a document.

    Raises:
        InvalidInput: `invalid_document`.
    """
    kind = body.get("_type")
    if not isinstance(kind, str) or not 0 < len(kind) <= _MAX_TYPE_CHARACTERS:
        raise InvalidInput(
            "invalid_document", f"{where}: _type must be a string of 1 to {_MAX_TYPE_CHARACTERS} characters"
        )
    return kind


def moment_of(value: object) -> int | None:
    """Epoch milliseconds of a timestamp (ISO 8601; without a zone it is UTC); None where it is none."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return clamped(int(zoned.timestamp() * 1000))
    except (ValueError, OverflowError):
        return None


def timestamp_of(ms: int) -> str:
    """A moment as documents say it, such as `2023-09-15T12:27:55.123Z`."""
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{ms % 1000:03d}Z"


def clamped(ms: int) -> int:
    """The moment, or the nearest one that versions can have."""
    return min(max(ms, _FIRST_MS), _LAST_MS)


def encoded_change(change: Change, *, now: float) -> EncodedChange:
    """A change as a record; `now` is in epoch seconds.

    Versions are ordered by `updated_ms`. Of one moment a deletion is the later, and among documents `_rev`
    decides, or else the text: so the order in which they come is of no account.

    Raises:
        InvalidInput: `invalid_document`: something in the body has no JSON.
        TooLarge: `document_too_large`; names the document.
    """
    ms = clamped(change.updated_ms)
    fields: dict[str, Any]
    if isinstance(change, Deletion):
        fields = {
            DocumentField.UPDATED_MS: ms,
            DocumentField.VERSION: f"{ms:016d}.1",
            DocumentField.DELETED: True,
            DocumentField.MARKED_AT: now,
        }
        return EncodedChange(change.document_id, orjson.dumps(fields), b"")
    text = encoded_body(change.document_id, change.body)
    fields = {
        DocumentField.TYPE: change.type,
        DocumentField.UPDATED_MS: ms,
        DocumentField.VERSION: _version(change, text),
    }
    for name in (DocumentField.REV, DocumentField.UPDATED_AT):
        if isinstance(said := change.body.get(name), str):
            fields[name] = said[:128]
    return EncodedChange(change.document_id, orjson.dumps(fields), text)


def encoded_body(document_id: str, body: Mapping[str, Any]) -> bytes:
    """The text of a document: compact JSON in UTF-8.

    Raises:
        InvalidInput: `invalid_document`: something in it has no JSON.
        TooLarge: `document_too_large`; names the document.
    """
    try:
        text = orjson.dumps(body)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(
            "invalid_document", f"document {document_id} cannot be written as JSON: {error}"
        ) from None
    if len(text) > MAX_DOCUMENT_BYTES:
        raise TooLarge(
            "document_too_large",
            f"document {document_id} has {len(text)} bytes, and at most {MAX_DOCUMENT_BYTES} fit; split it",
            {"id": document_id, "bytes": len(text), "limit": MAX_DOCUMENT_BYTES},
        )
    return text


def decoded_change(document_id: str, metadata: bytes, text: bytes | None) -> Change:
    """A record as it was before `encoded_change`; without its text, a document has `_id` and `_type` alone."""
    fields = orjson.loads(metadata)
    ms = int(fields[DocumentField.UPDATED_MS])
    if fields.get(DocumentField.DELETED):
        return Deletion(document_id, ms)
    if text is None:
        return Document(document_id, {"_id": document_id, "_type": fields[DocumentField.TYPE]}, ms)
    return Document(document_id, orjson.loads(text), ms)


def version_of_document(document: Document) -> str:
    """What orders a version of a document, as its record says it."""
    return _version(document, None)


def _version(document: Document, text: bytes | None) -> str:
    """`text` is its compact JSON, where that is at hand."""
    rev = document.body.get("_rev")
    if not isinstance(rev, str) or not rev:
        rev = hashlib.sha256(orjson.dumps(document.body) if text is None else text).hexdigest()[:32]
    return f"{clamped(document.updated_ms):016d}.0.{rev[:128]}"


def version_of(metadata: bytes) -> str:
    """What orders the version that a record holds."""
    return str(orjson.loads(metadata)[DocumentField.VERSION])
