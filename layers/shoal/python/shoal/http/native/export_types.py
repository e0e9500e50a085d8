"""Bodies of exports."""

from typing import Literal

from pydantic import ConfigDict

from shoal.http.native.types import Body, Timestamp


class CreateExport(Body):
    """What to export: the current version, or that of a snapshot; a misspelt field must not mean another one."""

    model_config = ConfigDict(extra="forbid")

    snapshot: str | None = None


class ExportProgress(Body):
    """Files written, of how many; 0 of 0 while it is being planned."""

    done: int
    total: int


class ExportedFileOut(Body):
    """A Parquet file of an export; `url` is a presigned GET, signed afresh each time."""

    name: str
    rows: int
    bytes: int
    sha256: str
    url: str
    expires_at: Timestamp


class ExportManifestOut(Body):
    """Where to GET the manifest of an export."""

    url: str
    expires_at: Timestamp


class ExportOut(Body):
    """An export. `files` and `manifest` are there once it is completed; they are kept for a week."""

    export_id: str
    dataset: str
    status: Literal["running", "completed", "failed"]
    version: int
    progress: ExportProgress
    row_count: int
    bytes: int
    created_at: Timestamp
    completed_at: Timestamp | None
    error_message: str | None
    manifest: ExportManifestOut | None
    files: list[ExportedFileOut]


class ExportSummary(Body):
    """An export in a list: without its files."""

    export_id: str
    dataset: str
    status: Literal["running", "completed", "failed"]
    version: int
    progress: ExportProgress
    row_count: int
    bytes: int
    created_at: Timestamp
    completed_at: Timestamp | None
    error_message: str | None


class ExportList(Body):
    """The newest exports, newest first."""

    exports: list[ExportSummary]
