"""What a file is, by its name; and whether it can be uploaded at all."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from infra.cli.failures import UsageError
from shoal.model.imports import ImportFormat
from shoal.model.limits import MAX_UPLOAD_BYTES, MAX_UPLOAD_PARTS, UPLOAD_PART_BYTES

_NDJSON = {".ndjson", ".jsonl", ".json"}
_PACKED = {".gz", ".zst"}
_MOST_BYTES = MAX_UPLOAD_PARTS * UPLOAD_PART_BYTES


class FileFormat(StrEnum):
    """What a file of records may be: of all formats of imports those that a caller can choose."""

    NDJSON = ImportFormat.NDJSON.value
    PARQUET = ImportFormat.PARQUET.value


@dataclass(frozen=True, slots=True)
class Source:
    """A file to upload."""

    path: Path
    size: int
    format: ImportFormat
    multipart: bool


def source_of(path: Path, *, file_format: ImportFormat | None, multipart: bool) -> Source:
    """The file, in parts where it must be.

    Raises:
        UsageError: it is not there, empty or too large, or its name does not say what it is.
    """
    try:
        size = path.stat().st_size
        with path.open("rb"):
            pass
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    if size == 0:
        raise UsageError(f"{path} is empty")
    if size > _MOST_BYTES:
        raise UsageError(
            f"{path} has {size:,} bytes, an upload at most {_MOST_BYTES:,}",
            hint="split it: each file is an import of its own",
        )
    known = file_format or format_of(path)
    if known is None:
        raise UsageError(
            f"the name of {path} does not say what it is", hint="--format ndjson, or --format parquet"
        )
    return Source(path, size, known, multipart or size > MAX_UPLOAD_BYTES)


def format_of(path: Path) -> ImportFormat | None:
    """NDJSON, also packed by gzip or zstd, or Parquet; None where the suffix is another."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes[-1:] == [".parquet"]:
        return ImportFormat.PARQUET
    if suffixes and suffixes[-1] in _PACKED:
        suffixes.pop()
    return ImportFormat.NDJSON if suffixes and suffixes[-1] in _NDJSON else None
