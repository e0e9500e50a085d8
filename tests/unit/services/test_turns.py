"""Invariants 2, 4, 5 and 6 as properties: two processes at work on one dataset, their calls in any order.

Each process is a thread. At each of its calls an order that hypothesis chose says whose call is next, so that both
are stopped between any two calls: a committer may swap before the other has read HEAD, after it swapped, or
anywhere between, and the other way round.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shoal.model.datasets import Dataset
from shoal.model.limits import BUILD_LEASE_SECONDS, GAP_SECONDS, LEASE_SECONDS
from shoal.services.heads import keys_of
from shoal.services.search import QueryRequest, Searcher
from shoal.storage.memory.faults import Call, Faults, Schedule
from shoal.storage.ports import Ports
from tests.unit.services.world import Record, World, record

type Work = Callable[[Ports], object]
PATIENCE_SECONDS = 30
orders = st.lists(st.integers(0, 1), max_size=60)
patient = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Turns:
    """Lets one process run at a time, until its next call."""

    def __init__(self, order: Sequence[int]) -> None:
        self._order = deque(order)
        self._running = self._order.popleft() if self._order else 0
        self._done: set[int] = set()
        self._changed = threading.Condition()

    def schedule(self, me: int) -> Schedule:
        def at_call(_call: Call) -> None:
            with self._changed:
                if self._running == me:
                    self._pass_on()
                assert self._changed.wait_for(lambda: self._running == me, PATIENCE_SECONDS)

        return at_call

    def finish(self, me: int) -> None:
        with self._changed:
            self._done.add(me)
            if self._running == me:
                self._pass_on()

    def _pass_on(self) -> None:
        following = self._order.popleft() if self._order else 1 - self._running
        self._running = following if following not in self._done else 1 - following
        self._changed.notify_all()


def run_both(world: World, first: Work, second: Work, order: Sequence[int]) -> None:
    """Raises what either process raised."""
    turns = Turns(order)
    errors: list[BaseException] = []

    def run(me: int, work: Work) -> None:
        try:
            work(world.process(Faults(turns.schedule(me))))
        except BaseException as error:  # noqa: BLE001 - raised again where the test can see it
            errors.append(error)
        finally:
            turns.finish(me)

    threads = [threading.Thread(target=run, args=(me, work)) for me, work in enumerate((first, second))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for error in errors:
        raise error


def filled() -> tuple[World, Dataset, dict[str, Record]]:
    """Eight rows indexed; two replaced, one new and one deleted in the log; and what all that comes to."""
    world = World()
    dataset = world.create()
    rows = {f"id-{number}": record(number, 0, 0, 1, version="old") for number in range(8)}
    world.upsert(dataset, rows, quota=1000)
    world.drain(dataset)
    for names in (("id-1", "id-2"), ("id-2", "id-9")):
        newer = {name: record(9, 9, 9, 9, version=f"{names}") for name in names}
        world.upsert(dataset, newer, quota=1000)
        rows |= newer
    world.delete(dataset, ["id-1", "id-5"])
    return world, dataset, {name: value for name, value in rows.items() if name not in {"id-1", "id-5"}}


def committing(world: World, dataset: Dataset, *, after: float = 0.0) -> Work:
    """A committer; with `after`, one that comes when so many seconds have passed."""

    def work(ports: Ports) -> None:
        ports.table.get(keys_of(dataset).meta)  # waits for its turn
        world.clock.pass_seconds(after)
        world.drain(dataset, ports=ports)

    return work


def building(world: World, dataset: Dataset) -> Work:
    return lambda ports: world.build(dataset, ports=ports)


def check(world: World, dataset: Dataset, rows: dict[str, Record]) -> None:
    world.clock.pass_seconds(LEASE_SECONDS + GAP_SECONDS + 1)
    world.drain(dataset)
    assert world.stored(dataset, {*rows, "id-1", "id-5"}) == rows
    head = world.head(dataset)
    assert head.row_count == len(rows)
    assert head.watermark == 4
    answer = world.query(dataset, (0, 0, 0, 0), top_k=100)
    assert sorted(match.id for match in answer.matches) == sorted(rows)
    (used,) = [item["used"] for item in world.table.items() if item["sk"] == "QUOTA"]
    assert used == len(rows)


@patient
@given(order=orders)
def test_of_two_committers_one_applies_each_write(order: list[int]) -> None:
    world, dataset, rows = filled()
    run_both(world, committing(world, dataset), committing(world, dataset), order)
    check(world, dataset, rows)


@patient
@given(order=orders, late=st.sampled_from([0, 1]))
def test_a_committer_whose_lease_was_taken_over_changes_nothing(order: list[int], late: int) -> None:
    """In both orders: either may be the one that believes that it still holds the lease."""
    world, dataset, rows = filled()
    works = [committing(world, dataset), committing(world, dataset)]
    works[late] = committing(world, dataset, after=LEASE_SECONDS + 1)
    run_both(world, works[0], works[1], order)
    check(world, dataset, rows)


@settings(patient, max_examples=20)
@given(order=orders, after=st.sampled_from([0.0, LEASE_SECONDS + 1, BUILD_LEASE_SECONDS + 1]))
def test_a_committer_and_a_builder_keep_each_others_work(order: list[int], after: float) -> None:
    world, dataset, rows = filled()
    run_both(world, committing(world, dataset, after=after), building(world, dataset), order)
    check(world, dataset, rows)


@patient
@given(order=orders)
def test_a_reader_sees_one_version_whole(order: list[int]) -> None:
    """What it finds is what the log had come to at the version it says, in the order of the versions."""
    world, dataset, rows = filled()
    before = world.stored(dataset, {*rows, "id-1", "id-5"})
    seen: list[tuple[int, list[str], int]] = []

    def reading(ports: Ports) -> None:
        searcher = Searcher(ports, cache_bytes=1)
        request = QueryRequest(np.zeros(4, dtype=np.float32), 100)
        for _ in range(6):
            answer = searcher.query(
                dataset.tenant_id, scope=dataset.scope, name=dataset.name, request=request
            )
            new = sum(b"old" not in match.metadata for match in answer.matches)
            seen.append((answer.version, sorted(match.id for match in answer.matches), new))

    run_both(world, committing(world, dataset), reading, order)
    allowed = {1: (sorted(before), 0), 2: (sorted(rows), 2)}
    assert all(allowed[version] == (ids, new) for version, ids, new in seen)
    assert [version for version, _, _ in seen] == sorted(version for version, _, _ in seen)
    check(world, dataset, rows)
