"""What the steps that make cells tell each other, and how the rows are dealt out to assigners and builders."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from shoal.index.cell_blocks import BLOCK
from shoal.index.checksums import Buffer
from shoal.index.container import count_of, pack, section_of, unpack
from shoal.model.manifests import PartRef, ShardRef
from shoal.model.work import WorkRecord

SHARD_VECTOR_BYTES = 128 * 1000 * 1000
"""Vector bytes of a shard of cells, at most (but for a single block that is larger)."""
SHARD_BYTES = 384 * 1000 * 1000
"""The same with ids and metadata. Its builder holds them about four times."""
_LEAST_SHARD = 16 * 1000 * 1000
_TASK_BYTES = 256 * 1000 * 1000
"""Bytes of columns that one assigner takes, at most (but for a single piece). It holds them five times."""
_LEAST_TASK = 16 * 1000 * 1000
_TASK_PIECES = 1000
_PIECES = 10
"""Into how many a small run is cut, so that five functions at a time have two each."""
_PLAN_KIND, _PLAN_FORMAT = "cell-plan", 1


class AssignItem(WorkRecord):
    """Pieces whose rows one call puts in order."""

    number: int = Field(ge=0)
    pieces: tuple[int, ...] = Field(strict=False)


class Trained(WorkRecord):
    """Centroids: `model` is of `index.cell_model`. `tasks` assigners follow."""

    cells: int
    model: PartRef
    tasks: int
    items_key: str


class Assigned(WorkRecord):
    """Rows sorted by cell: `blocks` one after the other, and a `table` of `BLOCK`, an entry a cell."""

    number: int
    rows: int
    blocks: PartRef
    table: PartRef


class BuildItem(WorkRecord):
    """One shard of cells to build; `plan` is of `encode_plan`."""

    number: int = Field(ge=0)
    plan: PartRef


class Grouped(WorkRecord):
    """`builds` builders follow."""

    builds: int
    items_key: str


class Built(WorkRecord):
    """A shard of cells. `cells` is of `index.built_cells`, `run` a run with the entries of its rows."""

    number: int
    shard: ShardRef
    cells: PartRef
    run: PartRef


@dataclass(frozen=True, slots=True)
class Stretch:
    """What one shard is built of: cells from `cell` to before `cell_stop`, as the assigners from `task` to before
    `task_stop` have them.
    """

    cell: int
    cell_stop: int
    task: int
    task_stop: int


@dataclass(frozen=True, slots=True)
class BuildPlan:
    """Where a builder finds its rows: for each assigner its blocks, where they begin, and their table.

    `tables` is of `BLOCK`, shape (assigners, cells); `mean_rows` those of a cell of the whole run.
    """

    blocks: tuple[PartRef, ...]
    starts: tuple[int, ...]
    tables: NDArray[np.void]
    mean_rows: float


def assign_items(sizes: Sequence[tuple[int, int]]) -> list[AssignItem]:
    """Deal pieces, given as (number, bytes of columns), out to assigners; neighbours stay together."""
    total = sum(size for _, size in sizes)
    limit = min(max(total // _PIECES, _LEAST_TASK), _TASK_BYTES)
    tasks: list[list[int]] = []
    held = 0
    for number, size in sizes:
        if not tasks or held + size > limit or len(tasks[-1]) >= _TASK_PIECES:
            tasks.append([])
            held = 0
        tasks[-1].append(number)
        held += size
    return [AssignItem(number=number, pieces=tuple(some)) for number, some in enumerate(tasks)]


def stretches(tables: NDArray[np.void], row_bytes: int) -> list[Stretch]:
    """Cut all rows into shards: neighbouring cells together; a cell too large for one is cut between assigners.

    Args:
        tables: of `BLOCK`, shape (assigners, cells).
        row_bytes: of a vector.
    """
    vectors = tables["rows"].sum(axis=0, dtype=np.int64) * row_bytes
    sizes = tables["size"].sum(axis=0, dtype=np.int64)
    most_vectors = min(max(int(vectors.sum()) // _PIECES, _LEAST_SHARD), SHARD_VECTOR_BYTES)
    found: list[Stretch] = []
    for cell, stop in _runs(vectors.tolist(), sizes.tolist(), most_vectors, SHARD_BYTES):
        if stop - cell > 1:
            found.append(Stretch(cell, stop, 0, len(tables)))
            continue
        column = tables[:, cell]
        parts = (column["rows"].astype(np.int64) * row_bytes).tolist()
        for task, task_stop in _runs(
            parts, column["size"].astype(np.int64).tolist(), SHARD_VECTOR_BYTES, SHARD_BYTES
        ):
            found.append(Stretch(cell, stop, task, task_stop))
    return [one for one in found if _part(tables, one)["rows"].any()]


def _runs(
    vectors: Sequence[int], sizes: Sequence[int], most_vectors: int, most: int
) -> Iterator[tuple[int, int]]:
    """Consecutive places whose sums stay within both bounds; a place that does not is alone."""
    start, vector_sum, size_sum = 0, 0, 0
    for place, (vector, size) in enumerate(zip(vectors, sizes, strict=True)):
        if place > start and (vector_sum + vector > most_vectors or size_sum + size > most):
            yield start, place
            start, vector_sum, size_sum = place, 0, 0
        vector_sum += vector
        size_sum += size
    if len(vectors) > start:
        yield start, len(vectors)


def plan_of(
    stretch: Stretch, assigned: Sequence[Assigned], tables: NDArray[np.void], mean_rows: float
) -> BuildPlan:
    """What the builder of a stretch needs to know."""
    part = _part(tables, stretch)
    tasks = range(stretch.task, stretch.task_stop)
    starts = tables["size"][stretch.task : stretch.task_stop, : stretch.cell].sum(axis=1, dtype=np.int64)
    used = np.flatnonzero(part["rows"].any(axis=1)).tolist()
    return BuildPlan(
        tuple(assigned[tasks[one]].blocks for one in used),
        tuple(int(starts[one]) for one in used),
        part[used],
        mean_rows,
    )


def _part(tables: NDArray[np.void], stretch: Stretch) -> NDArray[np.void]:
    return tables[stretch.task : stretch.task_stop, stretch.cell : stretch.cell_stop]


def encode_plan(plan: BuildPlan) -> bytes:
    """The object of a plan."""
    attributes = {
        "cells": plan.tables.shape[1],
        "blocks": [ref.model_dump() for ref in plan.blocks],
        "starts": list(plan.starts),
        "mean_rows": plan.mean_rows,
    }
    table = np.ascontiguousarray(plan.tables, dtype=BLOCK)
    return pack(_PLAN_KIND, _PLAN_FORMAT, attributes, {"tables": table.tobytes()})


def decode_plan(data: Buffer) -> BuildPlan:
    """Read a plan, after its checksum has been compared.

    Raises:
        CorruptObject: it is not one.
    """
    container = unpack(_PLAN_KIND, data, versions=(_PLAN_FORMAT,))
    cells = count_of(container.attributes, "cells")
    blocks = tuple(PartRef.model_validate(ref) for ref in container.attributes["blocks"])
    raw = section_of(container, "tables", size=len(blocks) * cells * BLOCK.itemsize)
    return BuildPlan(
        blocks,
        tuple(container.attributes["starts"]),
        np.frombuffer(raw, dtype=BLOCK).reshape(len(blocks), cells),
        container.attributes["mean_rows"],
    )
