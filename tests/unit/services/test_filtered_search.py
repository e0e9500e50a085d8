"""Queries with a filter: complete where matches are few, the nearest cells with matches where they are many."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shoal.errors import CorruptObject, InvalidInput
from shoal.model.datasets import Dataset, Metric
from shoal.model.filters import parse_filter
from shoal.model.queries import QueryAnswer, QueryRequest
from tests.unit.services.cell_world import Layout, add_cells, agree, ask, searcher_over, true_scores
from tests.unit.services.test_search_cells import DIMENSION, aimed_at, everything, random_cells, request
from tests.unit.services.world import Record, World, record

GOLD = parse_filter({"colour": "gold"})
RED = parse_filter({"colour": "red"})


def row_of_cells(
    count: int, layout: Layout, *, gold: dict[int, int], size: int = 20
) -> tuple[World, Dataset, list[dict[str, Record]]]:
    """Cells along a line, one unit apart; the first so many rows of some of them are gold."""
    world = World()
    dataset = world.create(dimension=DIMENSION)
    rng = np.random.default_rng(1)
    cells = []
    for place in range(count):
        rows = np.zeros((size, DIMENSION))
        rows[:, 0] = place
        rows += 0.1 * rng.standard_normal(rows.shape)
        cells.append(
            {
                f"{place}-{row}": record(*values, colour="gold" if row < gold.get(place, 0) else "grey")
                for row, values in enumerate(rows.tolist())
            }
        )
    add_cells(world, dataset, cells, layout)
    return world, dataset, cells


def of(answer: QueryAnswer) -> tuple[str | None, int | None, int]:
    """What was decided, how many match, and how many cells were opened for it."""
    assert answer.explanation is not None
    return answer.explanation.decided, answer.explanation.matches, answer.explanation.cells_opened


def places(answer: QueryAnswer) -> set[int]:
    """The cells of the matches."""
    return {int(match.id.split("-")[0]) for match in answer.matches}


# --- complete ----------------------------------------------------------------------------------------------

FILTERS: list[Any] = [
    {"colour": "red"},
    {"colour": {"$ne": "red"}},
    {"cell": {"$gte": 1, "$lt": 3}},
    {"$or": [{"cell": 0}, {"colour": "green"}]},
    {"$and": [{"colour": "red"}, {"cell": {"$in": [0, 2, 3]}}]},
    {"absent": {"$exists": True}},
]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 2**32),
    metric=st.sampled_from(Metric),
    sizes=st.lists(st.lists(st.integers(1, 40), min_size=1, max_size=6), min_size=1, max_size=2),
    flat=st.integers(0, 12),
    build=st.booleans(),
    top_k=st.sampled_from([1, 3, 10, 200]),
    changes=st.integers(0, 20),
    indexed=st.booleans(),
    exact_bytes=st.sampled_from([0, 500, 1 << 20]),
)
def test_answers_are_complete(
    seed: int,
    metric: Metric,
    sizes: list[list[int]],
    flat: int,
    build: bool,
    top_k: int,
    changes: int,
    indexed: bool,
    exact_bytes: int,
) -> None:
    """With a resident shard, deltas, one or two imports, dead rows: as brute force wherever that was decided."""
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
        add_cells(world, dataset, cells, Layout(shards=1 + seed % 3, indexed=indexed))
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

    searcher, _ = searcher_over(world, exact_bytes=exact_bytes)
    for condition in FILTERS:
        parsed = parse_filter(condition)
        true = {name: found for name, found in rows.items() if parsed.matches(found[1])}
        for nprobe in (None, 1024):
            wanted = request(seed, top_k=top_k, filter=parsed, explain=True, nprobe=nprobe)
            answer = ask(searcher, dataset, wanted)
            decided, matches, _ = of(answer)
            assert len(answer.matches) == min(top_k, len(true)), "never fewer than there are"
            assert {match.id for match in answer.matches} <= true.keys()
            assert not answer.partial
            assert matches in (None, len(true))
            if decided == "exact" or nprobe:
                agree(answer, true_scores(true, wanted.vector, metric), top_k, metric)
            if indexed:
                assert matches == len(true)
                assert decided == "exact" or exact_bytes < 1 << 20


def test_a_namespace_is_a_selection_too() -> None:
    world, dataset, cells = row_of_cells(4, Layout(), gold={})
    for name, found in (("", 80), ("other", 0)):
        wanted = aimed_at(cells[0], top_k=200, namespace=name, explain=True)
        answer = ask(world.searcher, dataset, wanted)
        assert len(answer.matches) == found
        assert of(answer)[:2] == ("exact", found)


# --- few matches -------------------------------------------------------------------------------------------


def test_all_cells_with_a_match_are_opened_where_they_are_few_and_no_other() -> None:
    world, dataset, cells = row_of_cells(16, Layout(shards=16), gold={15: 1, 9: 2})
    searcher, counting = searcher_over(world)
    answer = ask(searcher, dataset, aimed_at(cells[0], top_k=3, filter=GOLD, explain=True))
    assert [match.id.split("-")[0] for match in answer.matches] == ["9", "9", "15"]
    assert of(answer) == ("exact", 3, 2)
    assert sum(read[2] for read in counting.of("vectors.f32")) == 2 * 20 * DIMENSION * 4
    assert len(counting.of("records.cells")) == 2, "of the winners"
    assert answer.explanation is not None
    assert answer.explanation.candidates == 3


def test_nothing_is_read_where_nothing_matches() -> None:
    world, dataset, cells = row_of_cells(4, Layout(), gold={})
    searcher, counting = searcher_over(world)
    answer = ask(searcher, dataset, aimed_at(cells[0], filter=GOLD, explain=True))
    assert answer.matches == ()
    assert of(answer) == ("exact", 0, 0)
    assert not counting.of("vectors.f32")
    assert not counting.of("records.cells")


# --- many matches ------------------------------------------------------------------------------------------


def test_as_many_of_the_nearest_cells_with_a_match_are_opened_as_calibrated() -> None:
    gold = dict.fromkeys(range(0, 40, 2), 20)
    layout = Layout(sure_probes=4, filtered_probes=4, shards=40)
    world, dataset, cells = row_of_cells(40, layout, gold=gold)
    searcher, counting = searcher_over(world, exact_bytes=0)
    answer = ask(searcher, dataset, aimed_at(cells[0], top_k=10, filter=GOLD, explain=True))
    assert of(answer) == ("probed", 400, 4)
    assert places(answer) == {0}
    assert sum(read[2] for read in counting.of("vectors.f32")) == 4 * 20 * DIMENSION * 4
    named = ask(searcher, dataset, aimed_at(cells[0], top_k=10, filter=GOLD, nprobe=7, explain=True))
    assert of(named) == ("probed", 400, 7)


def test_the_nearest_matches_may_lie_in_far_cells() -> None:
    gold = dict.fromkeys(range(30, 60), 20)
    world, dataset, cells = row_of_cells(60, Layout(sure_probes=2, filtered_probes=3), gold=gold)
    for indexed in (True, False):
        if not indexed:
            layout = Layout(sure_probes=2, filtered_probes=3, indexed=False)
            world, dataset, cells = row_of_cells(60, layout, gold=gold)
        searcher, _ = searcher_over(world, exact_bytes=0)
        answer = ask(searcher, dataset, aimed_at(cells[0], top_k=10, filter=GOLD, explain=True))
        assert len(answer.matches) == 10
        assert places(answer) == {30}
        assert of(answer)[0] == "probed"
        assert of(answer)[2] < 30


def test_the_search_goes_on_until_there_are_k() -> None:
    world, dataset, cells = row_of_cells(40, Layout(sure_probes=1), gold=dict.fromkeys(range(5, 40), 1))
    searcher, _ = searcher_over(world, exact_bytes=0)
    answer = ask(searcher, dataset, aimed_at(cells[0], top_k=30, filter=GOLD, explain=True))
    assert len(answer.matches) == 30
    assert of(answer) == ("exact", 35, 35), "the last of the thirty were found late"


def test_the_search_goes_on_where_the_best_were_found_late() -> None:
    """The second nearest cell by its middle holds the best row: with one probe it would be missed."""
    world = World()
    dataset = world.create(dimension=2)
    near = {f"near-{row}": record(1.0, 0.1 * row, colour="gold") for row in range(5)}
    wide = {"wide-0": record(0.5, 0.0, colour="gold"), "wide-1": record(9.0, 0.0, colour="gold")}
    far = {f"far{cell}-{row}": record(30.0 + cell, row, colour="gold") for cell in range(8) for row in (0, 1)}
    cells = [near, wide, *({name: far[name] for name in far if f"far{cell}-" in name} for cell in range(8))]
    add_cells(world, dataset, cells, Layout(sure_probes=1))
    searcher, _ = searcher_over(world, exact_bytes=0)
    wanted = QueryRequest(np.zeros(2, dtype=np.float32), 1, filter=GOLD, explain=True)
    answer = ask(searcher, dataset, wanted)
    assert [match.id for match in answer.matches] == ["wide-0"]
    assert of(answer)[2] == 4, "one, one more, and as many again, which found nothing better"


# --- what is not indexed -----------------------------------------------------------------------------------


def test_without_an_index_vectors_are_read_only_where_something_matches() -> None:
    world, dataset, cells = row_of_cells(16, Layout(shards=1, indexed=False), gold={11: 1})
    searcher, counting = searcher_over(world)
    answer = ask(searcher, dataset, aimed_at(cells[0], top_k=2, filter=GOLD, explain=True))
    assert [match.id for match in answer.matches] == ["11-0"]
    assert of(answer) == ("exact", 1, 1)
    assert sum(read[2] for read in counting.of("vectors.f32")) == 20 * DIMENSION * 4
    again = ask(searcher, dataset, aimed_at(cells[0], top_k=2, filter=GOLD))
    assert (again.mode, again.matches) == ("hot", answer.matches)


def test_beyond_the_budget_an_index_is_asked_for() -> None:
    world, dataset, cells = row_of_cells(16, Layout(indexed=False), gold={15: 1})
    searcher, counting = searcher_over(world, budget_bytes=3000)
    wanted = aimed_at(cells[0], filter=parse_filter({"$not": {"colour": {"$ne": "gold"}}}))
    for _ in range(2):  # hot as cold
        with pytest.raises(InvalidInput, match=r"filter\.colour is not indexed") as refused:
            ask(searcher, dataset, wanted)
        assert (refused.value.code, refused.value.details) == ("filter_not_indexed", {"paths": ["colour"]})
    assert 0 < sum(size for _, _, size in counting.of("records.cells") + counting.of("vectors.f32")) <= 3000
    answer = ask(searcher, dataset, aimed_at(cells[0], filter=GOLD, allow_partial=True, explain=True))
    assert answer.partial
    assert answer.matches == ()
    assert of(answer)[:2] == ("probed", None)


def test_beyond_the_budget_an_indexed_filter_answers_in_part() -> None:
    world, dataset, cells = row_of_cells(
        16, Layout(sure_probes=16, filtered_probes=16), gold=dict.fromkeys(range(16), 9)
    )
    searcher, _ = searcher_over(world, budget_bytes=3 * 20 * DIMENSION * 4)
    answer = ask(searcher, dataset, aimed_at(cells[0], filter=GOLD, explain=True))
    assert answer.partial
    assert len(answer.matches) == 10
    assert of(answer) == ("probed", 144, 3)


def test_a_budget_that_allows_what_is_needed_is_not_missed() -> None:
    """Going on after matches that were found late is not owed to anybody."""
    world, dataset, cells = row_of_cells(16, Layout(sure_probes=2), gold=dict.fromkeys(range(16), 3))
    searcher, _ = searcher_over(world, budget_bytes=2 * 20 * DIMENSION * 4)
    answer = ask(searcher, dataset, aimed_at(cells[0], top_k=6, filter=GOLD, explain=True))
    assert (len(answer.matches), answer.partial) == (6, False)
    assert of(answer) == ("probed", 48, 2)


# --- damage ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["vectors.f32", "records.cells"])
@pytest.mark.parametrize("condition", [None, GOLD])
@pytest.mark.parametrize("indexed", [True, False])
def test_a_damaged_cell_is_left_out_where_the_query_allows_it(
    name: str, condition: Any, indexed: bool
) -> None:
    world, dataset, cells = row_of_cells(
        6, Layout(shards=1, probes=6, indexed=indexed), gold=dict.fromkeys(range(6), 5)
    )
    (key,) = [head.key for head in world.objects.list("t/") if head.key.endswith(name)]
    stored = bytearray(world.objects.get(key))
    stored[40] ^= 1  # in the first cell
    world.objects.put(key, bytes(stored))
    wanted = {"top_k": 200, "filter": condition, "include_values": True}
    with pytest.raises(CorruptObject, match="checksum"):
        ask(world.searcher, dataset, aimed_at(cells[0], **wanted))
    answer = ask(world.searcher, dataset, aimed_at(cells[0], **wanted, allow_partial=True))
    assert answer.partial
    assert len(places(answer)) == 5
    if condition is not None:
        assert len(answer.matches) == 25
    whole = ask(world.searcher, dataset, aimed_at(cells[5], top_k=5, nprobe=1, filter=condition))
    assert not whole.partial
