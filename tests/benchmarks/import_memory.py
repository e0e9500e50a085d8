"""The peak of memory of each step of an import, on a file of 256 MiB and on one of 1 GiB."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from shoal.model.imports import ImportFormat
from tests.benchmarks.harness import Say, Table
from tests.benchmarks.import_data import Data, clustered, gzip_file, ndjson_file, parquet_file
from tests.benchmarks.import_run import cold_site
from tests.benchmarks.import_scaling import memory_mb
from tests.benchmarks.workers import ProcessPerStep

_MIB = 1024 * 1024
SIZES = (256, 1024)
_FORMATS: tuple[tuple[str, ImportFormat, int, Callable[[Data], Path]], ...] = (
    ("NDJSON", ImportFormat.NDJSON, 9_253, ndjson_file),
    ("NDJSON, gzipped (the size is that of the lines)", ImportFormat.NDJSON, 9_253, gzip_file),
    ("Parquet", ImportFormat.PARQUET, 3_140, parquet_file),
)
"""Name, format, bytes of a row of 768 values as they come out, and the file."""
_FUNCTIONS = ("import_plan", "import_validate", "import_cells", "import_finish")


def run(say: Say, *, rows: int | None = None) -> list[Table]:
    """Made-up rows of 768 values; `rows` bounds both files, to try it out."""
    limits = {function: memory_mb(function) for function in _FUNCTIONS}
    tables = []
    for name, file_format, row_bytes, make in _FORMATS:
        peaks = {}
        for size in SIZES:
            count = min(rows or size * _MIB, size * _MIB // row_bytes)
            data = clustered(count)
            path = make(data)
            heading = f"{len(data.ids) * row_bytes / _MIB:,.0f} MiB"
            say(f"{name}, {heading}, {len(data.ids):,} rows, a file of {path.stat().st_size / _MIB:,.0f} MiB")
            with (
                ThreadPoolExecutor(2) as pool,
                cold_site(partial(ProcessPerStep, memory_mb=limits), pool) as site,
            ):
                imported = site.load(data, path, metric="l2", file_format=file_format)
            most: dict[tuple[str, str], int] = {}
            for call in imported.calls:
                place = (call.function, call.step)
                most[place] = max(most.get(place, 0), call.peak_bytes)
            peaks[heading] = most
        tables.append(_table(name, peaks, limits))
    return tables


def _table(name: str, peaks: Mapping[str, Mapping[tuple[str, str], int]], limits: Mapping[str, int]) -> Table:
    """A row a step, the most of its calls."""
    table = Table(
        f"Peak memory of each step, {name}",
        ("step", *(f"file of {size}" for size in peaks), "configured"),
    )
    for place in dict.fromkeys(place for most in peaks.values() for place in most):
        function, step = place
        cells = [f"{most[place] / _MIB:,.0f} MiB" if place in most else "" for most in peaks.values()]
        table.add(f"`{step}` of `{function}`", *cells, f"{limits[function]:,} MiB")
    table.notes.append(
        "Each call is a process of its own, bounded as on Lambda (`RLIMIT_DATA`); its peak is the resident set's. "
        "The objects lie in files."
    )
    return table
