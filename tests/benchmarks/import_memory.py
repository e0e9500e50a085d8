"""The peak of memory of each step of an import, on a file of 256 MiB and on one of 1 GiB."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from shoal.model.imports import ImportFormat
from tests.benchmarks.harness import Say, Table
from tests.benchmarks.import_data import clustered, ndjson_file, parquet_file
from tests.benchmarks.import_run import cold_site
from tests.benchmarks.import_scaling import memory_mb
from tests.benchmarks.workers import ProcessPerStep

_MIB = 1024 * 1024
SIZES = (256, 1024)
_LINE_BYTES = 9_253
"""Of a row of 768 values, as it comes out."""
_FUNCTIONS = ("import_plan", "import_validate", "import_cells", "import_finish")


def run(say: Say, *, rows: int | None = None) -> list[Table]:
    """Made-up rows of 768 values; `rows` bounds both files, to try it out."""
    limits = {function: memory_mb(function) for function in _FUNCTIONS}
    tables = []
    for file_format in (ImportFormat.NDJSON, ImportFormat.PARQUET):
        peaks = {}
        for size in SIZES:
            count = size * _MIB // _LINE_BYTES
            data = clustered(min(rows or count, count))
            path = ndjson_file(data) if file_format is ImportFormat.NDJSON else parquet_file(data)
            heading = f"{path.stat().st_size / _MIB:,.0f} MiB"
            say(f"{file_format}, {heading}, {len(data.ids):,} rows")
            with (
                ThreadPoolExecutor(2) as pool,
                cold_site(partial(ProcessPerStep, memory_mb=limits), pool) as site,
            ):
                imported = site.load(data, path, metric="l2", file_format=file_format)
            most: dict[tuple[str, str], int] = {}
            for call in imported.calls:
                name = (call.function, call.step)
                most[name] = max(most.get(name, 0), call.peak_bytes)
            peaks[heading] = most
        tables.append(_table(file_format, peaks, limits))
    return tables


def _table(
    file_format: ImportFormat, peaks: Mapping[str, Mapping[tuple[str, str], int]], limits: Mapping[str, int]
) -> Table:
    """A row a step, the most of its calls."""
    table = Table(
        f"Peak memory of each step, {file_format.value}",
        ("step", *(f"file of {size}" for size in peaks), "configured"),
    )
    for name in dict.fromkeys(name for most in peaks.values() for name in most):
        function, step = name
        cells = [f"{most[name] / _MIB:,.0f} MiB" if name in most else "" for most in peaks.values()]
        table.add(f"`{step}` of `{function}`", *cells, f"{limits[function]:,} MiB")
    table.notes.append(
        "Each call is a process of its own, bounded as on Lambda (`RLIMIT_DATA`); its peak is the resident set's. "
        "The objects lie in files."
    )
    return table
