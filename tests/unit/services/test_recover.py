"""The table is lost, and made anew from the bucket: everything that was acknowledged is there again."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shoal.errors import Conflict, StorageBusy, Unauthenticated
from shoal.model import manifests
from shoal.model.datasets import NATIVE_SCOPE
from shoal.model.tenants import DEFAULT_SCOPES
from shoal.services import datasets, write
from shoal.services.api_keys import KeyCache, authenticate, create_key, list_keys, revoke_key
from shoal.services.descriptors import describe_dataset
from shoal.services.heads import keys_of
from shoal.services.imports.lifecycle import get_import
from shoal.services.janitor.run import run_janitor
from shoal.services.recover import Report, recover
from shoal.services.search import Searcher
from shoal.services.snapshots import list_snapshots
from shoal.services.sweep import sweep
from shoal.services.tenants import create_tenant, get_tenant, list_tenants, set_quota
from shoal.storage.keys import TenantKeys
from shoal.storage.memory import MemoryTable
from shoal.storage.memory.faults import AtCall, Fault, Faults, SimulatedCrash
from shoal.storage.ports import Ports
from tests.unit.services.imports.small import begun
from tests.unit.services.janitor.estate import DAY, LONG, Estate
from tests.unit.services.world import World, record, used


def lose_the_table(world: World) -> MemoryTable:
    """From now on the world has an empty table; the one that it had."""
    lost = world.table
    world.table = MemoryTable(world.clock)
    world.ports = replace(world.ports, table=world.table)
    world.searcher = Searcher(world.ports, cache_bytes=1 << 26)
    return lost


def recovered(world: World) -> Report:
    """Lose the table, make it anew."""
    lose_the_table(world)
    report = recover(world.ports)
    assert report.whole, (report.damaged, [each.lost for each in report.datasets])
    return report


class Undescribed:
    """Objects of a process that dies before it can describe anything, or cannot."""

    def __init__(self, world: World) -> None:
        self._world = world

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world.objects, name)

    def put(self, key: str, body: bytes, *, if_none_match: bool = False) -> object:
        if key.endswith(".json") and ("/datasets/" in key or "/tenant" in key):
            raise StorageBusy("not now")
        return self._world.objects.put(key, body, if_none_match=if_none_match)


def undescribed(world: World) -> Ports:
    return replace(world.ports, objects=cast("Any", Undescribed(world)))


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shoal.services.retry.LONGEST_PAUSE_SECONDS", 0.0)


# --- everything at once


def test_a_whole_deployment_comes_back() -> None:
    estate = Estate()
    world = estate.world
    key, secret = create_key(
        world.ports, tenant_id=world.tenant_id, name="one", scopes=DEFAULT_SCOPES, expires_at=None
    )
    gone, gone_secret = create_key(
        world.ports, tenant_id=world.tenant_id, name="two", scopes=DEFAULT_SCOPES, expires_at=None
    )
    set_quota(world.ports, world.tenant_id, vector_quota=1000, query_quota=7)
    revoke_key(world.ports, world.tenant_id, gone.key_id)
    other = create_tenant(world.ports, name="other")
    for name in ("empty", "books", "films", "deleted"):
        estate.create(name)
    estate.upsert("books", "one", "two", "three")
    estate.snapshot("books", "monday")
    estate.delete_ids("books", "two")
    estate.build("books")
    estate.import_("films", *(f"film-{number}" for number in range(30)), in_cells=True)
    estate.upsert("films", "late")
    estate.clone("books", "copy", "monday")
    estate.upsert("deleted", "gone")
    estate.delete("deleted")
    estate.upsert("films", "waits", "late", drain=False)
    estate.delete_ids("films", "film-7", drain=False)
    tenants, keys = list_tenants(world.ports), list_keys(world.ports, world.tenant_id)
    books = list_snapshots(world.ports, estate.datasets["books"])
    said = {
        name: datasets.get_dataset(world.ports, world.tenant_id, scope=NATIVE_SCOPE, name=name)
        for name in ("books", "empty")
    }
    answers = [
        (match.id, match.score) for match in world.query(estate.datasets["books"], (1, 3, 0, 1)).matches
    ]

    report = recovered(world)

    assert (report.tenants, report.keys, len(report.datasets)) == (2, 2, 4)
    assert {each.name: each.writes_again for each in report.datasets} == {
        "empty": 0,
        "books": 0,
        "copy": 0,
        "films": 2,
    }
    assert list_tenants(world.ports) == tenants
    assert get_tenant(world.ports, other.tenant_id) == other
    assert [replace(each, last_used_at=None) for each in list_keys(world.ports, world.tenant_id)] == [
        replace(each, last_used_at=None) for each in keys
    ]
    principal = authenticate(world.ports, KeyCache(), secret)
    assert (principal.key_id, principal.query_quota, principal.vector_quota) == (key.key_id, 7, 1000)
    with pytest.raises(Unauthenticated):
        authenticate(world.ports, KeyCache(), gone_secret)
    for name, view in said.items():
        now = datasets.get_dataset(world.ports, world.tenant_id, scope=NATIVE_SCOPE, name=name)
        assert (now.dataset, now.status) == (view.dataset, view.status)
        assert replace(now.head, fence=0) == replace(view.head, fence=0)
    assert [
        (match.id, match.score) for match in world.query(estate.datasets["books"], (1, 3, 0, 1)).matches
    ] == answers
    assert list_snapshots(world.ports, estate.datasets["books"]) == books
    assert sweep(world.ports) >= 1, "what waits in the log is found by the sweep too"
    estate.check()
    assert used(world) == sum(map(len, estate.states.values()))
    estate.restore("books", "monday")
    estate.check()
    with pytest.raises(Conflict):
        datasets.create_dataset(
            world.ports,
            world.tenant_id,
            scope=NATIVE_SCOPE,
            name="books",
            dimension=4,
            metric=estate.datasets["books"].metric,
        )
    estate.wait(LONG)
    estate.clean()
    estate.check()
    assert not [key for key in estate.objects() if "/log/" in key]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *["upsert"] * 3,
                *["accept"] * 3,
                *["accept_delete"] * 2,
                *["unsaid"] * 3,
                "wait",
                "drain",
                "build",
                "import",
                "snapshot",
                "forget",
                "restore",
                "accept_restore",
                "clone",
                "delete",
                "recover",
                "clean",
            ]
        ),
        st.sampled_from(["a", "b"]),
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["x", "y"]),
        st.sets(st.sampled_from([f"id-{number}" for number in range(4)]), min_size=1),
        st.sampled_from([0.1, 30.0, 61.0, 3600.0, 2 * DAY]),
    ),
    min_size=3,
    max_size=20,
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS)
def test_whatever_happened_before_everything_acknowledged_comes_back(
    steps: list[tuple[str, str, str, str, set[str], float]],
) -> None:
    estate = Estate()
    for step, name, other, snapshot, ids, seconds in steps:
        if name not in estate.datasets:
            estate.create(name)
        do(estate, step, name, other, snapshot, sorted(ids), seconds)
        estate.tick()
    recovered(estate.world)
    check_recovered(estate)
    recovered(estate.world)
    check_recovered(estate)


def do(  # noqa: C901 - one case for each step
    estate: Estate, step: str, name: str, other: str, snapshot: str, some: Sequence[str], seconds: float
) -> None:
    """Do one step, where it makes sense."""
    known = (name, snapshot) in estate.snapshots
    match step:
        case "upsert":
            estate.upsert(name, *some)
        case "unsaid":  # committed, but the committer dies before it describes the dataset
            estate.upsert(name, *some, ports=undescribed(estate.world))
        case "accept":
            estate.upsert(name, *some, drain=False)
        case "accept_delete":
            estate.delete_ids(name, *some, drain=False)
        case "drain":
            estate.drain(name)
        case "build":
            estate.build(name)
        case "import":
            estate.drain(name)
            estate.import_(name, *some, in_cells=len(some) > 2)
        case "snapshot" if not known:
            estate.drain(name)
            estate.snapshot(name, snapshot)
        case "forget" if known:
            estate.forget(name, snapshot)
        case "restore" | "accept_restore" if known:
            estate.restore(name, snapshot, drain=step == "restore")
        case "clone" if other not in estate.datasets:
            estate.drain(name)
            estate.clone(name, other, snapshot if known else None)
        case "delete":
            estate.delete(name)
        case "wait":
            estate.wait(seconds)
        case "recover":
            recovered(estate.world)
        case "clean":
            estate.clean()


def check_recovered(estate: Estate) -> None:
    world = estate.world
    listed = datasets.list_datasets(world.ports, world.tenant_id, scope=NATIVE_SCOPE)
    assert {view.dataset.name for view in listed} == estate.datasets.keys()
    for name, dataset in estate.datasets.items():
        snapshots = {named.name for named in list_snapshots(world.ports, dataset)}
        assert snapshots == {snapshot for owner, snapshot in estate.snapshots if owner == name}
    estate.check()
    assert used(world) == sum(map(len, estate.states.values()))


# --- one by one


def test_writes_that_wait_for_hours_come_back_in_order() -> None:
    estate = Estate()
    estate.create("a")
    estate.upsert("a", "one")
    for _ in range(5):
        estate.upsert("a", "one", "two", drain=False)
        estate.wait(3600)
        describe_dataset(estate.world.ports, keys_of(estate.datasets["a"]))
    estate.delete_ids("a", "two", drain=False)
    (told,) = recovered(estate.world).datasets
    assert told.writes_again == 6
    estate.check()


def test_a_write_that_was_refused_does_not_come_back() -> None:
    estate = Estate()
    world = estate.world
    estate.create("a")
    dataset = estate.datasets["a"]
    with pytest.raises(Exception, match="quota"):
        world.upsert(dataset, {"refused": record(1, 1, 1, 1)}, quota=0)
    assert not list(world.objects.list(keys_of(dataset).log_folder))
    (told,) = recovered(world).datasets
    assert told.writes_again == 0
    estate.check()


def test_imports_that_were_under_way_are_named_and_ended() -> None:
    estate = Estate()
    world = estate.world
    estate.create("a")
    estate.upsert("a", "one", "two")
    job = begun(world, estate.datasets["a"])
    estate.drain("a")
    assert world.head(estate.datasets["a"]).open_imports == 1
    lose_the_table(world)
    report = recover(world.ports)
    assert [job.import_id in line for each in report.datasets for line in each.lost] == [True]
    assert not report.whole
    estate.check()
    assert world.head(estate.datasets["a"]).open_imports == 0
    with pytest.raises(Exception, match="import"):
        get_import(world.ports, estate.datasets["a"], job.import_id)
    estate.import_("a", "three")
    estate.check()


def test_a_table_with_items_is_refused_and_with_force_only_completed() -> None:
    estate = Estate()
    world = estate.world
    estate.create("a")
    estate.create("b")
    estate.upsert("a", "one")
    with pytest.raises(Conflict, match="already"):
        recover(world.ports)
    lost = lose_the_table(world)
    partition = keys_of(estate.datasets["a"]).partition
    world.table.batch_put([item for item in lost.items() if item["pk"] == partition])
    estate.upsert("a", "two")  # it goes on meanwhile
    with pytest.raises(Conflict, match="already"):
        recover(world.ports)
    report = recover(world.ports, force_into=True)
    assert report.there_already == [estate.datasets["a"].dataset_id]
    assert [each.name for each in report.datasets] == ["b"]
    assert world.head(estate.datasets["a"]).row_count == 2
    again = recover(world.ports, force_into=True)
    assert (again.datasets, len(again.there_already), again.damaged) == ([], 2, {})


def test_a_dry_run_says_the_same_and_puts_nothing() -> None:
    estate = Estate()
    world = estate.world
    estate.create("a")
    estate.upsert("a", "one")
    estate.upsert("a", "two", drain=False)
    lose_the_table(world)
    before = {key: world.objects.get(key) for key in estate.objects()}
    lines: list[str] = []
    foreseen = recover(world.ports, dry_run=True, progress=lines.append)
    assert not world.table.items()
    assert len(lines) >= 3
    report = recover(world.ports)
    assert (foreseen.datasets, foreseen.tenants, foreseen.keys) == (
        report.datasets,
        report.tenants,
        report.keys,
    )
    assert {key: world.objects.get(key) for key in estate.objects()} == before
    estate.check()


def test_what_is_damaged_is_named_and_the_rest_comes_back() -> None:
    estate = Estate()
    world = estate.world
    for name in ("good", "no_manifest", "no_shard", "bad_descriptor", "bad_log", "bad_snapshot"):
        estate.create(name)
        estate.upsert(name, "one")
    estate.snapshot("bad_snapshot", "x")
    estate.upsert("bad_snapshot", "two")
    estate.upsert("bad_log", "two", drain=False)
    estate.upsert("bad_log", "three", drain=False)
    keys = {name: keys_of(dataset) for name, dataset in estate.datasets.items()}
    flip(world, str(world.head(estate.datasets["no_manifest"]).manifest))
    flip(world, keys["bad_descriptor"].descriptor)
    waiting = sorted(found.key for found in world.objects.list(keys["bad_log"].log_folder))[-2]
    flip(world, waiting)
    (snapshot,) = list_snapshots(world.ports, estate.datasets["bad_snapshot"])
    flip(world, snapshot.manifest)
    head = world.head(estate.datasets["no_shard"])
    assert head.manifest is not None
    (shard,) = manifests.decode(world.objects.get(head.manifest)).shards
    missing = TenantKeys(world.tenant_id).shard_file(shard.shard_id, "vectors.f32")
    world.objects.delete([missing])

    lose_the_table(world)
    report = recover(world.ports)

    assert report.damaged.keys() == {keys["no_manifest"].descriptor, keys["bad_descriptor"].descriptor}
    lost = {each.name: each.lost for each in report.datasets}
    assert lost.keys() == {"good", "no_shard", "bad_log", "bad_snapshot"}
    assert lost["good"] == ()
    assert lost["no_shard"] == (f"the dataset needs {missing}",)
    assert waiting in lost["bad_log"][0]
    assert "snapshot x" in lost["bad_snapshot"][0]
    for name in ("good", "bad_log", "bad_snapshot"):
        estate.drain(name)
        expected = {
            each: value for each, value in estate.states[name].items() if (name, each) != ("bad_log", "two")
        }
        assert world.stored(estate.datasets[name], ["one", "two", "three"]) == expected
    world.clock.pass_seconds(LONG)
    before = estate.objects()
    assert run_janitor(world.ports).stopped, "a dataset that is not back must not be taken for garbage"
    assert estate.objects() == before


def flip(world: World, key: str) -> None:
    """Damage a byte in the middle."""
    data = bytearray(world.objects.get(key))
    data[len(data) // 2] ^= 1
    world.objects.put(key, bytes(data))


def test_a_tenant_without_its_descriptor_gets_its_datasets_and_no_keys() -> None:
    estate = Estate()
    world = estate.world
    estate.create("a")
    estate.upsert("a", "one")
    tenant = TenantKeys(world.tenant_id)
    world.objects.delete([tenant.descriptor])
    lose_the_table(world)
    report = recover(world.ports)
    assert report.damaged.keys() == {tenant.descriptor}
    assert get_tenant(world.ports, world.tenant_id).name == "recovered"
    assert not list_keys(world.ports, world.tenant_id)
    estate.check()
    create_key(world.ports, tenant_id=world.tenant_id, name="new", scopes=DEFAULT_SCOPES, expires_at=None)


def test_a_deleted_dataset_stays_deleted_even_where_nobody_could_say_so() -> None:
    estate = Estate()
    world = estate.world
    estate.create("a")
    estate.upsert("a", "one")
    old = estate.datasets["a"]
    datasets.delete_dataset(undescribed(world), world.tenant_id, scope=NATIVE_SCOPE, name="a")
    estate.wait(5)
    estate.create("a")
    estate.upsert("a", "two")
    estate.states = {"a": {"two": estate.states["a"]["two"]}}
    estate.held.clear()
    (told,) = recovered(world).datasets
    assert told.dataset_id == estate.datasets["a"].dataset_id != old.dataset_id
    estate.check()
    estate.wait(LONG)
    estate.clean()
    assert not [key for key in estate.objects() if old.dataset_id in key]


def test_the_sweep_says_of_a_deleted_dataset_what_its_deleter_could_not() -> None:
    estate = Estate()
    world = estate.world
    estate.create("a")
    crashing = replace(world.ports, objects=cast("Any", Undescribed(world)), table=cast("Any", Dying(world)))
    with pytest.raises(RuntimeError):
        datasets.delete_dataset(crashing, world.tenant_id, scope=NATIVE_SCOPE, name="a")
    sweep(world.ports)
    assert recovered(world).datasets == []


class Dying:
    """The table of a process that dies after its transaction."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._done = False

    def __getattr__(self, name: str) -> Any:
        if self._done:
            raise RuntimeError("died")
        return getattr(self._world.table, name)

    def transact(self, *args: Any, **kwargs: Any) -> None:
        self._world.table.transact(*args, **kwargs)
        self._done = True


def test_a_recovery_that_dies_at_any_call_can_be_repeated() -> None:
    place = 0
    while True:
        place += 1
        estate = Estate()
        world = estate.world
        estate.create("a")
        estate.upsert("a", "one")
        estate.snapshot("a", "x")
        estate.upsert("a", "two", drain=False)
        estate.upsert("a", "two", "three", drain=False)
        lose_the_table(world)
        faults = Faults(AtCall(place, Fault.CRASH_AFTER))
        try:
            recover(world.process(faults))
        except SimulatedCrash:
            assert recover(world.ports, force_into=True).whole
            check_recovered(estate)
        else:
            break
    assert place > 15


def test_what_two_writers_of_a_descriptor_put_is_what_the_table_says_in_the_end() -> None:
    """A writer that read the items before the other's change puts its descriptor after the other's."""
    estate = Estate()
    world = estate.world
    key, secret = create_key(
        world.ports, tenant_id=world.tenant_id, name="one", scopes=DEFAULT_SCOPES, expires_at=None
    )

    class Slow(Undescribed):
        """Lets the other change the items just before the first put."""

        acted = False

        def put(self, name: str, body: bytes, *, if_none_match: bool = False) -> object:
            if not self.acted:
                self.acted = True
                revoke_key(world.ports, world.tenant_id, key.key_id)
            return world.objects.put(name, body, if_none_match=if_none_match)

    slow = replace(world.ports, objects=cast("Any", Slow(world)))
    create_key(slow, tenant_id=world.tenant_id, name="two", scopes=DEFAULT_SCOPES, expires_at=None)
    recovered(world)
    with pytest.raises(Unauthenticated):
        authenticate(world.ports, KeyCache(), secret)


def test_what_is_applied_is_not_put_into_the_log_again() -> None:
    estate = Estate()
    world = estate.world
    estate.create("a")
    for _ in range(3):
        estate.upsert("a", "one", drain=False)
    estate.drain("a")
    estate.upsert("a", "two", drain=False)
    (told,) = recovered(world).datasets
    assert told.writes_again == 1
    assert write.delete_ids(world.ports, estate.datasets["a"], ["two"]).sequence == 5
    estate.states["a"].pop("two")
    estate.check()
