"""Somebody who asks all the while, and takes no failure for granted: nothing is tried again."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from infra.cli.collections.results import Found

PAUSE_SECONDS = 0.02
SAME_DISTANCE = 1e-4
"""Distances of one object are this near each other, whichever way it was searched; two models differ by more."""

type Search = Callable[[str, int], Found]
"""Asks a question for so many answers."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that was asked: when (monotonic), how long it took, and what came of it."""

    question: str
    at: float
    seconds: float
    found: Found | None
    error: str | None = None


class Asking:
    """Asks the questions in turn, in a thread of its own. Used with `with`."""

    def __init__(self, search: Search, questions: Sequence[str], *, limit: int = 10) -> None:
        self._search, self._questions, self._limit = search, questions, limit
        self._asked: list[Asked] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="asking")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def wait_for(self, count: int, *, seconds: float = 60.0) -> tuple[Asked, ...]:
        """So many more answers; fewer where they do not come in time."""
        before, give_up_at = len(self._asked), time.monotonic() + seconds
        while len(self._asked) < before + count and time.monotonic() < give_up_at:
            time.sleep(PAUSE_SECONDS)
        return self.since(before)

    def since(self, place: int) -> tuple[Asked, ...]:
        """What was asked from a place on."""
        return tuple(self._asked[place:])

    @property
    def count(self) -> int:
        """How many were asked by now."""
        return len(self._asked)

    def _run(self) -> None:
        number = 0
        while not self._over.wait(PAUSE_SECONDS):
            question = self._questions[number % len(self._questions)]
            number += 1
            at, began = time.monotonic(), time.perf_counter()
            try:
                found, error = self._search(question, self._limit), None
            except Exception as raised:  # noqa: BLE001 - each failure is counted, whatever it is
                found, error = None, f"{type(raised).__name__}: {raised}"
            self._asked.append(Asked(question, at, time.perf_counter() - began, found, error))


@dataclass(frozen=True, slots=True)
class Model:
    """What a model answers: of each question, how far objects are."""

    distances: dict[str, dict[str, float]]

    @classmethod
    def of(cls, search: Search, questions: Iterable[str], *, limit: int = 100) -> "Model":
        """Ask it."""
        return cls(
            {each: {hit.object_id: hit.distance for hit in search(each, limit).hits} for each in questions}
        )

    def gave(self, asked: Asked) -> bool:
        """Whether an answer is its own: every object that it knows is as far as it says, and it knows most."""
        if asked.found is None:
            return False
        known = self.distances[asked.question]
        pairs = [(hit.distance, known[hit.object_id]) for hit in asked.found.hits if hit.object_id in known]
        return 2 * len(pairs) > len(asked.found.hits) and all(abs(a - b) < SAME_DISTANCE for a, b in pairs)


@dataclass(frozen=True, slots=True)
class Switch:
    """Answers while a model was changed: of each, of neither, and of the old one after one of the new."""

    old: int
    new: int
    neither: int
    back: int
    at: float | None
    """When the first answer of the new model was asked for."""

    @classmethod
    def of(cls, asked: Sequence[Asked], old: Model, new: Model) -> "Switch":
        """Look at them in order."""
        olds = news = neither = back = 0
        at: float | None = None
        for each in asked:
            if new.gave(each):
                news += 1
                at = each.at if at is None else at
            elif old.gave(each):
                olds += 1
                back += at is not None
            else:
                neither += 1
        return cls(olds, news, neither, back, at)


def percentile(asked: Sequence[Asked], percent: float) -> float:
    """Milliseconds that this share of the questions did not exceed; one of the measured times."""
    ranked = sorted(each.seconds for each in asked)
    rank = max(int(-(-len(ranked) * percent // 100)), 1)
    return ranked[rank - 1] * 1000
