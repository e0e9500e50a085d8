"""The commit lease while commits are long and writes never stop: whoever works gets to the end."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from shoal.model.datasets import NATIVE_SCOPE, Dataset
from shoal.model.limits import LEASE_SECONDS
from shoal.services import datasets
from shoal.services.heads import Swap, keys_of, read_head, swap_head
from shoal.services.leases import Lease, acquire, acquire_build, ask_for, kept, release
from shoal.services.snapshot import empty_manifest
from shoal.storage.keys import DatasetKeys
from shoal.storage.memory.faults import Call, Faults
from shoal.storage.ports import Add, ObjectHead
from tests.unit.services.world import World, record


def wait_until_renewed(world: World, dataset: Dataset) -> None:
    give_up_at = time.monotonic() + 10
    while world.head(dataset).lease_until < world.clock.now + LEASE_SECONDS:
        assert time.monotonic() < give_up_at, "the lease was not renewed"
        time.sleep(0.002)


def test_a_lease_is_kept_as_long_as_its_holder_works_and_no_longer() -> None:
    world = World()
    dataset = world.create()
    keys = keys_of(dataset)
    lease = acquire(world.ports, keys, owner="first")
    assert lease is not None
    with kept(world.ports, keys, lease, every=0.001):
        for _ in range(3):
            world.clock.pass_seconds(LEASE_SECONDS - 1)
            wait_until_renewed(world, dataset)
        assert acquire(world.ports, keys, owner="second") is None
    assert "lease" not in {thread.name for thread in threading.enumerate()}
    world.clock.pass_seconds(LEASE_SECONDS + 1)
    assert acquire(world.ports, keys, owner="second") is not None


def test_a_lease_that_was_taken_over_is_not_renewed() -> None:
    world = World()
    dataset = world.create()
    keys = keys_of(dataset)
    lease = acquire(world.ports, keys, owner="first")
    assert lease is not None
    world.clock.pass_seconds(LEASE_SECONDS + 1)
    second = acquire(world.ports, keys, owner="second")
    assert second is not None
    world.clock.pass_seconds(1)
    with kept(world.ports, keys, lease, every=0.001):
        time.sleep(0.02)
    assert world.head(dataset).lease_until == second.until


def taken_over(world: World, keys: DatasetKeys) -> None:
    """Nothing was committed since, but the work of the one that took over would be in vain."""
    world.clock.pass_seconds(LEASE_SECONDS + 1)
    assert acquire(world.ports, keys, owner="second") is not None


def committed(world: World, keys: DatasetKeys) -> None:
    """By the same holder, whose earlier attempt comes late."""
    world.table.update(keys.head, [Add("version", 1)])


def deleted(world: World, _: DatasetKeys) -> None:
    datasets.delete_dataset(world.ports, world.tenant_id, scope=NATIVE_SCOPE, name="books")


def build_begun(world: World, keys: DatasetKeys) -> None:
    """The commit may have folded shards that the build counts on."""
    read = read_head(world.ports, keys)
    assert read is not None
    assert acquire_build(world.ports, keys, owner="builder", read=read, inputs=("a",)) is not None


@pytest.mark.parametrize("happened", [taken_over, committed, deleted, build_begun])
def test_a_swap_is_refused_for_whatever_happened_since_head_was_read(
    happened: Callable[[World, DatasetKeys], None],
) -> None:
    world = World()
    dataset = world.create()
    keys = keys_of(dataset)
    lease = acquire(world.ports, keys, owner="first")
    assert lease is not None
    read = world.head(dataset)
    happened(world, keys)
    before = world.table.get(keys.head)
    manifest = empty_manifest(dataset).model_copy(update={"version": read.version + 1})
    swap = Swap(manifest, "t/x", "0" * 64, log_bytes=0, error_message=None)
    assert not swap_head(world.ports, keys, read=read, fence=lease.fence, swap=swap)
    assert world.table.get(keys.head) == before


def test_a_commit_that_outlives_its_lease_is_not_overtaken() -> None:
    """Each wake-up would start another commit as long, which the next overtakes."""
    world = World()
    dataset = world.create()
    world.upsert(dataset, {"a": record(1, 1, 1, 1)})
    refused: list[Lease | None] = []

    class SlowObjects:
        """Takes longer than a lease to store the first object."""

        def __getattr__(self, name: str) -> object:
            return getattr(world.objects, name)

        def put(self, key: str, body: bytes) -> ObjectHead:
            if not refused:
                refused.append(None)
                world.clock.pass_seconds(LEASE_SECONDS + 1)
                wait_until_renewed(world, dataset)
                refused.append(acquire(world.ports, keys_of(dataset), owner="another"))
            return world.objects.put(key, body)

    world.drain(dataset, ports=replace(world.ports, objects=SlowObjects()))  # type: ignore[arg-type] # forwards
    assert refused == [None, None]
    assert world.head(dataset).version == 1


def test_a_builder_gets_the_lease_though_there_is_always_a_committer_that_is_quicker() -> None:
    world = World()
    dataset = world.create()
    world.upsert(dataset, {"a": record(1, 1, 1, 1)})
    world.drain(dataset)
    for message in world.wakeups.receive():
        world.wakeups.delete(message.receipt)
    keys = keys_of(dataset)
    held: list[Lease] = []

    def another_committer_each_time(call: Call) -> None:
        if call.operation != "table.update" or not call.target.endswith("HEAD"):
            return
        if held:
            release(world.ports, keys, held.pop())
        lease = acquire(world.ports, keys, owner=f"indexer-{call.number}")
        if lease is not None:
            held.append(lease)

    assert world.build(dataset, ports=world.process(Faults(another_committer_each_time)))
    assert len(world.wakeups) == 1, "in place of those that were refused"


@pytest.mark.parametrize("passed", [0, 3])
def test_what_a_builder_asked_for_is_free_again_when_it_does_not_come(passed: float) -> None:
    world = World()
    dataset = world.create()
    keys = keys_of(dataset)
    ask_for(world.ports, keys)
    world.clock.pass_seconds(passed)
    assert (acquire(world.ports, keys, owner="indexer") is None) is (passed == 0)
    if passed == 0:
        assert acquire(world.ports, keys, owner="builder", for_build=True) is not None


def test_a_build_does_not_begin_on_a_version_that_has_passed() -> None:
    world = World()
    dataset = world.create()
    keys = keys_of(dataset)
    read = world.head(dataset)
    world.upsert(dataset, {"a": record(1, 1, 1, 1)})
    world.drain(dataset)
    assert acquire_build(world.ports, keys, owner="builder", read=read, inputs=("a",)) is None


@pytest.mark.parametrize("wake_up_comes", [True, False])
def test_what_is_written_while_a_committer_works_is_applied_by_it_or_stays_listed(
    wake_up_comes: bool,
) -> None:
    """Its own wake-up finds the lease taken, and is gone; or it was lost to begin with."""
    at_call = 0
    while True:
        world = World()
        dataset = world.create()
        world.upsert(dataset, {"a": record(1, 1, 1, 1)})
        met = False

        def hook(call: Call, *, at: int = at_call, where: World = world, what: Dataset = dataset) -> None:
            nonlocal met
            if call.number == at:
                met = True
                where.upsert(what, {"b": record(2, 2, 2, 2)})
                if wake_up_comes:
                    where.drain(what)

        world.drain(dataset, ports=world.process(Faults(hook)))
        if not met:
            break
        applied = world.head(dataset).watermark == 2
        counter = world.table.get(keys_of(dataset).sequence)
        assert counter is not None
        assert applied or ("gsi1pk" in counter and not wake_up_comes), f"written before call {at_call}"
        at_call += 1
    assert at_call > 10
