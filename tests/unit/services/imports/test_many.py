"""Many imports into one dataset: what names them stays bounded, and every row stays findable."""

from shoal.model.datasets import Dataset
from shoal.model.imports import ImportStatus
from shoal.model.limits import MAX_DELTAS, MAX_RUNS
from shoal.model.manifests import Manifest
from shoal.services.parts import PartReader
from shoal.services.snapshot import open_snapshot
from tests.unit.services.imports.small import Named, begun, finished, validated
from tests.unit.services.world import Record, World, record


def manifest_of(world: World, dataset: Dataset) -> Manifest:
    """The current root."""
    snapshot = open_snapshot(PartReader(world.objects, cache_bytes=1), dataset, world.head(dataset))
    assert snapshot is not None
    return snapshot.manifest


def test_small_imports_without_end_do_not_fill_the_manifest() -> None:
    world = World()
    dataset = world.create()
    stored: dict[str, Record] = {}
    for number in range(40):
        records: list[Named] = [
            (f"id-{number}", record(number, 1, 2, 3)),
            (f"id-{number // 2}", record(number, 4, 4, 4)),
        ]
        job = begun(world, dataset)
        validated(world, job, records, chunks=1)
        if number in (0, 5, 30):
            world.upsert(dataset, {f"id-{number}": record(7, 7, 7, 7)})
        if number in (0, 7, 35):
            world.delete(dataset, [f"id-{number // 2}"])
        assert finished(world, dataset, job).status is ImportStatus.COMPLETED
        stored.update(dict(records))
        if number in (0, 5, 30):
            stored[f"id-{number}"] = record(7, 7, 7, 7)
        if number in (0, 7, 35):
            del stored[f"id-{number // 2}"]
    root = manifest_of(world, dataset)
    assert len(root.deltas) <= MAX_DELTAS
    assert len(root.runs) <= MAX_RUNS + MAX_DELTAS
    assert root.row_count == len(stored)
    names = [f"id-{number}" for number in range(40)]
    assert world.stored(dataset, names) == stored
    world.build(dataset)
    assert world.stored(dataset, names) == stored
    assert world.head(dataset).row_count == len(stored)


def test_rows_that_moved_are_found_where_they_are_after_a_build_beside_cells() -> None:
    """A run that names only a folded delta is older than the run of the rows that moved."""
    world = World()
    dataset = world.create()
    job = begun(world, dataset)
    cells: list[Named] = [(f"cell-{n}", record(n, 1, 2, 3)) for n in range(2500)]
    validated(world, job, cells)
    finished(world, dataset, job, in_cells=True)
    world.upsert(dataset, {f"old-{n}": record(n, 0, 0, 1) for n in range(900)})
    world.drain(dataset)
    world.build(dataset)
    world.upsert(dataset, {f"moved-{n}": record(n, 5, 5, 5) for n in range(100)})
    world.delete(dataset, [f"cell-{n}" for n in range(250)])
    world.drain(dataset)
    world.upsert(dataset, {f"new-{n}": record(n, 6, 6, 6) for n in range(50)})
    world.drain(dataset)
    world.build(dataset)
    names = [f"moved-{n}" for n in range(100)]
    assert world.stored(dataset, names) == {f"moved-{n}": record(n, 5, 5, 5) for n in range(100)}
    world.delete(dataset, names)
    world.drain(dataset)
    assert world.stored(dataset, names) == {}
    found = world.query(dataset, (0.0, 5.0, 5.0, 5.0), top_k=20)
    assert not [match.id for match in found.matches if match.id.startswith("moved-")]
