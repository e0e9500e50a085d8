"""The same rows as NDJSON, gzip and Parquet: from the file to the first answer."""

from collections.abc import Callable
from pathlib import Path
from statistics import median

from shoal.model.imports import ImportFormat
from tests.benchmarks.environment import peers_python
from tests.benchmarks.harness import Say, Table, rate
from tests.benchmarks.import_data import GLOVE_ROWS, Data, glove, gzip_file, ndjson_file, parquet_file
from tests.benchmarks.import_run import warm_site
from tests.benchmarks.truth import nearest, recall

_QUERIES = 500
_K = 10
_FORMATS: tuple[tuple[str, ImportFormat, Callable[[Data], Path]], ...] = (
    ("NDJSON", ImportFormat.NDJSON, ndjson_file),
    ("NDJSON, gzipped", ImportFormat.NDJSON, gzip_file),
    ("Parquet", ImportFormat.PARQUET, parquet_file),
)


def run(say: Say, *, rows: int = GLOVE_ROWS, rounds: int = 3) -> list[Table]:
    """GloVe under l2, each format once a round."""
    data = glove(peers_python(say), rows)
    queries = data.queries[:_QUERIES]
    truth = nearest(data.vectors, queries, metric="l2", k=_K)
    seconds: dict[str, list[float]] = {name: [] for name, _, _ in _FORMATS}
    found: dict[str, float] = {}
    for number in range(rounds):
        with warm_site() as site:
            for name, file_format, make in _FORMATS:
                imported = site.load(data, make(data), metric="l2", file_format=file_format)
                seconds[name].append(imported.queryable_seconds)
                say(f"{name} {imported.queryable_seconds:.1f} s")
                if number == rounds - 1:
                    found[name] = recall(site.answers(imported.dataset, queries), truth, data.ids)
    table = Table(
        f"{len(data.ids):,} × {data.dimension} to the first answer, medians of {rounds}",
        ("file", "size", "time", "rows", f"recall@{_K}"),
    )
    for name, _, make in _FORMATS:
        took = median(seconds[name])
        size = f"{make(data).stat().st_size / 1e6:,.0f} MB"
        table.add(name, size, f"{took:.1f} s", rate(len(data.ids), took), f"{found[name]:.3f}")
    return [table]
