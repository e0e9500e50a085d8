"""Which rows match: the same as asking every live record, wherever it lies."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shoal.errors import CorruptObject
from shoal.model.datasets import Dataset
from shoal.model.filters import parse_filter
from shoal.model.selection import EVERYTHING, Selection
from shoal.services import matching
from shoal.services.matching import matching_rows
from shoal.services.parts import PartReader
from shoal.services.property_rows import indexed_rows
from shoal.services.snapshot import Snapshot
from shoal.services.winners import Shelf, spots_of
from tests.unit.services.cell_world import Layout, add_cells, searcher_over
from tests.unit.services.world import Record, World, record

FILTERS: list[Any] = [
    {"colour": "red"},
    {"colour": {"$ne": "red"}},
    {"n": {"$gte": 3, "$lt": 8}},
    {"$or": [{"n": 1}, {"colour": "blue"}]},
    {"absent": {"$exists": True}},
    {"colour": {"$wildcard": "?e*"}},
    {"colour": {"$match": "RED"}, "text": {"$phrase": "very red"}},
    {"text": {"$wildcard": "*very blue"}},
]


def some_records(name: str, count: int, seed: int) -> dict[str, Record]:
    rng = np.random.default_rng(seed)
    colours = ("red", "blue", "green")

    def one() -> Record:
        values, colour = rng.standard_normal(4).tolist(), colours[int(rng.integers(3))]
        return record(*values, colour=colour, n=int(rng.integers(10)), text=f"{'so ' * 100}very {colour}")

    return {f"{name}/{row}": one() for row in range(count)}


def snapshot_of(world: World, dataset: Dataset) -> Snapshot:
    found = world.searcher.snapshot(dataset.tenant_id, scope=dataset.scope, name=dataset.name)
    assert found is not None
    return found


def ids_of(snapshot: Snapshot, selection: Selection) -> list[str]:
    """The ids of the rows that match; each source once, its rows ascending."""
    found = matching_rows(snapshot, selection)
    assert len({id(source) for source, _ in found}) == len(found)
    for _, rows in found:
        assert rows.dtype == np.int64
        assert (np.diff(rows) > 0).all()
        assert len(rows)
    spots = spots_of(snapshot, [(source, row) for source, rows in found for row in rows.tolist()])
    shelf = Shelf(snapshot.reader)
    shelf.load(spots, include_values=False)
    return [one.id for one in shelf.records(spots)]


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 2**32),
    resident=st.integers(0, 15),
    deltas=st.lists(st.integers(1, 8), max_size=3),
    imports=st.lists(st.lists(st.integers(1, 12), min_size=1, max_size=5), max_size=2),
    changes=st.integers(0, 15),
    scan_bytes=st.sampled_from([1, 700, matching.SCAN_BYTES]),
    indexed=st.lists(st.booleans(), min_size=2, max_size=2),
)
def test_the_rows_that_match_are_those_of_the_live_records(
    seed: int,
    resident: int,
    deltas: list[int],
    imports: list[list[int]],
    changes: int,
    scan_bytes: int,
    indexed: list[bool],
) -> None:
    world = World()
    dataset = world.create()
    rows: dict[str, Record] = {}

    def write(records: dict[str, Record]) -> None:
        world.upsert(dataset, records)
        world.drain(dataset)
        rows.update(records)

    if resident:
        write(some_records("resident", resident, seed))
        world.build(dataset)
    for number, sizes in enumerate(imports):
        cells = [some_records(f"i{number}/{place}", size, seed + place) for place, size in enumerate(sizes)]
        add_cells(world, dataset, cells, Layout(shards=1 + seed % 3, indexed=indexed[number]))
        rows |= {name: found for cell in cells for name, found in cell.items()}
    for number, size in enumerate(deltas):
        write(some_records(f"delta{number}", size, seed + 7 * number))
    rng = np.random.default_rng(seed)
    for name in rng.choice(list(rows) or [""], min(changes, len(rows)), replace=False).tolist():
        if rng.random() < 0.5:
            world.delete(dataset, [name])
            world.drain(dataset)
            del rows[name]
        else:
            write({name: some_records("again", 1, seed)["again/0"]})
    if not (resident or deltas or imports):
        return

    snapshot = snapshot_of(world, dataset)
    selections = [EVERYTHING, Selection(prefix="i0/"), Selection(prefix="delta"), Selection(namespace="")]
    selections += [Selection(filter=parse_filter(found)) for found in FILTERS]
    selections += [Selection(prefix="i", filter=parse_filter(FILTERS[0])), Selection(namespace="none")]
    selections += [Selection(prefix="i0/1", filter=parse_filter(found)) for found in FILTERS]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matching, "SCAN_BYTES", scan_bytes)
        for selection in selections:
            expected = [
                name
                for name, (_, metadata) in rows.items()
                if selection.matches(record_id=name, namespace="", metadata=metadata)
            ]
            assert sorted(ids_of(snapshot, selection)) == sorted(expected)
            assert sorted(ids_of(snapshot, selection)) == sorted(expected), "and once more, from what is kept"


def test_where_properties_are_indexed_no_records_are_read_and_nothing_twice() -> None:
    world = World()
    dataset = world.create()
    cells = [some_records(f"cell{place}", 30, place) for place in range(4)]
    add_cells(world, dataset, cells)
    searcher, counting = searcher_over(world)
    snapshot = searcher.snapshot(dataset.tenant_id, scope=dataset.scope, name=dataset.name)
    assert snapshot is not None
    red = Selection(filter=parse_filter({"colour": "red"}))
    ((_, numbers),) = matching_rows(snapshot, red)
    expected = [metadata["colour"] == "red" for cell in cells for _, metadata in cell.values()]
    assert numbers.tolist() == np.flatnonzero(expected).tolist()
    assert not counting.of("records.cells")
    assert len(counting.of("properties.front")) == 2
    counting.reads.clear()
    matching_rows(snapshot, red)
    assert not counting.reads
    few = Selection(prefix="cell2/1", filter=parse_filter({"colour": "red"}))
    assert {name[:5] for name in ids_of(snapshot, few)} == {"cell2"}


def test_a_damaged_index_of_properties_is_not_believed() -> None:
    world = World()
    dataset = world.create()
    add_cells(world, dataset, [some_records("a", 30, 1)])
    keys = {head.key for head in world.objects.list("t/")}
    for name in ("properties.front", "properties"):
        (key,) = [key for key in keys if key.endswith(f"/{name}")]
        stored = world.objects.get(key)
        world.objects.put(key, stored[:-1] + bytes([stored[-1] ^ 1]))
        searcher, _ = searcher_over(world)
        snapshot = searcher.snapshot(dataset.tenant_id, scope=dataset.scope, name=dataset.name)
        assert snapshot is not None
        with pytest.raises(CorruptObject, match="checksum"):
            matching_rows(snapshot, Selection(filter=parse_filter({"n": {"$gte": 0}})))
        world.objects.put(key, stored)


@pytest.mark.parametrize("more", [1, -1])
def test_an_index_of_properties_of_more_or_fewer_rows_is_not_believed(more: int) -> None:
    world = World()
    dataset = world.create()
    add_cells(world, dataset, [some_records("a", 9, 1)], Layout(shards=1))
    snapshot = snapshot_of(world, dataset)
    (shard,) = snapshot.all_shards()
    selection = Selection(filter=parse_filter({"nowhere": {"$exists": False}}))
    (rows,) = indexed_rows(snapshot, [shard], selection)
    assert rows is not None
    assert rows.tolist() == list(range(9))
    other = replace(snapshot, reader=PartReader(world.objects, cache_bytes=1))
    wrong = shard.model_copy(update={"rows": shard.rows + more})
    with pytest.raises(CorruptObject, match="of 9 rows"):
        indexed_rows(other, [wrong], selection)


@pytest.mark.parametrize("indexed", [True, False])
def test_what_matched_in_one_version_is_not_what_matches_in_the_next(indexed: bool) -> None:
    """In one container, which keeps what it has worked out."""
    world = World()
    dataset = world.create()
    blue = {name: record(1, 2, 3, 4, colour="blue") for name in ("a", "b")}
    add_cells(world, dataset, [blue], Layout(shards=1, indexed=indexed))
    world.upsert(dataset, {name: record(1, 2, 3, 4, colour="blue") for name in ("c", "d")})
    world.drain(dataset)
    selection = Selection(filter=parse_filter({"colour": "blue"}))
    assert ids_of(snapshot_of(world, dataset), selection) == ["c", "d", "a", "b"]
    world.delete(dataset, ["a", "c"])
    world.drain(dataset)
    assert ids_of(snapshot_of(world, dataset), selection) == ["d", "b"]
    world.upsert(dataset, {"b": record(1, 2, 3, 4, colour="red")})
    world.drain(dataset)
    assert ids_of(snapshot_of(world, dataset), selection) == ["d"]


def test_cells_are_read_some_at_a_time() -> None:
    world = World()
    dataset = world.create()
    cells = [some_records(f"cell{place}", 30, place) for place in range(8)]
    add_cells(world, dataset, cells, Layout(shards=1))
    (found,) = snapshot_of(world, dataset).cells()
    sizes = found.record_bytes
    turns = [place.tolist() for place in matching.in_turns(sizes, most=int(sizes[:3].sum()))]
    assert turns[0] == [0, 1, 2]
    assert [place for turn in turns for place in turn] == list(range(8))
    assert [place.tolist() for place in matching.in_turns(sizes, most=1)] == [[place] for place in range(8)]
    assert not list(matching.in_turns(sizes[:0], most=1))
