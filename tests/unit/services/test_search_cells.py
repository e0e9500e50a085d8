"""Queries over cells: all of them give the exact answer, few read few bytes, and damage is never parsed."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shoal.errors import CorruptObject
from shoal.model.datasets import Dataset, Metric
from shoal.model.filters import parse_filter
from shoal.model.queries import QueryRequest
from shoal.services.fetch import fetch
from tests.unit.services.cell_world import Layout, add_cells, agree, ask, searcher_over, true_scores
from tests.unit.services.world import Record, World, record

DIMENSION = 4


def random_cells(seed: int, name: str, sizes: list[int]) -> list[dict[str, Record]]:
    """Cells around centres of their own; every third row is red, one in twenty gold."""
    rng = np.random.default_rng(seed)
    cells = []
    for place, size in enumerate(sizes):
        centre = 4 * rng.standard_normal(DIMENSION)
        rows = (centre + rng.standard_normal((size, DIMENSION))).tolist()
        cells.append(
            {
                f"{name}-{place}-{row}": record(*values, colour="red" if row % 3 == 0 else "blue", cell=place)
                for row, values in enumerate(rows)
            }
        )
    return cells


def everything(cells: list[dict[str, Record]]) -> dict[str, Record]:
    return {name: found for cell in cells for name, found in cell.items()}


def request(seed: int, **fields: Any) -> QueryRequest:
    vector = np.random.default_rng(seed).standard_normal(DIMENSION).astype(np.float32) * 3
    return QueryRequest(vector, **fields)


# --- exactness ---------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 2**32),
    metric=st.sampled_from(Metric),
    sizes=st.lists(st.lists(st.integers(1, 40), min_size=1, max_size=6), min_size=1, max_size=2),
    flat=st.integers(0, 12),
    build=st.booleans(),
    top_k=st.sampled_from([1, 3, 10, 200]),
    changes=st.integers(0, 20),
)
def test_all_cells_are_as_good_as_brute_force(
    seed: int, metric: Metric, sizes: list[list[int]], flat: int, build: bool, top_k: int, changes: int
) -> None:
    """With a resident shard, deltas, one or two imports, and rows of cells deleted and written anew."""
    world = World()
    dataset = world.create(metric=metric, dimension=DIMENSION)
    rows: dict[str, Record] = {}
    if flat:
        rows |= everything(random_cells(seed + 1, "flat", [flat]))
        world.upsert(dataset, rows)
        world.drain(dataset)
        if build:
            world.build(dataset)
    for number, some in enumerate(sizes):
        cells = random_cells(seed + 2 + number, f"i{number}", some)
        add_cells(world, dataset, cells, Layout(shards=1 + seed % 3))
        rows |= everything(cells)
    rng = np.random.default_rng(seed)
    for name in rng.choice(list(rows), min(changes, len(rows)), replace=False).tolist():
        if rng.random() < 0.5:
            world.delete(dataset, [name])
            del rows[name]
        else:
            rows[name] = record(*rng.standard_normal(DIMENSION).tolist(), colour="green")
            world.upsert(dataset, {name: rows[name]})
    world.drain(dataset)

    wanted = request(seed, top_k=top_k, nprobe=1024, explain=True)
    answer = ask(world.searcher, dataset, wanted)
    agree(answer, true_scores(rows, wanted.vector, metric), top_k, metric)
    red = {name: found for name, found in rows.items() if found[1].get("colour") == "red"}
    for nprobe in (None, 1024):
        filtered = request(seed, top_k=top_k, nprobe=nprobe, filter=parse_filter({"colour": "red"}))
        answer = ask(world.searcher, dataset, filtered)
        assert len(answer.matches) == min(top_k, len(red))
        assert {match.id for match in answer.matches} <= red.keys()
        assert not answer.partial
    agree(answer, true_scores(red, wanted.vector, metric), top_k, metric)
    assert world.stored(dataset, rows) == rows, "and by id"
    few = ask(world.searcher, dataset, request(seed, top_k=top_k))
    assert len(few.matches) == min(top_k, len(rows)), "never fewer than there are"


def test_rows_of_a_shard_of_cells_are_those_that_were_sent() -> None:
    world, dataset, cells = small_world()
    snapshot = world.searcher.snapshot(dataset.tenant_id, scope=dataset.scope, name=dataset.name)
    assert snapshot is not None
    (import_cells,) = snapshot.cells()
    gathered: dict[str, tuple[float, ...]] = {}
    for shard in import_cells.cell_set.shards:
        found = snapshot.rows_of(shard)
        assert snapshot.shard(shard.shard_id) == shard
        assert set(found.sequences.tolist()) == {1}
        gathered |= {name: tuple(row) for name, row in zip(found.ids, found.vectors.tolist(), strict=True)}
    assert gathered == {name: values for name, (values, _) in everything(cells).items()}


# --- what is read ------------------------------------------------------------------------------------------


def small_world(
    sizes: tuple[int, ...] = (30, 20, 25, 40), layout: Layout | None = None
) -> tuple[World, Dataset, list[dict[str, Record]]]:
    world = World()
    dataset = world.create(dimension=DIMENSION)
    cells = random_cells(5, "row", list(sizes))
    add_cells(world, dataset, cells, layout or Layout())
    return world, dataset, cells


def aimed_at(cell: Mapping[str, Record], **fields: Any) -> QueryRequest:
    """A query in the middle of a cell."""
    middle = np.mean([values for values, _ in cell.values()], axis=0).astype(np.float32)
    return QueryRequest(middle, **fields)


def test_one_probe_reads_one_cell_and_once() -> None:
    world, dataset, cells = small_world()
    searcher, counting = searcher_over(world)
    wanted = aimed_at(cells[1], top_k=3, explain=True)
    answer = ask(searcher, dataset, wanted)
    assert [read[2] for read in counting.of("vectors.f32")] == [20 * DIMENSION * 4]
    assert len(counting.of("records.cells")) == 1
    assert answer.mode == "cold"
    assert answer.explanation is not None
    assert answer.explanation.storage_bytes == sum(size for _, _, size in counting.reads)
    assert answer.explanation.storage_requests == len(counting.reads)
    assert (answer.explanation.cells_opened, answer.explanation.cells_total) == (1, 4)
    assert answer.explanation.candidates == 20
    assert {match.id.split("-")[1] for match in answer.matches} == {"1"}

    counting.reads.clear()
    again = ask(searcher, dataset, wanted)
    assert again.mode == "hot"
    assert not counting.reads
    assert again.matches == answer.matches
    assert again.explanation is not None
    assert again.explanation.storage_bytes == again.explanation.disk_bytes == 0
    assert again.explanation.memory_hits > 2


def test_neighbouring_cells_come_with_one_request() -> None:
    world, dataset, cells = small_world(layout=Layout(shards=1))
    searcher, counting = searcher_over(world)
    ask(searcher, dataset, aimed_at(cells[0], nprobe=4))
    (read,) = counting.of("vectors.f32")
    assert read[2] == 115 * DIMENSION * 4


def test_bytes_of_queries_at_the_same_time_are_each_ones_own() -> None:
    world, dataset, cells = small_world((30,) * 12, Layout(shards=3))
    searcher, counting = searcher_over(world)

    def one(place: int) -> int:
        answer = ask(searcher, dataset, aimed_at(cells[place % 12], explain=True))
        assert answer.explanation is not None
        return answer.explanation.storage_bytes

    with ThreadPoolExecutor(max_workers=8) as pool:
        found = list(pool.map(one, range(48)))
    assert sum(found) == sum(size for _, _, size in counting.reads) == searcher.reader.bytes_read


def test_dead_cells_are_not_opened_and_too_few_live_rows_open_more() -> None:
    world, dataset, cells = small_world()
    world.delete(dataset, list(cells[1]))
    world.drain(dataset)
    searcher, _ = searcher_over(world)
    answer = ask(searcher, dataset, aimed_at(cells[1], top_k=60, explain=True))
    assert len(answer.matches) == 60
    assert answer.explanation is not None
    assert answer.explanation.cells_opened == 3


# --- the budget --------------------------------------------------------------------------------------------


def test_beyond_the_budget_the_answer_says_that_it_is_partial() -> None:
    world, dataset, cells = small_world((20,) * 16)
    searcher, _ = searcher_over(world, budget_bytes=3000)
    assert not ask(searcher, dataset, aimed_at(cells[0], top_k=3)).partial
    many = ask(searcher, dataset, aimed_at(cells[0], top_k=320))
    assert many.partial
    assert len(many.matches) == 20 * (3000 // (20 * DIMENSION * 4))
    assert ask(searcher, dataset, aimed_at(cells[0], nprobe=16)).partial


def test_one_cell_is_always_opened() -> None:
    world, dataset, cells = small_world()
    searcher, _ = searcher_over(world, budget_bytes=1)
    assert len(ask(searcher, dataset, aimed_at(cells[0], top_k=3)).matches) == 3
    found = fetch(
        searcher,
        dataset.tenant_id,
        scope=dataset.scope,
        name=dataset.name,
        ids=["absent", *everything(cells)],
        include_values=True,
    )
    assert len(found.records) == 30
    assert len(found.records) + len(found.unprocessed_ids) == 115, "the rest another time"
    assert found.missing_ids == ("absent",)


# --- damage ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["vectors.f32", "records.cells"])
def test_damaged_cells_are_not_parsed(name: str) -> None:
    world, dataset, cells = small_world(layout=Layout(shards=1))
    (key,) = [head.key for head in world.objects.list("t/") if head.key.endswith(name)]
    stored = bytearray(world.objects.get(key))
    stored[40] ^= 1  # in the first cell
    world.objects.put(key, bytes(stored))
    with pytest.raises(CorruptObject, match="checksum"):
        ask(world.searcher, dataset, aimed_at(cells[0]))
    assert len(ask(world.searcher, dataset, aimed_at(cells[3])).matches) == 10, "the others are whole"
    world.objects.delete([key])
    searcher, _ = searcher_over(world)
    with pytest.raises(CorruptObject, match="missing"):
        ask(searcher, dataset, aimed_at(cells[3]))
