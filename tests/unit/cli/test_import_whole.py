"""`shoal import` against the real HTTP side and the import's own workflow, all of it in this process."""

import gzip
import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Run

ROWS = 1000
BAD = {47: "{", 501: json.dumps({"id": "", "values": [1, 2, 3]})}
REASONS = {47: "invalid json", 501: "id must be a non-empty string"}


@pytest.fixture
def file(run: Run, tmp_path: Path) -> Path:
    """A packed file with two bad lines, and a dataset for it."""
    lines = [json.dumps({"id": f"r{n}", "values": [n, 1, 2], "metadata": {"n": n}}) for n in range(ROWS)]
    for number, text in BAD.items():
        lines.insert(number - 1, text)
    path = tmp_path / "songs.ndjson.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    assert run("datasets", "create", "songs", "--dimension", "3").exit_code == 0
    return path


def test_good_rows_are_found_and_bad_ones_are_named(run: Run, file: Path, tmp_path: Path) -> None:
    kept = tmp_path / "rejected.jsonl"
    done = run("import", "songs", str(file), "--rejects", str(kept))
    assert done.exit_code == 0, done.output
    assert f"imported {ROWS:,} of {ROWS + 2:,} records, 2 rejected, in " in done.stdout
    assert "  line 47: invalid json: {" in done.stdout
    assert f"songs: {ROWS:,} rows, recall exact" in done.stdout
    rejects = [json.loads(line) for line in kept.read_text().splitlines()]
    assert rejects == [{"line": number, "reason": REASONS[number], "record": BAD[number]} for number in BAD]
    found = json.loads(run("query", "songs", "--vector", "[500, 1, 2]", "-k", "1", "--json").stdout)
    assert found["matches"] == [{"id": "r500", "score": 0.0, "metadata": {"n": 500}}]


def test_in_parts_and_up_to_the_first_bad_line(run: Run, file: Path) -> None:
    done = run("import", "songs", str(file), "--multipart", "--error-mode", "abort")
    assert done.exit_code == 1
    assert "error: import imp_" in done.stderr
    assert "line 47" in done.stderr
    assert json.loads(run("datasets", "get", "songs", "--json").stdout)["row_count"] == 0
    listed = json.loads(run("imports", "list", "songs", "--json").stdout)["imports"]
    assert [each["status"] for each in listed] == ["failed"]
