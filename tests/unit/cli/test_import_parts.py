"""The pieces of `shoal import`, one by one."""

import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.progress import Progress

from infra.cli.client import ShoalClient
from infra.cli.failures import ApiError, CliError, UsageError
from infra.cli.imports import formats
from infra.cli.imports.display import Bars, Lines, size_text
from infra.cli.imports.following import follow
from infra.cli.imports.formats import Source, format_of, source_of
from infra.cli.imports.many import Whole, run_all
from infra.cli.imports.results import ImportInfo
from infra.cli.imports.signed_urls import Slice, UploadStopped
from infra.cli.imports.uploading import slices_of
from infra.cli.transport import Patience
from shoal.model.imports import ImportFormat
from tests.unit.cli.import_server import API, COMPLETED, RUNNING, VALIDATING, ImportServer


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a.ndjson", "ndjson"),
        ("a.jsonl", "ndjson"),
        ("a.JSON", "ndjson"),
        ("a.b.ndjson.gz", "ndjson"),
        ("a.jsonl.zst", "ndjson"),
        ("a.parquet", "parquet"),
        ("a.PARQUET", "parquet"),
        ("a.parquet.gz", None),
        ("a.gz", None),
        ("ndjson", None),
        ("a.csv", None),
        (".gz", None),
    ],
)
def test_the_name_says_what_a_file_is(name: str, found: str | None) -> None:
    assert format_of(Path(name)) == found


def test_a_file_over_one_put_goes_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.ndjson"
    file.write_bytes(b"x" * 100)
    monkeypatch.setattr(formats, "MAX_UPLOAD_BYTES", 100)
    assert source_of(file, file_format=None, multipart=False) == Source(
        file, 100, ImportFormat.NDJSON, multipart=False
    )
    monkeypatch.setattr(formats, "MAX_UPLOAD_BYTES", 99)
    assert source_of(file, file_format=None, multipart=False).multipart
    monkeypatch.setattr(formats, "_MOST_BYTES", 99)
    with pytest.raises(UsageError, match="at most 99"):
        source_of(file, file_format=None, multipart=False)


@given(size=st.integers(1, 10_000), part_bytes=st.integers(1, 10_000))
def test_parts_cover_the_file_once(size: int, part_bytes: int) -> None:
    parts = slices_of(Source(Path("x"), size, ImportFormat.NDJSON, multipart=True), part_bytes)
    assert parts[0].start == 0
    assert parts[-1].stop == size
    assert all(one.stop == other.start for one, other in pairwise(parts))
    assert all(part.size == part_bytes for part in parts[:-1])
    assert 0 < parts[-1].size <= part_bytes


def test_a_file_that_shrinks_or_is_stopped(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"12345")
    counted: list[int] = []
    stop = threading.Event()
    assert b"".join(Slice(file, 1, 4).pieces(counted.append, stop)) == b"234"
    assert counted == [3]
    with pytest.raises(CliError, match="became shorter"):
        list(Slice(file, 0, 6).pieces(counted.append, stop))
    stop.set()
    with pytest.raises(UploadStopped):
        list(Slice(file, 0, 5).pieces(counted.append, stop))


def job(**changes: Any) -> ImportInfo:
    return ImportInfo.of(RUNNING | changes)


def test_following_tells_each_state_once_with_growing_pauses() -> None:
    states = [job(), job(rejected_records_url="another"), *[job(**VALIDATING)] * 20, job(**COMPLETED)]
    looks = iter(states)
    pauses: list[float] = []
    seen = list(follow(lambda: next(looks), sleep=pauses.append))
    assert [each.status for each in seen] == ["awaiting_upload", "validating", "completed"]
    assert len(pauses) == len(states) - 1
    assert pauses == sorted(pauses)
    assert pauses[-1] == 2.0


def test_lines_come_now_and_then() -> None:
    said: list[str] = []
    now = [0.0]
    lines = Lines(10_000_000, say=said.append, clock=lambda: now[0])
    for _ in range(10):
        now[0] += 0.5
        lines.uploaded(1_000_000)
    assert said == [
        "uploaded 4.0 MB of 10.0 MB (40 %), 2.0 MB/s, 3 s left",
        "uploaded 8.0 MB of 10.0 MB (80 %), 2.0 MB/s, 1 s left",
        "uploaded 10.0 MB of 10.0 MB (100 %), 2.0 MB/s",
    ]
    said.clear()
    for done in range(5):
        now[0] += 1.0
        lines.state(job(status="indexing", progress={"stage": "building", "done": done, "total": 9}))
    lines.state(job(**COMPLETED))
    assert said == [
        "building: 0 of 9 pieces",
        "building: 2 of 9 pieces",
        "building: 4 of 9 pieces",
    ]


def test_bars_move_from_stage_to_stage() -> None:
    upload, stages = Progress(disable=True), Progress(disable=True)
    bars = Bars(upload, upload.add_task("uploading", total=10), stages)
    bars.uploaded(7)
    bars.uploaded(-7)
    bars.uploaded(10)
    assert upload.tasks[0].finished
    for stage, done, total in (("validating", 1, 4), ("validating", 3, 4), ("settling", 0, 0)):
        bars.state(job(status="indexing", progress={"stage": stage, "done": done, "total": total}))
    assert [(task.description, task.completed, task.total) for task in stages.tasks] == [
        ("validating", 4, 4),
        ("settling", 0, None),
    ]
    bars.state(job(**COMPLETED))
    assert all(task.finished for task in stages.tasks)


def test_sizes_in_the_unit_that_reads_best() -> None:
    shown = [size_text(size) for size in (0, 999, 1000, 5_368_709_120, 123_456_789)]
    assert shown == ["0 bytes", "999 bytes", "1.0 kB", "5.37 GB", "123.5 MB"]


def test_a_dataset_that_holds_too_many_imports_is_waited_for(tmp_path: Path) -> None:
    files = [tmp_path / f"{place}.ndjson" for place in range(2)]
    for file in files:
        file.write_bytes(b"{}\n")
    error = {"error": {"code": "too_many_imports", "message": "the dataset holds 32 large imports"}}
    server = ImportServer(refusals=[httpx.Response(409, json=error) for _ in range(3)])
    client = ShoalClient(API, "shl_k", transport=server.transport(), patience=Patience(sleep=lambda _: None))
    pauses: list[float] = []
    sources = [source_of(file, file_format=None, multipart=False) for file in files]

    def run() -> Whole:
        return run_all(
            client,
            "songs",
            sources,
            error_mode="continue",
            max_bad_records=None,
            wait=False,
            rejects=None,
            sleep=pauses.append,
        )

    assert len(run().done) == 2
    assert (pauses, server.said.count("POST /compact")) == ([5.0, 5.0, 5.0], 1)
    server.refusals = [httpx.Response(409, json=error) for _ in range(1000)]
    with pytest.raises(ApiError, match="32 large imports"):
        run()
    assert sum(pauses) == 15.0 + 3600.0
