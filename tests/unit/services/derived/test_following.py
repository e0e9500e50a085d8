"""Followers: in step with their source, whatever is written to it and whoever dies."""

from collections.abc import Mapping
from contextlib import suppress

import pytest

from shoal.errors import Conflict, StorageBusy
from shoal.model.datasets import Dataset
from shoal.model.derivations import Condition, DerivationStatus
from shoal.services import datasets
from shoal.services.derived import keeping_up
from shoal.services.derived.keeping_up import keep_up
from shoal.services.derived.starting import lineage_of, list_derivations, start_rebuild
from shoal.services.followers import children_of, reconcile_followers
from shoal.services.following import follow
from shoal.services.heads import keys_of
from shoal.services.tenants import create_tenant, set_quota
from shoal.storage.memory.faults import AtCall, Call, Fault, Faults, SimulatedCrash
from shoal.storage.ports import Ports
from tests.unit.services.derived.deriving import DeriveWorld, no_models, seen
from tests.unit.services.derived.test_derivation import EVEN, evens, filled, numbered
from tests.unit.services.world import Record, record, used


def keep(world: DeriveWorld, source: Dataset, ports: Ports | None = None, *, seconds: float = 60) -> None:
    """What a message brings about."""
    follow(
        ports or world.ports,
        no_models(),
        world.reader,
        world.tenant_id,
        source.dataset_id,
        owner="test",
        budget_seconds=seconds,
    )


def kept(world: DeriveWorld, source: Dataset, follower: Dataset) -> None:
    """The same, and the log of the follower applied."""
    keep(world, source)
    world.drain(follower)


def synced(world: DeriveWorld, source: Dataset) -> dict[str, int]:
    return {child.name: child.synced_version for child in children_of(world.ports, keys_of(source))}


def following(world: DeriveWorld) -> tuple[Dataset, Dataset, dict[str, Record]]:
    source, there = filled(world)
    follower = world.derive(source, "evens", EVEN, follow=True)
    assert seen(world, follower, there) == evens(there)
    return source, follower, there


def test_a_follower_is_in_step_and_takes_no_other_writes() -> None:
    world = DeriveWorld()
    source, follower, there = following(world)
    assert world.head(source).followed
    with pytest.raises(Conflict) as refused:
        world.upsert(follower, {"own": record(1, 1, 1, 1)})
    assert refused.value.code == "dataset_follows"
    sent = len(world.tasks.receive())
    world.upsert(source, numbered("later-", 5))
    world.delete(source, ["cell0-0", "delta-8"])
    world.patch(source, ("cell0-1", {"parity": "even"}), ("cell0-2", {"parity": "odd"}))
    world.drain(source)
    assert len(world.tasks.receive()) > sent == 0  # who commits wakes
    kept(world, source, follower)
    now = there | numbered("later-", 5)
    del now["cell0-0"], now["delta-8"]
    for name, parity in (("cell0-1", "even"), ("cell0-2", "odd")):
        now[name] = (now[name][0], {**now[name][1], "parity": parity})
    assert seen(world, follower, now) == evens(now)
    assert synced(world, source) == {"evens": world.head(source).version}
    lineage = lineage_of(world.ports, follower)
    assert lineage is not None
    assert (lineage.source_version, lineage.rows_removed) == (
        world.head(source).version,
        len(now) - len(evens(now)),
    )
    # Nothing new: nothing is written, and no run was needed.
    version = world.head(follower).version
    kept(world, source, follower)
    assert world.head(follower).version == version
    assert len(list_derivations(world.ports, follower, limit=10)) == 1
    assert used(world) == len(now) + len(evens(now))


def test_through_builds_and_compactions_of_its_source() -> None:
    world = DeriveWorld()
    source, follower, there = following(world)
    for turn in range(6):
        world.upsert(source, numbered(f"turn{turn}-", 20))
        there |= numbered(f"turn{turn}-", 20)
        world.drain(source)
        if turn % 2:
            world.compact(source)
        else:
            world.build(source)
        kept(world, source, follower)
        assert seen(world, follower, there) == evens(there)
        assert world.snapshot_of(follower).manifest.masked


def test_all_of_a_source_is_followed_too() -> None:
    world = DeriveWorld()
    source, there = filled(world)
    mirror = world.derive(source, "mirror", follow=True)
    world.upsert(source, numbered("later-", 5))
    world.delete_where(source, filter={"number": 1})
    world.drain(source)
    kept(world, source, mirror)
    now = {name: found for name, found in (there | numbered("later-", 5)).items() if found[1]["number"] != 1}
    assert seen(world, mirror, now) == seen(world, source, now) == now


def test_much_that_is_new_is_looked_at_by_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    world = DeriveWorld()
    source, follower, there = following(world)
    world.upsert(source, numbered("later-", 30))
    world.drain(source)
    now = there | numbered("later-", 30)
    monkeypatch.setattr(keeping_up, "AT_ONCE_BYTES", 0)
    kept(world, source, follower)
    run = list_derivations(world.ports, follower, limit=1)[0]
    assert (run.first, run.status) == (False, DerivationStatus.RUNNING)
    assert seen(world, follower, there) == evens(there)
    kept(world, source, follower)  # one run at a time
    assert len(list_derivations(world.ports, follower, limit=10)) == 2
    world.upsert(source, {"last": record(1, 1, 1, 1, parity="even")})

    def drain_late(given: Mapping[str, object]) -> None:
        if given["step"] == "finish":
            world.drain(source)

    assert world.run_derivation(run, before=drain_late).succeeded
    assert seen(world, follower, now) == evens(now) | {"last": record(1, 1, 1, 1, parity="even")}
    assert list(synced(world, source).values()) == [world.again(run).source_version]


def test_a_run_that_ends_behind_its_source_wakes_for_the_rest() -> None:
    world = DeriveWorld()
    source, there = filled(world)
    run = world.begin(source, "evens", EVEN, follow=True)

    def write(given: Mapping[str, object]) -> None:
        if given["step"] == "settle":
            world.upsert(source, {"late": record(1, 1, 1, 1, parity="even")})
            world.drain(source)

    assert world.run_derivation(run, before=write).succeeded
    (message,) = world.tasks.receive()
    assert message.message == {"tenant_id": world.tenant_id, "dataset_id": source.dataset_id}
    follower = world.named("evens")
    kept(world, source, follower)
    assert seen(world, follower, there) == evens(there) | {"late": record(1, 1, 1, 1, parity="even")}


def test_the_sweep_wakes_for_one_that_was_left_behind() -> None:
    world = DeriveWorld()
    source, follower, there = following(world)
    assert reconcile_followers(world.ports) == 0
    world.upsert(source, numbered("later-", 2))
    world.drain(source)
    assert reconcile_followers(world.ports) == 1
    kept(world, source, follower)
    assert reconcile_followers(world.ports) == 0
    assert seen(world, follower, there) == evens(there | numbered("later-", 2))


def test_a_follower_of_a_follower() -> None:
    world = DeriveWorld()
    source, follower, there = following(world)
    last = world.derive(follower, "few", Condition(filter={"number": {"$lt": 3}}), follow=True)
    world.upsert(source, numbered("later-", 9))
    world.drain(source)
    kept(world, source, follower)
    kept(world, follower, last)
    now = evens(there | numbered("later-", 9))
    few = {name: found for name, found in now.items() if int(str(found[1]["number"])) < 3}
    assert seen(world, last, now) == few


def test_one_that_is_gone_is_forgotten_and_so_are_all_of_a_source_that_is() -> None:
    world = DeriveWorld()
    source, follower, there = following(world)
    other = world.derive(source, "other", EVEN, follow=True)
    datasets.delete_dataset(world.ports, world.tenant_id, scope="native", name=follower.name)
    world.upsert(source, numbered("later-", 2))
    world.drain(source)
    kept(world, source, other)
    assert synced(world, source).keys() == {"other"}
    datasets.delete_dataset(world.ports, world.tenant_id, scope="native", name=source.name)
    assert reconcile_followers(world.ports) == 1
    keep(world, source)
    assert children_of(world.ports, keys_of(source)) == []
    assert reconcile_followers(world.ports) == 0
    assert seen(world, other, there) == evens(there | numbered("later-", 2))


def test_what_the_time_does_not_suffice_for_is_woken_for() -> None:
    world = DeriveWorld()
    source, _, _ = following(world)
    world.upsert(source, numbered("later-", 2))
    world.drain(source)
    before = len(world.tasks.receive())
    keep(world, source, seconds=0)
    assert (before, len(world.tasks.receive())) == (1, 1)


def test_a_quota_that_is_used_up_is_told_and_the_follower_goes_on_later() -> None:
    world = DeriveWorld()
    source, there = filled(world)
    quota = len(there) + len(evens(there)) + 6
    follower = world.derive(source, "evens", EVEN, follow=True, quota=quota)
    world.upsert(source, numbered("later-", 6))
    world.drain(source)
    kept(world, source, follower)
    lineage = lineage_of(world.ports, follower)
    assert lineage is not None
    assert "quota would be exceeded" in str(lineage.error_message)
    assert seen(world, follower, there) == evens(there)
    world.delete(source, [f"later-{n}" for n in range(3)])
    world.drain(source)
    kept(world, source, follower)
    now = there | {name: found for name, found in numbered("later-", 6).items() if int(name[-1]) > 2}
    assert seen(world, follower, now) == evens(now)
    lineage = lineage_of(world.ports, follower)
    assert lineage is not None
    assert lineage.error_message is None


def test_a_follower_goes_by_the_quota_that_the_tenant_has_now() -> None:
    world = DeriveWorld()
    world.tenant_id = create_tenant(world.ports, name="acme").tenant_id
    source, there = filled(world)
    follower = world.derive(source, "evens", EVEN, follow=True, quota=len(there) + len(evens(there)))
    for quota, more in ((1000, 6), (0, 12)):
        set_quota(world.ports, world.tenant_id, vector_quota=quota, query_quota=None)
        there |= numbered("later-", more)
        world.upsert(source, there)
        world.drain(source)
        before = lineage_of(world.ports, follower)
        kept(world, source, follower)
        after = lineage_of(world.ports, follower)
        assert before is not None
        assert after is not None
        assert (after.source_version != before.source_version, after.error_message is None) == (
            quota > 0,
        ) * 2


def test_one_that_cannot_be_brought_up_holds_up_no_other() -> None:
    world = DeriveWorld()
    source, first, there = following(world)
    second = world.derive(source, "second", EVEN, follow=True)
    world.upsert(source, numbered("later-", 2))
    world.drain(source)
    doomed = min(first, second, key=lambda each: each.dataset_id)

    def busy(call: Call) -> None:
        if call.operation == "objects.put" and doomed.dataset_id in call.target:
            raise StorageBusy("not now")

    with pytest.raises(StorageBusy):
        keep(world, source, world.process(Faults(busy)))
    for each in (first, second):
        world.drain(each)
    other = second if doomed is first else first
    assert seen(world, other, there) == evens(there | numbered("later-", 2))
    assert seen(world, doomed, there) == evens(there)
    kept(world, source, doomed)
    assert seen(world, doomed, there) == evens(there | numbered("later-", 2))


def test_an_older_version_never_comes_behind_a_newer_one() -> None:
    world = DeriveWorld()
    source, follower, there = following(world)
    old = world.head(source)
    world.upsert(source, numbered("later-", 2))
    world.drain(source)
    newer = world.head(source)

    def overtake(call: Call) -> None:
        if call.operation == "table.transact" and not overtaken:
            overtaken.append(True)
            assert keep_up(world.ports, world.reader, world.tenant_id, follower.dataset_id, newer)

    overtaken: list[bool] = []
    slow = world.process(Faults(overtake))
    assert not keep_up(slow, world.reader, world.tenant_id, follower.dataset_id, newer)
    assert overtaken
    assert keep_up(world.ports, world.reader, world.tenant_id, follower.dataset_id, old)
    world.drain(follower)
    assert seen(world, follower, there) == evens(there | numbered("later-", 2))


def test_while_a_run_is_under_way_it_takes_the_versions() -> None:
    world = DeriveWorld()
    source, follower, there = following(world)
    world.upsert(source, numbered("later-", 2))
    world.drain(source)
    run = start_rebuild(world.ports, world.tenant_id, dataset=follower, vector_quota=None)
    kept(world, source, follower)
    assert seen(world, follower, there) == evens(there)
    world.derivations.end(run.run_id, "ABORTED")
    kept(world, source, follower)  # finds it dead
    kept(world, source, follower)
    assert seen(world, follower, there) == evens(there | numbered("later-", 2))


@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER])
def test_who_brings_up_may_die_at_any_call(fault: Fault) -> None:
    number, died = 0, True
    while died:
        world = DeriveWorld()
        source, follower, there = following(world)
        world.upsert(source, numbered("later-", 3))
        world.drain(source)
        faults = Faults(AtCall(number, fault))
        with suppress(SimulatedCrash):
            keep(world, source, world.process(faults))
        died = faults.crashed
        world.clock.pass_seconds(6)  # a place that was taken and not filled is closed
        world.drain(follower)
        kept(world, source, follower)
        assert seen(world, follower, there) == evens(there | numbered("later-", 3))
        assert synced(world, source) == {"evens": world.head(source).version}
        number += 1
    assert number > 10
