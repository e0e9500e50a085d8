"""What validation of any format ends with: accepted records as columns, hashed ids, a sample, the rejects."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import orjson

from shoal.index import id_index
from shoal.index.column_file import Columns, encode_columns
from shoal.model.import_work import Chunk, ChunkRecord
from shoal.model.limits import MAX_REJECTED_RECORD_BYTES, MAX_REJECTS_A_CHUNK
from shoal.model.manifests import PartRef
from shoal.services.imports.workspace import Workspace
from shoal.services.parallel import in_parallel
from shoal.services.pipeline.sample import encode_sample, sample_positions
from shoal.storage.ports import Add


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
    work: Workspace,
    chunk: Chunk,
    *,
    columns: Columns | None,
    rejects: Rejects,
    lines: int,
    more: Sequence[Add] = (),
) -> ChunkRecord:
    """Store what validation made of a chunk and count it.

    Args:
        work: the import.
        chunk: which.
        columns: the accepted records in the order of the file; None where there are none.
        rejects: the others.
        lines: all lines or rows that begin in the chunk.
        more: what else is counted of the import, beside its records.

    Returns:
        The record that counts: of this attempt, or of an earlier one.
    """
    accepted = len(columns) if columns is not None else 0
    name = f"chunk-{chunk.number:06d}"
    parts: dict[str, PartRef] = {}
    if columns is not None and accepted:
        hashes = id_index.hash_encoded(columns.ids.tolist(), work.dataset.hash_key)
        chosen = sample_positions(accepted, chunk.sample_rows, seed=chunk.number)
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
    return count_chunk(work, made, *more)


def count_chunk(work: Workspace, made: ChunkRecord, *more: Add) -> ChunkRecord:
    """Put the chunk's record, unless an earlier attempt has, and add it to what people see of the import."""
    counts, ours = work.record(f"chunk-{made.number:06d}", made)
    if ours:
        work.update(
            Add("done", 1),
            Add("records_processed", counts.processed),
            Add("records_accepted", counts.accepted),
            Add("records_rejected", counts.rejected),
            *more,
        )
    return counts


def only_count(work: Workspace) -> bool:
    """Whether too many records have been rejected already: then lines need only be counted."""
    job = work.fresh()
    return job.too_many_rejected(job.records_rejected)


def chunk_records(work: Workspace, count: int) -> list[ChunkRecord]:
    """The records of all chunks, in order.

    Raises:
        CorruptObject: one is missing.
    """
    names: Sequence[str] = [f"chunk-{number:06d}" for number in range(count)]
    return in_parallel(lambda name: work.needed(name, ChunkRecord), names)
