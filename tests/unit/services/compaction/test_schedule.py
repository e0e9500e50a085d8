"""What wakes the builder, and what it makes of a message."""

from shoal.model.limits import BUILD_LEASE_SECONDS
from shoal.model.merge_policy import Build, Compact, Nothing
from shoal.services.compaction.schedule import wake_due
from shoal.services.tenants import create_tenant
from tests.unit.services.compaction.work import CompactWorld, check, delete, imported, rows_named, write
from tests.unit.services.world import record

DAY = 86_400


def tenanted() -> CompactWorld:
    """A world whose tenant is in the table."""
    world = CompactWorld()
    world.tenant_id = create_tenant(world.ports, name="ours").tenant_id
    return world


def test_a_dataset_that_was_written_to_lately_is_looked_at_daily() -> None:
    world = tenanted()
    written, _, old = world.create("written"), world.create("empty"), world.create("old")
    write(world, old, rows_named(0, 3))
    world.clock.pass_seconds(4 * DAY)
    write(world, written, rows_named(0, 3))
    world.builds.receive()
    assert wake_due(world.ports) == 1
    assert [each.message["dataset_id"] for each in world.builds.receive()] == [written.dataset_id]


def test_a_dataset_that_is_compacted_now_is_not_woken() -> None:
    world = tenanted()
    dataset = world.create()
    write(world, dataset, rows_named(0, 60))
    job = world.started(dataset)
    assert wake_due(world.ports) == 0
    world.clock.pass_seconds(BUILD_LEASE_SECONDS + 1)
    assert wake_due(world.ports) == 1
    assert world.run(job).succeeded


def test_a_thorough_request_waits_for_who_is_at_work() -> None:
    world = CompactWorld()
    dataset = world.create()
    write(world, dataset, rows_named(0, 60))
    job = world.started(dataset)
    world.builds.receive()
    assert world.decide(dataset) == Nothing()
    world.clock.pass_seconds(61)
    (message,) = world.builds.receive()
    assert message.message == {
        "tenant_id": dataset.tenant_id,
        "dataset_id": dataset.dataset_id,
        "thorough": "yes",
    }
    assert world.run(job).succeeded
    assert world.decide(dataset) == Nothing()


def test_a_commit_wakes_the_builder_for_dead_cells_too() -> None:
    world = CompactWorld()
    dataset = world.create()
    imported(world, dataset, rows_named(0, 100))
    world.builds.receive()
    delete(world, dataset, ["id-000"])
    assert not world.builds.receive()
    delete(world, dataset, [f"id-{n:03}" for n in range(1, 30)])
    assert world.builds.receive()
    assert isinstance(world.decide(dataset, thorough=False), Compact)
    assert world.run(world.fresh_newest(dataset)).succeeded
    check(world, dataset, rows_named(30, 100))


def test_few_flat_rows_are_built_afresh_for_who_asks() -> None:
    world = CompactWorld()
    dataset = world.create()
    write(world, dataset, rows_named(0, 30))
    world.build(dataset)
    delete(world, dataset, ["id-000"])
    assert world.decide(dataset, thorough=False) == Nothing()
    assert world.decide(dataset) == Build(afresh=True)
    manifest = world.manifest(dataset)
    assert manifest.resident is not None
    assert (manifest.resident.rows, manifest.dead_base) == (29, None)
    write(world, dataset, {"new-1": record(1, 2, 3, 4)})
    assert world.decide(dataset) == Build(afresh=False)
    check(world, dataset, rows_named(1, 30) | {"new-1": record(1, 2, 3, 4)})
