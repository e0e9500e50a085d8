"""Exports: one version of a dataset as Parquet files in S3, and what their workflow's steps tell each other."""

from dataclasses import dataclass
from enum import StrEnum

from pydantic import Field

from shoal.model.work import WorkRecord

EXPORT_FORMAT = 1
MANIFEST_NAME = "manifest.json"


class ExportStatus(StrEnum):
    """How far an export is. `completed` and `failed` are terminal."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"

    @property
    def terminal(self) -> bool:
        """Whether nothing will change any more."""
        return self is not ExportStatus.RUNNING


@dataclass(frozen=True, slots=True)
class Export:
    """An export: of which version (its manifest by key and SHA-256), and how far it is.

    `done` of `total` files are written; `rows` and `bytes` are those of the files, once it is completed.
    """

    export_id: str
    tenant_id: str
    dataset_id: str
    dataset_name: str
    manifest: str
    manifest_sha256: str
    version: int
    created_at: float
    status: ExportStatus = ExportStatus.RUNNING
    total: int = 0
    done: int = 0
    rows: int = 0
    bytes: int = 0
    completed_at: float | None = None
    error_message: str | None = None


class ExportItem(WorkRecord):
    """What one file is written of: shards, of either kind, in this order."""

    number: int = Field(ge=0)
    shards: tuple[str, ...] = Field(strict=False)


class ExportPlan(WorkRecord):
    """`files` follow; a file without live rows is not written."""

    files: int
    items_key: str


class ExportedFile(WorkRecord):
    """A file that was written: its name in the export, and its SHA-256 in hex. `rows` 0: there is no file."""

    number: int
    name: str
    rows: int
    size: int
    sha256: str


class ExportManifest(WorkRecord):
    """What an export consists of: enough to make the dataset again, and to see that nothing is missing.

    `version` is the one that was exported, `watermark` the last write that is in it.
    """

    format: int = EXPORT_FORMAT
    dataset: str
    dimension: int
    metric: str
    target_recall: float
    version: int
    watermark: int
    row_count: int
    exported_at: float
    files: tuple[ExportedFile, ...] = Field(strict=False)
