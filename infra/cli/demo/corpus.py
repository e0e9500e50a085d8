"""The demo's dataset: embedded and uploaded once, recognised the next time."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from infra.cli.client import ShoalClient
from infra.cli.demo.operations import Operation
from infra.cli.demo.steps import Steps
from infra.cli.failures import ApiError
from infra.cli.results import DatasetInfo, Record, UpsertReport

DATASET = "aws-operations"
DIMENSION = 256
METRIC = "cosine"
_FILE = "demo.json"
_INDEX_SECONDS = 150.0


@dataclass(frozen=True, slots=True)
class Uploaded:
    """Which content was uploaded into which dataset; `created_at` tells it from a later one of its name."""

    digest: str
    created_at: str | None


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload that was done in this run, and the seconds until its last row was queryable."""

    report: UpsertReport
    index_seconds: float


def was_uploaded(client: ShoalClient, state: Path) -> bool:
    """Whether an earlier run's dataset is still there; its content is looked at later."""
    there, known = _existing(client), _read(state)
    return there is not None and known is not None and known.created_at == there.created_at


def ensure_corpus(
    client: ShoalClient, operations: Sequence[Operation], digest: str, *, state: Path, steps: Steps
) -> Upload | None:
    """The dataset with exactly these operations; None where it was there already."""
    there = _existing(client)
    if there is not None:
        known = _read(state)
        if known == Uploaded(digest, there.created_at) and _is_whole(there, len(operations)):
            steps.say(
                f"{there.row_count:,} operations are in `{DATASET}` from an earlier run, with the same content"
            )
            return None
        steps.say("the dataset is there with other content: making it anew")
        client.delete_dataset(DATASET)
    made = client.create_dataset(DATASET, dimension=DIMENSION, metric=METRIC)
    records = _embed(operations, steps)
    upload = _upload(client, records, steps)
    _write(state, Uploaded(digest, made.created_at))
    return upload


def _existing(client: ShoalClient) -> DatasetInfo | None:
    try:
        return client.get_dataset(DATASET)
    except ApiError as error:
        if error.code != "dataset_not_found":
            raise
        return None


def _is_whole(there: DatasetInfo, rows: int) -> bool:
    return there.row_count == rows and (there.dimension, there.metric) == (DIMENSION, METRIC)


def _embed(operations: Sequence[Operation], steps: Steps) -> list[Record]:
    from infra.cli.embedder import embed_texts

    steps.begin(f"embedding {len(operations):,} descriptions with the static model")
    began = time.perf_counter()
    vectors = embed_texts([each.embedded_text for each in operations], dimension=DIMENSION)
    seconds = time.perf_counter() - began
    steps.say(f"embedded in {seconds:.1f} s: {len(operations) / seconds:,.0f} texts/s")
    return [Record(each.id, vector, each.metadata) for each, vector in zip(operations, vectors, strict=True)]


def _upload(client: ShoalClient, records: Sequence[Record], steps: Steps) -> Upload:
    steps.begin(f"uploading {len(records):,} records as gzipped NDJSON")
    began = time.monotonic()
    with _progress(len(records), steps) as advance:
        report = client.upsert(DATASET, records, progress=advance)
    steps.say(
        f"{report.accepted:,} records acknowledged in {report.requests} requests: "
        f"{report.bytes_unpacked / 1e6:.0f} MB of NDJSON as {report.bytes_sent / 1e6:.0f} MB"
    )
    steps.check(
        "every record was accepted",
        report.accepted == len(records) and not report.rejected,
        f"{report.accepted:,} of {len(records):,}",
    )
    steps.begin("waiting until the last one is indexed")
    client.wait_indexed(report.job_ids, timeout_seconds=_INDEX_SECONDS)
    seconds = time.monotonic() - began
    steps.say(f"indexed {seconds:.1f} s after the first request: {len(records) / seconds:,.0f} rows/s")
    return Upload(report, seconds)


@contextmanager
def _progress(total: int, steps: Steps) -> Iterator[Callable[[int], None]]:
    """A bar where somebody looks, a line a request where nobody does."""
    if not sys.stderr.isatty():
        done = 0

        def count(rows: int) -> None:
            nonlocal done
            done += rows
            bar = "#" * (done * 30 // total)
            steps.say(f"[{bar:30}] {done:,} of {total:,}")

        yield count
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from infra.cli.output import console

    columns = (TextColumn("          "), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with steps.moving(), Progress(*columns, console=console(stderr=True)) as bar:
        task = bar.add_task("upload", total=total)
        yield lambda rows: bar.advance(task, rows)


def _read(state: Path) -> Uploaded | None:
    try:
        return Uploaded(**json.loads((state / _FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _write(state: Path, uploaded: Uploaded) -> None:
    state.mkdir(parents=True, exist_ok=True)
    draft = state / f"{_FILE}.new"
    draft.write_text(json.dumps(asdict(uploaded)) + "\n", encoding="utf-8")
    draft.replace(state / _FILE)
