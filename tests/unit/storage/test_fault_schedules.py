"""When faults happen: at a place, or by dice that a seed replays."""

import threading
from contextlib import suppress

import pytest

from shoal.errors import StorageBusy
from shoal.storage.memory.faults import AtCall, AtOperation, Fault, RandomFaults, Storm
from shoal.storage.ports import Absent, Add, Exists, Key
from tests.unit.storage.unlucky import World, world

A = Key("p", "a")
RATES = {Fault.BUSY_BEFORE: 0.2, Fault.TWICE: 0.2, Fault.STALE: 0.3, Fault.LOST: 0.3}


def scenario(one: World) -> list[tuple[str, Fault]]:
    for n in range(60):
        try:
            one.table.update(Key("p", str(n)), [Add("n", 1)])
            one.table.query("G", index="gsi1")
            one.queue.send({"n": str(n)}, group="g")
        except StorageBusy:
            continue
    return [(f"{call.operation}[{call.nth}]", fault) for call, fault in one.faults.log]


def test_a_seed_replays_and_another_does_not() -> None:
    first = scenario(world(RandomFaults(7, RATES)))
    assert first == scenario(world(RandomFaults(7, RATES)))
    assert first != scenario(world(RandomFaults(8, RATES)))
    assert {fault for _, fault in first} == set(RATES)


def test_other_operations_do_not_move_the_dice() -> None:
    calm, busy = world(RandomFaults(7, RATES)), world(RandomFaults(7, RATES))
    for n in range(30):
        for one in (calm, busy):
            with suppress(StorageBusy):
                one.table.update(Key("p", str(n)), [Add("n", 1)])
        with suppress(StorageBusy):
            busy.objects.put(str(n), b"")

    def of_updates(one: World) -> list[tuple[int, Fault]]:
        return [(call.nth, fault) for call, fault in one.faults.log if call.operation == "table.update"]

    assert of_updates(calm) == of_updates(busy) != []


def test_rates_are_about_kept() -> None:
    one = world(RandomFaults(1, {Fault.BUSY_BEFORE: 0.25, Fault.LOST: 0.5}))
    for n in range(1000):
        try:
            one.queue.send({"n": str(n)}, group="g")
        except StorageBusy:
            continue
    faults = [fault for _, fault in one.faults.log]
    assert 200 < faults.count(Fault.BUSY_BEFORE) < 300
    assert 440 < faults.count(Fault.LOST) < 560


def test_a_fault_that_a_call_cannot_have_is_ignored() -> None:
    one = world(AtCall(0, Fault.LOST), AtCall(1, Fault.PARTIAL), AtCall(2, Fault.STALE))
    one.table.put({"pk": "p", "sk": "b"}, condition=Absent("pk"))
    one.table.update(A, [Add("n", 1)], condition=Exists("pk"))
    assert one.table.get(A) is not None
    assert one.faults.log == ()


def test_the_log_names_what_happened() -> None:
    one = world(AtOperation("table.update", Fault.BUSY_AFTER, nth=1))
    assert one.faults.describe() == "faults injected:\n  none"
    one.table.get(A)
    one.table.update(A, [Add("n", 1)])
    with pytest.raises(StorageBusy):
        one.table.update(A, [Add("n", 1)])
    assert one.faults.describe() == "faults injected:\n  #2 table.update[1] p a: busy-after"
    assert one.faults.calls == 3


def test_a_storm_takes_all_calls_of_its_time() -> None:
    one = world(Storm(1, 3, Fault.BUSY_BEFORE))
    busy = []
    for n in range(6):
        try:
            one.table.update(Key("p", str(n)), [Add("n", 1)])
        except StorageBusy:
            busy.append(n)
    assert busy == [1, 2, 3]


def test_what_happened_to_the_last_call_of_an_operation() -> None:
    one = world(AtCall(1, Fault.TWICE))
    one.table.get(A)
    one.table.update(A, [Add("n", 1)])
    assert (one.faults.last("table.update"), one.faults.last("table.get")) == (Fault.TWICE, None)
    one.table.update(A, [Add("n", 1)])
    assert one.faults.last("table.update") is None


def test_threads_share_the_count() -> None:
    one = world(AtOperation("table.update", Fault.BUSY_BEFORE, nth=150))
    busy: list[int] = []

    def work(name: int) -> None:
        for _ in range(50):
            try:
                one.table.update(A, [Add("n", 1)])
            except StorageBusy:
                busy.append(name)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    found = one.stored.get(A)
    assert found is not None
    assert (found["n"], len(busy), one.faults.calls) == (200, 1, 200)
