"""Somebody who copies a page's code blocks into a shell, and what the answers are compared with."""

import json
import os
import re
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BLOCKS = Path(__file__).parent / "rosalinddb"
HOST = "http://localhost:8080"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
SIGNED = re.compile(r"https?://.+[?&]X-Amz-Signature=.+")
BY_FORM = {
    "created_at": TIME,
    "last_indexed_at": TIME,
    "expires_at": TIME,
    "completed_at": TIME,
    "job_id": re.compile(r"job_[0-9a-z]+"),
    "import_id": re.compile(r"imp_[0-9a-z]+"),
    "url": SIGNED,
    "rejected_records_url": SIGNED,
}
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What curl printed; `json` is None where there was no body."""

    status: int
    json: Any


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who copies the page's blocks into a shell, in a folder that holds the page's files.

    From earlier answers come `learned`, by what the page shows in their place, and `variables` of the shell.
    """

    folder: Path
    api_url: str
    api_key: str
    host: str = HOST
    learned: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)

    def run(self, block: str) -> Answer:
        """Run a block as it stands, but for the host and what is learned."""
        script = (self.folder / f"{block}.sh").read_text().replace(self.host, self.api_url)
        for shown, value in self.learned.items():
            script = script.replace(shown, value)
        environment = {
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "CURL_HOME": str(self.folder),  # where it looks for .curlrc
            "NO_PROXY": "127.0.0.1",
            "RB_API_KEY": self.api_key,
            **self.variables,
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

    def wait(self, block: str, wanted: str) -> list[str]:
        """Poll as the page says, until the answer has this status; the states that were seen, each once."""
        seen: list[str] = []
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while True:
            answer = self.run(block)
            assert answer.status == 200
            state = answer.json["status"]
            seen += [] if seen[-1:] == [state] else [state]
            if state == wanted:
                return seen
            assert time.monotonic() < give_up_at, f"still {state}: {answer.json}"
            time.sleep(0.05)


def documented(name: str) -> Any:
    """An answer as the page shows it."""
    return json.loads((BLOCKS / f"{name}.json").read_text())


def assert_as_documented(
    found: Any,
    expected: Any,
    *,
    more: frozenset[str],
    where: str = "answer",
    by_form: Mapping[str, re.Pattern[str]] = BY_FORM,
) -> None:
    """Every documented field with its value, or its form where values differ; no others but those in `more`."""
    if isinstance(expected, dict):
        assert isinstance(found, dict), where
        missing, added = expected.keys() - found.keys(), found.keys() - expected.keys()
        assert not missing, f"{where} lacks {missing}"
        assert added <= more, f"{where} has {added}"
        for name, value in expected.items():
            place = f"{where}.{name}"
            if name in by_form:
                assert by_form[name].fullmatch(found[name]), f"{place} is {found[name]!r}"
            else:
                assert_as_documented(found[name], value, more=more, where=place, by_form=by_form)
    elif isinstance(expected, list):
        assert isinstance(found, list), where
        assert len(found) == len(expected), f"{where} is {found!r}"
        for number, (one, other) in enumerate(zip(found, expected, strict=True)):
            assert_as_documented(one, other, more=more, where=f"{where}[{number}]", by_form=by_form)
    else:
        assert (type(found), found) == (type(expected), expected), where
