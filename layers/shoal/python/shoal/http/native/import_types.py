"""Bodies of the imports, requests and answers; as `shoal.http.native.types`, which holds those of all else."""

from typing import Annotated, Literal

from pydantic import Field

from shoal.http.native.types import Body, Timestamp
from shoal.model.limits import MAX_UPLOAD_PARTS

MAX_ETAG_CHARACTERS = 128


class CreateImport(Body):
    """An import to be. `multipart` asks for one address a part, for files over 5 GiB."""

    format: Literal["ndjson", "parquet"]
    error_mode: Literal["continue", "abort"] = "continue"
    max_bad_records: int | None = Field(default=None, ge=0)
    multipart: bool = False


class UploadedPart(Body):
    """A part that was uploaded, and the ETag with which S3 answered."""

    part_number: int = Field(ge=1, le=MAX_UPLOAD_PARTS)
    etag: str = Field(min_length=1, max_length=MAX_ETAG_CHARACTERS, pattern=r"^[\x21-\x7e]+$")


class CompleteImport(Body):
    """Nothing for an upload by one PUT; the parts, in rising order, for one in parts."""

    parts: Annotated[list[UploadedPart], Field(min_length=1)] | None = None


class SingleUpload(Body):
    """Where the whole file goes by one PUT, with exactly this Content-Type."""

    method: Literal["PUT"]
    url: str
    content_type: str
    max_bytes: int
    expires_at: Timestamp


class PartTarget(Body):
    """Where one part goes by PUT."""

    part_number: int
    url: str


class PartedUpload(Body):
    """Where the file goes in parts of `part_bytes` each; the last may be smaller, and not all need be used."""

    method: Literal["PUT"]
    content_type: str
    max_bytes: int
    part_bytes: int
    expires_at: Timestamp
    parts: list[PartTarget]


class ImportProgress(Body):
    """The stage at hand, and how many of its pieces are done; `total` is 0 where nobody has counted them yet."""

    stage: str
    done: int
    total: int


class RejectedReason(Body):
    """How many records were rejected for one reason."""

    reason: str
    count: int


class ImportOut(Body):
    """An import. `completed` and `failed` are terminal; a failed one tells why in `error_message`.

    `rejected_records_url` is signed for an hour with each answer. It leads to one JSON object a line: `line` (from
    1, in the whole file), `reason` and the `record`. `progress` is null while nothing runs. `reasons` has the most
    frequent first.
    """

    import_id: str
    dataset: str
    format: Literal["ndjson", "parquet"]
    status: Literal["awaiting_upload", "validating", "indexing", "completed", "failed"]
    error_mode: Literal["continue", "abort"]
    max_bad_records: int | None
    records_processed: int
    records_accepted: int
    records_rejected: int
    percent_complete: int
    rejected_records_url: str | None
    error_message: str | None
    created_at: Timestamp
    completed_at: Timestamp | None
    progress: ImportProgress | None
    reasons: list[RejectedReason]


class NewImportOut(ImportOut):
    """A new import: `upload` is shown this once."""

    upload: SingleUpload | PartedUpload


class ImportList(Body):
    """The newest imports, newest first."""

    imports: list[ImportOut]
