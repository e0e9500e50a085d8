"""`shoal snapshot`: what it prints and asks, how restores are followed, and how all of it ends."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.cli.client import ShoalClient
from infra.cli.failures import ApiError, JobFailed, NotIndexedInTime
from infra.cli.restoring import run_restore
from shoal.services.datasets import resolve
from shoal.services.heads import keys_of
from shoal.storage.ports import Assign
from tests.unit.cli.conftest import Run, lines
from tests.unit.http.api import Api

RECORDS = [{"id": f"r{n}", "values": [n, 1, 0]} for n in range(4)]


@pytest.fixture
def songs(run: Run, tmp_path: Path) -> Path:
    """Four records, named `monday`; then one is gone."""
    file = tmp_path / "records.ndjson"
    file.write_text(lines(RECORDS))
    assert run("datasets", "create", "songs", "--dimension", "3").exit_code == 0
    assert run("vectors", "upsert", "songs", str(file), "--wait", "5").exit_code == 0
    assert run("snapshot", "create", "songs", "monday").exit_code == 0
    assert run("vectors", "delete", "songs", "r3").exit_code == 0
    return file


def rows(run: Run, name: str = "songs") -> int:
    return int(json.loads(run("datasets", "get", name, "--json").stdout)["row_count"])


def test_json_is_all_there_is_on_stdout(run: Run, songs: Path) -> None:
    for arguments in (
        ["create", "songs", "tuesday"],
        ["list", "songs"],
        ["restore", "songs", "monday", "--yes"],
        ["restore", "songs", "monday", "--yes", "--no-wait"],
        ["clone", "songs", "trial"],
        ["delete", "songs", "monday", "--yes"],
    ):
        result = run("snapshot", *arguments, "--json")
        assert result.exit_code == 0, (arguments, result.output)
        json.loads(result.stdout)


def test_naming_and_listing(run: Run, songs: Path) -> None:
    made = run("snapshot", "create", "songs", "tuesday")
    assert made.stdout.startswith("tuesday: version 2, 3 records, of 2026-")
    assert "shoal snapshot restore songs tuesday" in made.stderr
    listed = run("snapshot", "list", "songs").stdout
    assert listed.index("monday") < listed.index("tuesday")
    run("datasets", "create", "empty", "--dimension", "3")
    assert "no snapshots yet" in run("snapshot", "list", "empty").stderr


def test_going_back_asks_first_and_says_what_it_is_about(run: Run, songs: Path) -> None:
    refused = run("snapshot", "restore", "songs", "monday", stdin="n\n")
    assert refused.exit_code == 2
    assert "songs, 3 records now, go back to monday: version 1, 4 records" in refused.stderr
    assert rows(run) == 3
    done = run("snapshot", "restore", "songs", "monday", stdin="y\n")
    assert done.exit_code == 0
    assert "songs is back at monday: 4 records, after " in done.stdout
    assert rows(run) == 4


def test_without_waiting_it_says_how_to_follow(run: Run, songs: Path) -> None:
    begun = run("snapshot", "restore", "songs", "monday", "--yes", "--no-wait")
    assert "restoring songs: job_" in begun.stdout
    assert "shoal job job_" in begun.stderr


def test_a_clone_and_back(run: Run, songs: Path) -> None:
    made = run("snapshot", "clone", "songs", "trial", "--snapshot", "monday")
    assert made.stdout == "created trial with the 4 records of monday\n"
    run("vectors", "upsert", "trial", "-", stdin=lines([{"id": "new", "values": [9, 9, 9]}]))
    assert run("snapshot", "create", "trial", "tried").exit_code == 0
    done = run("snapshot", "restore", "songs", "tried", "--of", "trial", "--yes")
    assert (done.exit_code, rows(run)) == (0, 5)
    assert rows(run, "trial") == 5


def test_deleting_asks_first(run: Run, songs: Path) -> None:
    result = run("snapshot", "delete", "songs", "monday", stdin="n\n")
    assert result.exit_code == 2
    assert "4 records" in result.stderr
    assert "deleted monday" in run("snapshot", "delete", "songs", "monday", stdin="y\n").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["create", "songs", "monday"], 4, "shoal snapshot delete"),
        (["create", "songs", "NO"], 4, "invalid_name"),
        (["create", "nothing", "x"], 4, "dataset_not_found"),
        (["restore", "songs", "sunday"], 4, "shoal snapshot list"),
        (["restore", "songs", "../x"], 2, "not a snapshot name"),
        (["restore", "songs", "monday", "--of", "other", "--yes"], 4, "shoal snapshot"),
        (["clone", "songs", "songs"], 4, "dataset_exists"),
        (["clone", "songs", "x", "--snapshot", "sunday"], 4, "snapshot_not_found"),
        (["delete", "songs", "sunday", "--yes"], 4, "snapshot_not_found"),
    ],
)
def test_errors_are_one_line_and_a_way_on(
    run: Run, songs: Path, arguments: list[str], code: int, words: str
) -> None:
    run("datasets", "create", "other", "--dimension", "3")
    run("snapshot", "create", "other", "theirs")
    result = run("snapshot", *arguments)
    assert result.exit_code == code, result.output
    assert words in result.stderr
    assert result.stdout == ""


def test_strangers(run: Run, songs: Path) -> None:
    run("datasets", "create", "other", "--dimension", "3")
    run("snapshot", "create", "other", "theirs")
    result = run("snapshot", "restore", "songs", "theirs", "--of", "other", "--yes")
    assert result.exit_code == 4
    assert "not_related" in result.stderr
    assert "shoal snapshot clone" in result.stderr


class Time:
    """Passes only where somebody sleeps; what happens meanwhile is told how late it is."""

    def __init__(self, meanwhile: Callable[[float], None] = lambda _: None) -> None:
        self.now = 0.0
        self._meanwhile = meanwhile

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self._meanwhile(self.now)


# --- following a restore -----------------------------------------------------------------------------------


def test_a_restore_that_waits_is_told_of_now_and_then(
    api: Api, client: ShoalClient, capsys: pytest.CaptureFixture[str]
) -> None:
    api.dataset("songs")
    client.snapshots.create("songs", "empty")
    job_id = api.call("POST", "/v1/datasets/songs/restore", {"snapshot": "empty"}).json["job_id"]
    time = Time(lambda now: api.index(job_id) if now > 12 else None)
    seconds = run_restore(client, "songs", job_id, timeout_seconds=60, clock=time.clock, sleep=time.sleep)
    assert seconds > 12
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "waiting for its turn in the log, 0 s"
    assert len(told) == 2, "again after five seconds or more; by the next time it was done"


def test_nobody_waits_for_ever(api: Api, client: ShoalClient) -> None:
    api.dataset("songs")
    client.snapshots.create("songs", "empty")
    job_id = api.call("POST", "/v1/datasets/songs/restore", {"snapshot": "empty"}).json["job_id"]
    time = Time()
    with pytest.raises(NotIndexedInTime) as late:
        run_restore(client, "songs", job_id, timeout_seconds=3, clock=time.clock, sleep=time.sleep)
    assert "shoal job" in str(late.value.hint)


def test_a_restore_that_fails_says_why(api: Api, client: ShoalClient) -> None:
    api.dataset("songs")
    client.snapshots.create("songs", "empty")
    job_id = api.call("POST", "/v1/datasets/songs/restore", {"snapshot": "empty"}).json["job_id"]
    dataset = resolve(api.ports, api.tenant_id, scope="native", name="songs")
    api.ports.table.update(keys_of(dataset).job(1), [Assign("error", "the snapshot is damaged")])
    with pytest.raises(JobFailed, match="the snapshot is damaged"):
        run_restore(client, "songs", job_id, timeout_seconds=60)
    with pytest.raises(ApiError, match="no snapshot"):
        client.snapshots.get("songs", "full")
