"""The code blocks of RosalindDB's page about datasets, run with curl against the local stack."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra.local.info import StackInfo

pytestmark = pytest.mark.e2e
BLOCKS = Path(__file__).parent / "rosalinddb"
STAND_IN = Path(__file__).with_name("curl_stand_in.py")
HOST = "http://localhost:8080"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
BY_FORM = {"created_at": TIME, "last_indexed_at": TIME, "job_id": re.compile(r"job_[0-9a-z]+")}
STATES = ("empty", "validating", "indexing", "indexed")
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What curl printed; `json` is None where there was no body."""

    status: int
    json: Any


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who copies the page's blocks into a shell, in a folder that holds the page's files."""

    folder: Path
    api_url: str
    api_key: str

    def run(self, block: str) -> Answer:
        """Run a block as it stands, but for the host."""
        script = (self.folder / f"{block}.sh").read_text().replace(HOST, self.api_url)
        environment = {
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "CURL_HOME": str(self.folder),  # where it looks for .curlrc
            "NO_PROXY": "127.0.0.1",
            "RB_API_KEY": self.api_key,
        }
        done = subprocess.run(
            ["sh", "-eu"],
            input=script,
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{block}: curl ended with {done.returncode}: {done.stderr}"
        body, _, status = done.stdout.rpartition("\n")
        return Answer(int(status), json.loads(body) if body else None)

    def wait_until_indexed(self) -> list[str]:
        """Poll as the page says; the states that were seen, each once."""
        seen: list[str] = []
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while True:
            answer = self.run("get_dataset")
            assert answer.status == 200
            state = answer.json["status"]
            seen += [] if seen[-1:] == [state] else [state]
            if state == "indexed":
                return seen
            assert time.monotonic() < give_up_at, f"still {state}"
            time.sleep(0.05)


@pytest.fixture(params=["curl", "stand-in"])
def reader(local_stack: StackInfo, tmp_path: Path, request: pytest.FixtureRequest) -> Reader:
    stand_in = tmp_path / "bin" / "curl"
    stand_in.parent.mkdir()
    if shutil.which("curl") is None or request.param == "stand-in":
        stand_in.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STAND_IN}" "$@"\n')
        stand_in.chmod(0o755)
    for file in BLOCKS.iterdir():
        shutil.copy(file, tmp_path)
    (tmp_path / ".curlrc").write_text('write-out = "\\n%{http_code}"\n')
    assert local_stack.api_key is not None
    return Reader(tmp_path, local_stack.api_url, local_stack.api_key)


def documented(name: str) -> Any:
    return json.loads((BLOCKS / f"{name}.json").read_text())


def assert_as_documented(found: Any, expected: Any, *, more: frozenset[str], where: str = "answer") -> None:
    """Every documented field with its value, or its form where values differ; no others but those in `more`."""
    if isinstance(expected, dict):
        assert isinstance(found, dict), where
        missing, added = expected.keys() - found.keys(), found.keys() - expected.keys()
        assert not missing, f"{where} lacks {missing}"
        assert added <= more, f"{where} has {added}"
        for name, value in expected.items():
            place = f"{where}.{name}"
            if name in BY_FORM:
                assert BY_FORM[name].fullmatch(found[name]), f"{place} is {found[name]!r}"
            else:
                assert_as_documented(found[name], value, more=more, where=place)
    elif isinstance(expected, list):
        assert isinstance(found, list), where
        assert len(found) == len(expected), f"{where} is {found!r}"
        for number, (one, other) in enumerate(zip(found, expected, strict=True)):
            assert_as_documented(one, other, more=more, where=f"{where}[{number}]")
    else:
        assert (type(found), found) == (type(expected), expected), where


def test_the_page_from_its_first_block_to_its_last(reader: Reader) -> None:
    created = reader.run("create_dataset")
    assert created.status == 201
    more = frozenset({"metric", "last_indexed_at", "error_message"})
    assert_as_documented(created.json, documented("create_dataset.201"), more=more)
    assert (created.json["metric"], created.json["last_indexed_at"], created.json["error_message"]) == (
        "l2",
        None,
        None,
    )

    uploaded = reader.run("upload_vectors")
    assert uploaded.status == 202
    assert_as_documented(uploaded.json, documented("upload_vectors.202"), more=frozenset())

    seen = reader.wait_until_indexed()
    assert seen == sorted(seen, key=STATES.index), "the states come in the page's order"

    listed = reader.run("list_datasets")
    assert listed.status == 200
    listed.json["datasets"] = [each for each in listed.json["datasets"] if each["name"] == "products"]
    assert_as_documented(listed.json, documented("list_datasets.200"), more=frozenset({"metric"}))

    answered = reader.run("query")
    assert answered.status == 200
    assert answered.json.keys() == {"matches", "latency_ms", "mode"}
    assert answered.json["mode"] in {"hot", "cold"}
    first, second = answered.json["matches"]
    assert first == {"id": "doc-1", "score": 0.0, "metadata": {"title": "Atlas of birds"}}
    assert second["id"] == "doc-2"
    assert second["score"] == pytest.approx(0.64, rel=1e-6)

    deleted = reader.run("delete_dataset")
    assert (deleted.status, deleted.json) == (204, None)
    gone = reader.run("get_dataset")
    assert (gone.status, gone.json["error"]["code"]) == (404, "dataset_not_found")
    assert reader.run("query").status == 404


def test_what_the_page_says_of_an_upload(reader: Reader) -> None:
    """Bad lines are told one by one; sending an id again overwrites it; `accepted` counts lines before that."""
    reader.run("create_dataset")
    try:
        reader.run("upload_vectors")
        lines = [
            {"id": "doc-1", "values": [9.0, 9.0, 9.0, 9.0], "metadata": {"title": "first"}},
            {"id": "doc-4", "values": [0.1, 0.2, 0.3]},
            {"id": "doc-1", "values": [0.1, 0.2, 0.3, 0.4], "metadata": {"title": "Atlas, second edition"}},
        ]
        (reader.folder / "vectors.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
        again = reader.run("upload_vectors")
        assert again.status == 202
        assert (again.json["accepted"], again.json["rejected"]) == (2, 1)
        assert again.json["errors"] == [{"line": 2, "reason": "dimension mismatch: got 3 expected 4"}]
        reader.wait_until_indexed()
        assert reader.run("get_dataset").json["row_count"] == 3
        best = reader.run("query").json["matches"][0]
        assert best == {"id": "doc-1", "score": 0.0, "metadata": {"title": "Atlas, second edition"}}
    finally:
        reader.run("delete_dataset")
