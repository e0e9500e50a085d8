"""What a compaction leaves: the same rows bit for bit, few pieces, no dead rows; and what it does not disturb."""

import numpy as np
import pytest

from shoal.errors import CorruptObject
from shoal.index.id_index import Entries
from shoal.model.compactions import CompactionStatus
from shoal.model.datasets import Metric
from shoal.model.filters import parse_filter
from shoal.model.import_work import Product
from shoal.model.merge_policy import Compact, Nothing
from shoal.model.selection import Selection
from shoal.services.compaction import publish
from shoal.services.compaction.items import newest_compaction
from shoal.services.compaction.workspace import open_run
from shoal.services.fetch import fetch
from shoal.services.heads import keys_of
from shoal.services.outbox import Outbox
from shoal.services.parts import PartReader
from shoal.services.property_rows import indexed_rows
from shoal.services.snapshot import run_part
from tests.unit.services.compaction.work import (
    CompactWorld,
    Stepper,
    check,
    delete,
    imported,
    rows_named,
    sequences,
    write,
)
from tests.unit.services.imports.small import begun, finished, validated
from tests.unit.services.world import used


@pytest.mark.parametrize("metric", list(Metric))
def test_flat_rows_that_are_too_many_become_cells(metric: Metric) -> None:
    world = CompactWorld()
    dataset = world.create(metric=metric)
    write(world, dataset, rows_named(0, 50))
    write(world, dataset, rows_named(40, 90, "second"))
    delete(world, dataset, ["id-000", "id-089"])
    expected = rows_named(1, 40) | rows_named(40, 89, "second")
    before = sequences(world, dataset)
    assert world.decide(dataset, thorough=False) == Compact()
    job = world.fresh_newest(dataset)
    assert world.run(job).succeeded
    check(world, dataset, expected)
    assert sequences(world, dataset) == before
    manifest = world.manifest(dataset)
    assert (manifest.flat_rows, len(manifest.cell_sets), len(manifest.runs)) == (0, 1, 1)
    assert (manifest.dead_base, manifest.compacted_at) == (None, world.clock())
    assert manifest.cell_sets[0].sequence == manifest.watermark
    done = newest_compaction(world.ports, keys_of(dataset))
    assert done is not None
    assert (done.status, done.rows, done.error_message) == (CompactionStatus.COMPLETED, 88, None)
    assert world.head(dataset).build_owner is None
    assert world.decide(dataset) == Nothing()


def test_cells_that_are_mostly_dead_become_the_resident_shard() -> None:
    world = CompactWorld()
    dataset = world.create()
    imported(world, dataset, rows_named(0, 60))
    write(world, dataset, rows_named(60, 65, "second"))
    delete(world, dataset, [f"id-{n:03}" for n in range(30)])
    world.compact(dataset)
    check(world, dataset, rows_named(30, 60) | rows_named(60, 65, "second"))
    manifest = world.manifest(dataset)
    assert manifest.resident is not None
    assert (manifest.resident.rows, manifest.cell_sets, manifest.deltas) == (35, (), ())
    assert "index.hnsw" in manifest.resident.files
    assert manifest.recall is not None
    assert manifest.recall.measured >= 0.95


def test_of_cells_that_are_all_dead_nothing_is_left() -> None:
    world = CompactWorld()
    dataset = world.create()
    imported(world, dataset, rows_named(0, 100))
    imported(world, dataset, rows_named(100, 141))
    kept = world.manifest(dataset).cell_sets
    delete(world, dataset, [f"id-{n:03}" for n in range(100, 141)])
    assert world.decide(dataset, thorough=False) == Compact((kept[1].key,))
    assert world.run(world.fresh_newest(dataset)).succeeded
    manifest = world.manifest(dataset)
    assert (manifest.shards, manifest.cell_sets, manifest.dead_base) == ((), kept[:1], None)
    check(world, dataset, rows_named(0, 100))


def test_cell_sets_become_one_and_others_stay_as_they_are() -> None:
    world = CompactWorld()
    dataset = world.create()
    imported(world, dataset, rows_named(0, 120))
    imported(world, dataset, rows_named(110, 150, "second"))
    kept = world.manifest(dataset)
    write(world, dataset, rows_named(0, 5, "third"))
    assert world.decide(dataset, thorough=False) == Nothing()
    # The tombstones of the last two must outlive the compaction: a run that it leaves alone names their rows.
    delete(world, dataset, [*(f"id-{n:03}" for n in range(140, 150)), "id-050", "id-051"])
    assert world.decide(dataset, thorough=False) == Compact((kept.cell_sets[1].key,))
    assert world.run(world.fresh_newest(dataset)).succeeded
    after = world.manifest(dataset)
    assert after.cell_sets[0] == kept.cell_sets[0]
    assert len(after.cell_sets) == 1
    assert after.flat_rows == 35
    assert after.runs[0] == kept.runs[0]
    expected = rows_named(0, 5, "third") | rows_named(5, 50) | rows_named(52, 110)
    expected |= rows_named(110, 140, "second")
    check(world, dataset, expected)
    world.compact(dataset)
    assert len(world.manifest(dataset).cell_sets) == 1
    check(world, dataset, expected)
    assert world.manifest(dataset).dead_base is None


def test_namespaces_documents_and_values_are_kept_bit_for_bit() -> None:
    world = CompactWorld()
    dataset = world.create()
    rng = np.random.default_rng(3)
    values = rng.standard_normal((60, 4)).astype(np.float32)
    values[0] = [0.0, -0.0, 1e-42, 3e38]
    names = [f"id-{n:03}" for n in range(60)]
    world.upsert(
        dataset,
        {
            name: (tuple(row.tolist()), {"n": n})
            for n, (name, row) in enumerate(zip(names, values, strict=True))
        },
        namespaces=["", "a", "ü"] * 20,
        documents=[b"", "Text é".encode(), b"x" * 3000] * 20,
    )
    world.drain(dataset)
    world.compact(dataset)
    assert world.manifest(dataset).cell_sets
    fetched = fetch(
        world.searcher,
        dataset.tenant_id,
        scope=dataset.scope,
        name=dataset.name,
        ids=names,
        include_values=True,
        include_document=True,
    )
    for number, found in enumerate(sorted(fetched.records, key=lambda one: one.id)):
        assert found.values is not None
        assert found.values.tobytes() == values[number].tobytes()
        assert found.namespace == ["", "a", "ü"][number % 3]
        assert found.document == [b"", "Text é".encode(), b"x" * 3000][number % 3]


def test_an_open_import_wins_and_loses_as_without_the_compaction() -> None:
    world = CompactWorld()
    dataset = world.create()
    write(world, dataset, rows_named(0, 50))
    job = begun(world, dataset)
    validated(world, job, list(rows_named(0, 20, "imported").items()))
    delete(world, dataset, ["id-000", "id-030"])
    write(world, dataset, rows_named(1, 3, "later"))
    compaction = world.started(dataset)
    delete(world, dataset, ["id-004", "id-031"])
    assert world.run(compaction).succeeded
    delete(world, dataset, ["id-005"])
    finished(world, dataset, job, in_cells=True)
    expected = rows_named(6, 20, "imported") | rows_named(1, 3, "later") | rows_named(20, 50)
    expected |= rows_named(3, 4, "imported")
    del expected["id-030"], expected["id-031"]
    check(world, dataset, expected)
    world.compact(dataset)
    check(world, dataset, expected)


def test_the_quota_is_what_it_was() -> None:
    world = CompactWorld()
    dataset = world.create()
    world.upsert(dataset, rows_named(0, 60), quota=1000)
    world.drain(dataset)
    delete(world, dataset, ["id-001"])
    world.compact(dataset)
    assert used(world) == 59


def test_whatever_lives_long_has_an_index_of_its_properties() -> None:
    """A delta has none: it is small, and scanned."""
    world = CompactWorld()
    dataset = world.create()
    selection = Selection(filter=parse_filter({"version": "second"}))

    def found(shards: int) -> int:
        snapshot = world.searcher.snapshot(dataset.tenant_id, scope=dataset.scope, name=dataset.name)
        assert snapshot is not None
        assert len(snapshot.all_shards()) == shards
        known = indexed_rows(snapshot, snapshot.all_shards(), selection)
        return sum(len(rows) for rows in known if rows is not None)

    write(world, dataset, rows_named(0, 10, "second"))
    assert found(shards=1) == 0
    assert world.build(dataset)
    assert found(shards=1) == 10
    write(world, dataset, rows_named(10, 13, "second"))
    assert found(shards=2) == 10
    assert world.build(dataset), "extended"
    assert found(shards=1) == 13
    imported(world, dataset, rows_named(20, 30, "second"))
    assert found(shards=2) == 23
    world.compact(dataset)
    assert found(shards=1) == 23
    assert world.manifest(dataset).resident is not None
    write(world, dataset, rows_named(30, 80, "second"))
    world.compact(dataset)
    assert world.manifest(dataset).resident is None
    assert found(shards=1) == 73


@pytest.mark.parametrize("place", [0, 30, 69])
def test_a_product_that_lacks_a_row_is_refused(place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever went wrong on the way: a row that the index has must not be dropped with its shard."""
    monkeypatch.setattr(publish, "_AT_ONCE", 7)
    world = CompactWorld()
    dataset = world.create()
    write(world, dataset, rows_named(0, 70))
    stepper = Stepper(world, world.started(dataset))
    while stepper.next_step != "commit":
        stepper.step()
    work = open_run(world.ports, stepper.job.run_id)
    product = work.needed("product", Product)
    assert product.run is not None
    whole = PartReader(world.objects, cache_bytes=1).load(run_part(product.run))
    outbox = Outbox(world.ports, dataset)
    run = outbox.run(Entries(whole.shard_ids, np.delete(whole.table, place)))
    outbox.flush()
    world.objects.put(work.key("product.json"), product.model_copy(update={"run": run}).sealed())
    with pytest.raises(CorruptObject, match="has not 1 of the rows"):
        stepper.step()
    check(world, dataset, rows_named(0, 70))
