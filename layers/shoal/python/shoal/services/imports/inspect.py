"""Step "inspect": what the uploaded file is, told from its first bytes."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from shoal.errors import ImportRejected
from shoal.model.imports import ImportFormat
from shoal.services.imports.source import upload_of
from shoal.services.imports.workspace import Workspace

_PARQUET = b"PAR1"
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPABLE = b"\x2a\x4d\x18"
"""After a byte from 0x50 to 0x5f: a frame of another program's, which some put first."""
_OTHERS = {
    b"PK\x03\x04": "a zip archive",
    b"\xfd7zX": "compressed with xz",
    b"BZh": "compressed with bzip2",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
    b"\x89HDF": "HDF5",
    b"\x93NUM": "a numpy array",
}
"""Fronts of files that people have, none of which can begin a line of JSON in UTF-8."""
HEAD_BYTES = 4
EMPTY = "the file is empty"


class Compression(StrEnum):
    """How an NDJSON file may be compressed."""

    GZIP = "gzip"
    ZSTD = "zstd"


def compression_of(head: bytes) -> Compression | None:
    """What a file that begins like this is compressed with."""
    if head.startswith(_GZIP):
        return Compression.GZIP
    if head.startswith(_ZSTD) or (head[1:4] == _ZSTD_SKIPPABLE and head[0] >> 4 == 5):
        return Compression.ZSTD
    return None


def inspect(work: Workspace, _item: Mapping[str, Any]) -> dict[str, Any]:
    """Look at the front of the file: ``{"compressed"}``, whether it must be unpacked first.

    Raises:
        ImportRejected: it is empty, of the other format, or of one that is not read.
    """
    source = upload_of(work)
    if not source.size:
        raise ImportRejected(EMPTY)
    if work.job.format is ImportFormat.PARQUET:
        return {"compressed": False}
    head = source.read(0, min(HEAD_BYTES, source.size))
    if head == _PARQUET and work.job.format is ImportFormat.DOCUMENTS:
        raise ImportRejected(
            "the file is Parquet: send documents as NDJSON in UTF-8, plain or as gzip or zstd"
        )
    if head == _PARQUET:
        raise ImportRejected('the file is Parquet, not NDJSON: create the import with "format": "parquet"')
    for front, what in _OTHERS.items():
        if head.startswith(front):
            raise ImportRejected(
                f"the file is {what}: send NDJSON in UTF-8, plain or as gzip or zstd, or Parquet"
            )
    compressed = compression_of(head) is not None
    if compressed:
        work.enter("unpacking")
    return {"compressed": compressed}
