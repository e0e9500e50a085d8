"""The one shard that a small import becomes."""

from shoal.services.parts import PartReader
from shoal.services.snapshot import open_snapshot
from tests.unit.services.imports.small import Named, begun, finished, validated
from tests.unit.services.world import World, record


def test_it_holds_the_rows_that_count_at_the_place_where_the_import_began() -> None:
    world = World()
    dataset = world.create()
    world.upsert(dataset, {"before": record(0, 0, 0, 9)})
    records: list[Named] = [(f"id-{n}", record(n, 1, 2, 3)) for n in range(5)]
    records += [("id-1", record(7, 7, 7, 7)), ("id-1", record(8, 8, 8, 8))]
    job = begun(world, dataset)
    validated(world, job, records, chunks=3)
    world.upsert(dataset, {"after": record(0, 0, 0, 8)})
    finished(world, dataset, job)
    snapshot = open_snapshot(PartReader(world.objects, cache_bytes=1), dataset, world.head(dataset))
    assert snapshot is not None
    shard = snapshot.manifest.deltas[-1]
    assert job.sequence == 2
    assert (shard.rows, shard.min_sequence, shard.max_sequence) == (5, 2, 2)
    rows = snapshot.rows_of(shard)
    assert sorted(rows.ids) == [f"id-{n}" for n in range(5)]
    assert set(rows.sequences.tolist()) == {2}
    run = snapshot.entries_newest_first([run for run in snapshot.manifest.runs if run.entries == 5])[0]
    assert set(run.table["sequence"].tolist()) == {2}
    found = [match.id for match in world.query(dataset, (7.0, 7.0, 7.0, 7.0), top_k=20).matches]
    assert sorted(found) == ["after", "before", *(f"id-{n}" for n in range(5))]
    assert found[0] == "id-1"
