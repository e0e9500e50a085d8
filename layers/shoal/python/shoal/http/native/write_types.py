"""Bodies of writes and of what they did. Those that delete refuse fields that they do not know: a misspelt filter
must not delete what it was meant to spare.
"""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from shoal.http.native.types import Body, RecordId, RejectedLine, Timestamp
from shoal.model.limits import MAX_DELETE_IDS, MAX_ID_CHARACTERS, MAX_NAMESPACE_CHARACTERS

_STRICT = ConfigDict(extra="forbid")
type Status = Literal["pending", "indexed", "failed"]
_JOB = "job_3f1c9a7e5b2d46810000000000000007"


class WriteResult(Body):
    """What a write did, in records; known once it is indexed.

    `missing` ids of a delete or a patch did not exist. `skipped` records of an upload were kept out by its
    condition; those of a patch would have too much metadata, and `reason` says so of the first.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"upserted": 0, "skipped": 0, "patched": 0, "deleted": 41, "missing": 2}]
        }
    )

    upserted: int
    skipped: int
    patched: int
    deleted: int
    missing: int
    reason: str | None = None


class Written(Body):
    """An accepted write. What follows `job_id` is only there where it was waited for: `pending` after the time-out
    (it goes on by itself), `indexed` with what it did, or `failed` with the reason.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"job_id": _JOB},
                {
                    "job_id": _JOB,
                    "status": "indexed",
                    "result": {"upserted": 0, "skipped": 0, "patched": 0, "deleted": 41, "missing": 0},
                },
                {"job_id": _JOB, "status": "pending"},
            ]
        }
    )

    job_id: str
    status: Status | None = None
    result: WriteResult | None = None
    error_message: str | None = None


class JobOut(Body):
    """A job. `pending` becomes `indexed` or `failed`, and stays so. `result` is known once it is indexed."""

    job_id: str
    dataset: str
    kind: Literal["upsert", "delete", "patch", "restore", "import_open", "import", "import_end", "aborted"]
    status: Status
    rows: int
    created_at: Timestamp
    error_message: str | None
    result: WriteResult | None


class WrittenLines(Written):
    """An accepted write of lines. `accepted` counts good lines, repeated ids included."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "accepted": 2,
                    "rejected": 1,
                    "errors": [{"line": 3, "reason": "id must be a non-empty string"}],
                    "job_id": _JOB,
                }
            ]
        }
    )

    accepted: int
    rejected: int
    errors: list[RejectedLine]


class DeleteIn(Body):
    """What to delete: `ids`; or all that `filter`, `namespace` ("": none) and `prefix` of the id mean, together;
    or `all`. `wait` false does not wait for the number.
    """

    model_config = _STRICT | ConfigDict(
        json_schema_extra={
            "examples": [
                {"ids": ["doc-1", "doc-2"]},
                {"filter": {"lang": "de", "year": {"$lt": 1990}}, "namespace": "books"},
                {"all": True},
            ]
        }
    )

    ids: Annotated[list[RecordId], Field(min_length=1, max_length=MAX_DELETE_IDS)] | None = None
    filter: dict[str, Any] | None = None
    namespace: Annotated[str, Field(max_length=MAX_NAMESPACE_CHARACTERS)] | None = None
    prefix: Annotated[str, Field(min_length=1, max_length=MAX_ID_CHARACTERS)] | None = None
    all: bool | None = None
    wait: bool | None = None


class PatchIn(Body):
    """Changes to metadata, merged into what is there (RFC 7396): null removes a member, objects are merged,
    anything else replaces. At most 40 KiB of compact JSON, and so for the result.
    """

    model_config = _STRICT | ConfigDict(
        json_schema_extra={
            "examples": [{"metadata": {"title": "Atlas", "draft": None, "size": {"pages": 212}}}]
        }
    )

    metadata: dict[str, Any]


class PatchLine(Body):
    """One line of a patch of many records."""

    id: RecordId
    metadata: dict[str, Any]
