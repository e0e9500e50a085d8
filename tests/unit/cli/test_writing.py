"""`shoal delete`, `shoal patch`, conditional uploads, and the client's calls behind them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from infra.cli import writing
from infra.cli.client import ShoalClient
from infra.cli.failures import ApiError, JobFailed
from infra.cli.listing import EVERYTHING, Chosen
from infra.cli.results import JobInfo, Record
from infra.cli.writing import WriteCalls, WriteOutcome
from tests.unit.cli.conftest import Run, lines
from tests.unit.http.api import Api

RECORDS = [
    {"id": f"song-{n}", "values": [n, 0, 0, 1], "metadata": {"year": 1950 + n, "tag": {"a": n}}}
    for n in range(6)
]


@pytest.fixture(autouse=True)
def _songs(client: ShoalClient) -> None:
    client.create_dataset("songs", dimension=4)
    client.upsert("songs", [Record.of(each) for each in RECORDS])


def left(client: ShoalClient) -> list[str]:
    return [record.id for record in client.fetch("songs", [str(each["id"]) for each in RECORDS]).records]


@pytest.mark.parametrize(
    ("options", "said", "rest"),
    [
        (("--id", "song-1", "--id", "none", "--id", "song-1"), "1 deleted, 1 not there", {0, 2, 3, 4, 5}),
        (("--filter", '{"year": {"$lt": 1953}}', "--yes"), "3 deleted, 0 not there", {3, 4, 5}),
        (("--prefix", "song-5", "-y"), "1 deleted, 0 not there", {0, 1, 2, 3, 4}),
        (("--namespace", "none", "-y"), "0 deleted, 0 not there", {0, 1, 2, 3, 4, 5}),
        (("--all", "-y"), "6 deleted, 0 not there", set()),
    ],
)
def test_delete(run: Run, client: ShoalClient, options: tuple[str, ...], said: str, rest: set[int]) -> None:
    done = run("delete", "songs", *options)
    assert (done.exit_code, done.stdout) == (0, f"{said}\n"), done.stderr
    assert left(client) == [f"song-{n}" for n in sorted(rest)]


def test_delete_of_a_file_of_ids(run: Run, client: ShoalClient, tmp_path: Path) -> None:
    file = tmp_path / "ids"
    file.write_bytes(b"song-0\r\n\nsong-1\nsong-2")
    assert (
        json.loads(run("delete", "songs", "--ids-file", str(file), "--json").stdout)["outcome"]["deleted"]
        == 3
    )
    assert run("delete", "songs", "--ids-file", "-", stdin="song-3\n").exit_code == 0
    assert left(client) == ["song-4", "song-5"]
    assert run("delete", "songs", "--ids-file", str(tmp_path / "none")).exit_code == 2


def test_a_delete_that_many_records_depend_on_asks_first(run: Run, client: ShoalClient) -> None:
    refused = run("delete", "songs", "--filter", '{"year": 1950}', stdin="n\n")
    assert refused.exit_code == 2
    assert "delete 1 records of songs?" in refused.stderr
    assert len(left(client)) == 6
    assert run("delete", "songs", "--all", stdin="y\n").exit_code == 0
    assert left(client) == []


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--all", "--id", "a"),
        ("--id", "a", "--prefix", "b"),
        ("--all", "--namespace", "x"),
        ("--filter", "{"),
        ("--filter", "[]"),
    ],
)
def test_deletes_that_make_no_sense(run: Run, client: ShoalClient, options: tuple[str, ...]) -> None:
    assert run("delete", "songs", "--yes", *options).exit_code == 2
    assert len(left(client)) == 6


def test_patch(run: Run, client: ShoalClient, tmp_path: Path) -> None:
    one = run("patch", "songs", "song-1", "--metadata", '{"year": null, "tag": {"b": 2}}')
    assert (one.exit_code, one.stdout) == (0, "1 patched, 0 not there, 0 left alone\n"), one.stderr
    assert client.get("songs", "song-1").metadata == {"tag": {"a": 1, "b": 2}}
    file = tmp_path / "changes.ndjson"
    file.write_text(lines([{"id": "song-2", "metadata": {"x": 1}}, {"id": "none", "metadata": {}}]))
    many = run("patch", "songs", "--file", str(file), "--json")
    assert json.loads(many.stdout)["outcome"] == {
        "upserted": 0,
        "skipped": 0,
        "patched": 1,
        "deleted": 0,
        "missing": 1,
        "reason": None,
    }
    rejected = run("patch", "songs", "--file", "-", stdin='{"id": "", "metadata": {}}\n')
    assert rejected.exit_code == 1
    assert "line 1: id must be a non-empty string" in rejected.stderr
    assert run("patch", "songs", "song-1", "--metadata", "{}", "--wait", "0").stdout.startswith(
        "accepted: job_"
    )


def test_a_patch_of_a_missing_record_fails(run: Run) -> None:
    done = run("patch", "songs", "none", "--metadata", "{}")
    assert (done.exit_code, done.stdout) == (1, "0 patched, 1 not there, 0 left alone\n")
    assert "none was not patched" in done.stderr


@pytest.mark.parametrize(
    "options",
    [(), ("song-1",), ("--metadata", "{}"), ("song-1", "--metadata", "{"), ("song-1", "--metadata", "[]")],
)
def test_patches_that_make_no_sense(run: Run, options: tuple[str, ...]) -> None:
    assert run("patch", "songs", *options).exit_code == 2


def test_a_patch_whose_line_is_none(run: Run) -> None:
    for text in ("{", '{"id": "a"}', "7"):
        assert run("patch", "songs", "--file", "-", stdin=f"{text}\n").exit_code == 2
    assert run("patch", "songs", "--file", "-", stdin="\n").exit_code == 2


def test_conditional_uploads(run: Run, client: ShoalClient) -> None:
    file = json.dumps({"id": "song-1", "values": [9, 9, 9, 9], "metadata": {"year": 1900}})
    for option in (("--if-absent",), ("--if-newer-than", "year")):
        assert run("vectors", "upsert", "songs", "-", *option, "--wait", "5", stdin=file).exit_code == 0
        assert client.get("songs", "song-1").metadata["year"] == 1951
    assert (
        run("vectors", "upsert", "songs", "-", "--namespace", "n", "--wait", "5", stdin=file).exit_code == 0
    )
    assert client.get("songs", "song-1").namespace == "n"
    found = run("query", "songs", "--vector", "[9, 9, 9, 9]", "--namespace", "n", "--json")
    assert [match["id"] for match in json.loads(found.stdout)["matches"]] == ["song-1"]


def test_any_number_of_ids_in_as_few_requests_as_may_be(
    client: ShoalClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "_IDS_A_REQUEST", 4)
    changes: list[tuple[str, Mapping[str, Any]]] = [(f"song-{n}", {"n": n}) for n in range(10)]
    patched = client.writes.patch("songs", changes, wait_seconds=5)
    assert (len(patched.job_ids), patched.accepted) == (3, 10)
    assert patched.outcome == WriteOutcome(patched=6, missing=4)
    deleted = client.writes.delete("songs", [f"song-{n}" for n in range(10)], wait_seconds=5)
    assert (len(deleted.job_ids), deleted.outcome) == (3, WriteOutcome(deleted=6, missing=4))
    assert client.writes.delete("songs", ["song-0"]).outcome is None


def test_to_choose_everything_by_mistake_is_refused(client: ShoalClient) -> None:
    with pytest.raises(ApiError, match="one of ids, filter"):
        client.writes.delete_where("songs", EVERYTHING)
    assert client.writes.delete_where("songs", Chosen(prefix="song-")).outcome == WriteOutcome(deleted=6)


def test_a_write_that_failed_says_so(api: Api) -> None:
    class Answers:
        def send(self, *_: object, **__: object) -> Any:
            return self

        def json(self) -> Any:
            return {"job_id": "job_1", "status": "failed", "error_message": "too much"}

    def job(job_id: str) -> JobInfo:
        raise AssertionError(job_id)

    calls = WriteCalls(Answers(), wait=lambda *_: 0.0, job=job)  # type: ignore[arg-type] # all that it uses
    with pytest.raises(JobFailed, match="job_1 failed: too much"):
        calls.delete_all("songs")
