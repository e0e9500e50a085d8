"""Deletions of one dataset that meet: one finds it, and what it held is given back once."""

import pytest

from shoal.errors import NotFound
from shoal.model.datasets import NATIVE_SCOPE
from shoal.services import datasets
from shoal.services.heads import keys_of
from shoal.services.settle import release_deleted
from shoal.storage.keys import TenantKeys
from shoal.storage.memory.faults import Call, Fault, Faults
from shoal.storage.ports import Assign
from tests.unit.services.world import World, record


def test_of_two_deletes_of_one_name_one_finds_it() -> None:
    """They differ in when they began, which DynamoDB takes for misuse where they share a token."""
    world = World()
    world.create("books")
    deleted: list[str] = []

    def hook(call: Call) -> Fault | None:
        if call.operation == "table.transact" and not deleted:
            world.clock.pass_seconds(1)
            deleted.append("books")
            datasets.delete_dataset(world.ports, world.tenant_id, scope=NATIVE_SCOPE, name="books")
        return None

    with pytest.raises(NotFound):
        datasets.delete_dataset(
            world.process(Faults(hook)), world.tenant_id, scope=NATIVE_SCOPE, name="books"
        )
    assert deleted


def test_of_two_that_release_a_deleted_dataset_one_does() -> None:
    """The slower one had read what was told before the last commit was settled: as many rows, held otherwise."""
    world = World()
    dataset = world.create()
    keys = keys_of(dataset)
    world.upsert(dataset, {"a": record(1, 1, 1, 1)}, quota=100)
    as_if_settled = [Assign("row_count", 1), Assign("reserved_total", 1)]
    met: list[int] = []

    def hook(call: Call) -> Fault | None:
        if call.operation == "table.transact" and not met:
            met.append(call.number)
            world.table.update(keys.settled, as_if_settled)
            release_deleted(world.ports, keys)
        return None

    release_deleted(world.process(Faults(hook)), keys)
    assert met
    counter = world.table.get(TenantKeys(world.tenant_id).quota)
    assert counter is not None
    assert counter["used"] == 0
