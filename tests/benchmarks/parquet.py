"""Parquet: validating row groups, from the object to accepted columns, beside what pyarrow takes to read them."""

import io
import resource
import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from shoal.model.imports import ImportFormat
from shoal.model.records import Vectors
from shoal.services.imports.parquet import read_rows, validate_parquet
from shoal.services.imports.parquet_open import open_parquet
from shoal.services.imports.parquet_plan import plan_parquet
from tests.benchmarks.corpus import Corpus, names
from tests.benchmarks.harness import Say, Table, ms, rate
from tests.unit.services.imports.work import make_work
from tests.unit.services.world import World

ROWS = 100_000
DIMENSION = 768
_GROUP_ROWS = 16_000
_ROUNDS = 5


def run(say: Say, *, rows: int = ROWS) -> list[Table]:
    """One core validates; a table of what is read, and what is written, by kind of file."""
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    vectors = Corpus(DIMENSION).draw(rows)
    title = f"{rows:,} × {DIMENSION} from an object in memory, one core, row groups of {_GROUP_ROWS:,}"
    head = ("file", "validate", "rows", "to the last object", "rows", "bare read_table")
    table = Table(title, head)
    for name, columns, options in _kinds(vectors):
        say(name)
        _measure(table, name, columns, options)
    table.notes.append(
        "Medians of processor time. *Validate* ends with every id, vector and metadata checked and in columns;"
        " *to the last object* also with columns, hashes and sample encoded and put. *Bare* is"
        " `read_table` of the same bytes, which checks nothing."
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    table.notes.append(
        f"Peak of this process, which holds {len(vectors):,} vectors, a file and its objects: {peak:,.0f} MB."
    )
    return [table]


def _kinds(vectors: Vectors) -> list[tuple[str, dict[str, pa.Array], dict[str, Any]]]:
    rows = len(vectors)
    offsets = pa.array(range(0, rows * DIMENSION + 1, DIMENSION), type=pa.int32())
    columns = {
        "id": pa.array(names(0, rows)),
        "values": pa.ListArray.from_arrays(offsets, pa.array(vectors.ravel())),
    }
    struct = pa.array([{"title": f"Row {row}", "shelf": row % 97} for row in range(rows)])
    text = pa.array([orjson.dumps(each).decode() for each in struct.to_pylist()])
    doubles = columns["values"].cast(pa.list_(pa.float64()))
    return [
        ("ids and vectors", columns, {}),
        ("and metadata as a struct", columns | {"metadata": struct}, {}),
        ("and metadata as JSON text", columns | {"metadata": text}, {}),
        ("zstd instead of snappy", columns, {"compression": "zstd"}),
        (
            "neither compressed nor with dictionaries",
            columns,
            {"compression": "none", "use_dictionary": False},
        ),
        ("doubles", columns | {"values": doubles}, {}),
    ]


def _measure(table: Table, name: str, columns: Mapping[str, pa.Array], options: Mapping[str, Any]) -> None:
    written = io.BytesIO()
    source = pa.table(dict(columns))
    pq.write_table(source, written, row_group_size=_GROUP_ROWS, **options)
    data, rows = written.getvalue(), source.num_rows
    del source, written
    rounds = [_round(data, rows) for _ in range(_ROUNDS)]
    validate, store, bare = (median(times) for times in zip(*rounds, strict=True))
    table.add(name, ms(validate), rate(rows, validate), ms(store), rate(rows, store), ms(bare))


def _round(data: bytes, rows: int) -> tuple[float, float, float]:
    """Processor seconds of each column of the table, once."""
    world = World()
    dataset = world.create(dimension=DIMENSION)
    work = make_work(world, dataset, data, file_format=ImportFormat.PARQUET)
    chunks = plan_parquet(work, probe=False)

    def validate() -> None:
        for chunk in chunks:
            read_rows(open_parquet(work), chunk, dataset)

    def store() -> None:
        for chunk in chunks:
            validate_parquet(work, chunk)

    times = (
        _processor(validate),
        _processor(store),
        _processor(lambda: pq.read_table(pa.BufferReader(data), use_threads=False)),
    )
    if work.fresh().records_accepted != rows:
        raise AssertionError(f"{work.fresh().records_accepted} of {rows} rows accepted")
    return times


def _processor(call: Callable[[], object]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began
