"""The janitor leaves what a run that is under way needs, and what derived datasets share and remember."""

from collections.abc import Mapping

from shoal.model.limits import GARBAGE_SECONDS
from shoal.services import datasets
from shoal.services.derived.starting import cancel_derivation, lineage_of, start_rebuild
from shoal.services.janitor.run import run_janitor
from shoal.services.tenants import create_tenant
from tests.unit.services.derived.deriving import DeriveWorld, seen
from tests.unit.services.derived.test_derivation import EVEN, evens, filled, numbered

LONG = GARBAGE_SECONDS + 2 * 86_400.0


def owned() -> DeriveWorld:
    """A world whose tenant the janitor finds."""
    world = DeriveWorld()
    world.tenant_id = create_tenant(world.ports, name="ours").tenant_id
    return world


def clean(world: DeriveWorld) -> None:
    world.clock.pass_seconds(LONG)
    report = run_janitor(world.ports)
    assert (report.stopped, report.finished) == ({}, True)


def test_the_version_of_a_run_stays_though_its_source_is_deleted_and_cleaned() -> None:
    world = owned()
    source, there = filled(world)
    run = world.begin(source, "evens", EVEN)
    cleaned: list[str] = []

    def age(given: Mapping[str, object]) -> None:
        if given["step"] == "mask" and not cleaned:
            datasets.delete_dataset(world.ports, world.tenant_id, scope="native", name=source.name)
            clean(world)
            cleaned.append("yes")

    assert world.run_derivation(run, before=age).succeeded
    assert cleaned
    clean(world)
    assert seen(world, world.named("evens"), there) == evens(there)


def test_what_is_shared_and_remembered_stays() -> None:
    world = owned()
    source, there = filled(world)
    made = world.derive(source, "evens", EVEN)
    clean(world)
    lineage = lineage_of(world.ports, made)
    assert lineage is not None
    assert lineage.masks is not None
    assert world.objects.head(lineage.masks.key) is not None
    world.upsert(source, numbered("later-", 3))
    world.rebuild(made)
    clean(world)
    assert world.objects.head(lineage.masks.key) is None  # there are newer ones
    datasets.delete_dataset(world.ports, world.tenant_id, scope="native", name=source.name)
    clean(world)
    clean(world)
    now = there | numbered("later-", 3)
    assert seen(world, made, now) == evens(now)


def test_a_version_that_waits_in_the_log_stays() -> None:
    world = owned()
    source, there = filled(world)
    made = world.derive(source, "evens", EVEN)
    world.upsert(source, numbered("later-", 3))
    run = start_rebuild(world.ports, world.tenant_id, dataset=made, vector_quota=None)

    def age(given: Mapping[str, object]) -> None:
        if given["step"] == "settle" and run.run_id not in aged:
            aged.append(run.run_id)
            datasets.delete_dataset(world.ports, world.tenant_id, scope="native", name=source.name)
            clean(world)

    aged: list[str] = []
    assert world.run_derivation(run, before=age).succeeded
    now = there | numbered("later-", 3)
    assert seen(world, made, now) == evens(now)


def test_nothing_is_left_of_a_run_that_was_cancelled() -> None:
    world = owned()
    source, _ = filled(world)
    clean(world)
    before = {found.key for found in world.objects.list("t/")}
    run = world.begin(source, "evens", EVEN)

    def cancel(given: Mapping[str, object]) -> None:
        if given["step"] == "finish":
            cancel_derivation(world.ports, world.tenant_id, run.run_id)

    assert world.run_derivation(run, before=cancel).succeeded
    for _ in range(2):
        clean(world)
    assert {found.key for found in world.objects.list("t/")} <= before
