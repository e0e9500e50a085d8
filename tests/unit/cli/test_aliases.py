"""`shoal aliases` and `shoal terms`: what they print and ask, and how they end."""

import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Run, lines


@pytest.fixture(autouse=True)
def _datasets(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "records.ndjson"
    for name in ("may", "june"):
        file.write_text(lines([{"id": name, "values": [1, 2, 3]}]))
        assert run("datasets", "create", name, "--dimension", "3").exit_code == 0
        assert run("vectors", "upsert", name, str(file), "--wait", "5").exit_code == 0


def test_an_alias_is_set_moved_and_moved_back(run: Run) -> None:
    assert "no aliases yet" in run("aliases", "list").stderr
    made = run("aliases", "set", "live", "may")
    assert (made.exit_code, made.stdout, made.stderr) == (0, "live points at may\n", "")
    moved = run("aliases", "set", "live", "june", "--if", "may")
    assert moved.stdout == "live points at june\n"
    assert "shoal aliases rollback live" in moved.stderr
    shown = run("aliases", "show", "live").stdout
    assert shown.startswith("live points at june\n")
    assert [row.split()[1:] for row in shown.splitlines()[2:]] == [["may", "june"], ["-", "may"]]
    refused = run("aliases", "rollback", "live", stdin="n\n")
    assert refused.exit_code == 2
    assert "have live, which points at june, point at may again?" in refused.stderr
    assert run("aliases", "rollback", "live", stdin="y\n").stdout.endswith("\nlive points at may\n")
    assert "live   may" in run("aliases", "list").stdout
    found = json.loads(run("vectors", "get", "live", "may", "--json").stdout)
    assert found["id"] == "may"
    assert "not deleted" in run("aliases", "delete", "live", stdin="n\n").stderr
    assert run("aliases", "delete", "live", "--yes").stdout == "deleted live\n"
    assert run("aliases", "delete", "live", "--yes").exit_code == 4


def test_json_is_all_there_is_on_stdout(run: Run) -> None:
    told = [
        json.loads(run("aliases", *arguments, "--json").stdout)
        for arguments in (
            ["set", "live", "may"],
            ["set", "live", "june"],
            ["list"],
            ["rollback", "live", "--yes"],
            ["show", "live"],
            ["delete", "live", "--yes"],
        )
    ]
    assert told[1] == {"alias": "live", "dataset": "june", "moves": 2}
    assert told[2]["aliases"][0]["dataset"] == "june"
    assert "history" not in told[2]["aliases"][0]
    assert told[3] == {"alias": "live", "dataset": "may", "moves": 3}
    assert [move["to_dataset"] for move in told[4]["history"]] == ["may", "june", "may"]


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        (["set", "live", "none"], 4, "dataset_not_found"),
        (["set", "june", "may"], 4, "name_taken"),
        (["set", "other", "live"], 4, "`shoal aliases show ALIAS` names the dataset"),
        (["set", "live", "june", "--if", "june"], 4, "live points at may, not at june (alias_moved)"),
        (["set", "a/b", "june"], 2, "is not a name of an alias"),
        (["rollback", "live", "--yes"], 4, "nothing_to_roll_back"),
        (["rollback", "none"], 4, "shoal aliases list"),
        (["show", "none"], 4, "alias_not_found"),
        (["delete", "none"], 4, "alias_not_found"),
    ],
)
def test_what_cannot_be(run: Run, arguments: list[str], exit_code: int, words: str) -> None:
    run("aliases", "set", "live", "may")
    done = run("aliases", *arguments)
    assert (done.exit_code, done.stdout) == (exit_code, "")
    assert words in done.stderr


def test_a_target_is_deleted_with_force_alone(run: Run) -> None:
    run("aliases", "set", "live", "may")
    assert "live" in run("datasets", "list").stdout
    refused = run("datasets", "delete", "may", "--yes")
    assert refused.exit_code == 4
    assert "aliases point at it: live" in refused.stderr
    assert "--force" in refused.stderr
    asked = run("datasets", "delete", "may", "--force", stdin="n\n")
    assert "delete may with 1 records and the aliases live?" in asked.stderr
    assert run("datasets", "delete", "may", "--force", "--yes").exit_code == 0
    assert "no aliases yet" in run("aliases", "list").stderr


def test_lists_of_terms(run: Run, tmp_path: Path) -> None:
    assert "no lists yet" in run("terms", "list").stderr
    assert "sensitive is empty" in run("terms", "get", "sensitive").stderr
    file = tmp_path / "terms.txt"
    file.write_bytes("\ufeffRunning\r\nHot  Dog\n\n".encode())
    put = run("terms", "put", "sensitive", str(file))
    assert (put.exit_code, put.stdout) == (0, "sensitive: 2 terms\n")
    assert run("terms", "get", "sensitive").stdout == "running\nhot dog\n"
    assert json.loads(run("terms", "put", "other", "-", "--json", stdin="a\nb\nc").stdout)["count"] == 3
    listed = json.loads(run("terms", "list", "--json").stdout)["term_lists"]
    assert [(each["name"], each["count"]) for each in listed] == [("other", 3), ("sensitive", 2)]
    assert "other" in run("terms", "list").stdout
    assert json.loads(run("terms", "get", "other", "--json").stdout)["terms"] == ["a", "b", "c"]
    assert run("terms", "delete", "other").stdout == "deleted other\n"
    assert json.loads(run("terms", "delete", "sensitive", "--json").stdout) == {"deleted": "sensitive"}
    gone = run("terms", "get", "other")
    assert gone.exit_code == 4
    assert "`shoal terms list`" in gone.stderr


def test_files_that_cannot_be_lists(run: Run, tmp_path: Path) -> None:
    missing = run("terms", "put", "x", str(tmp_path / "none"))
    assert (missing.exit_code, "No such file" in missing.stderr) == (2, True)
    (tmp_path / "bad").write_bytes(b"\xff\xfe")
    assert "is not UTF-8" in run("terms", "put", "x", str(tmp_path / "bad")).stderr
    (tmp_path / "nothing").write_text("good\n!!\n")
    refused = run("terms", "put", "x", str(tmp_path / "nothing"))
    assert (refused.exit_code, "term 2 has neither letters nor digits" in refused.stderr) == (4, True)
