"""Rows of a Parquet file as they come in: judged batch by batch, the good ones gathered, the others shown."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shoal.errors import ImportRejected
from shoal.index.column_file import Blobs, Columns, joined
from shoal.model.limits import MAX_REJECTED_RECORD_BYTES
from shoal.model.ndjson_lines import ZERO_VECTOR
from shoal.model.records import Vectors
from shoal.services.imports.chunks import Rejects
from shoal.services.imports.parquet_json import NoJson, encode_metadata, to_objects
from shoal.services.imports.parquet_plan import MAX_ROW_GROUP_BYTES
from shoal.services.imports.parquet_text import (
    Texts,
    judge_documents,
    judge_ids,
    judge_namespaces,
    texts_of,
)
from shoal.services.imports.parquet_vectors import first_values, read_vectors

_SHOWN_VALUES = 256
_SHOWN_BYTES = 256
_JUDGES = {"namespace": judge_namespaces, "document": judge_documents}


class Collected:
    """Accepted rows as they come in: vectors into their place, everything else in blobs to be joined."""

    def __init__(self, rows: int, dimension: int, *, refuse_zero: bool) -> None:
        self.vectors: Vectors = np.empty((rows, dimension), dtype=np.float32)
        self.rejects = Rejects()
        self.seen = self.accepted = 0
        self._refuse_zero = refuse_zero
        self._bytes = self.vectors.nbytes
        self._ids: list[Blobs] = []
        self._metadata: list[Blobs] = []
        self._texts: dict[str, list[Blobs]] = {name: [] for name in _JUDGES}

    def add(self, batch: pa.RecordBatch) -> None:
        """Judge the rows of a batch."""
        rows = batch.num_rows
        if self.seen + rows > len(self.vectors):
            raise ImportRejected("the Parquet file is broken: it holds more rows than its footer says")
        place = self.vectors[self.accepted : self.accepted + rows]
        ids = texts_of(batch.column("id"))
        faults = judge_ids(ids)
        for row, reason in read_vectors(batch.column("values"), place).items():
            faults.setdefault(row, reason)
        metadata = [b"{}"] * rows
        if "metadata" in batch.schema.names:
            metadata, found = encode_metadata(batch.column("metadata"))
            for row, reason in found.items():
                faults.setdefault(row, reason)
        texts = {name: texts_of(batch.column(name)) for name in _JUDGES if name in batch.schema.names}
        for name, column in texts.items():
            for row, reason in _JUDGES[name](column).items():
                faults.setdefault(row, reason)
        if self._refuse_zero:
            for row in _zero_rows(place):
                faults.setdefault(row, ZERO_VECTOR)
        good: NDArray[np.intp] = np.arange(rows)
        if faults:
            good = np.delete(good, list(faults))
            place[: len(good)] = place[good]
            metadata = [metadata[row] for row in good.tolist()]
        strings = sum(column.nbytes(good) for column in (ids, *texts.values()))
        self._count_bytes(strings + sum(map(len, metadata)))
        self._ids.append(ids.blobs(good))
        self._metadata.append(Blobs.of(metadata))
        for name, kept in self._texts.items():
            kept.append(texts[name].blobs(good) if name in texts else Blobs.empty(len(good)))
        for row in sorted(faults):
            self.rejects.add(self.seen + row + 1, faults[row], _shown(batch, row, texts))
        self.seen += rows
        self.accepted += len(good)

    def _count_bytes(self, size: int) -> None:
        """A long text that many rows share takes little of the file, and must not fill the memory."""
        self._bytes += size
        if self._bytes > MAX_ROW_GROUP_BYTES:
            raise ImportRejected(
                f"{len(self.vectors)} rows that are read together hold over {MAX_ROW_GROUP_BYTES / 1e6:.0f} MB,"
                " once each has its own copy of texts that they share: write smaller row groups"
            )

    def columns(self) -> Columns | None:
        """The accepted rows; None where there are none."""
        if not self.accepted:
            return None
        return Columns(
            joined(self._ids),
            self.vectors[: self.accepted],
            joined(self._metadata),
            joined(self._texts["namespace"]),
            joined(self._texts["document"]),
        )


def _zero_rows(vectors: Vectors) -> list[int]:
    """Rows that are all zero; most rows are told from their first number."""
    likely = np.flatnonzero(vectors[:, 0] == 0)
    return [row for row in likely.tolist() if not vectors[row].any()]


def _shown(batch: pa.RecordBatch, row: int, texts: Mapping[str, Texts]) -> bytes:
    """A rejected row as its owner may recognize it: JSON, with NaN as such, and its first numbers only."""
    shown: dict[str, Any] = {}
    for name in batch.schema.names:
        column = batch.column(name)
        try:
            if name == "values":
                shown[name] = first_values(column, row, _SHOWN_VALUES)
            elif name in texts:
                shown[name] = texts[name].front(row, _SHOWN_BYTES)
            else:
                storage = column.storage if isinstance(column, pa.ExtensionArray) else column
                (shown[name],) = to_objects(storage.slice(row, 1))
        except (NoJson, pa.ArrowException):
            shown[name] = "..."
    return json.dumps(shown, ensure_ascii=False, default=str).encode(errors="replace")[
        :MAX_REJECTED_RECORD_BYTES
    ]
