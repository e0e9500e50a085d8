"""What a dataset knows of those derived from it, and how these are woken for."""

from dataclasses import replace

import pytest

from shoal.errors import TransactionCancelled
from shoal.model.datasets import Dataset
from shoal.services.datasets import delete_dataset
from shoal.services.followers import (
    Child,
    ChildKind,
    child_writes,
    children_of,
    forget_child,
    reconcile_followers,
    say_synced,
)
from shoal.services.heads import keys_of
from shoal.storage.memory import MemoryQueue
from tests.unit.services.world import World, record


class Following:
    """A source, and a dataset derived from it."""

    def __init__(self, *, follows: bool = True) -> None:
        self.world = World()
        self.queue = MemoryQueue(self.world.clock)
        self.world.ports = replace(self.world.ports, tasks=self.queue)
        self.ports = self.world.ports
        self.source, self.dest = self.world.create("books"), self.world.create("thrillers")
        self.keys = keys_of(self.source)
        self.child = Child(self.dest.dataset_id, ChildKind.DERIVED, "native", "thrillers", follows)
        self.ports.table.transact(child_writes(self.keys, self.child), token="follow")

    def woken(self) -> list[str]:
        """The datasets whose followers were woken for; takes the messages."""
        found = self.queue.receive()
        for message in found:
            self.queue.delete(message.receipt)
        return [message.message["dataset_id"] for message in found]

    def write(self, dataset: Dataset) -> None:
        self.world.upsert(dataset, {"a": record(1, 1, 1, 1)})
        self.world.drain(dataset)


def test_a_source_knows_who_was_derived_from_it_and_how_far_it_is() -> None:
    here = Following()
    assert children_of(here.ports, here.keys) == [here.child]
    say_synced(here.ports, here.keys, here.dest.dataset_id, version=7)
    assert children_of(here.ports, here.keys) == [replace(here.child, synced_version=7)]
    forget_child(here.ports, here.keys, here.dest.dataset_id)
    assert children_of(here.ports, here.keys) == []
    say_synced(here.ports, here.keys, here.dest.dataset_id, version=8)
    assert children_of(here.ports, here.keys) == []


def test_each_commit_of_the_source_wakes_for_its_followers_and_no_other_does() -> None:
    here = Following()
    assert here.world.head(here.source).followed
    here.write(here.source)
    assert here.woken() == [here.source.dataset_id]
    here.write(here.dest)
    assert here.woken() == []


def test_one_that_was_only_derived_once_is_known_and_not_woken_for() -> None:
    here = Following(follows=False)
    assert children_of(here.ports, here.keys) == [here.child]
    assert not here.world.head(here.source).followed
    here.write(here.source)
    assert here.woken() == []
    assert reconcile_followers(here.ports) == 0


def test_the_sweep_wakes_for_those_that_were_left_behind_and_for_no_others() -> None:
    here = Following()
    assert reconcile_followers(here.ports) == 0  # nothing was ever written
    here.write(here.source)
    here.woken()
    assert reconcile_followers(here.ports) == 1
    assert here.woken() == [here.source.dataset_id]
    version = here.world.head(here.source).version
    say_synced(here.ports, here.keys, here.dest.dataset_id, version=version)
    assert reconcile_followers(here.ports) == 0


def test_a_deleted_source_is_looked_at_until_its_followers_are_forgotten() -> None:
    here = Following()
    delete_dataset(here.ports, here.world.tenant_id, scope="native", name="books")
    assert reconcile_followers(here.ports) == 1
    forget_child(here.ports, here.keys, here.dest.dataset_id)
    assert reconcile_followers(here.ports) == 0


def test_a_deleted_dataset_is_followed_by_nobody() -> None:
    here = Following()
    delete_dataset(here.ports, here.world.tenant_id, scope="native", name="books")
    other = replace(here.child, dataset_id=here.world.create("poems").dataset_id)
    with pytest.raises(TransactionCancelled):
        here.ports.table.transact(child_writes(here.keys, other), token="late")
