"""Imports: one file that becomes many records of a dataset, visible at once when all of it is indexed."""

from dataclasses import dataclass
from enum import StrEnum

from shoal.errors import InvalidInput


class ImportFormat(StrEnum):
    """What the file is."""

    NDJSON = "ndjson"
    PARQUET = "parquet"
    DOCUMENTS = "documents"
    """NDJSON of documents as content exports hold them, for a dataset of documents."""
    REINDEX = "reindex"
    """No file: objects of another collection, embedded anew."""
    CONTENT = "content"
    """No file: documents that a content index selects, projected and embedded."""

    @property
    def uploaded(self) -> bool:
        """Whether there is a file."""
        return self not in (ImportFormat.REINDEX, ImportFormat.CONTENT)


class ErrorMode(StrEnum):
    """What a bad record does: it is dropped and reported, or it fails the import."""

    CONTINUE = "continue"
    ABORT = "abort"


class ImportStatus(StrEnum):
    """How far an import is; `completed` and `failed` are terminal."""

    AWAITING_UPLOAD = "awaiting_upload"
    VALIDATING = "validating"
    INDEXING = "indexing"
    COMPLETED = "completed"
    FAILED = "failed"

    @property
    def terminal(self) -> bool:
        """Whether nothing will change any more."""
        return self in (ImportStatus.COMPLETED, ImportStatus.FAILED)


PERCENT = {
    ImportStatus.AWAITING_UPLOAD: 0,
    ImportStatus.VALIDATING: 25,
    ImportStatus.INDEXING: 90,
    ImportStatus.COMPLETED: 100,
}
"""`percent_complete` of the contract; a failed import keeps that of the status in which it failed."""


@dataclass(frozen=True, slots=True)
class Import:
    """An import as stored.

    The upload that counts is the version `version_id` of its object, of `size` bytes: both are set when the
    import starts, with `sequence`, its place in the dataset's log from which on newer writes win. `committed` is
    the place at which it enters the log again, whole. `multipart` is the id of a multipart upload.
    `completed_by_owner` says whether `complete` was called; the event of S3 may have been faster. `reserved` are
    the rows that hold quota, out of `vector_quota`, the tenant's as it was when the import was created. `total`
    and `done` count the pieces of the stage at hand, `reasons` the rejected records by reason, the most frequent
    first. `failed_in` is the status before `failed`.

    A reindex (`task_id` is that of its task) counts more than records: the `objects` that it has tried to embed,
    the `tokens` that its model read, the `characters` of texts, how many objects had too many (`truncated`), and
    the `most_parts` of one object.

    An import of documents has good ones that it does not take: drafts and versions of releases (`skipped`), and
    those of which the dataset holds a later version (`outdated`).
    """

    import_id: str
    tenant_id: str
    dataset_id: str
    dataset_name: str
    format: ImportFormat
    error_mode: ErrorMode
    max_bad_records: int | None
    created_at: float
    expires_at: float
    max_bytes: int
    status: ImportStatus = ImportStatus.AWAITING_UPLOAD
    multipart: str | None = None
    vector_quota: int | None = None
    completed_by_owner: bool = False
    version_id: str | None = None
    etag: str | None = None
    size: int = 0
    started_at: float | None = None
    sequence: int | None = None
    committed: int | None = None
    reserved: int = 0
    stage: str = ""
    total: int = 0
    done: int = 0
    records_processed: int = 0
    records_accepted: int = 0
    records_rejected: int = 0
    reasons: tuple[tuple[str, int], ...] = ()
    has_rejects: bool = False
    failed_in: ImportStatus | None = None
    error_message: str | None = None
    completed_at: float | None = None
    task_id: str | None = None
    objects: int = 0
    tokens: int = 0
    characters: int = 0
    truncated: int = 0
    most_parts: int = 0
    skipped: int = 0
    outdated: int = 0

    @property
    def percent_complete(self) -> int:
        """0, 25, 90 or 100 (contract)."""
        return PERCENT[self.failed_in or ImportStatus.AWAITING_UPLOAD if self._failed else self.status]

    @property
    def _failed(self) -> bool:
        return self.status is ImportStatus.FAILED

    def too_many_rejected(self, rejected: int) -> bool:
        """Whether so many bad records end the import."""
        if self.error_mode is ErrorMode.ABORT:
            return rejected > 0
        return self.max_bad_records is not None and rejected > self.max_bad_records


def check_format(value: object) -> ImportFormat:
    """The format, if it is one.

    Raises:
        InvalidInput: code `invalid_format`.
    """
    if not isinstance(value, str) or value not in (ImportFormat.NDJSON, ImportFormat.PARQUET):
        raise InvalidInput("invalid_format", "format must be ndjson or parquet")
    return ImportFormat(value)


def check_error_mode(value: object) -> ErrorMode:
    """The error mode, if it is one.

    Raises:
        InvalidInput: code `invalid_error_mode`.
    """
    if not isinstance(value, str) or value not in list(ErrorMode):
        raise InvalidInput("invalid_error_mode", "error_mode must be continue or abort")
    return ErrorMode(value)


def too_many_cell_sets(count: int) -> str:
    """Why a dataset that holds so many large imports takes no other, in words."""
    return f"the dataset holds {count} large imports, and no more can be searched at once"
