"""What engines took for the same file, as tables."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from tests.benchmarks.harness import Table
from tests.benchmarks.import_run import Imported

TARGET, GOAL = 0.15, 0.10
"""Of the time of bare hnswlib: what the import may take, and what it is meant to."""


@dataclass(frozen=True, slots=True)
class Round:
    """Wall-clock seconds of parsing (None: not told apart) and of the rest, processor seconds of all, and recall.

    `at` says at what setting the recall was measured.
    """

    parse: float | None
    build: float
    processor: float
    recall: float
    at: str


@dataclass(slots=True)
class Engine:
    """What an engine did so far; one that has `failed` does no more."""

    title: str
    counts_parsing: bool = True
    rounds: list[Round] = field(default_factory=list)
    failed: str = ""

    @property
    def seconds(self) -> list[float]:
        """Of each round, parsing among it where that counts."""
        return [each.build + ((each.parse or 0.0) if self.counts_parsing else 0.0) for each in self.rounds]


def engines_table(
    title: str, ours: Engine, bare: Sequence[Engine], others: Sequence[Engine], k: int
) -> Table:
    """A row an engine, medians of its rounds; all against the first of `bare`, ours against each of them."""
    heads = ("parse", "write and index", "in all", "of bare hnswlib", "processor", f"recall@{k}", "at")
    table = Table(title, ("engine", *heads))
    bare = [engine for engine in bare if engine.rounds]
    bare_seconds = median(bare[0].seconds) if bare else None
    for engine in (ours, *bare, *others):
        if not engine.rounds:
            table.add(engine.title, "", "", "failed", "", "", "", "")
            table.notes.append(f"{engine.title}: {engine.failed}")
            continue
        parses = [each.parse for each in engine.rounds if each.parse is not None]
        parsed = "" if not parses else _seconds(median(parses)) if engine.counts_parsing else "not counted"
        whole = median(engine.seconds)
        table.add(
            engine.title,
            parsed,
            _seconds(median(each.build for each in engine.rounds)) if parses else "",
            _seconds(whole),
            f"{whole / bare_seconds:.2f} ×" if bare_seconds else "",
            _seconds(median(each.processor for each in engine.rounds)),
            f"{engine.rounds[-1].recall:.3f}",
            engine.rounds[-1].at,
        )
    mine = median(ours.seconds)
    for engine in bare:
        share = mine / median(engine.seconds)
        holds = "holds" if share <= TARGET else "does **not** hold"
        reached = "reached" if share <= GOAL else "missed"
        table.notes.append(
            f"{share:.2f} × {engine.title}: the target, {TARGET:.2f} ×, {holds}; the goal, {GOAL:.2f} ×, is "
            f"{reached}. All rounds: ours {', '.join(map(_seconds, ours.seconds))}; its "
            f"{', '.join(map(_seconds, engine.seconds))}."
        )
    return table


def steps_table(title: str, imported: Imported) -> Table:
    """Where the time of an import went."""
    table = Table(title, ("step", "calls", "seconds of all", "longest", "processor"))
    for step in dict.fromkeys(call.step for call in imported.calls):
        calls = [call for call in imported.calls if call.step == step]
        seconds = [call.seconds for call in calls]
        processor = sum(call.processor_seconds for call in calls)
        table.add(
            step, str(len(calls)), f"{sum(seconds):.2f} s", f"{max(seconds):.2f} s", f"{processor:.2f} s"
        )
    first = imported.queryable_seconds - imported.seconds
    table.notes.append(
        f"The workflow took {imported.seconds:.2f} s, with two calls at a time in maps, "
        f"and the first query, which was cold, {first:.2f} s."
    )
    return table


def _seconds(value: float) -> str:
    return f"{value:.1f} s"
