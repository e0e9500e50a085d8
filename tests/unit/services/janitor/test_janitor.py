"""The janitor over whole tenants: what is needed stays, and in the end nothing else does."""

from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shoal.errors import ShoalError
from shoal.model.limits import GARBAGE_SECONDS, MANIFEST_KEPT_SECONDS
from shoal.services.heads import keys_of
from shoal.services.imports.lookup import find_import
from shoal.services.imports.reconcile import reconcile_imports
from shoal.services.janitor.garbage import SLACK_SECONDS, Garbage
from shoal.services.janitor.run import run_janitor
from shoal.services.leases import acquire
from shoal.services.tenants import create_tenant
from shoal.storage.keys import JANITOR, TenantKeys
from shoal.storage.ports import Key
from tests.unit.services.imports.small import STEPS as IMPORT_STEPS
from tests.unit.services.imports.small import begun, built, run, validated
from tests.unit.services.janitor.estate import DAY, LONG, Estate
from tests.unit.services.world import record

NAMES, IDS, SNAPSHOTS = ["a", "b", "c"], [f"id-{number}" for number in range(5)], ["x", "y"]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *["upsert"] * 3,
                *["clean"] * 3,
                *["wait"] * 3,
                "accept",
                "delete_ids",
                "build",
                "import",
                "import_cells",
                "snapshot",
                "forget",
                "restore",
                "clone",
                "delete",
            ]
        ),
        st.sampled_from(NAMES),
        st.sampled_from(NAMES),
        st.sampled_from(SNAPSHOTS),
        st.sets(st.sampled_from(IDS), min_size=1),
        st.sampled_from([1.0, DAY / 3, MANIFEST_KEPT_SECONDS + 1, 3 * DAY, LONG]),
    ),
    min_size=6,
    max_size=25,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS)
def test_nothing_needed_ever_goes_and_in_the_end_all_else_does(
    steps: list[tuple[str, str, str, str, set[str], float]],
) -> None:
    estate = Estate()
    estate.create("a")
    for step, name, other, snapshot, ids, seconds in steps:
        if name not in estate.datasets:
            estate.create(name)
        do(estate, step, name, other, snapshot, sorted(ids), seconds)
    estate.clean()
    estate.check()
    everything_goes(estate)


def do(  # noqa: C901 - one case for each step
    estate: Estate, step: str, name: str, other: str, snapshot: str, some: list[str], seconds: float
) -> None:
    """Do one step, where it makes sense."""
    match step:
        case "upsert":
            estate.upsert(name, *some)
        case "accept":
            estate.upsert(name, *some, drain=False)
        case "delete_ids":
            estate.delete_ids(name, *some)
        case "build":
            estate.drain(name)
            estate.build(name)
        case "import" | "import_cells":
            estate.drain(name)
            estate.import_(name, *some, in_cells=step == "import_cells")
        case "snapshot" if (name, snapshot) not in estate.snapshots:
            estate.drain(name)
            estate.snapshot(name, snapshot)
        case "forget" if (name, snapshot) in estate.snapshots:
            estate.forget(name, snapshot)
        case "restore" if (name, snapshot) in estate.snapshots:
            estate.restore(name, snapshot, drain=len(some) % 2 == 0)
        case "clone" if other not in estate.datasets:
            estate.drain(name)
            estate.clone(name, other, snapshot if (name, snapshot) in estate.snapshots else None)
        case "delete":
            estate.delete(name)
        case "wait":
            estate.wait(seconds)
        case "clean":
            estate.clean()
            estate.check()


def everything_goes(estate: Estate) -> None:
    """After the last dataset is deleted, nothing is left of any."""
    for name in list(estate.datasets):
        estate.delete(name)
    estate.wait(MANIFEST_KEPT_SECONDS + 1)
    estate.clean()
    estate.wait(LONG)
    estate.clean()
    tenant = TenantKeys(estate.world.tenant_id)
    assert estate.objects() == [tenant.descriptor]
    left = {(item["pk"], item["sk"]) for item in estate.world.table.items()}
    assert left <= {(tenant.partition, "META"), (tenant.partition, "QUOTA")}
    used = estate.world.table.get(tenant.quota)
    assert used is None or used["used"] == 0


def test_old_versions_go_after_a_week_and_what_they_named_with_them() -> None:
    estate = Estate()
    estate.create("a")
    for number in range(5):
        estate.upsert("a", f"id-{number}")
    estate.build("a")
    before = set(estate.objects())
    estate.wait(GARBAGE_SECONDS - 1)
    assert estate.clean().objects == 0
    assert set(estate.objects()) == before
    estate.wait(2)
    dry: list[Garbage] = []
    foreseen = run_janitor(estate.world.ports, dry_run=True, on_garbage=dry.append)
    assert set(estate.objects()) == before, "a dry run changes nothing"
    report = estate.clean()
    gone = before - set(estate.objects())
    assert gone == {each.key for each in dry}
    assert (report.objects, report.bytes, report.by_reason) == (
        foreseen.objects,
        foreseen.bytes,
        foreseen.by_reason,
    )
    kept = {key.split("/")[2] for key in estate.objects()}
    assert kept == {"datasets", "tenant.json", "manifests", "parts", "shards"}
    assert len([key for key in estate.objects() if "/manifests/" in key]) == 1
    estate.check()


def test_a_version_that_was_current_an_hour_ago_stays_however_old_it_is() -> None:
    estate = Estate()
    estate.create("a")
    estate.upsert("a", "one", "two")
    estate.build("a")
    estate.wait(LONG)
    estate.build("a")
    estate.delete_ids("a", "one")
    estate.upsert("a", "three")
    estate.build("a")
    estate.clean()
    estate.check()  # the first version is held, and all of it is there
    assert estate.held[0].since < estate.world.clock.now or len(estate.held) > 1
    shards = len([key for key in estate.objects() if "/shards/" in key])
    estate.wait(MANIFEST_KEPT_SECONDS + SLACK_SECONDS + 1)
    estate.clean()
    estate.check()
    assert len([key for key in estate.objects() if "/shards/" in key]) < shards


def test_a_deleted_dataset_keeps_its_versions_and_snapshots_for_a_day_more() -> None:
    estate = Estate()
    world = estate.world
    estate.create("a")
    estate.upsert("a", "one", "two")
    estate.snapshot("a", "x")
    estate.build("a")
    estate.delete_ids("a", "one")
    estate.wait(LONG)
    estate.upsert("a", "three")
    estate.build("a")
    estate.clean()
    before = {key for key in estate.objects() if "/shards/" in key or "/manifests/" in key}
    estate.delete("a")
    world.clock.pass_seconds(MANIFEST_KEPT_SECONDS - SLACK_SECONDS)
    estate.clean()
    assert before <= set(estate.objects())
    estate.wait(LONG)
    estate.clean()
    assert not before & set(estate.objects())


def test_a_deleted_dataset_is_cleaned_once_its_imports_have_ended() -> None:
    estate = Estate()
    world = estate.world
    estate.create("a")
    dataset = estate.datasets["a"]
    job = begun(world, dataset, quota=10)
    estate.delete("a")
    estate.wait(MANIFEST_KEPT_SECONDS + 1)
    assert estate.clean().datasets == 0
    assert find_import(world.ports, job.import_id) is not None, "the sweep ends it, and counts on its item"
    assert reconcile_imports(world.ports) == 1
    assert estate.clean().datasets == 1
    assert find_import(world.ports, job.import_id) is None
    assert not world.table.query(keys_of(dataset).partition).items


def test_writes_and_imports_that_wait_for_weeks_are_kept() -> None:
    estate = Estate()
    world = estate.world
    estate.create("a")
    estate.upsert("a", "one")
    dataset = estate.datasets["a"]
    records = {"two": record(9, 9, 9, 9)}
    job = begun(world, dataset)
    validated(world, job, list(records.items()))
    built(world, job, in_cells=True)
    # The import enters the log, and nobody applies it: its commit is held up by a lease.
    lease = acquire(world.ports, keys_of(dataset), owner="stuck")
    assert lease is not None
    with pytest.raises(ShoalError):
        run(world.ports, job, "commit", IMPORT_STEPS)
    estate.upsert("a", "three", drain=False)
    estate.states["a"] |= records
    estate.wait(LONG)
    estate.clean()
    estate.wait(LONG)
    estate.clean()
    estate.check()


def test_a_tenant_with_a_manifest_that_cannot_be_read_loses_nothing_and_the_others_are_cleaned() -> None:
    estate = Estate()
    world = estate.world
    other = create_tenant(world.ports, name="other").tenant_id
    world.objects.put(f"t/{other}/log/0123456789abcdef/old", b"garbage")
    estate.create("a")
    estate.upsert("a", "one")
    estate.snapshot("a", "x")
    estate.upsert("a", "two")
    estate.wait(LONG)
    (named,) = [item for item in world.table.items() if item["sk"] == "SNAPSHOT#x"]
    good = world.objects.get(named["manifest"])
    before = set(estate.objects())
    for bad in (b"{}", good[:-1] + b" ", None):
        if bad is None:
            world.objects.delete([named["manifest"]])
            before.remove(named["manifest"])
        else:
            world.objects.put(named["manifest"], bad)
        report = run_janitor(world.ports)
        assert report.stopped.keys() == {world.tenant_id}
        assert named["manifest"] in report.stopped[world.tenant_id]
        assert set(estate.objects()) == before
        assert not list(world.objects.list(f"t/{other}/log/"))
    world.objects.put(named["manifest"], good)
    estate.clean()
    estate.check()


def test_a_dataset_that_the_table_has_lost_loses_nothing() -> None:
    estate = Estate()
    world = estate.world
    estate.create("a")
    estate.upsert("a", "one")
    keys = keys_of(estate.datasets["a"])
    for item in world.table.items():
        if item["pk"] == keys.partition or str(item["sk"]).startswith("NAME#"):
            world.table.delete(Key(item["pk"], item["sk"]))
    estate.datasets.clear()
    estate.wait(LONG)
    before = estate.objects()
    report = run_janitor(world.ports)
    assert "recovered" in report.stopped[world.tenant_id]
    assert estate.objects() == before


def test_a_run_that_is_cut_off_is_gone_on_with() -> None:
    estate = Estate()
    world = estate.world
    tenants = [world.tenant_id, *(create_tenant(world.ports, name=str(n)).tenant_id for n in range(3))]
    for tenant in tenants:
        for number in range(40):
            world.objects.put(f"t/{tenant}/shards/{number:x}{'0' * 30}/vectors.f32", b"garbage")
    world.clock.pass_seconds(LONG)

    class Slow:
        """Each listing takes a minute."""

        def __getattr__(self, name: str) -> object:
            return getattr(world.objects, name)

        def list(self, prefix: str) -> object:
            world.clock.pass_seconds(60)
            return world.objects.list(prefix)

    slow = replace(world.ports, objects=cast("Any", Slow()))
    runs = 0
    while not run_janitor(slow, budget_seconds=600).finished:
        runs += 1
        assert world.table.get(JANITOR) is not None
        assert runs < 15
    assert runs > 5
    assert world.table.get(JANITOR) is None
    assert not [found for tenant in tenants for found in world.objects.list(f"t/{tenant}/shards/")]


def test_a_tenant_too_large_for_a_run_does_not_keep_the_others_waiting() -> None:
    estate = Estate()
    world = estate.world
    tenants = sorted([world.tenant_id, create_tenant(world.ports, name="b").tenant_id])
    for tenant in tenants:
        world.objects.put(f"t/{tenant}/log/0123456789abcdef/old", b"garbage")
    world.clock.pass_seconds(LONG)

    class Slow:
        """One tenant's manifests take an hour to list."""

        def __getattr__(self, name: str) -> object:
            return getattr(world.objects, name)

        def list(self, prefix: str) -> object:
            if prefix == f"t/{tenants[0]}/manifests/":
                world.clock.pass_seconds(3600)
            return world.objects.list(prefix)

    slow = replace(world.ports, objects=cast("Any", Slow()))
    assert not run_janitor(slow, budget_seconds=600).finished
    assert run_janitor(slow, budget_seconds=600).finished
    assert not list(world.objects.list(f"t/{tenants[1]}/log/"))
    assert list(world.objects.list(f"t/{tenants[0]}/log/")), "nothing goes before all that is needed is known"


def test_descriptors_are_mended() -> None:
    estate = Estate()
    world = estate.world
    estate.create("a")
    estate.create("b")
    estate.upsert("a", "one")
    tenant, first, second = (
        TenantKeys(world.tenant_id).descriptor,
        keys_of(estate.datasets["a"]).descriptor,
        keys_of(estate.datasets["b"]).descriptor,
    )
    said = {key: world.objects.get(key) for key in (tenant, first, second)}
    world.objects.delete([tenant])
    world.objects.put(first, said[second])
    world.objects.put(second, b"nonsense")
    assert estate.clean().described == 3
    assert world.objects.get(first).count(b'"version":1') == 1
    assert estate.clean().described == 0
