"""Aliases that are moved while others read through them, move them too, or delete what they point at."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from shoal.errors import Conflict, NotFound, RequestError, StorageBusy, TryAgain
from shoal.model.datasets import NATIVE_SCOPE, Dataset, Metric
from shoal.services import aliases, datasets
from shoal.services.clone import clone_dataset
from shoal.services.search import Searcher
from shoal.storage.memory.faults import AtCall, Call, Fault, Faults, SimulatedCrash, Storm
from shoal.storage.ports import Ports
from tests.unit.services.alias_readers import (
    READS,
    ROWS,
    Read,
    Where,
    by_count,
    by_query,
    made,
    readers,
    torn,
)
from tests.unit.services.alias_world import LIVE, consistent, drop, point, roll_back, target
from tests.unit.services.world import World

LIVE_HERE = Where(NATIVE_SCOPE, LIVE)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shoal.services.retry.LONGEST_PAUSE_SECONDS", 0.0)


def cloned(world: World, source: Dataset, name: str) -> None:
    clone_dataset(world.ports, source, name=name, vector_quota=None)


def delete(world: World, name: str, *, force: bool = False, ports: Ports | None = None) -> None:
    datasets.delete_dataset(ports or world.ports, world.tenant_id, scope=NATIVE_SCOPE, name=name, force=force)


# --- reading


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("last_first", [False, True])
@pytest.mark.parametrize("warm", [False, True])
def test_whatever_a_reader_has_read_when_the_alias_moves_it_answers_of_one_dataset(
    read: Read, last_first: bool, warm: bool
) -> None:
    """At every call of the reader, the reads of one batch apart: moved, and the old target deleted behind it."""
    at_call = 0
    while True:
        world = World()
        for name in ("one", "two"):
            made(world, name)
        point(world, "one")
        switch = Switch(world)
        ports = torn(world, Faults(switch), last_first=last_first)
        searcher = Searcher(ports, cache_bytes=1 << 26)
        if warm:
            read(searcher, ports, world.tenant_id, LIVE_HERE)
        switch.calls_left = at_call
        told = read(searcher, ports, world.tenant_id, LIVE_HERE)
        assert len(told) == ROWS, f"at call {at_call}"
        assert len(set(told)) == 1, f"a mixture, at call {at_call}"
        if not switch.done:
            break
        assert read(searcher, ports, world.tenant_id, LIVE_HERE) == [
            told[0].replace(b"one", b"two")
        ] * ROWS or (read is by_count)
        consistent(world)
        at_call += 1
    assert at_call >= 2


class Switch:
    """Before the call with that many calls before it, counted from when it is set: moves the alias from `one` to
    `two`, and deletes `one`.
    """

    def __init__(self, world: World) -> None:
        self.calls_left = -1
        self.done = False
        self._world = world

    def __call__(self, _: Call) -> Fault | None:
        if self.calls_left == 0:
            self.done = True
            point(self._world, "two")
            delete(self._world, "one")
        self.calls_left -= 1
        return None


def test_an_alias_that_moves_at_every_look_is_read_nevertheless() -> None:
    world = World()
    made(world, "d0")
    point(world, "d0")
    count = 0

    def hook(call: Call) -> Fault | None:
        nonlocal count
        if call.operation == "table.get" and call.target.endswith(f"NAME#{NATIVE_SCOPE}#{LIVE}"):
            count += 1
            cloned(
                world,
                datasets.resolve(world.ports, world.tenant_id, scope=NATIVE_SCOPE, name=LIVE),
                f"d{count}",
            )
            point(world, f"d{count}")
            delete(world, f"d{count - 1}")
        return None

    searcher = Searcher(torn(world, Faults(hook)), cache_bytes=1 << 26)
    for _ in range(3):
        assert by_query(searcher, world.ports, world.tenant_id, LIVE_HERE) == [b'{"of":"d0"}'] * ROWS
    assert count > 8
    consistent(world)


def test_no_reader_notices_five_hundred_moves_with_the_old_targets_deleted_behind_them() -> None:
    world = World()
    sources = [made(world, f"source{number}") for number in range(8)]
    cloned(world, sources[0], "d0")
    point(world, "d0")
    with readers(world, READS, LIVE_HERE) as watched:
        for number in range(1, 501):
            cloned(world, sources[number % 8], f"d{number}")
            point(world, f"d{number}")
            delete(world, f"d{number - 1}")
            if watched.failed:
                break
    assert not watched.failed
    assert min(watched.answers.values()) > 10
    assert target(world) == "d500"
    consistent(world)


# --- writers that meet


type Work = Callable[[World, Ports], object]


def move_to_two(world: World, ports: Ports) -> object:
    return point(world, "two", ports=ports)


def move_to_three(world: World, ports: Ports) -> object:
    return point(world, "three", ports=ports)


def make_other(world: World, ports: Ports) -> object:
    return point(world, "one", alias="other", ports=ports)


def back(world: World, ports: Ports) -> object:
    return roll_back(world, if_dataset="one", ports=ports)


def dropped(world: World, ports: Ports) -> None:
    drop(world, ports=ports)


def delete_one(world: World, ports: Ports) -> None:
    delete(world, "one", ports=ports)


def force_one(world: World, ports: Ports) -> None:
    delete(world, "one", force=True, ports=ports)


def delete_two(world: World, ports: Ports) -> None:
    delete(world, "two", ports=ports)


def create_other(world: World, ports: Ports) -> object:
    return datasets.create_dataset(
        ports,
        world.tenant_id,
        scope=NATIVE_SCOPE,
        name="other",
        dimension=3,
        metric=Metric.L2,
    )


WORKS: tuple[Work, ...] = (
    move_to_two,
    move_to_three,
    make_other,
    back,
    dropped,
    delete_one,
    force_one,
    delete_two,
    create_other,
)
CLEAN = {
    "done",
    "alias_target",
    "alias_moved",
    "alias_not_found",
    "dataset_not_found",
    "dataset_exists",
    "name_taken",
    "nothing_to_roll_back",
    "rollback_target_gone",
}


def begun() -> World:
    """`live` points at `one`, and did at `two` before."""
    world = World()
    for name in ("one", "two", "three"):
        world.create(name)
    point(world, "two")
    point(world, "one")
    return world


def outcome(work: Work, world: World, ports: Ports) -> str:
    told = "done"
    try:
        work(world, ports)
    except RequestError as error:
        told = error.code
    assert told in CLEAN
    return told


@pytest.mark.parametrize("meanwhile", WORKS)
@pytest.mark.parametrize("work", WORKS)
def test_of_two_that_meet_one_loses_cleanly(work: Work, meanwhile: Work) -> None:
    """Before every call of one, the other does all of its work: it comes out as if one came after the other."""
    orders = {order(work, meanwhile), order(meanwhile, work)[::-1]}
    at_call = 0
    while True:
        world = begun()
        second: list[str] = []

        def hook(call: Call, *, at: int = at_call, where: World = world, told: list[str] = second) -> None:
            if call.number == at:
                told.append(outcome(meanwhile, where, where.ports))

        first = outcome(work, world, torn(world, Faults(hook)))
        consistent(world)
        if not second:
            break
        assert (first, second[0]) in orders, f"at call {at_call}"
        at_call += 1
    assert at_call >= 2


def order(first: Work, second: Work) -> tuple[str, str]:
    """What becomes of both, one after the other."""
    world = begun()
    return outcome(first, world, world.ports), outcome(second, world, world.ports)


@pytest.mark.parametrize("work", WORKS)
@pytest.mark.parametrize(
    "fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.BUSY_BEFORE, Fault.BUSY_AFTER, Fault.TWICE]
)
def test_whatever_befalls_a_call_all_that_is_said_agrees(work: Work, fault: Fault) -> None:
    at_call = 0
    while True:
        world = begun()
        faults = Faults(AtCall(at_call, fault))
        try:
            told = outcome(work, world, world.process(faults))
        except (SimulatedCrash, StorageBusy):
            told = ""
        consistent(world)
        if at_call >= faults.calls:
            break
        if not told:
            outcome(work, world, world.ports)  # who tries once more
        else:
            assert told == order(work, work)[0], faults.describe()
        consistent(world)
        at_call += 1
    assert at_call >= 2


@pytest.mark.parametrize("work", [move_to_two, make_other, back, dropped, force_one])
def test_storage_that_stays_busy_is_told_and_nothing_is_half_done(work: Work) -> None:
    for at_call in range(12):
        for fault in (Fault.BUSY_BEFORE, Fault.BUSY_AFTER):
            world = begun()
            try:
                outcome(work, world, world.process(Faults(Storm(at_call, 100, fault))))
            except (StorageBusy, TryAgain):
                consistent(world)
            outcome(work, world, world.ports)
            consistent(world)


def test_threads_that_all_move_and_delete() -> None:
    world = World()
    for number in range(4):
        world.create(f"d{number}")
    until = time.monotonic() + 3
    failed: list[object] = []

    def mover(number: int) -> None:
        while time.monotonic() < until:
            for step in actions(number):
                try:
                    step()
                except (Conflict, NotFound, TryAgain):
                    pass
                except Exception as error:  # noqa: BLE001 - told below
                    failed.append(error)
                    return

    def actions(number: int) -> Iterator[Callable[[], object]]:
        yield lambda: point(world, f"d{number}")
        yield lambda: roll_back(world)
        yield lambda: point(world, f"d{(number + 1) % 4}", alias=f"own{number}")
        yield lambda: delete(world, f"d{number}", force=bool(number % 2))
        yield lambda: world.create(f"d{number}")
        yield lambda: drop(world, f"own{number}")

    threads = [threading.Thread(target=mover, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not failed
    consistent(world)
    assert len(aliases.list_aliases(world.ports, world.tenant_id, scope=NATIVE_SCOPE)) <= 5
