"""Derived datasets: the records of another dataset that a condition leaves in, and the runs that make them so."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, Literal

import orjson
from pydantic import Field

from shoal.errors import InvalidInput
from shoal.model.filters import parse_filter
from shoal.model.manifests import PartRef
from shoal.model.merge_policy import LEAST_DEAD_BYTES, REBUILD_DEAD_SHARE
from shoal.model.reindex_work import RowSource
from shoal.model.work import WorkRecord

MAX_TERM_FIELDS = 20
MAX_FIELD_CHARACTERS = 256
MOST_TERMS_TOLD = 100
"""Of how many terms is told how many records each removed: those that removed most."""
_ELEMENTS = "[]"

type Strategy = Literal["mask", "rewrite"]
"""`mask`: shards are shared with the source, rows of them left out; `rewrite`: until the rest is compacted."""


class DerivationStatus(StrEnum):
    """How far a run is. All but `running` are terminal."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        """Whether nothing will change any more."""
        return self is not DerivationStatus.RUNNING


@dataclass(frozen=True, slots=True)
class Condition:
    """Which records of the source are in a derived dataset.

    `filter` (a filter as JSON): only those that it matches; None: all. `terms`: without those that hold a term, as
    whole words, in one of the `term_fields`; they are a copy of the list `list_name` as it was. A field is a path
    into metadata: "title", "author.name", and "tags[].name" for a field of each element of a list.
    """

    filter: Mapping[str, Any] | None = None
    terms: tuple[str, ...] | None = None
    term_fields: tuple[str, ...] = ()
    list_name: str | None = None

    @property
    def everything(self) -> bool:
        """Whether no record is left out."""
        return self.filter is None and not self.terms


EVERYTHING = Condition()


@dataclass(frozen=True, slots=True)
class Derivation:
    """A run that makes a dataset what its condition leaves of its source: the `first` one, or a rebuild.

    `name` and `scope` are those of the derived dataset. `progress` goes from 0 to 100. `rows_total` are the live
    rows of the source in the version that is taken, `rows_removed` those of them that the condition leaves out;
    `removed_by_term` how many of these hold each term (a record may hold several), the most frequent first.
    `entered`: the version is in the log of the derived dataset.
    """

    run_id: str
    tenant_id: str
    dataset_id: str
    name: str
    scope: str
    source_id: str
    source_name: str
    source_scope: str
    created_at: float
    follow: bool = False
    first: bool = True
    vector_quota: int | None = None
    status: DerivationStatus = DerivationStatus.RUNNING
    stage: str = "waiting"
    progress: float = 0.0
    rows_total: int = 0
    rows_removed: int = 0
    removed_by_term: tuple[tuple[str, int], ...] = ()
    strategy: Strategy | None = None
    source_version: int | None = None
    entered: bool = False
    completed_at: float | None = None
    error_message: str | None = None


@dataclass(frozen=True, slots=True)
class Lineage:
    """Of what a dataset is derived, by which condition, and what was taken last.

    `source_version` and `built_at` (epoch seconds) are None until the first run has completed. `running` is the
    run that is under way, `last_run` the one that began last. `masks` name what is remembered of each shard.
    `vector_quota`: rows that the tenant may hold, as last told. `error_message`: why it does not follow any more.
    """

    source_id: str
    source_name: str
    source_scope: str
    condition: Condition
    follow: bool = False
    source_version: int | None = None
    built_at: float | None = None
    rows_removed: int = 0
    removed_by_term: tuple[tuple[str, int], ...] = ()
    strategy: Strategy | None = None
    last_run: str | None = None
    running: str | None = None
    masks: PartRef | None = None
    vector_quota: int | None = None
    error_message: str | None = None


# --- conditions


def check_condition(condition: Condition) -> Condition:
    """The condition, if it is one.

    Raises:
        InvalidInput: `invalid_request`: the filter is none; `invalid_fields`: terms without fields to look at, or
            a field that is no path.
    """
    if condition.filter is not None:
        parse_filter(dict(condition.filter))
    if condition.terms is None:
        return condition
    fields = condition.term_fields
    if not 1 <= len(fields) <= MAX_TERM_FIELDS:
        raise InvalidInput(
            "invalid_fields", f"terms need the fields to look at: 1 to {MAX_TERM_FIELDS} paths of metadata"
        )
    for path in fields:
        if len(path) > MAX_FIELD_CHARACTERS or not all(_steps(path)):
            raise InvalidInput(
                "invalid_fields",
                "a field is a path of metadata, as `title`, `author.name` or `tags[].name`",
                {"field": path[:MAX_FIELD_CHARACTERS]},
            )
    return condition


@lru_cache(maxsize=256)
def _steps(path: str) -> tuple[str, ...]:
    """The parts of a path between its dots, but for what says that they are lists."""
    return tuple(step.removesuffix(_ELEMENTS) for step in path.split("."))


def texts_at(metadata: Mapping[str, Any], path: str) -> list[str]:
    """The strings that a record has at a path: one, or those in a list there; none where there is something else.

    `[]` in the path may be left out: a list stands for its elements wherever it is met.
    """
    found: list[str] = []
    _gather(metadata, _steps(path), 0, found)
    return found


def _gather(value: Any, steps: tuple[str, ...], at: int, found: list[str]) -> None:
    """Add the strings of a value, which stands before a step of a path or, behind all of them, at its end."""
    if isinstance(value, list):
        for element in value:
            _gather(element, steps, at, found)
    elif at == len(steps):
        if isinstance(value, str):
            found.append(value)
    elif isinstance(value, dict) and steps[at] in value:
        _gather(value[steps[at]], steps, at + 1, found)


def filter_of(condition: Condition) -> bytes | None:
    """The filter as stored."""
    return None if condition.filter is None else orjson.dumps(condition.filter)


# --- how far a run is

_STAGES: Mapping[str, tuple[float, float]] = {
    "waiting": (0.0, 0.0),
    "planning": (0.0, 5.0),
    "masking": (5.0, 85.0),
    "publishing": (85.0, 99.0),
}
"""From where to where each stage brings a run."""


def progress_at(stage: str, *, done: int = 0, total: int = 0) -> float:
    """Per cent of a run that are done when so many of the stage's rows are."""
    begin, end = _STAGES[stage]
    share = min(1.0, done / total) if total > 0 else 0.0
    return round(begin + share * (end - begin), 2)


# --- masking or rewriting


def strategy_for(*, rows: int, dead: int, row_bytes: int, follows: bool) -> Strategy:
    """Whether shards are shared for good, with rows of them left out, or the rest of them is written anew behind.

    A row that is left out costs every query that meets it: its cell is read with it. To write the rest anew costs
    as much as an import of the rest, and its graph: it is what is done about dead rows of any dataset from this
    share on. Nobody waits for that: of 399,000 x 50 GloVe vectors a half was left out in 0.4 s (a tenth in 3.1 s,
    which was the first to read anything), and the other half was written anew a minute later.

    Args:
        rows: of all shards, dead ones included.
        dead: rows of them that are dead, or left out.
        row_bytes: bytes of a vector.
        follows: whether the dataset is kept in step: its next version would bring the shared shards back.
    """
    few = dead <= REBUILD_DEAD_SHARE * rows or dead * row_bytes <= LEAST_DEAD_BYTES
    return "mask" if follows or few else "rewrite"


def most_frequent(counts: Mapping[str, int], most: int = MOST_TERMS_TOLD) -> tuple[tuple[str, int], ...]:
    """The terms that removed most, and how many records each."""
    ordered = sorted(
        ((term, count) for term, count in counts.items() if count), key=lambda one: (-one[1], one[0])
    )
    return tuple(ordered[:most])


# --- what the steps of a run tell each other


class TakenVersion(WorkRecord):
    """The version of the source that is taken; no manifest of one into which nothing was ever written.

    `rows`: live ones.
    """

    version: int
    manifest: str | None
    manifest_sha256: str | None
    watermark: int
    rows: int


class MaskItem(WorkRecord):
    """What one call looks at: rows of shards, so many in all, dead ones included."""

    number: int = Field(ge=0)
    rows: int
    sources: tuple[RowSource, ...] = Field(strict=False)


class MaskPlan(WorkRecord):
    """`pieces` are looked at, of so many rows; what is known of other shards is in `known`."""

    pieces: int
    rows: int
    items_key: str
    known: PartRef | None = None


class Masked(WorkRecord):
    """What was found in a piece: the rows of each shard to be left out, and those that hold each term."""

    number: int
    rows: int
    masks: PartRef


class Taken(WorkRecord):
    """What becomes of the derived dataset: a stored root, and what is told of it.

    `by_term`: the number of a term among those of the condition, and how many records it removed.
    """

    root: str
    root_sha256: str
    watermark: int
    row_count: int
    rows_removed: int
    by_term: tuple[tuple[int, int], ...] = Field(strict=False)
    strategy: Strategy
    masks: PartRef | None


class Entered(WorkRecord):
    """Where in the derived dataset's log the version was entered."""

    sequence: int
