"""The corpus once more, as one large file with bad lines in it, imported into a dataset of its own."""

import json
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from infra.cli.batches import encode
from infra.cli.client import ShoalClient
from infra.cli.demo.answers import Answer
from infra.cli.demo.corpus import DIMENSION, METRIC
from infra.cli.demo.operations import Operation
from infra.cli.demo.questions import QUESTIONS
from infra.cli.demo.steps import Steps
from infra.cli.embedder import embed_texts
from infra.cli.failures import ApiError
from infra.cli.imports.display import rate_line, size_text, stage_of
from infra.cli.imports.formats import source_of
from infra.cli.imports.results import ImportInfo
from infra.cli.imports.running import run_import
from infra.cli.imports.summary import recall_text, summary
from infra.cli.results import Record

DATASET = "aws-operations-import"
SAME_ANSWERS = 0.9
"""Part of the ten best that two indexes of the same rows must share: each finds 0.95 or more of the true ones."""
_LINE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Planted:
    """A bad line, where it is put, and what must be said of it."""

    line: int
    text: str
    reason: str


PLANTED = (
    Planted(47, '{"id": "half a record", "values": [0.1, 0.2', "invalid json"),
    Planted(
        4711, '{"id": "too short", "values": [0.1, 0.2]}', f"dimension mismatch: got 2 expected {DIMENSION}"
    ),
    Planted(
        9000,
        json.dumps({"id": "too large", "values": [1e39] * DIMENSION}),
        "values must be finite and within float4 range",
    ),
    Planted(15000, json.dumps({"id": "", "values": [0.5] * DIMENSION}), "id must be a non-empty string"),
    Planted(
        19000,
        json.dumps({"id": "a list", "values": [0.5] * DIMENSION, "metadata": ["no", "object"]}),
        "metadata must be object",
    ),
)


class _Told:
    """An import's progress as lines of the demo."""

    def __init__(self, total: int, steps: Steps) -> None:
        self._total, self._steps = total, steps
        self._began = self._last = time.monotonic()
        self._done = 0
        self._stage = ""

    def uploaded(self, size: int) -> None:
        """A line a second, and one at the end."""
        self._done += size
        now = time.monotonic()
        if now - self._last >= _LINE_SECONDS or self._done == self._total:
            self._last = now
            self._steps.say(rate_line(self._done, self._total, now - self._began))

    def state(self, job: ImportInfo) -> None:
        """A line a stage."""
        stage = stage_of(job)
        if stage != self._stage:
            self._stage = stage
            pieces = f": {job.progress.total:,} pieces" if job.progress and job.progress.total else ""
            self._steps.begin(f"import: {stage}{pieces}")


def import_file(
    client: ShoalClient, operations: Sequence[Operation], found: Sequence[Answer], steps: Steps
) -> None:
    """Write the file, import it, look at what was rejected, and ask the questions of the new dataset."""
    steps.begin(f"writing the corpus to a file, with {len(PLANTED)} bad lines in it")
    _forget(client)
    client.create_dataset(DATASET, dimension=DIMENSION, metric=METRIC)
    with tempfile.TemporaryDirectory(prefix="shoal-demo-") as folder:
        file = Path(folder) / "operations.ndjson"
        _write(file, operations)
        source = source_of(file, file_format=None, multipart=False)
        steps.say(f"{file.name} has {size_text(source.size)}; importing it into `{DATASET}`")
        done = run_import(
            client,
            DATASET,
            source,
            error_mode="continue",
            max_bad_records=None,
            wait=True,
            shown=_Told(source.size, steps),
        )
    job = done.job
    for line in summary(job, dataset=None, seconds=done.seconds, upload_seconds=done.upload_seconds):
        steps.say(line)
    steps.check("the import is complete", job.status == "completed", job.error_message or job.status)
    if job.status == "completed":
        _check_counts(client, job, len(operations), steps)
        _check_rejects(client, job, steps)
        _check_answers(client, found, steps)
    _forget(client)


def with_planted(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The lines, and each planted one in its place among them; lines count from 1."""
    planted = {each.line: each.text.encode() + b"\n" for each in PLANTED}
    number = 1
    for line in lines:
        while number in planted:
            yield planted[number]
            number += 1
        yield line
        number += 1


def _write(file: Path, operations: Sequence[Operation]) -> None:
    vectors = embed_texts([each.embedded_text for each in operations], dimension=DIMENSION)
    records = (
        Record(each.id, vector, each.metadata) for each, vector in zip(operations, vectors, strict=True)
    )
    with file.open("wb") as out:
        out.writelines(with_planted(map(encode, records)))


def _check_counts(client: ShoalClient, job: ImportInfo, rows: int, steps: Steps) -> None:
    counted = (job.records_processed, job.records_accepted, job.records_rejected)
    steps.check(
        "every line was counted",
        counted == (rows + len(PLANTED), rows, len(PLANTED)),
        "{:,} records, {:,} accepted, {:,} rejected".format(*counted),
    )
    dataset = client.get_dataset(DATASET)
    steps.check(
        "all rows came at once, and their count is exact",
        dataset.row_count == rows,
        f"{dataset.row_count:,} rows, recall {recall_text(dataset)}",
    )


def _check_rejects(client: ShoalClient, job: ImportInfo, steps: Steps) -> None:
    """The reject file, line by line."""
    lines: list[str] = []
    if job.rejected_records_url is not None:
        with client.signed_urls() as storage:
            lines = storage.first_lines(job.rejected_records_url, len(PLANTED) + 1)
    rejects = [json.loads(line) for line in lines]
    for each in rejects:
        steps.say(f"  line {each['line']:>6,}: {each['reason']}: {each['record'][:48]}")
    told = [(each["line"], each["reason"]) for each in rejects]
    steps.check(
        "the reject file names every bad line and no other",
        told == [(each.line, each.reason) for each in PLANTED],
        f"{len(told)} lines, by their numbers in the file",
    )


def _check_answers(client: ShoalClient, found: Sequence[Answer], steps: Steps) -> None:
    """The same questions must find the same operations as in the dataset that was uploaded in requests."""
    vectors = embed_texts([question.text.lower() for question in QUESTIONS])
    shared = total = first = 0
    for answer, vector in zip(found, vectors, strict=True):
        known = [match.id for match in answer.found.matches]
        other = [match.id for match in client.query(DATASET, vector.tolist(), top_k=10).matches]
        shared += len(set(known) & set(other))
        total += len(known)
        first += known[:1] == other[:1]
    steps.check(
        "its answers are those of the uploaded dataset",
        first == len(found) and shared >= SAME_ANSWERS * total,
        f"{shared} of the {total} best, and {first} of {len(found)} first answers",
    )


def _forget(client: ShoalClient) -> None:
    with suppress(ApiError):
        client.delete_dataset(DATASET)
