"""`shoal documents` against the real HTTP side and the import's own workflow, all of it in this process."""

import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest

from shoal.services.content.documents import find_documents
from shoal.services.content.reading import scan
from shoal.services.heads import keys_of, read_head
from shoal.services.parts import PartReader
from shoal.services.snapshot import open_snapshot
from tests.unit.cli.conftest import Run
from tests.unit.http.api import Api

ROWS = 200
DOCUMENTS = [
    {"_id": f"movie-{n}", "_type": "movie", "_updatedAt": "2024-01-01T00:00:00Z", "title": f"Movie {n}"}
    for n in range(ROWS)
]
LINES = [
    *(json.dumps(document) for document in DOCUMENTS[:20]),
    '{"_id": "drafts.movie-1", "_type": "movie"}',
    '{"_type": "movie"}',
    "{",
    *(json.dumps(document) for document in DOCUMENTS[20:]),
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An export with two bad lines and a draft."""
    path = tmp_path / "data.ndjson.gz"
    path.write_bytes(gzip.compress("\n".join(LINES).encode()))
    return path


def titles(api: Api) -> list[str]:
    """Of the documents that are there."""
    dataset = find_documents(api.ports, api.tenant_id, "production")
    head = read_head(api.ports, keys_of(dataset))
    assert head is not None
    found = scan(open_snapshot(PartReader(api.ports.objects, cache_bytes=10**7), dataset, head))
    return sorted(str(document.body["title"]) for document in found)


def test_an_export_becomes_documents(run: Run, api: Api, file: Path, tmp_path: Path) -> None:
    kept = tmp_path / "rejected.jsonl"
    done = run("documents", "import", "production", str(file), "--watch", "--rejects", str(kept))
    assert done.exit_code == 0, done.output
    assert f"imported {ROWS:,} of {ROWS + 2:,} records, 2 rejected, in " in done.stdout
    assert "skipped 1 drafts and versions of releases" in done.stdout
    assert "line 22: the document has no _id" in done.stdout
    assert [json.loads(line)["line"] for line in kept.read_text().splitlines()] == [22, 23]
    assert titles(api) == sorted(document["title"] for document in DOCUMENTS)
    again = run("documents", "import", "production", str(file))
    assert again.exit_code == 0, again.output
    assert f"{ROWS:,} were there already, as late or later: they stay" in again.stdout


def test_an_archive_of_an_export(run: Run, api: Api, tmp_path: Path) -> None:
    path = tmp_path / "production.tar.gz"
    data = json.dumps(DOCUMENTS[0]).encode()
    with tarfile.open(path, "w:gz") as archive:
        for name, content in (
            ("production-export/images/x.png", b"x"),
            ("production-export/data.ndjson", data),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    done = run("documents", "import", "production", str(path))
    assert done.exit_code == 0, done.output
    assert "production.tar.gz is an archive: importing data.ndjson of it" in done.stderr
    assert titles(api) == ["Movie 0"]


def test_an_archive_without_documents(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "production.tar.gz"
    with tarfile.open(path, "w:gz"):
        pass
    done = run("documents", "import", "production", str(path))
    assert done.exit_code == 2
    assert "is an archive without data.ndjson" in done.stderr


def test_abort_imports_nothing(run: Run, file: Path) -> None:
    done = run("documents", "import", "production", str(file), "--error-mode", "abort")
    assert done.exit_code == 1
    assert "line 22: the document has no _id" in done.stderr
    listed = json.loads(run("documents", "list", "production", "--json").stdout)["imports"]
    assert [each["status"] for each in listed] == ["failed"]
    assert listed[0]["format"] == "documents"
    shown = run("documents", "show", "production", listed[0]["import_id"], "--watch")
    assert shown.exit_code == 1
    assert "failed: nothing is indexed" in shown.stdout


def test_one_that_is_not_followed(run: Run, file: Path) -> None:
    done = run("documents", "import", "production", str(file), "--no-watch")
    assert done.exit_code == 0, done.output
    assert "follow it: `shoal documents show production imp_" in done.stderr
    import_id = done.stdout.split()[0]
    shown = run("documents", "show", "production", import_id)
    assert shown.exit_code == 0, shown.output
    assert f"imported {ROWS:,} of" in shown.stdout
    cancelled = run("documents", "cancel", "production", import_id)
    assert cancelled.exit_code == 4
    assert "import_not_cancellable" in cancelled.output or "completed" in cancelled.output


def test_what_is_not_there(run: Run, tmp_path: Path) -> None:
    assert run("documents", "import", "production", str(tmp_path / "none.ndjson")).exit_code == 2
    unknown = run("documents", "list", "production")
    assert unknown.exit_code == 4
    assert "there is no dataset production" in unknown.stderr
