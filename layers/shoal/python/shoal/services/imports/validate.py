"""Step "validate": one chunk of the file into accepted records and rejected ones."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from shoal.errors import ImportStopped
from shoal.index.column_file import Blobs, Columns, joined
from shoal.model.datasets import Metric
from shoal.model.document_lines import DocumentParser
from shoal.model.import_work import Chunk, ChunkRecord
from shoal.model.imports import ImportFormat
from shoal.model.ndjson import BOM
from shoal.model.ndjson_blocks import BlockParser
from shoal.model.ndjson_lines import LONG_LINE
from shoal.model.records import Vectors
from shoal.services.imports.chunks import Rejects, count_chunk, store_chunk
from shoal.services.imports.lines import count_lines, is_long, line_blocks, owned_bytes
from shoal.services.imports.source import READ_BYTES, source_of
from shoal.services.imports.workspace import Workspace
from shoal.storage.ports import Add


def validate(work: Workspace, item: Mapping[str, Any]) -> dict[str, Any]:
    """Validate the chunk `item`.

    Raises:
        ImportStopped: the import has ended.
    """
    chunk = Chunk.of_item(item)
    if work.job.format is ImportFormat.PARQUET:
        # Imported here: pyarrow takes a third of a second that no other format needs.
        from shoal.services.imports.parquet import validate_parquet

        validate_parquet(work, chunk)
    else:
        validate_ndjson(work, chunk)
    return {}


def validate_ndjson(work: Workspace, chunk: Chunk, *, read_bytes: int = READ_BYTES) -> ChunkRecord:
    """Judge the lines that begin in a chunk.

    Once too many records of the import are rejected, here or elsewhere, lines are only counted.

    Args:
        work: the import.
        chunk: which bytes.
        read_bytes: how much is read at a time, and worked on between two looks at the import.

    Raises:
        ImportStopped: the import has ended.
    """
    reading = _Reading(work, chunk)
    pieces = owned_bytes(source_of(work, chunk), chunk.start, chunk.stop, size=read_bytes)
    for block in line_blocks(reading.watched(pieces)):
        reading.take(block)
    return reading.store()


class _Reading:
    """A chunk being read."""

    def __init__(self, work: Workspace, chunk: Chunk) -> None:
        self._work = work
        self._chunk = chunk
        self._parser = _parser_of(work)
        self._rejects = Rejects()
        self._lines = 0
        self._counting = False
        self._at_front = chunk.number == 0 and chunk.start == 0
        self._ids: list[bytes] = []
        self._vectors: list[Vectors] = []
        self._metadata: list[bytes] = []
        self._namespaces: list[Blobs] = []
        self._documents: list[Blobs] = []

    def watched(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """The same pieces, with a look before each at whether the import still wants to know."""
        for piece in pieces:
            self._look()
            yield piece

    def _look(self) -> None:
        if self._counting:
            return
        job = self._work.fresh()
        if job.status.terminal:
            raise ImportStopped(f"the import is {job.status}")
        self._counting = job.too_many_rejected(job.records_rejected + self._rejects.count)

    def take(self, block: bytes) -> None:
        """Read whole lines."""
        first = self._lines + 1
        self._lines += count_lines([block])
        if self._counting:
            return
        if is_long(block):
            self._rejects.add(first, LONG_LINE, block)
            return
        if self._at_front:
            block = block.removeprefix(BOM)
            self._at_front = False
        parsed = self._parser.parse(block, first_line=first)
        if parsed.errors:
            raw = block.split(b"\n")
            for error in parsed.errors:
                self._rejects.add(error.line, error.reason, raw[error.line - first])
            self._counting = self._work.job.too_many_rejected(self._rejects.count)
        if len(parsed):
            self._ids += [each.encode() for each in parsed.ids]
            self._vectors.append(parsed.vectors)
            self._metadata += parsed.metadata
            namespaces, documents = parsed.columns_of_texts() if parsed.texts else ([], [])
            for kept, found in (
                (self._namespaces, [each.encode() for each in namespaces]),
                (self._documents, documents),
            ):
                kept.append(Blobs.of(found) if found else Blobs.empty(len(parsed)))

    def store(self) -> ChunkRecord:
        """Store what was found."""
        if self._counting and not self._rejects.count:
            counted = ChunkRecord(
                number=self._chunk.number,
                lines=self._lines,
                processed=0,
                accepted=0,
                rejected=0,
                counted_only=True,
            )
            return count_chunk(self._work, counted)
        columns = None
        # What an import would have accepted is of no use once it is bound to fail.
        if self._ids and not self._counting:
            columns = Columns(
                Blobs.of(self._ids),
                np.concatenate(self._vectors),
                Blobs.of(self._metadata),
                joined(self._namespaces),
                joined(self._documents),
            )
        skipped = self._parser.skipped if isinstance(self._parser, DocumentParser) else 0
        return store_chunk(
            self._work,
            self._chunk,
            columns=columns,
            rejects=self._rejects,
            lines=self._lines,
            more=(Add("skipped", skipped),) if skipped else (),
        )


def _parser_of(work: Workspace) -> BlockParser | DocumentParser:
    """What judges the lines of such a file."""
    if work.job.format is ImportFormat.DOCUMENTS:
        return DocumentParser(now=work.job.created_at)
    return BlockParser(dimension=work.dataset.dimension, refuse_zero=work.dataset.metric is Metric.COSINE)
