"""The blocks of RosalindDB's page about bulk import, run with curl against the local stack."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.compat.reader import Reader, assert_as_documented, documented

pytestmark = pytest.mark.e2e
ID = "imp_a1b2c3..."
"""What the page shows in place of an import's id."""
STATES = ("awaiting_upload", "validating", "indexing", "completed")
PERCENT = {"awaiting_upload": 0, "validating": 25, "indexing": 90, "completed": 100}
OURS = frozenset({"progress", "reasons"})
ROWS = 10_000
BAD = {47: "{", 4711: json.dumps({"id": "short", "values": [0.1, 0.2, 0.3]})}
REASONS = {47: "invalid json", 4711: "dimension mismatch: got 3 expected 4"}


@pytest.fixture
def importer(reader: Reader) -> Iterator[Reader]:
    """A reader who has made the page's dataset, and a file that fits the page's counts."""
    lines = (reader.folder / "vectors.jsonl").read_text().splitlines()
    lines += [json.dumps({"id": f"row-{n}", "values": [n, n, n, n]}) for n in range(len(lines) + 1, ROWS + 1)]
    for number, line in BAD.items():
        lines[number - 1] = line
    (reader.folder / "vectors.ndjson").write_text("\n".join(lines) + "\n")
    assert reader.run("create_dataset").status == 201
    yield reader
    assert reader.run("delete_dataset").status == 204


def create(reader: Reader) -> dict[str, Any]:
    """Step 1; the steps that follow are about the import that it makes."""
    created = reader.run("create_import")
    assert created.status == 201
    more = OURS | (documented("get_import.200").keys() - documented("create_import.201").keys())
    assert_as_documented(created.json, documented("create_import.201"), more=frozenset(more))
    reader.learned[ID] = created.json["import_id"]
    reader.variables["UPLOAD_URL"] = created.json["upload"]["url"]
    job: dict[str, Any] = created.json
    return job


def test_the_four_steps(importer: Reader) -> None:
    job = create(importer)
    assert importer.run("put_import").status == 200
    completed = importer.run("complete_import")
    assert completed.status == 202
    assert completed.json["import_id"] == job["import_id"]
    assert completed.json["status"] in STATES[1:]

    seen = importer.wait("get_import", "completed")
    assert seen == sorted(seen, key=STATES.index), "the states come in the page's order"
    shown = importer.run("get_import")
    assert_as_documented(shown.json, documented("get_import.200"), more=OURS)

    rejects = httpx.get(shown.json["rejected_records_url"], trust_env=False)
    assert [json.loads(line) for line in rejects.text.splitlines()] == [
        {"line": number, "reason": REASONS[number], "record": BAD[number]} for number in BAD
    ]

    listed = importer.run("list_imports")
    assert listed.status == 200
    assert [each["import_id"] for each in listed.json["imports"]] == [job["import_id"]]
    dataset = importer.run("get_dataset").json
    assert (dataset["status"], dataset["row_count"]) == ("indexed", 9998)
    best = importer.run("query").json["matches"][0]
    assert best == {"id": "doc-1", "score": 0.0, "metadata": {"title": "Atlas of birds"}}


def test_what_the_page_says_of_an_import(importer: Reader) -> None:
    """Refusals: complete before the upload, another Content-Type, complete twice."""
    job = create(importer)
    shown = importer.run("get_import").json
    assert (shown["status"], shown["percent_complete"]) == ("awaiting_upload", 0)
    early = importer.run("complete_import")
    assert (early.status, early.json["error"]["code"]) == (400, "upload_missing")

    url, data = job["upload"]["url"], (importer.folder / "vectors.ndjson").read_bytes()
    for headers in ({}, {"content-type": "application/x-ndjson"}):
        refused = httpx.put(url, content=data, headers=headers, trust_env=False)
        assert refused.status_code == 403
        assert "SignatureDoesNotMatch" in refused.text

    assert importer.run("put_import").status == 200
    assert importer.run("complete_import").status == 202
    again = importer.run("complete_import")
    assert (again.status, again.json["error"]["code"]) == (409, "import_not_pending")
    while not (shown := importer.run("get_import").json)["completed_at"]:
        assert shown["percent_complete"] == PERCENT[shown["status"]]
    assert shown["percent_complete"] == 100

    newer = create(importer)
    listed = [each["import_id"] for each in importer.run("list_imports").json["imports"]]
    assert listed == [newer["import_id"], job["import_id"]]
