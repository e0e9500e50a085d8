"""Timing and tables. Calls that are compared take turns, so that a noisy machine is unfair to all alike."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

type Call = Callable[[int], object]
"""What is timed; it is given the number of its round."""
type Say = Callable[[str], None]
"""Shows a line of progress."""


@dataclass(frozen=True, slots=True)
class Times:
    """Wall-clock seconds of repeated calls, in the order in which they were measured; at least one."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """Seconds."""
        return median(self.seconds)

    def percentile(self, percent: float) -> float:
        """Seconds that this share of the calls did not exceed: one of the measured values, not between two."""
        ranked = sorted(self.seconds)
        rank = -(-len(ranked) * percent // 100)
        return ranked[max(int(rank), 1) - 1]


def in_turns(calls: Mapping[str, Call], *, rounds: int, warm_up: int = 0) -> dict[str, Times]:
    """Time each call once a round; who goes first changes with the round.

    Args:
        calls: what to time, by name.
        rounds: how often; round numbers go on from the warm-up's.
        warm_up: rounds before that, which do not count.
    """
    measured: dict[str, list[float]] = {name: [] for name in calls}
    names = list(calls)
    for number in range(warm_up + rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            began = time.perf_counter()
            calls[name](number)
            seconds = time.perf_counter() - began
            if number >= warm_up:
                measured[name].append(seconds)
    return {name: Times(tuple(seconds)) for name, seconds in measured.items()}


def timed(call: Callable[[], object]) -> float:
    """Seconds of one call."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


@dataclass
class Table:
    """A table of figures under a title; cells are text already."""

    title: str
    head: Sequence[str]
    rows: list[tuple[str, ...]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, *cells: str) -> None:
        """One more row."""
        if len(cells) != len(self.head):
            raise ValueError(f"{len(cells)} cells under {len(self.head)} heads")
        self.rows.append(cells)

    def markdown(self) -> str:
        """The table as GitHub reads it: the first column is text, all others are figures."""
        rule = ["---", *["---:"] * (len(self.head) - 1)]
        lines = [f"| {' | '.join(cells)} |" for cells in (self.head, rule, *self.rows)]
        return "\n".join([f"### {self.title}", "", *lines, *(f"\n{note}" for note in self.notes)])


def ms(seconds: float) -> str:
    """Milliseconds with three significant digits or more."""
    value = seconds * 1000
    return f"{value:.2f} ms" if value < 10 else f"{value:.1f} ms" if value < 100 else f"{value:,.0f} ms"


def rate(count: float, seconds: float) -> str:
    """How many a second."""
    return f"{count / seconds:,.0f}/s"
