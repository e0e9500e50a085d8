"""`shoal export` and back: the real HTTP side, the deployed workflows and the files, all in this process."""

import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Run, lines
from tests.unit.http.api import Api

RECORDS = [
    {
        "id": f"r{n}",
        "values": [n, 0.1, -0.0],
        "metadata": {"n": n, "exact": 1.0},
        **({"namespace": "live", "document": f"song {n} é"} if n % 2 else {}),
    }
    for n in range(30)
]


@pytest.fixture(autouse=True)
def _songs(run: Run) -> None:
    assert run("datasets", "create", "songs", "--dimension", "3", "--metric", "dot").exit_code == 0
    assert run("vectors", "upsert", "songs", "-", "--wait", "5", stdin=lines(RECORDS)).exit_code == 0


def everything(run: Run, dataset: str = "songs") -> list[str]:
    return sorted(run("list", dataset, "-n", "0", "--values", "--ndjson").stdout.splitlines())


def test_there_and_back(run: Run, tmp_path: Path) -> None:
    before, folder = everything(run), tmp_path / "backup"
    done = run("export", "songs", str(folder))
    assert done.exit_code == 0, done.output
    assert "exported 30 records of songs, version 1: 1 file, " in done.stdout
    assert "downloaded 1 file in " in done.stdout
    assert f"import it back: `shoal import songs {folder} --create`" in done.stdout
    assert "downloaded " in done.stderr
    assert {path.suffix for path in folder.iterdir()} == {".parquet", ".json"}
    assert run("datasets", "delete", "songs", "--yes").exit_code == 0
    missing = run("import", "songs", str(folder))
    assert (missing.exit_code, "--create makes it" in missing.stderr) == (4, True)
    back = run("import", "songs", str(folder), "--create")
    assert back.exit_code == 0, back.output
    assert "created songs: 3 dimensions, dot" in back.stderr
    assert "imported 30 records of 1 of 1 files, 0 rejected, in " in back.stdout
    assert "songs: 30 rows, recall exact" in back.stdout
    assert everything(run) == before
    found = json.loads(run("datasets", "get", "songs", "--json").stdout)
    assert (found["dimension"], found["metric"]) == (3, "dot")


def test_json_is_one_document_without_addresses(run: Run, tmp_path: Path) -> None:
    done = json.loads(run("export", "songs", str(tmp_path / "x"), "--json").stdout)
    assert (done["status"], done["row_count"], done["downloaded_files"]) == ("completed", 30, 1)
    assert done["directory"] == str(tmp_path / "x")
    assert done["files"][0].keys() == {"name", "rows", "bytes", "sha256"}
    listed = json.loads(run("exports", "songs", "--json").stdout)["exports"]
    assert [each["export_id"] for each in listed] == [done["export_id"]]
    assert done["export_id"] in run("exports", "songs").stdout
    back = json.loads(run("import", "songs", str(tmp_path / "x"), "--json").stdout)
    assert back["dataset"]["row_count"] == 30
    assert [each["import"]["records_accepted"] for each in back["files"]] == [30]


def test_begun_now_and_downloaded_later(run: Run, tmp_path: Path) -> None:
    begun = run("export", "songs", "--no-wait")
    export_id = begun.stdout.split()[0]
    assert f"--export {export_id}" in begun.stderr
    assert run("vectors", "delete", "songs", "r0").exit_code == 0
    done = json.loads(run("export", "songs", str(tmp_path / "x"), "--export", export_id, "--json").stdout)
    assert done["row_count"] == 30
    assert run("export", "songs", "--no-wait", "--json").exit_code == 0


def test_writes_on_their_way_are_told_of(run: Run, api: Api, tmp_path: Path) -> None:
    assert "not indexed yet" not in run("export", "songs", str(tmp_path / "x")).stderr
    api.upload({"id": "late", "values": [1, 2, 3]}, name="songs")
    done = run("export", "songs", str(tmp_path / "y"))
    assert "writes that are not indexed yet will not be in it" in done.stderr
    assert "exported 30 records" in done.stdout


def test_a_snapshot(run: Run, api: Api, tmp_path: Path) -> None:
    api.call("POST", "/v1/datasets/songs/snapshots", {"name": "monday"})
    for n in range(10):
        run("vectors", "delete", "songs", f"r{n}")
    done = json.loads(run("export", "songs", str(tmp_path / "x"), "--snapshot", "monday", "--json").stdout)
    assert done["row_count"] == 30


def test_into_another_dataset(run: Run, tmp_path: Path) -> None:
    run("export", "songs", str(tmp_path / "x"))
    assert run("datasets", "create", "wide", "--dimension", "4").exit_code == 0
    wide = run("import", "wide", str(tmp_path / "x"))
    assert wide.exit_code == 2
    assert "the export has 3 dimensions, wide has 4" in wide.stderr
    assert run("datasets", "create", "near", "--dimension", "3").exit_code == 0
    near = run("import", "near", str(tmp_path / "x" / "manifest.json"), "--create")
    assert near.exit_code == 0, near.output
    assert "queries will rank otherwise" in near.stderr
    assert everything(run, "near") == everything(run)


def test_a_dataset_without_records(run: Run, tmp_path: Path) -> None:
    for record in RECORDS:
        run("vectors", "delete", "songs", str(record["id"]))
    done = run("export", "songs", str(tmp_path / "x"))
    assert done.exit_code == 0, done.output
    assert "exported 0 records" in done.stdout
    run("datasets", "delete", "songs", "--yes")
    back = run("import", "songs", str(tmp_path / "x"), "--create")
    assert back.exit_code == 0, back.output
    assert "songs: 0 rows" in back.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["export", "nothing", "X"], 4, "dataset_not_found"),
        (["export", "songs", "X", "--snapshot", "never"], 4, "shoal snapshot list"),
        (["export", "songs", "X", "--export", "exp_" + "0" * 32], 4, "shoal exports NAME"),
        (["export", "songs", "X", "--export", "../x"], 2, "not a export id"),
        (["export", "songs", "X", "--no-wait"], 2, "downloads nothing"),
        (["export", "songs", "X", "--export", "exp_1", "--snapshot", "a"], 2, "--snapshot is for a new one"),
        (["export", "songs", "FILE"], 2, "is not a folder"),
        (["export", "songs", "FILE/below"], 2, "cannot write to"),
        (["import", "songs", "X", "--create"], 2, "cannot read"),
        (["import", "songs", "EMPTY"], 2, "holds no manifest.json"),
        (["import", "songs", "FILE", "--create"], 2, "--create makes a dataset from an export"),
        (["exports", "nothing"], 4, "dataset_not_found"),
    ],
)
def test_errors_are_one_line_and_a_way_on(
    run: Run, tmp_path: Path, arguments: list[str], code: int, words: str
) -> None:
    (tmp_path / "EMPTY").mkdir()
    (tmp_path / "FILE").write_text("{}\n")
    if arguments[0] == "import" and "FILE" in arguments:
        (tmp_path / "FILE").rename(tmp_path / "FILE.ndjson")
        arguments = [each.replace("FILE", "FILE.ndjson") for each in arguments]
    given = [str(tmp_path / each) if each.startswith(("X", "FILE", "EMPTY")) else each for each in arguments]
    result = run(*given)
    assert (result.exit_code, result.stdout) == (code, ""), result.output
    assert words in result.stderr, result.stderr
    assert "try:" in result.stderr or code != 4


def test_several_files_one_summary(run: Run, tmp_path: Path) -> None:
    files = []
    for place in range(3):
        some = [record | {"id": f"{place}-{record['id']}"} for record in RECORDS]
        files.append(tmp_path / f"{place}.ndjson")
        files[-1].write_text(lines(some) + ("nonsense\n" if place == 1 else ""))
    done = run("import", "songs", *map(str, files), "--rejects", str(tmp_path / "rejects.jsonl"))
    assert done.exit_code == 0, done.output
    assert "imported 90 records of 3 of 3 files, 1 rejected, in " in done.stdout
    assert "        1  invalid json" in done.stdout
    assert "songs: 120 rows, recall exact" in done.stdout
    assert [line for line in done.stderr.splitlines() if line.startswith("file ")] == [
        "file 1 of 3",
        "file 2 of 3",
        "file 3 of 3",
    ]
    assert json.loads((tmp_path / "rejects-1.jsonl").read_text())["line"] == 31
    assert not (tmp_path / "rejects-0.jsonl").exists()


def test_the_first_file_that_fails_is_the_last(run: Run, tmp_path: Path) -> None:
    files = [tmp_path / f"{place}.ndjson" for place in range(3)]
    for place, file in enumerate(files):
        file.write_text("nonsense\n" if place == 1 else lines(RECORDS))
    done = run("import", "songs", *map(str, files))
    assert done.exit_code == 1
    assert "holds no good record" in done.stderr
    assert f"go on: `shoal import songs {files[1]} {files[2]}`" in done.stderr
    listed = json.loads(run("imports", "list", "songs", "--json").stdout)["imports"]
    assert len(listed) == 2
