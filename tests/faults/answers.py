"""What a reader is told, against what it must be told: worked out anew here, from dictionaries."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import numpy as np
import orjson

from shoal.model.datasets import Metric
from shoal.model.filters import Filter, parse_filter
from shoal.model.queries import Match, QueryAnswer, QueryRequest
from shoal.model.selection import Selection
from tests.faults.oracle import Broken, Row, State

type Wanted = Callable[[str, Row], bool]


def _outside(row: Row) -> bool:
    inside = row.metadata.get("in")
    return isinstance(inside, Mapping) and "step" in inside and row.metadata.get("n") != 1


FILTERS: Final[tuple[tuple[dict[str, object] | None, Wanted], ...]] = (
    (None, lambda _name, _row: True),
    ({"n": {"$gte": 2}}, lambda _name, row: row.metadata.get("n", -1) >= 2),
    ({"even": True}, lambda _name, row: row.metadata.get("even") is True),
    ({"in.step": {"$exists": True}, "n": {"$ne": 1}}, lambda _name, row: _outside(row)),
    ({"tags": "a"}, lambda _name, row: "a" in row.metadata.get("tags", ())),
    ({"nobody": 1}, lambda _name, _row: False),
)
"""Filters of the language, and the same in Python."""
NAMESPACES: Final = (None, "", "one")


def selected(number: int) -> tuple[Selection, Wanted]:
    """One of the selections that readers and deletes ask for, and the same in Python."""
    tree, wanted = FILTERS[number % len(FILTERS)]
    namespace = NAMESPACES[number // len(FILTERS) % len(NAMESPACES)]
    parsed: Filter | None = None if tree is None else parse_filter(tree)

    def holds(name: str, row: Row) -> bool:
        return wanted(name, row) and (namespace is None or row.namespace == namespace)

    return Selection(namespace=namespace, filter=parsed), holds


def selection_json(number: int) -> tuple[dict[str, object] | None, str | None]:
    """The filter and the namespace of `selected`, as they are sent."""
    return FILTERS[number % len(FILTERS)][0], NAMESPACES[number // len(FILTERS) % len(NAMESPACES)]


def chosen(state: State, wanted: Wanted) -> dict[str, Row]:
    """The rows of a state that are asked for."""
    return {name: row for name, row in state.rows.items() if wanted(name, row)}


def row_of(match: Match) -> Row:
    """A record as it was answered with its values."""
    if match.values is None:
        raise Broken(f"{match.id} came without its values")
    return Row(
        tuple(match.values.tolist()),
        orjson.loads(match.metadata),
        match.namespace,
        bytes(match.document).decode(),
    )


def check_rows(
    what: str, matches: Iterable[Match], expected: dict[str, Row], *, documents: bool = True
) -> None:
    """Each expected record once, bit for bit, and no other.

    Raises:
        Broken: says which differ.
    """
    found: dict[str, Row] = {}
    for match in matches:
        if match.id in found:
            raise Broken(f"{what}: {match.id} came twice")
        found[match.id] = row_of(match)
    if not documents:
        expected = {name: Row(row.values, row.metadata, row.namespace) for name, row in expected.items()}
        found = {name: Row(row.values, row.metadata, row.namespace) for name, row in found.items()}
    if found == expected:
        return
    lost = {name: row for name, row in expected.items() if name not in found}
    added = {name: row for name, row in found.items() if name not in expected}
    other = {
        name: (expected[name], found[name])
        for name in found.keys() & expected
        if found[name] != expected[name]
    }
    raise Broken(f"{what}: missing {lost}, not expected {added}, (expected, found) {other}")


def score(metric: Metric, row: Sequence[float], query: Sequence[float]) -> float:
    """The score of a row, in Python's own arithmetic."""
    product = math.fsum(a * b for a, b in zip(row, query, strict=True))
    match metric:
        case Metric.L2:
            return math.fsum((a - b) ** 2 for a, b in zip(row, query, strict=True))
        case Metric.DOT:
            return product
        case Metric.COSINE:
            return product / (math.hypot(*row) * math.hypot(*query))


def check_answer(
    what: str, metric: Metric, request: QueryRequest, answer: QueryAnswer, rows: dict[str, Row]
) -> None:
    """The best rows, each once, with their scores (ties in any order), and as many as there are.

    Raises:
        Broken: says what is missing.
    """
    query = request.vector.tolist()
    lower_is_better = metric is Metric.L2
    best = sorted((score(metric, row.values, query) for row in rows.values()), reverse=not lower_is_better)
    ids = [match.id for match in answer.matches]
    if len(set(ids)) != len(ids) or not rows.keys() >= set(ids):
        raise Broken(f"{what}: answered {ids}, of {sorted(rows)}")
    expected = best[: request.top_k]
    found = [match.score for match in answer.matches]
    if len(found) != len(expected) or not np.allclose(found, expected, rtol=1e-4, atol=1e-4):
        raise Broken(f"{what}: answered {list(zip(ids, found, strict=True))}, the best scores are {expected}")
    for match in answer.matches:
        row = rows[match.id]
        if not math.isclose(match.score, score(metric, row.values, query), rel_tol=1e-4, abs_tol=1e-4):
            raise Broken(f"{what}: {match.id} with score {match.score}")
        if orjson.loads(match.metadata) != row.metadata or match.namespace != row.namespace:
            raise Broken(
                f"{what}: {match.id} with {match.metadata!r} in {match.namespace!r} instead of {row}"
            )
