"""Imports of more and more rows: time, and what Lambda bills, for each row."""

from infra.cli import prices
from infra.settings import Settings
from tests.benchmarks.environment import peers_python
from tests.benchmarks.harness import Say, Table, rate
from tests.benchmarks.import_data import glove, ndjson_file
from tests.benchmarks.import_run import Imported, warm_site

ROWS = (50_000, 100_000, 200_000, 400_000)
_MILLION = 1_000_000


def run(say: Say, *, rows: int = ROWS[-1], rounds: int = 1) -> list[Table]:
    """GloVe under l2, up to `rows` rows; the fastest of the rounds."""
    python = peers_python(say)
    table = Table(
        "GloVe (l2), NDJSON to the first answer",
        ("rows", "time", "rows a second", "function time", "GB-seconds", "dollars for a million rows"),
    )
    for count in (size for size in ROWS if size <= rows):
        data = glove(python, count)
        path = ndjson_file(data)
        runs = []
        for _ in range(rounds):
            with warm_site() as site:
                runs.append(site.load(data, path, metric="l2"))
            say(f"{count:,} rows: {runs[-1].queryable_seconds:.1f} s")
        best = min(runs, key=lambda imported: imported.queryable_seconds)
        used = gb_seconds(best)
        dollars = prices.LAMBDA_ARM_GB_SECOND.of(used) + prices.LAMBDA_REQUEST.of(len(best.calls))
        table.add(
            f"{len(data.ids):,}",
            f"{best.queryable_seconds:.1f} s",
            rate(len(data.ids), best.queryable_seconds),
            f"{sum(call.seconds for call in best.calls):.1f} s",
            f"{used:.1f}",
            f"${dollars / len(data.ids) * _MILLION:.4f}",
        )
    table.notes.append(
        "Function time is that of all calls together, in processes of one thread (two calls at a time in maps); "
        f"dollars are Lambda's alone, at list prices of {prices.REGION}, {prices.AS_OF}, for the memory that each "
        "function is deployed with. State transitions, requests to S3 and the table are left out."
    )
    return [table]


def gb_seconds(imported: Imported) -> float:
    """What Lambda bills of an import's calls, were its processor as fast as this one."""
    return sum(call.seconds * memory_mb(call.function) / 1024 for call in imported.calls)


def memory_mb(function: str) -> int:
    """The memory that a function is deployed with."""
    return int(getattr(Settings(), f"{function}_memory_mb"))
