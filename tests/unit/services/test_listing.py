"""Lists against a dictionary: every record of the first version once, wherever it lies, whatever is written."""

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.model.datasets import Dataset
from shoal.model.filters import parse_filter
from shoal.model.selection import Selection
from shoal.services.listing import ListRequest, count_records, list_records
from tests.unit.services.cell_world import add_cells, searcher_over
from tests.unit.services.world import Record, World, record

BLUE = {"colour": "blue"}


def colour(number: int) -> str:
    return "blue" if number % 3 == 0 else "red"


def records(prefix: str, count: int) -> dict[str, Record]:
    return {f"{prefix}{n}": record(n, 1, 0, 0, colour=colour(n)) for n in range(count)}


def page(
    world: World, dataset: Dataset, selection: Selection, limit: int, cursor: str | None
) -> tuple[list[str], str | None]:
    listed = list_records(
        world.ports,
        world.searcher,
        dataset.tenant_id,
        scope=dataset.scope,
        name=dataset.name,
        request=ListRequest(selection, repr(selection).encode(), limit, cursor),
    )
    assert len(listed.records) <= limit
    return [found.id for found in listed.records], listed.cursor


def all_pages(
    world: World,
    dataset: Dataset,
    selection: Selection,
    limit: int,
    between: Callable[[], None] = lambda: None,
) -> list[str]:
    ids, cursor = page(world, dataset, selection, limit, None)
    while cursor is not None:
        between()
        more, cursor = page(world, dataset, selection, limit, cursor)
        assert more, "a cursor leads to a record"
        ids += more
    return ids


def filled(cells: int, rows: int, written: int) -> tuple[World, Dataset, dict[str, Record]]:
    """A dataset of cells, a resident shard and a delta; and what it holds."""
    world = World()
    dataset = world.create()
    there: dict[str, Record] = {}
    if cells:
        blocks = [records(f"cell{number}-", rows) for number in range(cells)]
        add_cells(world, dataset, blocks)
        there = {name: value for block in blocks for name, value in block.items()}
    for batch in ("resident", "delta"):
        fresh = records(f"{batch}-", written)
        if fresh:
            world.upsert(dataset, fresh)
            world.drain(dataset)
        if batch == "resident":
            world.build(dataset)
        there |= fresh
    return world, dataset, there


@settings(max_examples=25, deadline=None)
@given(
    cells=st.integers(0, 4),
    rows=st.integers(1, 5),
    written=st.integers(0, 6),
    limit=st.integers(1, 9),
    killed=st.sets(st.integers(0, 30)),
    choose=st.sampled_from(["all", "blue", "prefix", "both", "none"]),
)
def test_pages_are_the_version_whatever_is_written_between_them(
    cells: int, rows: int, written: int, limit: int, killed: set[int], choose: str
) -> None:
    world, dataset, there = filled(cells, rows, written)
    names = sorted(there)
    doomed = [names[number] for number in killed if number < len(names)]
    if doomed:
        world.delete(dataset, doomed)
        world.drain(dataset)
        there = {name: value for name, value in there.items() if name not in doomed}
    selection = {
        "all": Selection(),
        "blue": Selection(filter=parse_filter(BLUE)),
        "prefix": Selection(prefix="cell1"),
        "both": Selection(prefix="de", filter=parse_filter(BLUE)),
        "none": Selection(namespace="nowhere"),
    }[choose]
    expected = sorted(
        name
        for name, (_, metadata) in there.items()
        if selection.matches(record_id=name, namespace="", metadata=metadata)
    )
    step = 0

    def meddle() -> None:
        nonlocal step
        step += 1
        world.upsert(dataset, {f"new{step}": record(1, 2, 3, 4, colour="blue")})
        world.delete(dataset, names[step : step + 2])
        world.drain(dataset)
        if step % 2:
            world.build(dataset)

    counted, _ = count_records(
        world.searcher, dataset.tenant_id, scope=dataset.scope, name=dataset.name, selection=selection
    )
    assert counted == len(expected)
    assert sorted(all_pages(world, dataset, selection, limit, meddle)) == expected


def test_pages_where_nothing_stays_in_memory() -> None:
    world, dataset, there = filled(cells=3, rows=5, written=2)
    world.searcher, _ = searcher_over(world, cache_bytes=1)
    assert sorted(all_pages(world, dataset, Selection(), 4)) == sorted(there)
