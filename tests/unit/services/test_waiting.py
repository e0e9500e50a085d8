"""Waiting for a write: growing pauses by a clock that only moves when it is waited."""

import pytest

from shoal.errors import NotFound
from shoal.model.datasets import NATIVE_SCOPE
from shoal.services import datasets
from shoal.services.heads import keys_of
from shoal.services.waiting import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, wait_until
from tests.unit.services.world import World, record


class Waiter:
    """Counts the pauses; the indexer does its work after `busy` seconds."""

    def __init__(self, *, busy: float = 1e9, slow: float = 1.0) -> None:
        self.world = World()
        self.dataset = self.world.create()
        self.pauses: list[float] = []
        self._busy_until = self.world.clock() + busy
        self._slow = slow

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.world.clock.pass_seconds(seconds * self._slow)
        if self.world.clock() >= self._busy_until:
            self.world.drain(self.dataset)

    def wait(self, **what: int) -> bool:
        keys = keys_of(self.dataset)
        return wait_until(self.world.ports, keys, seconds=20, pause=self.pause, **what) is not None


def test_what_is_there_is_not_waited_for() -> None:
    waiter = Waiter()
    assert waiter.wait()
    waiter.world.upsert(waiter.dataset, {"a": record(1, 1, 1, 1)})
    waiter.world.drain(waiter.dataset)
    assert waiter.wait(sequence=1, version=1)
    assert not waiter.pauses


def test_pauses_grow_and_end_soon_after_the_write_is_there() -> None:
    waiter = Waiter(busy=3.0)
    waiter.world.upsert(waiter.dataset, {"a": record(1, 1, 1, 1)})
    assert waiter.wait(sequence=1)
    assert waiter.pauses[0] == FIRST_PAUSE_SECONDS
    assert waiter.pauses == sorted(waiter.pauses)
    assert max(waiter.pauses) == LONGEST_PAUSE_SECONDS
    assert 3.0 <= sum(waiter.pauses) <= 3.0 + LONGEST_PAUSE_SECONDS


@pytest.mark.parametrize(("slow", "spent"), [(1.0, 20.0), (0.0, 20.0), (10.0, 2.0)])
def test_it_ends_in_time_whatever_the_clock_does(slow: float, spent: float) -> None:
    waiter = Waiter(slow=slow)
    assert not waiter.wait(sequence=1)
    assert sum(waiter.pauses) == pytest.approx(spent, abs=LONGEST_PAUSE_SECONDS)


def test_a_version_is_waited_for_too() -> None:
    waiter = Waiter(busy=1.0)
    waiter.world.upsert(waiter.dataset, {"a": record(1, 1, 1, 1)})
    assert waiter.wait(version=1)
    assert not waiter.wait(version=2)


def test_a_dataset_that_goes_away_ends_the_wait() -> None:
    waiter = Waiter()
    datasets.delete_dataset(
        waiter.world.ports, waiter.world.tenant_id, scope=NATIVE_SCOPE, name=waiter.dataset.name
    )
    with pytest.raises(NotFound):
        waiter.wait(sequence=1)
