"""What filters are measured with: rows with properties, and cases of filters that leave a known share of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from tests.benchmarks.environment import FOLDER
from tests.benchmarks.import_data import Data

SHARES = {"half": 2, "tenth": 10, "hundredth": 100, "thousandth": 1000, "myriad": 10_000}
"""Properties that are drawn at random, wherever a row lies, and how many values each has."""
REGIONS = {"area": 10, "region": 100}
"""Properties that say where a row lies: which of so many rows, drawn at random, it is nearest to."""
K = 10
_VERSION = 1
_SEED = 23
_NOTHING = -1
"""A value that no row has."""


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of filter: for each query a value of a property, and the rows that truly answer.

    `truth` holds places in the file, `_NOTHING` where fewer than ten match: int64, shape (queries, K).
    """

    name: str
    column: str
    values: tuple[int, ...]
    truth: NDArray[np.int64]
    matches: float

    def filter(self, number: int) -> dict[str, Any]:
        """The filter of a query."""
        return {self.column: self.values[number]}

    def unseen_filter(self, number: int, time: int) -> dict[str, Any]:
        """A filter that means the same, spelled as no other query spells it."""
        return {self.column: {"$in": [self.values[number], _NOTHING - 1 - number - time * len(self.values)]}}


def properties(data: Data) -> dict[str, NDArray[np.int64]]:
    """The properties of each row: int64, shape (rows,); the same at every run."""
    rng = np.random.default_rng(_SEED)
    rows = len(data.ids)
    found = {name: rng.integers(count, size=rows) for name, count in SHARES.items()}
    return found | {
        name: _nearest(data, _centres(data, count), data.vectors) for name, count in REGIONS.items()
    }


def cases(data: Data, columns: Mapping[str, NDArray[np.int64]], queries: int) -> list[Case]:
    """A case for each property; of places each query asks for the one that is farthest from it."""
    rng = np.random.default_rng(_SEED + 1)
    asked = data.queries[:queries]
    found = []
    for name, count in SHARES.items():
        found.append(
            _case(data, f"{100 / count:g} %", name, columns[name], rng.integers(count, size=queries))
        )
    for name, count in REGIONS.items():
        centres = _centres(data, count)
        farthest = _costs(centres, asked).argmax(axis=1)
        title = f"the farthest of {count} regions"
        found.append(_case(data, title, name, columns[name], farthest))
    return found


def file_of(data: Data, columns: Mapping[str, NDArray[np.int64]]) -> Path:
    """The rows with their properties as NDJSON, written where it is missing."""
    path = FOLDER / "data" / f"{data.name}.properties.v{_VERSION}.ndjson"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f"{path.name}.new")
        option = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE
        values = zip(*(column.tolist() for column in columns.values()), strict=True)
        with new.open("wb") as file:
            for name, vector, some in zip(data.ids, data.vectors, values, strict=True):
                metadata = dict(zip(columns, some, strict=True))
                line = {"id": name, "values": vector, "metadata": metadata}
                file.write(orjson.dumps(line, option=option))
        new.rename(path)
    return path


def recall(answers: Sequence[Sequence[str]], case: Case, ids: Sequence[str]) -> float:
    """Which part of the true answers is among the answers."""
    shares = []
    for found, places in zip(answers, case.truth.tolist(), strict=True):
        wanted = {ids[place] for place in places if place != _NOTHING}
        if wanted:
            shares.append(len(wanted.intersection(found)) / len(wanted))
    return float(np.mean(shares))


def _case(data: Data, name: str, column: str, of_rows: NDArray[np.int64], values: NDArray[np.int64]) -> Case:
    truth = np.full((len(values), K), _NOTHING, dtype=np.int64)
    counts = []
    for number, value in enumerate(values.tolist()):
        rows = np.flatnonzero(of_rows == value)
        cost = _costs(data.vectors[rows], data.queries[number : number + 1])[0]
        best = rows[np.argsort(cost)[:K]]
        truth[number, : len(best)] = best
        counts.append(len(rows))
    return Case(name, column, tuple(values.tolist()), truth, float(np.mean(counts)))


def _centres(data: Data, count: int) -> NDArray[np.float32]:
    return data.vectors[np.random.default_rng(_SEED + count).choice(len(data.ids), count, replace=False)]


def _nearest(data: Data, centres: NDArray[np.float32], rows: NDArray[np.float32]) -> NDArray[np.int64]:
    parts = [
        _costs(centres, rows[start : start + 65536]).argmin(axis=1) for start in range(0, len(rows), 65536)
    ]
    return np.concatenate(parts)


def _costs(stored: NDArray[np.float32], queries: NDArray[np.float32]) -> NDArray[np.float32]:
    """Squared distances but for the query's own square: float32, shape (queries, rows)."""
    costs: NDArray[np.float32] = np.vecdot(stored, stored) - 2 * (queries @ stored.T)
    return costs
