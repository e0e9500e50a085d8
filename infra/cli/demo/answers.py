"""The five questions: asked, shown beside what keyword search finds, and checked."""

import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from infra.cli.client import ShoalClient
from infra.cli.demo.corpus import DATASET
from infra.cli.demo.keywords import RULE, Hit, KeywordIndex
from infra.cli.demo.operations import Operation, boto3_line
from infra.cli.demo.questions import QUESTIONS, Question
from infra.cli.demo.steps import Steps
from infra.cli.embedder import embed_texts
from infra.cli.results import Match, QueryResult

SHOWN = 3
_TIMED = 20
"""Queries of which the median is taken, after the answers that are shown."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One question with both kinds of answers."""

    question: Question
    found: QueryResult
    keyword_hits: tuple[Hit, ...]

    @property
    def holds(self) -> bool:
        """Whether the expected operation is among the first few."""
        return self.question.expected in [match.id for match in self.found.matches[: self.question.within]]


def ask_all(client: ShoalClient, keywords: KeywordIndex) -> list[Answer]:
    """Ask every question once."""
    vectors = embed_texts([question.text.lower() for question in QUESTIONS])
    return [
        Answer(
            question,
            client.query(DATASET, vector.tolist(), top_k=10),
            tuple(keywords.search(question.text, top_k=SHOWN)),
        )
        for question, vector in zip(QUESTIONS, vectors, strict=True)
    ]


def median_round_trip(client: ShoalClient) -> float:
    """Milliseconds of a warm query as this side sees it."""
    vectors = embed_texts([question.text.lower() for question in QUESTIONS]).tolist()
    times = [client.query(DATASET, vectors[n % len(vectors)], top_k=10).round_trip_ms for n in range(_TIMED)]
    return statistics.median(times)


def show(answers: Sequence[Answer], operations: Mapping[str, Operation], steps: Steps) -> None:
    """One table a question."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    steps.plain(f"\nkeyword search: {RULE}")
    for answer in answers:
        found = answer.found
        times = f"{found.round_trip_ms:.1f} ms, {found.latency_ms:.1f} of it in the function"
        title = f'\n"{answer.question.text}"  ({times})'
        grid = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
        grid.add_column("score", justify="right", no_wrap=True, min_width=5)
        grid.add_column("service", no_wrap=True, max_width=34)
        grid.add_column("operation", no_wrap=True, max_width=34)
        grid.add_column("latency", no_wrap=True, justify="right", min_width=9)
        grid.add_column("| keyword search finds", no_wrap=True, max_width=60)
        for place in range(SHOWN):
            cells = _cells(found.matches[place]) if place < len(found.matches) else ("", "", "")
            latency = f"{found.round_trip_ms:.1f} ms" if place == 0 else ""
            grid.add_row(
                *map(Text, (*cells, latency, "| " + _keyword(answer.keyword_hits, place, operations)))
            )
        console = Console(file=sys.stderr, highlight=False, width=None if sys.stderr.isatty() else 150)
        with console.capture() as shown:
            console.print(grid)
        steps.plain(shown.get().rstrip())
        if found.matches:
            steps.plain(f"  → {_call(found.matches[0])}")
    steps.plain()


def check(answers: Sequence[Answer], steps: Steps) -> None:
    """What the answers must hold."""
    for answer in answers:
        place = [match.id for match in answer.found.matches]
        wanted = answer.question.expected
        found = (
            f"{wanted} is number {place.index(wanted) + 1}" if wanted in place else f"{wanted} is not there"
        )
        steps.check(f'"{answer.question.text}"', answer.holds, found)
    silent = [answer.question.text for answer in answers if not answer.keyword_hits]
    steps.check(
        "keyword search finds nothing for one question",
        len(silent) == 1,
        ", ".join(f'"{text}"' for text in silent) or "it finds something for each",
    )


def _cells(match: Match) -> tuple[str, str, str]:
    return f"{match.score:.3f}", str(match.metadata.get("service")), str(match.metadata.get("operation"))


def _call(match: Match) -> str:
    about = match.metadata
    return boto3_line(str(about.get("client")), str(about.get("method")), list(about.get("required", ())))


def _keyword(hits: Sequence[Hit], place: int, operations: Mapping[str, Operation]) -> str:
    if not hits:
        return "(nothing)" if place == 0 else ""
    if place >= len(hits):
        return ""
    found = operations[hits[place].id]
    return f"{found.client}: {found.name}"
