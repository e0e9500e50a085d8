"""Parquet files for imports, and what validation makes of them."""

import io
from collections.abc import Iterable, Mapping
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from shoal.index.column_file import decode_columns
from shoal.model.datasets import Metric
from shoal.model.import_work import Chunk, ChunkRecord
from shoal.model.imports import ImportFormat
from shoal.services.imports.parquet import validate_parquet
from shoal.services.imports.parquet_plan import plan_parquet
from shoal.services.imports.workspace import Workspace
from tests.unit.services.imports.work import make_work
from tests.unit.services.world import World

type Row = tuple[str, list[float], dict[str, Any]]


def parquet_bytes(table: pa.Table, **options: Any) -> bytes:
    """The file that pyarrow writes."""
    written = io.BytesIO()
    pq.write_table(table, written, **options)
    return written.getvalue()


def table_of(
    ids: Iterable[Any],
    values: Any,
    metadata: Any = None,
    *,
    kind: pa.DataType | None = None,
) -> pa.Table:
    """A table of two or three columns; `kind` is that of `values` where they are no array."""
    columns = {"id": ids if isinstance(ids, pa.Array) else pa.array(list(ids), type=pa.string())}
    vectors = (
        values if isinstance(values, pa.Array) else pa.array(values, type=kind or pa.list_(pa.float32()))
    )
    columns["values"] = vectors
    if metadata is not None:
        columns["metadata"] = metadata
    return pa.table(columns)


def work_on(
    data: bytes | pa.Table, *, dimension: int = 2, metric: Metric = Metric.L2, **options: Any
) -> Workspace:
    """An import of a Parquet file, under way."""
    world = World()
    if isinstance(data, pa.Table):
        data = parquet_bytes(data)
    dataset = world.create(dimension=dimension, metric=metric)
    return make_work(world, dataset, data, file_format=ImportFormat.PARQUET, **options)


def validated(work: Workspace) -> list[tuple[Chunk, ChunkRecord]]:
    """All pieces of a file whose footer is sound, validated."""
    return [(chunk, validate_parquet(work, chunk)) for chunk in plan_parquet(work, probe=False)]


def accepted(work: Workspace, records: Iterable[tuple[Chunk, ChunkRecord]]) -> list[Row]:
    """The accepted rows, in order."""
    rows: list[Row] = []
    for _, record in records:
        if record.columns is not None:
            columns = decode_columns(work.read(record.columns))
            found = zip(
                columns.ids.tolist(), columns.vectors.tolist(), columns.metadata.tolist(), strict=True
            )
            rows += [(name.decode(), values, orjson.loads(encoded)) for name, values, encoded in found]
    return rows


def rejects(work: Workspace, records: Iterable[tuple[Chunk, ChunkRecord]]) -> list[Mapping[str, Any]]:
    """What the rejects file says, numbered through the whole file."""
    listed: list[Mapping[str, Any]] = []
    for chunk, record in records:
        if record.rejects is not None:
            for line in work.read(record.rejects).splitlines():
                reject = orjson.loads(line)
                listed.append({**reject, "line": chunk.first_row + reject["line"]})
    return listed


def reasons(work: Workspace) -> dict[int, str]:
    """The reasons of the rejected rows, by row (from 1)."""
    return {reject["line"]: reject["reason"] for reject in rejects(work, validated(work))}
