"""What the stores in memory offer beyond the ports: time, history, and the receiving side of a queue."""

import threading

import pytest

from shoal.errors import ConditionFailed
from shoal.storage.memory import MemoryObjects, MemoryQueue, MemoryTable
from shoal.storage.ports import Absent, Add, CheckItem, Exists, Key, PutItem, UpdateItem
from tests.unit.storage.clock import ManualClock

A = Key("p", "a")


def test_a_token_is_forgotten_after_ten_minutes() -> None:
    clock = ManualClock()
    table = MemoryTable(clock)
    table.put({"pk": "p", "sk": "a"})
    writes = [UpdateItem(A, (Add("n", 1),))]
    table.transact(writes, token="one")
    clock.now += 599
    table.transact(writes, token="one")
    assert table.get(A) == {"pk": "p", "sk": "a", "n": 1}
    clock.now += 1
    table.transact(writes, token="one")
    assert table.get(A) == {"pk": "p", "sk": "a", "n": 2}


def test_the_past_of_a_table() -> None:
    table = MemoryTable(ManualClock())
    assert table.as_of(5).items() == []
    table.put({"pk": "p", "sk": "a", "gsi1pk": "G", "gsi1sk": "1"})
    table.update(A, [Add("n", 1)])
    table.transact([PutItem({"pk": "p", "sk": "b"}), CheckItem(A, Exists("n"))], token="one")
    table.delete(A)
    with pytest.raises(ConditionFailed):
        table.put({"pk": "p", "sk": "b"}, condition=Absent("pk"))  # what fails is no write

    def shown(writes_ago: int) -> list[tuple[str, int | None]]:
        return [(item["sk"], item.get("n")) for item in table.as_of(writes_ago).items()]

    assert shown(0) == [("b", None)]
    assert shown(1) == [("a", 1), ("b", None)]
    assert shown(2) == [("a", 1)]
    assert shown(3) == [("a", None)]
    assert shown(4) == shown(99) == []
    assert len(table.as_of(1).query("G", index="gsi1").items) == 1
    assert len(table.query("G", index="gsi1").items) == 0


def test_the_past_is_another_table() -> None:
    table = MemoryTable(ManualClock())
    table.put({"pk": "p", "sk": "a", "list": [1]})
    past = table.as_of(0)
    past.update(A, [Add("n", 1)])
    past.put({"pk": "p", "sk": "b"})
    assert table.items() == [{"pk": "p", "sk": "a", "list": [1]}]
    assert len(table.query("p").items) == 1


def test_threads_add_without_losing_any() -> None:
    table = MemoryTable(ManualClock())
    objects = MemoryObjects(ManualClock())

    def work(name: int) -> None:
        for n in range(200):
            table.update(A, [Add("n", 1)])
            table.put({"pk": "q", "sk": f"{n:03}-{name}"})
            objects.put(f"{n}-{name}", b"")

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert table.get(A) == {"pk": "p", "sk": "a", "n": 800}
    assert len(table.query("q").items) == 800
    assert len({head.key for head in objects.list("")}) == 800


def test_a_received_message_comes_back_unless_deleted() -> None:
    clock = ManualClock()
    queue = MemoryQueue(clock, visibility_seconds=30)
    queue.send({"n": "1"}, group="g")
    (first,) = queue.receive()
    assert (first.message, first.group, first.receive_count) == ({"n": "1"}, "g", 1)
    clock.now += 29
    assert queue.receive() == []
    clock.now += 1
    (second,) = queue.receive()
    assert (second.message_id, second.receive_count) == (first.message_id, 2)
    queue.delete(first.receipt)  # an old receipt deletes nothing
    assert len(queue) == 1
    queue.delete(second.receipt)
    queue.delete(second.receipt)
    assert len(queue) == 0
    clock.now += 1000
    assert queue.receive() == []


def test_a_released_message_is_back_at_once() -> None:
    queue = MemoryQueue(ManualClock())
    queue.send({"n": "1"}, group="g")
    (first,) = queue.receive()
    queue.release("nothing/1")
    assert queue.receive() == []
    queue.release(first.receipt)
    assert [again.receive_count for again in queue.receive()] == [2]


def test_a_delayed_message() -> None:
    clock = ManualClock()
    queue = MemoryQueue(clock)
    queue.send({"n": "late"}, group="g", delay_seconds=10)
    queue.send({"n": "now"}, group="g")
    assert [found.message["n"] for found in queue.receive()] == ["now"]
    clock.now += 10
    assert [found.message["n"] for found in queue.receive()] == ["late"]


def test_a_message_received_too_often_is_dead() -> None:
    clock = ManualClock()
    queue = MemoryQueue(clock, visibility_seconds=1, max_receive_count=3)
    queue.send({"n": "poison"}, group="g")
    for _ in range(3):
        assert len(queue.receive()) == 1
        assert queue.dead == ()
        clock.now += 1
    assert queue.receive() == []
    assert [dead.message for dead in queue.dead] == [{"n": "poison"}]
    assert len(queue) == 0


def test_batches_of_at_most_ten() -> None:
    queue = MemoryQueue(ManualClock())
    for n in range(12):
        queue.send({"n": str(n)}, group="g")
    assert [len(queue.receive(3)), len(queue.receive()), len(queue.receive())] == [3, 9, 0]
    for size in (0, 11):
        with pytest.raises(ValueError):
            queue.receive(size)
