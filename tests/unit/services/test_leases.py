"""The commit lease while commits are long and writes never stop: whoever works gets to the end."""

import threading
import time
from dataclasses import replace

import pytest

from shoal.model.datasets import Dataset
from shoal.model.limits import LEASE_SECONDS
from shoal.services.heads import keys_of
from shoal.services.leases import Lease, acquire, ask_for, kept, release
from shoal.storage.memory.faults import Call, Faults
from shoal.storage.ports import ObjectHead
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
