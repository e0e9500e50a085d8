"""Many imports into one dataset: what names them stays bounded, and every row stays findable."""

import pytest

from shoal.errors import Conflict, ImportStopped
from shoal.index.id_index import hash_ids
from shoal.model.datasets import Dataset
from shoal.model.imports import ImportStatus
from shoal.model.limits import (
    MAX_CELL_SETS,
    MAX_DEAD_INCREMENTS,
    MAX_DELTAS,
    MAX_RUNS,
    ONE_SHARD_COLUMN_BYTES,
    ONE_SHARD_ROWS,
)
from shoal.model.manifests import Manifest
from shoal.services.imports.lifecycle import get_import
from shoal.services.imports.settle import layout_of
from shoal.services.parts import PartReader
from shoal.services.snapshot import open_snapshot
from shoal.storage.keys import TenantKeys
from tests.unit.services.imports.small import STEPS, Named, begun, built, created, finished, run, validated
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
    for number in range(20):
        records: list[Named] = [
            (f"id-{number}", record(number, 1, 2, 3)),
            (f"id-{number // 2}", record(number, 4, 4, 4)),
        ]
        job = begun(world, dataset)
        validated(world, job, records, chunks=1)
        if number in (0, 5, 17):
            world.upsert(dataset, {f"id-{number}": record(7, 7, 7, 7)})
        if number in (0, 7, 18):
            world.delete(dataset, [f"id-{number // 2}"])
        assert finished(world, dataset, job).status is ImportStatus.COMPLETED
        stored.update(dict(records))
        if number in (0, 5, 17):
            stored[f"id-{number}"] = record(7, 7, 7, 7)
        if number in (0, 7, 18):
            del stored[f"id-{number // 2}"]
    root = manifest_of(world, dataset)
    assert len(root.deltas) <= MAX_DELTAS
    assert len(root.runs) <= MAX_RUNS + MAX_DELTAS
    assert root.row_count == len(stored)
    names = [f"id-{number}" for number in range(20)]
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


def test_more_large_imports_at_once_than_there_is_room_for_end_with_a_reason() -> None:
    world = World()
    dataset = world.create()
    jobs = [begun(world, dataset, quota=100) for _ in range(MAX_CELL_SETS + 2)]
    *ready, late = jobs
    for number, job in enumerate(jobs):
        validated(world, job, [(f"id-{number}", record(number, 1, 2, 3))], chunks=1)
    for job in ready:
        built(world, job, in_cells=True)
    for job in ready:
        run(world.ports, job, "commit", STEPS)
    with pytest.raises(ImportStopped):
        built(world, late, in_cells=True)
    with pytest.raises(Conflict, match="large imports"):
        created(world, dataset)
    world.upsert(dataset, {"after": record(1, 1, 1, 1)})
    world.drain(dataset)
    for job in (ready[-1], late):
        ended = get_import(world.ports, dataset, job.import_id)
        assert ended.status is ImportStatus.FAILED
        assert f"holds {MAX_CELL_SETS} large imports" in (ended.error_message or "")
    root = manifest_of(world, dataset)
    assert (len(root.cell_sets), root.open_imports, root.row_count) == (MAX_CELL_SETS, (), MAX_CELL_SETS + 1)
    assert world.stored(dataset, ["after"])
    assert int((world.table.get(TenantKeys(world.tenant_id).quota) or {})["used"]) == MAX_CELL_SETS + 1


@pytest.mark.parametrize(
    ("changes", "layout"),
    [
        ({}, "shard"),
        ({"rows": 0}, "nothing"),
        ({"rows": 101}, "cells"),
        ({"flat_rows": 1}, "cells"),
        ({"rows": 50, "flat_rows": 50}, "shard"),
        ({"open_imports": 2}, "cells"),
        ({"rows": 50, "open_imports": 2}, "shard"),
        ({"open_imports": 0}, "shard"),
        ({"column_bytes": ONE_SHARD_COLUMN_BYTES + 1}, "cells"),
        ({"rows": ONE_SHARD_ROWS, "one_shard_bytes": 1 << 40}, "shard"),
        ({"rows": ONE_SHARD_ROWS + 1, "one_shard_bytes": 1 << 40}, "cells"),
    ],
)
def test_the_layout_follows_from_what_the_dataset_will_hold(changes: dict[str, int], layout: str) -> None:
    given = {"rows": 100, "dimension": 2, "flat_rows": 0, "open_imports": 1}
    given |= {"column_bytes": ONE_SHARD_COLUMN_BYTES, "one_shard_bytes": 800}
    assert layout_of(**(given | changes)) == layout


def test_ids_are_found_alike_in_runs_held_at_once_and_one_by_one() -> None:
    world = World()
    dataset = world.create()
    for first in (0, 50, 25):
        job = begun(world, dataset)
        validated(world, job, [(f"id-{n}", record(n, 1, 2, 3)) for n in range(first, first + 60)])
        finished(world, dataset, job, in_cells=True)
    world.delete(dataset, ["id-3"])
    world.drain(dataset)
    snapshot = open_snapshot(PartReader(world.objects, cache_bytes=1), dataset, world.head(dataset))
    assert snapshot is not None
    assert len(snapshot.manifest.runs) > 2
    hashes = hash_ids([f"id-{n}" for n in range(120)], dataset.hash_key)
    at_once, one_by_one = snapshot.locate(hashes), snapshot.locate(hashes, held_bytes=0)
    assert at_once.found.sum() == 110
    assert at_once.live.sum() == 109
    for name in ("found", "shard", "row", "sequence"):
        assert (getattr(at_once, name) == getattr(one_by_one, name)).all()
    assert at_once.shard_ids == one_by_one.shard_ids


def test_dead_rows_of_cells_stay_dead_through_many_commits_and_builds() -> None:
    world = World()
    dataset = world.create()
    job = begun(world, dataset)
    names = [f"id-{number}" for number in range(40)]
    validated(world, job, [(name, record(n, 1, 2, 3)) for n, name in enumerate(names)])
    finished(world, dataset, job, in_cells=True)
    live = set(names)

    def check() -> None:
        found = [match.id for match in world.query(dataset, (1.0, 1.0, 2.0, 3.0), top_k=100).matches]
        assert sorted(found) == sorted(live)
        assert world.head(dataset).row_count == len(live)

    for number in range(MAX_DEAD_INCREMENTS + 4):
        world.delete(dataset, [names[number]])
        live.remove(names[number])
        if number in (0, 2):
            world.upsert(dataset, {names[-1 - number]: record(9, 9, 9, 9)})
        world.drain(dataset)
    check()
    root = manifest_of(world, dataset)
    assert root.dead_base is not None
    assert len(root.dead_increments) < MAX_DEAD_INCREMENTS
    world.build(dataset)
    assert manifest_of(world, dataset).deltas == ()
    check()
