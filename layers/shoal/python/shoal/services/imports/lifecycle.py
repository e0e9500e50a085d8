"""An import from its creation to its end, as its owner sees and steers it."""

from collections.abc import Sequence
from dataclasses import dataclass

from shoal.model.datasets import Dataset
from shoal.model.imports import ErrorMode, Import, ImportFormat
from shoal.storage.ports import Ports, Target

CONTENT_TYPE = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class UploadTargets:
    """Where the file goes: one address, or one a part of `part_bytes` (the last may be smaller)."""

    targets: tuple[Target, ...]
    max_bytes: int
    expires_at: float
    part_bytes: int | None = None


def create_import(
    ports: Ports,
    dataset: Dataset,
    *,
    file_format: ImportFormat,
    error_mode: ErrorMode,
    max_bad_records: int | None,
    multipart: bool,
    vector_quota: int | None,
) -> tuple[Import, UploadTargets]:
    """Create an import.

    Raises:
        LimitReached: `vector_quota_exceeded`: the tenant is at its quota already.
        NotFound: `dataset_not_found`.
        Conflict: `too_many_imports`.
        TryAgain: nothing was created.
    """
    raise NotImplementedError


def complete_import(
    ports: Ports, dataset: Dataset, import_id: str, *, parts: Sequence[tuple[int, str]] | None
) -> Import:
    """Start what was uploaded.

    Raises:
        NotFound: `import_not_found`.
        Conflict: `import_not_pending`.
        InvalidInput: `upload_missing`, `invalid_parts`.
        TryAgain: nothing was started.
    """
    raise NotImplementedError


def get_import(ports: Ports, dataset: Dataset, import_id: str) -> Import:
    """An import of the dataset.

    Raises:
        NotFound: `import_not_found`.
    """
    raise NotImplementedError


def list_imports(ports: Ports, dataset: Dataset, *, limit: int) -> list[Import]:
    """The newest imports of the dataset, newest first."""
    raise NotImplementedError


def cancel_import(ports: Ports, dataset: Dataset, import_id: str) -> Import:
    """End an import with nothing of it indexed; one that has failed stays as it is.

    Raises:
        NotFound: `import_not_found`.
        Conflict: `import_not_cancellable`: it is completed, or about to be.
    """
    raise NotImplementedError


def rejects_target(ports: Ports, job: Import) -> Target | None:
    """Where the rejected records can be read; None where there are none (yet)."""
    raise NotImplementedError


def start_uploaded(ports: Ports, key: str) -> bool:
    """Start the import whose upload is the object `key`, as the event of S3 says; whether it was ours to start.

    Nothing happens where it has started already, is over, or the key is not one of an upload.
    """
    raise NotImplementedError


def reconcile_imports(ports: Ports) -> int:
    """Start, end or fail the imports that nobody else does: lost events, expired uploads, dead workflows."""
    raise NotImplementedError


def fail(ports: Ports, job: Import, message: str) -> None:
    """End an import with nothing of it indexed. One that has ended already stays as it is."""
    raise NotImplementedError
