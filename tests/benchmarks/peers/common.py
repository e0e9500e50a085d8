"""What the peers share. It runs in their environment, and imports nothing of ours."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

TARGET = 0.95


@dataclass(frozen=True, slots=True)
class Task:
    """What a peer is asked to do: index this file, with this metric, in this empty folder.

    `queries` (float32, shape (n, dimension)) and the rows that truly answer them, by their place in the file
    (shape (n, k)). `more` is whatever else only some peers are asked.
    """

    ndjson: Path
    metric: str
    folder: Path
    queries: NDArray[np.float32]
    truth: NDArray[np.int64]
    more: dict[str, Any]

    @property
    def dimension(self) -> int:
        """Values a row."""
        return int(self.queries.shape[1])


def read_task() -> Task:
    """The task named by the first argument: a JSON file of paths."""
    given = json.loads(Path(sys.argv[1]).read_text())
    return Task(
        Path(given["ndjson"]),
        given["metric"],
        Path(given["folder"]),
        np.load(given["queries"]),
        np.load(given["truth"]),
        given.get("more", {}),
    )


class Watch:
    """Wall-clock and processor seconds (of all threads) by the name of what they were spent on."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.processor: dict[str, float] = {}

    @contextmanager
    def on(self, name: str) -> Iterator[None]:
        """Count the block's time."""
        began, before = time.perf_counter(), time.process_time()
        yield
        self.seconds[name] = time.perf_counter() - began
        self.processor[name] = time.process_time() - before


def read_rows(task: Task) -> pa.Table:
    """The file by orjson, line by line, checked for nothing: ids as text, values as fixed-size lists of float32.

    Arrow's own parser of JSON took 1.2 to 1.4 times as long for the same table, on two cores.
    """
    ids: list[str] = []
    found: list[NDArray[np.float32]] = []
    values: list[list[float]] = []
    with task.ndjson.open("rb") as file:
        for line in file:
            record = orjson.loads(line)
            ids.append(record["id"])
            values.append(record["values"])
            if len(values) == 4096:
                found.append(np.array(values, dtype=np.float32))
                values = []
    if values:
        found.append(np.array(values, dtype=np.float32))
    flat = pa.array(np.concatenate(found).reshape(-1))
    return pa.table({"id": ids, "vector": pa.FixedSizeListArray.from_arrays(flat, task.dimension)})


def vectors_of(table: pa.Table) -> NDArray[np.float32]:
    """The vectors as an array of shape (rows, dimension)."""
    column = table["vector"].combine_chunks()
    return np.asarray(column.flatten()).reshape(len(table), -1)


def recall(task: Task, answers: Sequence[Sequence[int]]) -> float:
    """Which part of the true answers was found; `answers` are places in the file."""
    pairs = zip(answers, task.truth.tolist(), strict=True)
    return float(np.mean([len(set(found) & set(wanted)) / len(wanted) for found, wanted in pairs]))


def least(values: Sequence[int], measure: Callable[[int], float]) -> dict[str, Any]:
    """The first of rising values at which recall reaches the target (else the last), and the recall there."""
    found = 0.0
    for value in values:
        found = measure(value)
        if found >= TARGET:
            break
    return {"at": value, "recall": found}


def answer(watch: Watch, **more: Any) -> None:
    """Say what was measured."""
    print(json.dumps({"seconds": watch.seconds, "processor": watch.processor, **more}))
