"""What validation of any format ends with: accepted records as columns, hashed ids, a sample, the rejects."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import orjson
from numpy.typing import NDArray

from shoal.errors import CorruptObject
from shoal.index import id_index
from shoal.index.checksums import Buffer
from shoal.index.column_file import Columns, encode_columns
from shoal.index.container import count_of, pack, section_of, unpack
from shoal.model.import_work import Chunk, ChunkRecord
from shoal.model.limits import MAX_DIMENSION, MAX_REJECTED_RECORD_BYTES, MAX_REJECTS_A_CHUNK
from shoal.model.manifests import PartRef
from shoal.model.records import Vectors
from shoal.services.imports.workspace import Workspace
from shoal.services.parallel import in_parallel
from shoal.storage.ports import Add

_SAMPLE_KIND, _SAMPLE_FORMAT = "sample", 1


@dataclass(slots=True)
class Rejects:
    """The rejected records of a chunk: all counted, the first `MAX_REJECTS_A_CHUNK` listed."""

    count: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    _listed: list[bytes] = field(default_factory=list)

    def add(self, line: int, reason: str, record: bytes) -> None:
        """Reject a record. `line` counts from 1 within the chunk; of `record` at most 2 KiB are shown."""
        self.count += 1
        self.reasons[reason] += 1
        if len(self._listed) < MAX_REJECTS_A_CHUNK:
            shown = record[:MAX_REJECTED_RECORD_BYTES].decode(errors="replace")
            self._listed.append(orjson.dumps({"line": line, "reason": reason, "record": shown}))

    def encode(self) -> bytes:
        """The listed ones as JSON lines."""
        return b"".join(line + b"\n" for line in self._listed)


def store_chunk(
    work: Workspace, chunk: Chunk, *, columns: Columns | None, rejects: Rejects, lines: int
) -> ChunkRecord:
    """Store what validation made of a chunk and count it.

    Args:
        work: the import.
        chunk: which.
        columns: the accepted records in the order of the file; None where there are none.
        rejects: the others.
        lines: all lines or rows that begin in the chunk.

    Returns:
        The record that counts: of this attempt, or of an earlier one.
    """
    accepted = len(columns) if columns is not None else 0
    name = f"chunk-{chunk.number:06d}"
    parts: dict[str, PartRef] = {}
    if columns is not None and accepted:
        hashes = id_index.hash_encoded(columns.ids.tolist(), work.dataset.hash_key)
        chosen = _sample_positions(accepted, chunk)
        parts = {
            "columns": work.put(f"{name}-columns", encode_columns(columns)),
            "hashes": work.put(f"{name}-hashes", np.ascontiguousarray(hashes, dtype="<u8").data.cast("B")),
            "sample": work.put(f"{name}-sample", encode_sample(columns.vectors[chosen], hashes[chosen])),
        }
    if rejects.count:
        parts["rejects"] = work.put(f"{name}-rejects", rejects.encode())
    made = ChunkRecord(
        number=chunk.number,
        lines=lines,
        processed=accepted + rejects.count,
        accepted=accepted,
        rejected=rejects.count,
        reasons=dict(rejects.reasons),
        columns=parts.get("columns"),
        hashes=parts.get("hashes"),
        sample=parts.get("sample"),
        rejects=parts.get("rejects"),
    )
    return count_chunk(work, made)


def count_chunk(work: Workspace, made: ChunkRecord) -> ChunkRecord:
    """Put the chunk's record, unless an earlier attempt has, and add it to what people see of the import."""
    counts, ours = work.record(f"chunk-{made.number:06d}", made)
    if ours:
        work.update(
            Add("done", 1),
            Add("records_processed", counts.processed),
            Add("records_accepted", counts.accepted),
            Add("records_rejected", counts.rejected),
        )
    return counts


def only_count(work: Workspace) -> bool:
    """Whether too many records have been rejected already: then lines need only be counted."""
    job = work.fresh()
    return job.too_many_rejected(job.records_rejected)


def _sample_positions(rows: int, chunk: Chunk) -> NDArray[np.intp]:
    """Which rows go into the sample, ascending: the same for each attempt."""
    if chunk.sample_rows >= rows:
        return np.arange(rows)
    rng = np.random.default_rng(chunk.number)
    return np.sort(rng.choice(rows, size=chunk.sample_rows, replace=False))


def encode_sample(vectors: Vectors, hashes: NDArray[np.uint64]) -> bytes:
    """The object of a sample: vectors (float32, shape (n, dimension)) and hashed ids (uint64, shape (n, 2))."""
    attributes = {"rows": len(vectors), "dimension": int(vectors.shape[1])}
    sections = {
        "vectors": np.ascontiguousarray(vectors, dtype="<f4").tobytes(),
        "hashes": np.ascontiguousarray(hashes, dtype="<u8").tobytes(),
    }
    return pack(_SAMPLE_KIND, _SAMPLE_FORMAT, attributes, sections)


def decode_sample(data: Buffer) -> tuple[Vectors, NDArray[np.uint64]]:
    """Read a sample, after its checksum has been compared.

    Raises:
        CorruptObject: it is not one.
    """
    container = unpack(_SAMPLE_KIND, data, versions=(_SAMPLE_FORMAT,))
    rows = count_of(container.attributes, "rows")
    dimension = count_of(container.attributes, "dimension", most=MAX_DIMENSION)
    if not dimension:
        raise CorruptObject("sample: no dimension")
    vectors = np.frombuffer(section_of(container, "vectors", size=rows * dimension * 4), dtype="<f4")
    hashes = np.frombuffer(section_of(container, "hashes", size=rows * 16), dtype="<u8")
    return vectors.reshape(rows, dimension).astype(np.float32, copy=False), hashes.reshape(rows, 2)


def chunk_records(work: Workspace, count: int) -> list[ChunkRecord]:
    """The records of all chunks, in order.

    Raises:
        CorruptObject: one is missing.
    """
    names: Sequence[str] = [f"chunk-{number:06d}" for number in range(count)]
    return in_parallel(lambda name: work.needed(name, ChunkRecord), names)
