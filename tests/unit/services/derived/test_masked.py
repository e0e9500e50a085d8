"""Masked versions, when some of what they consist of is written anew: what is left out stays out."""

from shoal.model.datasets import Dataset
from shoal.model.derivations import Condition
from shoal.model.merge_policy import Compact, Nothing
from shoal.services.clone import clone_dataset
from shoal.services.compaction.deciding import work_due
from shoal.services.compaction.items import find_compaction
from shoal.services.compaction.starting import start
from shoal.services.heads import keys_of
from shoal.services.restore import restore
from shoal.services.snapshots import create_snapshot
from tests.unit.services.cell_world import Layout, add_cells
from tests.unit.services.derived.deriving import DeriveWorld, seen
from tests.unit.services.derived.test_derivation import EVEN, evens, filled, numbered
from tests.unit.services.world import Record, record


def two_sets(world: DeriveWorld) -> tuple[Dataset, dict[str, Record]]:
    """Two imports of cells, and a few rows beside them."""
    source = world.create()
    there: dict[str, Record] = {}
    for sequence, name in enumerate("ab", start=1):
        blocks = [numbered(f"{name}{number}-", 6) for number in range(3)]
        add_cells(world, source, blocks, sequence=sequence)
        for block in blocks:
            there |= block
    world.upsert(source, numbered("flat-", 6))
    world.drain(source)
    return source, there | numbered("flat-", 6)


def compact_only(world: DeriveWorld, dataset: Dataset, *places: int) -> None:
    """Compact the flat rows and some cell sets."""
    snapshot, head = world.snapshot_of(dataset), world.head(dataset)
    keys = tuple(snapshot.manifest.cell_sets[place].key for place in places)
    job = start(world.ports, snapshot, head, Compact(keys))
    assert job is not None
    assert world.run(job).succeeded
    done = find_compaction(world.ports, job.run_id)
    assert done is not None
    assert done.completed_at is not None


def test_a_compaction_of_some_cells_leaves_what_is_masked_in_others() -> None:
    world = DeriveWorld()
    source, there = two_sets(world)
    made = world.derive(source, "evens", EVEN)
    compact_only(world, made, 0)
    assert world.snapshot_of(made).manifest.masked
    assert seen(world, made, there) == evens(there)
    # An id that is masked in the cells that stay comes back, and goes again.
    world.upsert(made, {"b0-1": record(9, 9, 9, 9)})
    world.drain(made)
    assert seen(world, made, there) == evens(there) | {"b0-1": record(9, 9, 9, 9)}
    world.delete(made, ["b0-1", "b0-3"])
    world.drain(made)
    assert seen(world, made, there) == evens(there)
    compact_only(world, made, *range(len(world.snapshot_of(made).manifest.cell_sets)))
    manifest = world.snapshot_of(made).manifest
    assert (manifest.masked, manifest.dead_base) == (False, None)
    assert seen(world, made, there) == evens(there)


def test_a_compaction_that_writes_all_of_the_index_anew_forgets_what_is_masked_in_cells_that_stay() -> None:
    world = DeriveWorld()
    source, there = two_sets(world)
    made = world.derive(source, "evens", EVEN)
    more = {f"more{n}": record(n, 5, 5, 5) for n in range(40)}
    world.upsert(made, more)
    world.drain(made)
    assert len(world.snapshot_of(made).manifest.runs) == 1  # folded into one, with the entries of all cells
    compact_only(world, made, 0)
    manifest = world.snapshot_of(made).manifest
    assert (manifest.masked, len(manifest.runs)) == (False, 1)
    assert manifest.dead_base is not None
    assert seen(world, made, there) == evens(there) | more
    world.upsert(made, {"b0-1": record(9, 9, 9, 9)})
    world.delete(made, ["b0-3", "b0-0"])
    world.drain(made)
    expected = evens(there) | more | {"b0-1": record(9, 9, 9, 9)}
    del expected["b0-0"]
    assert seen(world, made, there) == expected


def test_a_build_leaves_what_is_masked_in_cells() -> None:
    world = DeriveWorld()
    source, there = two_sets(world)
    made = world.derive(source, "evens", EVEN)
    world.build(made)
    assert world.snapshot_of(made).manifest.masked
    assert seen(world, made, there) == evens(there)
    world.upsert(made, {"flat-1": record(9, 9, 9, 9)})
    world.build(made)
    world.drain(made)
    assert seen(world, made, there) == evens(there) | {"flat-1": record(9, 9, 9, 9)}


def test_what_is_masked_is_forgotten_with_its_rows() -> None:
    world = DeriveWorld()
    source = world.create()
    world.upsert(source, numbered("id", 12))
    world.drain(source)
    made = world.derive(source, "evens", EVEN)
    assert world.snapshot_of(made).manifest.masked
    world.build(made)
    assert not world.snapshot_of(made).manifest.masked
    assert seen(world, made, numbered("id", 12)) == evens(numbered("id", 12))


def test_the_last_record_goes() -> None:
    world = DeriveWorld()
    source, there = filled(world)
    made = world.derive(source, "evens", EVEN)
    world.delete(made, list(evens(there)))
    world.drain(made)
    manifest = world.snapshot_of(made).manifest
    assert (manifest.masked, manifest.runs, manifest.row_count) == (False, (), 0)
    world.upsert(made, {"delta-1": record(1, 1, 1, 1)})
    world.drain(made)
    assert seen(world, made, there) == {"delta-1": record(1, 1, 1, 1)}


def test_clones_and_snapshots_of_masked_versions() -> None:
    world = DeriveWorld()
    source, there = filled(world)
    made = world.derive(source, "evens", EVEN)
    create_snapshot(world.ports, made, "monday")
    clone = clone_dataset(world.ports, made, name="clone", vector_quota=None).dataset
    assert seen(world, clone, there) == evens(there)
    world.delete_where(made)
    world.drain(made)
    assert seen(world, made, there) == {}
    restore(world.ports, made, "monday", vector_quota=None)
    world.drain(made)
    assert seen(world, made, there) == evens(there)
    world.compact(clone)
    assert seen(world, clone, there) == evens(there)


def test_nothing_is_due_for_one_that_follows() -> None:
    world = DeriveWorld()
    source, _ = filled(world)
    few = Condition(filter={"number": 1})
    follower = world.derive(source, "follower", few, follow=True)
    other = world.derive(source, "other", few)
    assert work_due(world.snapshot_of(other)) != Nothing()
    assert work_due(world.snapshot_of(follower), thorough=True) == Nothing()
    assert world.head(follower).build_owner is None
    assert world.table.get(keys_of(follower).derivation) is not None


def test_cells_of_which_little_is_left_are_probed_more() -> None:
    world = DeriveWorld()
    source = world.create()
    blocks = [numbered(f"cell{number}-", 10) for number in range(12)]
    layout = Layout(probes=1, filtered_probes=3, sure_probes=2)
    add_cells(world, source, blocks, layout)
    most = world.derive(source, "most", Condition(filter={"number": {"$lt": 9}}))
    (ref,) = world.snapshot_of(most).manifest.cell_sets
    assert (ref.recall.probes, ref.recall.filtered_probes) == (1, 3)
    half = world.derive(source, "half", EVEN)
    (ref,) = world.snapshot_of(half).manifest.cell_sets
    assert (ref.recall.probes, ref.recall.sure_probes, ref.recall.filtered_probes) == (3, 3, 6)
    tenth = world.derive(source, "tenth", Condition(filter={"number": 0}))
    (ref,) = world.snapshot_of(tenth).manifest.cell_sets
    assert (ref.recall.probes, ref.recall.sure_probes, ref.recall.filtered_probes) == (3, 3, 12)
    # In two of twelve cells only: the others are probed along.
    there = {name: found for block in blocks for name, found in block.items()}
    world.delete(source, [name for name in there if not name.startswith(("cell0-", "cell7-"))])
    world.drain(source)
    two = world.derive(source, "two")
    (ref,) = world.snapshot_of(two).manifest.cell_sets
    assert ref.recall.probes == 1  # nothing was left out
    world.delete(source, ["cell0-0"])
    world.drain(source)
    two = world.derive(source, "fewer", Condition(filter={"number": {"$gt": 0}}))
    (ref,) = world.snapshot_of(two).manifest.cell_sets
    assert ref.recall.probes == 12


def test_much_that_is_left_out_is_written_anew_behind() -> None:
    """It can be seen before that, and is the same after it."""
    world = DeriveWorld()
    source = world.create(dimension=1024)
    there = {f"id{n}": record(*([float(n)] * 1024), parity="odd" if n % 2 else "even") for n in range(600)}
    world.upsert(source, there)
    world.drain(source)
    run = world.completed(world.begin(source, "evens", EVEN))
    made = world.named("evens")
    assert (run.strategy, run.rows_removed) == ("rewrite", 300)
    assert seen(world, made) == evens(there)
    world.look_after_builds()
    manifest = world.snapshot_of(made).manifest
    assert (manifest.masked, manifest.dead_base) == (False, None)
    assert seen(world, made) == evens(there)
    assert seen(world, world.derive(source, "follower", EVEN, follow=True)) == evens(there)
    assert world.snapshot_of(world.named("follower")).manifest.masked
