"""`shoal import` and `shoal imports` against an API that plays the course of an import."""

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner, Result

from infra.cli.imports import following
from infra.cli.main import app
from infra.cli.targets import Targets
from tests.unit.cli.import_server import (
    API,
    COMPLETED,
    FAILED,
    IMPORT_ID,
    RECALL,
    SOME_REJECTED,
    VALIDATING,
    ImportServer,
)

LINES = b'{"id":"a","values":[1,2]}\n' * 3
REJECTS = b"".join(
    json.dumps({"line": line, "reason": "invalid json", "record": "{\x1b[31m" + "x" * 200}).encode() + b"\n"
    for line in range(1, 9)
)
type Shoal = Callable[..., Result]


@pytest.fixture
def server() -> ImportServer:
    return ImportServer()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "songs.ndjson"
    path.write_bytes(LINES)
    return path


@pytest.fixture
def shoal(server: ImportServer, monkeypatch: pytest.MonkeyPatch) -> Shoal:
    monkeypatch.setattr(following, "_FIRST_PAUSE_SECONDS", 0.0)

    def call(*arguments: str | Path) -> Result:
        targets = Targets(
            environ={"SHOAL_API_URL": API, "SHOAL_API_KEY": "shl_k"}, transport=server.transport()
        )
        return CliRunner().invoke(app, [str(each) for each in arguments], obj=targets, catch_exceptions=False)

    return call


def test_a_file_from_the_disk_to_the_index(shoal: Shoal, server: ImportServer, file: Path) -> None:
    server.recall = RECALL
    result = shoal("import", "songs", file)
    assert result.exit_code == 0, result.output
    assert server.said == [
        "POST /imports",
        "POST /imports/{id}/complete",
        "GET /imports/{id}",
        "GET ",
    ]
    assert server.calls[0][1] == {"format": "ndjson", "error_mode": "continue", "max_bad_records": None}
    assert server.calls[1][1] is None
    assert server.stored == {"/upload": LINES}
    assert server.puts[0].headers["content-type"] == "application/octet-stream"
    assert "imported 3 of 3 records, 0 rejected, in " in result.stdout
    assert " rows/s" in result.stdout
    assert "songs: 3 rows, recall 0.962 measured (target 0.95, 16 cells probed)" in result.stdout
    assert f"import {IMPORT_ID}: songs.ndjson, 78 bytes of ndjson" in result.stderr
    assert "uploaded 78 bytes of 78 bytes (100 %)" in result.stderr


def test_without_calibration_search_is_exact(shoal: Shoal, file: Path) -> None:
    assert "songs: 3 rows, recall exact" in shoal("import", "songs", file).stdout


def test_the_options_reach_the_api(shoal: Shoal, server: ImportServer, tmp_path: Path) -> None:
    odd = tmp_path / "dump"
    odd.write_bytes(LINES)
    unknown = shoal("import", "songs", odd)
    assert unknown.exit_code == 2
    assert "--format" in unknown.stderr
    assert server.calls == []
    arguments = ["--format", "parquet", "--error-mode", "abort", "--max-bad-records", "7"]
    assert shoal("import", "songs", odd, *arguments).exit_code == 0
    assert server.calls[0][1] == {"format": "parquet", "error_mode": "abort", "max_bad_records": 7}


def test_each_stage_is_told_as_it_comes(shoal: Shoal, server: ImportServer, file: Path) -> None:
    def state(stage: str, done: int, total: int) -> dict[str, object]:
        return VALIDATING | {"progress": {"stage": stage, "done": done, "total": total}}

    server.states = [
        state("", 0, 0),
        state("validating", 0, 12),
        state("validating", 0, 12),
        state("settling", 0, 0),
        state("building", 1, 3),
        COMPLETED,
    ]
    told = shoal("import", "songs", file).stderr.splitlines()
    assert told[2:] == ["validating: 0 of 12 pieces", "settling", "building: 1 of 3 pieces"]


def test_rejected_records_are_told_and_kept(
    shoal: Shoal, server: ImportServer, file: Path, tmp_path: Path
) -> None:
    server.states, server.rejects = [VALIDATING, SOME_REJECTED], REJECTS
    kept = tmp_path / "rejected.jsonl"
    result = shoal("import", "songs", file, "--rejects", kept)
    assert result.exit_code == 0
    assert "imported 1 of 3 records, 2 rejected" in result.stdout
    assert "          2  invalid json" in result.stdout
    shown = [line for line in result.stdout.splitlines() if line.startswith("  line ")]
    assert len(shown) == 5
    assert shown[0].startswith("  line 1: invalid json: { [31mxxx")
    assert max(map(len, shown)) < 130
    assert "\x1b" not in result.stdout
    assert "https://bucket.test/rejects?sig=1" in result.stdout
    assert kept.read_bytes() == REJECTS
    assert list(tmp_path.glob("*.part")) == []


def test_an_import_of_bad_lines_only_fails_the_command(
    shoal: Shoal, server: ImportServer, file: Path
) -> None:
    server.states = [SOME_REJECTED | {"records_accepted": 0, "records_rejected": 3}]
    result = shoal("import", "songs", file)
    assert result.exit_code == 1
    assert "imported 0 of 3 records, 3 rejected" in result.stdout
    assert f"error: import {IMPORT_ID} holds no good record: nothing was imported" in result.stderr
    assert "try: mend the lines that the reject file names" in result.stderr
    assert shoal("import", "songs", file, "--json").exit_code == 1
    assert shoal("imports", "show", "songs", IMPORT_ID).exit_code == 1


def test_nothing_rejected_means_nothing_to_download(shoal: Shoal, file: Path, tmp_path: Path) -> None:
    kept = tmp_path / "rejected.jsonl"
    result = shoal("import", "songs", file, "--rejects", kept)
    assert result.exit_code == 0
    assert "nothing to download" in result.stderr
    assert not kept.exists()


def test_a_failed_import_fails_the_command(shoal: Shoal, server: ImportServer, file: Path) -> None:
    server.states = [VALIDATING, SOME_REJECTED | FAILED]
    result = shoal("import", "songs", file)
    assert result.exit_code == 1
    assert f"error: import {IMPORT_ID} failed: too many bad records: 2, at most 1\n" in result.stderr
    assert "--max-bad-records" in result.stderr
    assert "failed: nothing is indexed of 3 records, 2 rejected\n" in result.stdout
    assert "          2  invalid json" in result.stdout
    server.states = [SOME_REJECTED | FAILED | {"error_mode": "abort"}]
    assert "--error-mode continue" in shoal("import", "songs", file).stderr
    as_json = shoal("import", "songs", file, "--json")
    assert as_json.exit_code == 1
    assert json.loads(as_json.stdout)["status"] == "failed"


@pytest.mark.parametrize(
    ("message", "hint"),
    [
        ("vector_quota_exceeded: 3 rows, 2 left", "set-quota"),
        ("the file is not gzip", "mend the file"),
        ("cancelled", None),
        ("internal error; try again with a new import", None),
        ("", "mend the file"),
    ],
)
def test_what_to_do_about_a_failure(
    shoal: Shoal, server: ImportServer, file: Path, message: str, hint: str | None
) -> None:
    server.states = [FAILED | {"error_message": message or None}]
    result = shoal("import", "songs", file)
    assert result.exit_code == 1
    assert (hint in result.stderr) if hint else ("try:" not in result.stderr)


def test_json_is_the_final_job_and_nothing_else(shoal: Shoal, server: ImportServer, file: Path) -> None:
    result = shoal("import", "songs", file, "--json")
    job = json.loads(result.stdout)
    assert (job["import_id"], job["status"], job["records_accepted"]) == (IMPORT_ID, "completed", 3)
    assert "upload" not in job
    assert server.said[-1] == "GET /imports/{id}"


def test_without_waiting_it_says_how_to_follow(shoal: Shoal, server: ImportServer, file: Path) -> None:
    result = shoal("import", "songs", file, "--no-wait")
    assert result.exit_code == 0
    assert result.stdout == f"{IMPORT_ID} validating\n"
    assert f"shoal imports show songs {IMPORT_ID} --wait" in result.stderr
    assert server.said[-1] == "POST /imports/{id}/complete"
    assert json.loads(shoal("import", "songs", file, "--no-wait", "--json").stdout)["import_id"] == IMPORT_ID


def test_an_import_that_the_event_started_first(shoal: Shoal, server: ImportServer, file: Path) -> None:
    server.complete_status = 409
    assert shoal("import", "songs", file).exit_code == 0


def test_the_upload_is_sent_again_where_the_network_fails(
    shoal: Shoal, server: ImportServer, file: Path
) -> None:
    server.answers = [httpx.ReadError("reset by peer"), httpx.Response(503, text="<Code>SlowDown</Code>")]
    assert shoal("import", "songs", file).exit_code == 0
    assert len(server.puts) == 3
    assert server.stored == {"/upload": LINES}


def test_a_refused_upload_gives_the_import_up(shoal: Shoal, server: ImportServer, file: Path) -> None:
    text = "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
    server.answers = [httpx.Response(403, text=text)]
    result = shoal("import", "songs", file)
    assert result.exit_code == 1
    assert "error: the storage refused: AccessDenied: Request has expired" in result.stderr
    assert "import again" in result.stderr
    assert "sig=1" not in result.output
    assert server.said == ["POST /imports", "POST /imports/{id}/cancel"]
    assert len(server.puts) == 1


def test_a_large_file_goes_in_parts(shoal: Shoal, server: ImportServer, tmp_path: Path) -> None:
    file = tmp_path / "large.jsonl"
    data = bytes(range(256)) * 100
    file.write_bytes(data)
    server.part_bytes = 10_000
    server.answers = [httpx.ConnectError("down")]
    result = shoal("import", "songs", file, "--multipart")
    assert result.exit_code == 0, result.output
    assert server.calls[0][1]["multipart"] is True
    assert server.calls[1][1] == {
        "parts": [{"part_number": number, "etag": f'"/part-{number}"'} for number in (1, 2, 3)]
    }
    assert b"".join(server.stored[f"/part-{number}"] for number in (1, 2, 3)) == data
    assert all("content-type" not in put.headers for put in server.puts)
    assert "uploaded 25.6 kB of 25.6 kB (100 %)" in result.stderr


def test_one_refused_part_stops_the_others(shoal: Shoal, server: ImportServer, tmp_path: Path) -> None:
    file = tmp_path / "large.jsonl"
    file.write_bytes(b"x" * 95)
    server.part_bytes = 1
    server.answers = [httpx.Response(403, text="<Error><Code>SignatureDoesNotMatch</Code></Error>")]
    result = shoal("import", "songs", file, "--multipart")
    assert result.exit_code == 1
    assert "error: the storage refused: SignatureDoesNotMatch\n" in result.stderr
    assert server.said == ["POST /imports", "POST /imports/{id}/cancel"]
    assert len(server.puts) < 95


@pytest.mark.parametrize("where", ["missing", "empty", "folder"])
def test_files_that_cannot_be_imported(
    shoal: Shoal, server: ImportServer, tmp_path: Path, where: str
) -> None:
    (tmp_path / "empty.ndjson").touch()
    (tmp_path / "folder.ndjson").mkdir()
    assert shoal("import", "songs", tmp_path / f"{where}.ndjson").exit_code == 2
    assert server.calls == []


def test_a_file_over_what_the_import_takes(shoal: Shoal, server: ImportServer, file: Path) -> None:
    server.max_bytes = 77
    result = shoal("import", "songs", file)
    assert result.exit_code == 2
    assert "the import takes 77" in result.stderr
    assert server.said[-1] == "POST /imports/{id}/cancel"


def test_interrupting_the_watch_leaves_the_import_alone(
    shoal: Shoal, server: ImportServer, file: Path
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    server.on_look = interrupt
    result = shoal("import", "songs", file)
    assert result.exit_code == 130
    assert f"shoal imports cancel songs {IMPORT_ID}" in result.stderr
    assert f"shoal imports show songs {IMPORT_ID} --wait" in result.stderr
    assert "POST /imports/{id}/cancel" not in server.said


def test_list_show_and_cancel(shoal: Shoal, server: ImportServer) -> None:
    server.states = [COMPLETED]
    listed = shoal("imports", "list", "songs")
    assert listed.exit_code == 0
    assert listed.stdout.count(IMPORT_ID) == 2
    assert len(json.loads(shoal("imports", "list", "songs", "--json").stdout)["imports"]) == 2
    assert "imported 3 of 3 records" in shoal("imports", "show", "songs", IMPORT_ID).stdout
    cancelled = shoal("imports", "cancel", "songs", IMPORT_ID)
    assert (cancelled.exit_code, cancelled.stdout) == (0, f"{IMPORT_ID} failed: cancelled\n")
    assert json.loads(shoal("imports", "cancel", "songs", IMPORT_ID, "--json").stdout)["status"] == "failed"


def test_show_follows_where_it_is_told_to(shoal: Shoal, server: ImportServer) -> None:
    shown = shoal("imports", "show", "songs", IMPORT_ID)
    assert (shown.exit_code, shown.stdout) == (0, f"{IMPORT_ID} validating: 0 of 2 pieces\n")
    server.states = [VALIDATING, VALIDATING, COMPLETED]
    followed = shoal("imports", "show", "songs", IMPORT_ID, "--wait")
    assert "imported 3 of 3 records" in followed.stdout
    server.states = [FAILED]
    assert shoal("imports", "show", "songs", IMPORT_ID).exit_code == 1


def test_ids_that_would_lead_elsewhere(shoal: Shoal, server: ImportServer) -> None:
    for command in ("show", "cancel"):
        assert shoal("imports", command, "songs", "../x").exit_code == 2
    assert server.calls == []
