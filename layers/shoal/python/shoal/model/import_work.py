"""What the steps of an import tell each other through S3: items to map over, and one record of each result."""

from typing import Literal

from pydantic import Field

from shoal.model.manifests import CellSetRef, PartRef, Recall, RunRef, ShardRef
from shoal.model.work import WorkRecord


class Chunk(WorkRecord):
    """A piece of the file that one call validates; pieces are numbered from 0 in the order of the file.

    NDJSON: the lines that begin in bytes ``[start, stop)`` of the object `key` in version `version_id`. A line
    belongs to the range in which its first byte lies: a range that does not start the object skips to the byte
    after the first line feed at or after ``start - 1``, and reads its last line to its end beyond `stop`.
    Parquet: the row groups in `row_groups`, whose first row is row `first_row` (from 0) of the file.

    `sample_rows` is how many of its rows go into the sample that the cells are trained on.
    """

    number: int = Field(ge=0)
    key: str
    version_id: str | None
    start: int = 0
    stop: int = 0
    row_groups: tuple[int, ...] = Field(default=(), strict=False)
    first_row: int = 0
    sample_rows: int = 0


class ChunkRecord(WorkRecord):
    """What validation made of a chunk.

    `lines` counts all lines (rows) that begin in it, blank ones too; `processed` those that are records, good or
    bad. `reasons` counts the rejected ones by reason. The parts are None where they would be empty; a chunk that
    was only counted (`counted_only`), because the import had failed already, has none.

    `columns`: accepted records in the order of the file (`index.column_file`). `hashes`: their hashed ids, raw
    uint64 of shape (accepted, 2). `sample`: of `encode_sample`. `rejects`: JSON lines as in the contract, but
    numbered within the chunk, from 1.
    """

    number: int
    lines: int
    processed: int
    accepted: int
    rejected: int
    reasons: dict[str, int] = Field(default_factory=dict)
    columns: PartRef | None = None
    hashes: PartRef | None = None
    sample: PartRef | None = None
    rejects: PartRef | None = None
    counted_only: bool = False


class Plan(WorkRecord):
    """How the file was split: the number of chunks, and the object that lists them, a JSON line each."""

    chunks: int
    items_key: str


class Settled(WorkRecord):
    """What is left of the file once all of it is validated, and how it is going to be stored.

    `kept` holds, for each chunk with accepted rows, the rows that count (the last of each id) as an index into
    the chunk's columns: raw uint32, ascending; None where all do. `rows` is their number.
    """

    layout: Literal["nothing", "shard", "cells"]
    rows: int
    accepted: int
    rejected: int
    kept: dict[str, PartRef | None] = Field(default_factory=dict)


class Product(WorkRecord):
    """All that the commit of an import or a compaction makes current: one shard or one cell set, and the run of
    its ids.

    `run` holds an entry for each of the `rows`, with its sequence. Nothing of it where `rows` is 0. `recall` is
    that of a shard with a graph.
    """

    rows: int
    shard: ShardRef | None = None
    cell_set: CellSetRef | None = None
    run: RunRef | None = None
    recall: Recall | None = None


class Unpacked(WorkRecord):
    """A compressed upload, unpacked: objects of whole lines that are the file if joined in this order."""

    objects: tuple[PartRef, ...] = Field(strict=False)
