"""`shoal derive` and `shoal derivation`: against the real HTTP side, and against a server that plays runs."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from infra.cli.collections.display import Lines, Moment
from infra.cli.main import app
from infra.cli.targets import Targets
from tests.unit.cli.conftest import Run, lines

RUN = "drv_" + "1" * 32
DERIVATION: dict[str, Any] = {
    "derivation_id": RUN,
    "dataset": "jazz",
    "source": "songs",
    "status": "running",
    "stage": "waiting",
    "progress": 0.0,
    "rows_total": 0,
    "rows_removed": 0,
    "removed_by_term": [],
    "strategy": None,
    "source_version": None,
    "follow": False,
    "rebuild": False,
    "created_at": "2026-05-28T20:26:40Z",
    "completed_at": None,
    "error_message": None,
}
MASKING = DERIVATION | {"stage": "masking", "progress": 45.2, "rows_total": 4_000}
COMPLETED = MASKING | {
    "status": "completed",
    "progress": 100.0,
    "rows_removed": 1_000,
    "removed_by_term": [{"term": "bird", "records": 900}, {"term": "hot\x1bdog", "records": 150}],
    "strategy": "mask",
    "source_version": 7,
    "completed_at": "2026-05-28T20:26:49Z",
}
FAILED = MASKING | {"status": "failed", "error_message": "internal error (X); derive it again"}
LINEAGE: dict[str, Any] = {
    "dataset": "jazz",
    "derived_from": {
        "source": "songs",
        "source_version": 7,
        "source_newest": 9,
        "filter": {"genre": "jazz"},
        "terms": {"list": "sensitive", "count": 3, "fields": ["title", "tags[].name"]},
        "follow": True,
        "built_at": "2026-05-28T20:26:49Z",
        "rows_removed": 1_000,
        "removed_by_term": COMPLETED["removed_by_term"],
        "strategy": "mask",
        "error_message": None,
    },
    "last_run": COMPLETED,
    "derived": [{"dataset": "openverse/x", "kind": "derived", "follows": False, "synced_version": 0}],
}

type Shoal = Callable[..., Result]


class Server:
    """Answers looks with what is planned, the last one again and again."""

    def __init__(self) -> None:
        self.looks: list[dict[str, Any]] = [COMPLETED]
        self.begun, self.lineage = DERIVATION, LINEAGE
        self.asked: list[tuple[str, str, Any]] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.read() or b"null")
        self.asked.append((request.method, request.url.path, body))
        if request.method == "POST":
            return httpx.Response(202, json=self.begun)
        if request.method == "DELETE":
            return httpx.Response(200, json=self.looks[0])
        if request.url.path.endswith("/derivation"):
            return httpx.Response(200, json=self.lineage)
        return httpx.Response(200, json=self.looks.pop(0) if len(self.looks) > 1 else self.looks[0])


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def shoal(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shoal:
    monkeypatch.setattr("infra.cli.imports.following._FIRST_PAUSE_SECONDS", 0.0)

    def call(*arguments: str) -> Result:
        environ = {"HOME": str(tmp_path), "SHOAL_API_URL": "https://shoal.test", "SHOAL_API_KEY": "shl_k"}
        targets = Targets(environ=environ, transport=httpx.MockTransport(server.answer))
        return CliRunner().invoke(app, list(arguments), obj=targets, catch_exceptions=False)

    return call


def test_deriving_says_how_to_follow_it(shoal: Shoal, server: Server) -> None:
    done = shoal("derive", "songs", "jazz", "--filter", '{"genre": "jazz"}', "--follow")
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{RUN} songs → jazz running, waiting, 0 %\n"
    assert f"shoal derivation show {RUN} --watch" in done.stderr
    assert server.asked == [
        ("POST", "/v1/datasets/songs/derive", {"name": "jazz", "filter": {"genre": "jazz"}, "follow": True})
    ]


def test_watching_it_to_its_end(shoal: Shoal, server: Server) -> None:
    server.looks = [DERIVATION, MASKING, COMPLETED]
    done = shoal(
        "derive", "songs", "jazz", "--terms", "rude", "--field", "title", "--field", "tags[].name", "--watch"
    )
    assert done.exit_code == 0, done.output
    assert done.stderr.splitlines() == ["waiting: 0 %", "masking: 45 %, of 4,000 records"]
    assert done.stdout.splitlines() == [
        "jazz: 3,000 of the 4,000 records of songs, sharing what is stored",
        "         900 with bird",
        "         150 with hot dog",
    ]
    sent = {"name": "jazz", "follow": False, "terms": {"list": "rude", "fields": ["title", "tags[].name"]}}
    assert server.asked[0] == ("POST", "/v1/datasets/songs/derive", sent)


def test_json_is_what_the_api_says(shoal: Shoal, server: Server) -> None:
    told = json.loads(shoal("derive", "songs", "jazz", "--watch", "--json").stdout)
    assert told["removed_by_term"] == [["bird", 900], ["hot\x1bdog", 150]]
    assert (told["status"], told["strategy"], told["source_version"]) == ("completed", "mask", 7)
    assert json.loads(shoal("derivation", "show", "jazz", "--json").stdout)["derived"][0]["kind"] == "derived"
    server.looks = [DERIVATION | {"status": "cancelled"}]
    assert json.loads(shoal("derivation", "cancel", RUN, "--json").stdout)["status"] == "cancelled"


@pytest.mark.parametrize(
    ("run", "says", "hint"),
    [
        (
            FAILED,
            "internal error (X); derive it again; jazz is not there, and its name is free",
            "shoal derive songs",
        ),
        (FAILED | {"rebuild": True}, "jazz stays as it was", "shoal derivation rebuild jazz"),
        (FAILED | {"status": "cancelled"}, f"{RUN} cancelled; jazz is not there", "shoal derive songs"),
    ],
)
def test_one_that_does_not_come_to_its_end(
    shoal: Shoal, server: Server, run: dict[str, Any], says: str, hint: str
) -> None:
    server.looks = [run]
    for arguments in (("derive", "songs", "jazz", "--watch"), ("derivation", "show", RUN)):
        done = shoal(*arguments)
        assert done.exit_code == 1
        assert says in done.stderr
        assert hint in done.stderr


def test_where_a_dataset_comes_from(shoal: Shoal, server: Server) -> None:
    done = shoal("derivation", "show", "jazz")
    assert done.exit_code == 0, done.output
    for text in (
        "songs, version 7, now at 9",
        '{"genre": "jazz"}; without the 3 terms of sensitive in title, tags[].name',
        "1,000 records",
        "openverse/x",
        "sharing what is stored",
    ):
        assert text in done.stdout
    assert "\x1b" not in done.stdout
    assert "not in step" not in done.stderr
    origin = LINEAGE["derived_from"] | {"filter": None, "terms": None, "source_newest": None}
    origin |= {"error_message": "the quota is used up"}
    server.lineage = LINEAGE | {"derived_from": origin, "derived": [], "last_run": FAILED}
    done = shoal("derivation", "show", "jazz")
    assert "which is deleted" in done.stdout
    assert "all records" in done.stdout
    assert f"last run: {RUN} failed, 45 %: internal error" in done.stderr
    assert "not in step for now: the quota is used up" in done.stderr
    server.lineage = {"dataset": "songs", "derived_from": None, "last_run": None, "derived": []}
    assert shoal("derivation", "show", "songs").stdout == "songs is not derived from another dataset\n"


def test_the_last_run_of_a_dataset_is_followed(shoal: Shoal, server: Server) -> None:
    server.lineage = LINEAGE | {"last_run": MASKING | {"rebuild": True}}
    done = shoal("derivation", "show", "jazz", "--watch")
    assert done.stdout.startswith("jazz: 3,000 of the 4,000 records")
    server.lineage = LINEAGE
    assert "kept in step" in shoal("derivation", "show", "jazz", "--watch").stdout


def test_making_it_anew_and_ending_that(shoal: Shoal, server: Server) -> None:
    server.begun = DERIVATION | {"rebuild": True}
    server.looks = [COMPLETED | {"strategy": "rewrite"}]
    done = shoal("derivation", "rebuild", "jazz", "--watch")
    assert done.stdout.startswith("jazz: 3,000 of the 4,000 records of songs, written anew")
    assert server.asked[0] == ("POST", "/v1/datasets/jazz/derivation/rebuild", None)
    assert shoal("derivation", "cancel", RUN).stdout == f"{RUN} is completed already\n"
    assert server.asked[-1][:2] == ("DELETE", f"/v1/derivations/{RUN}")
    server.looks = [DERIVATION | {"status": "cancelled"}]
    assert shoal("derivation", "cancel", RUN).stdout == f"{RUN} cancelled\n"


def test_a_stage_is_told_at_once_and_per_cent_now_and_then() -> None:
    told: list[str] = []
    now = 0.0
    lines = Lines(say=told.append, clock=lambda: now)
    for seconds, stage, per_cent in ((0.0, "a", 0), (0.5, "a", 10), (2.5, "a", 20), (2.6, "b", 21)):
        now = seconds
        lines.state(Moment(stage, per_cent, 100, told=f"{per_cent} %"))
    assert told == ["a: 0 %", "a: 20 %", "b: 21 %"]


# --- against the real HTTP side


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["derive", "songs", "jazz", "--terms", "sensitive"], 2, "--field title"),
        (["derive", "songs", "jazz", "--field", "title"], 2, "--terms LIST"),
        (["derive", "songs", "jazz", "--filter", "{"], 2, "not JSON"),
        (["derive", "songs", "jazz", "--filter", "[]"], 2, "JSON object"),
        (["derive", "songs", "jazz", "--filter", '{"a": {"$near": 1}}'], 4, "$near"),
        (["derive", "songs", "jazz", "--terms", "none", "--field", "title"], 4, "shoal terms list"),
        (["derive", "songs", "jazz", "--terms", "sensitive", "--field", "a..b"], 4, "invalid_fields"),
        (["derive", "none", "jazz"], 4, "shoal datasets list"),
        (["derive", "openverse/image", "jazz"], 2, "not a dataset name"),
        (["derive", "songs", "NO"], 4, "invalid_name"),
        (["derive", "songs", "songs"], 4, "take another name"),
        (["derivation", "show", "none"], 4, "shoal datasets list"),
        (["derivation", "show", RUN], 4, "derivation_not_found"),
        (["derivation", "rebuild", "songs"], 4, "shoal derive SOURCE NAME"),
        (["derivation", "cancel", RUN], 4, "derivation_not_found"),
        (["derivation", "cancel", "../x"], 2, "not a derivation id"),
    ],
)
def test_errors_are_one_line_and_a_way_on(run: Run, arguments: Sequence[str], code: int, words: str) -> None:
    run("datasets", "create", "songs", "--dimension", "2")
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert words in result.stderr
    assert result.stdout == ""


def test_one_that_is_being_built(run: Run) -> None:
    run("datasets", "create", "songs", "--dimension", "2")
    begun = json.loads(run("derive", "songs", "jazz", "--json").stdout)
    result = run("derive", "jazz", "cool-jazz")
    assert (result.exit_code, "source_unfinished" in result.stderr) == (4, True)
    assert run("datasets", "get", "jazz").exit_code == 4
    assert run("derivation", "cancel", begun["derivation_id"]).stdout.endswith("cancelled\n")
    assert run("derivation", "show", begun["derivation_id"]).exit_code == 1


def test_from_a_dataset_to_one_that_follows_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.cli.imports.following._FIRST_PAUSE_SECONDS", 0.0)
    run("datasets", "create", "songs", "--dimension", "2")
    records = [
        {"id": "a", "values": [1, 0], "metadata": {"genre": "jazz", "title": "Take five"}},
        {"id": "b", "values": [0, 1], "metadata": {"genre": "rock", "title": "Rude boy"}},
        {"id": "c", "values": [1, 1], "metadata": {"genre": "jazz", "title": "A rude awakening"}},
    ]
    run("vectors", "upsert", "songs", "-", stdin=lines(records))
    run("terms", "put", "sensitive", "-", stdin="rude\n")
    done = run("derive", "songs", "jazz", "--filter", '{"genre": "jazz"}', "--follow", "--watch")
    assert done.exit_code == 0, done.output
    assert done.stdout == "jazz: 2 of the 3 records of songs, sharing what is stored\n"
    clean = run("derive", "songs", "clean", "--terms", "sensitive", "--field", "title", "--watch")
    assert clean.stdout.splitlines()[1].split() == ["2", "with", "rude"]
    assert json.loads(run("count", "jazz", "--json").stdout) == {"count": 2}
    assert json.loads(run("count", "clean", "--json").stdout) == {"count": 1}
    refused = run("vectors", "delete", "jazz", "a")
    assert refused.exit_code == 4
    assert "dataset_follows" in refused.stderr
    assert "shoal derivation show NAME" in refused.stderr
    shown = run("derivation", "show", "songs").stdout
    assert "not derived" in shown
    assert "clean" in shown
    assert "jazz" in shown
    assert "kept in step  yes" in run("derivation", "show", "jazz").stdout
    run("vectors", "delete", "songs", "c")
    again = run("derivation", "rebuild", "clean", "--watch")
    assert again.stdout.splitlines()[0] == "clean: 1 of the 2 records of songs, sharing what is stored"
