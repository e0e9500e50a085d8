"""Injected faults: what each does to a call, and that the dead stay dead."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from shoal.errors import ConditionFailed, PreconditionFailed, StorageBusy
from shoal.storage.memory.faults import AtCall, AtOperation, Fault, SimulatedCrash
from shoal.storage.ports import Absent, Add, Assign, Drop, Key, PutItem
from tests.unit.storage.unlucky import World, world

A = Key("p", "a")


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a port; `run` returns what it answers."""

    name: str
    run: Callable[[World], object]
    writes: bool = True


OPERATIONS = [
    Operation("table.get", lambda world: world.table.get(A), writes=False),
    Operation("table.batch_get", lambda world: world.table.batch_get([A]), writes=False),
    Operation("table.query", lambda world: world.table.query("p"), writes=False),
    Operation("table.put", lambda world: world.table.put({"pk": "p", "sk": "b"})),
    Operation("table.update", lambda world: world.table.update(A, [Add("n", 1)])),
    Operation("table.delete", lambda world: world.table.delete(A)),
    Operation(
        "table.transact", lambda world: world.table.transact([PutItem({"pk": "p", "sk": "b"})], token="t")
    ),
    Operation("table.batch_put", lambda world: world.table.batch_put([{"pk": "p", "sk": s} for s in "xy"])),
    Operation("objects.get", lambda world: world.objects.get("o"), writes=False),
    Operation("objects.head", lambda world: world.objects.head("o"), writes=False),
    Operation("objects.list", lambda world: list(world.objects.list("")), writes=False),
    Operation("objects.put", lambda world: world.objects.put("new", b"x")),
    Operation("objects.put_pieces", lambda world: world.objects.put_pieces("new", iter([b"x", b"y"]))),
    Operation("objects.delete", lambda world: world.objects.delete(["o"])),
    Operation("queue.send", lambda world: world.queue.send({"a": "b"}, group="g")),
    Operation("uploads.start_parts", lambda world: world.uploads.start_parts("new", content_type="a/b")),
    Operation("workflows.start", lambda world: world.workflows.start("new", {"a": "b"})),
    Operation("workflows.status", lambda world: world.workflows.status("old"), writes=False),
    Operation("workflows.stop", lambda world: world.workflows.stop("old", cause="tired")),
]
WRITES = [operation for operation in OPERATIONS if operation.writes]


def by_name(operation: Operation) -> str:
    return operation.name


@pytest.mark.parametrize("operation", OPERATIONS, ids=by_name)
def test_without_faults_a_call_is_the_call(operation: Operation) -> None:
    plain = world()
    plain.table, plain.objects, plain.queue = plain.stored, plain.bucket, plain.sent
    wrapped = world()
    assert operation.run(wrapped) == operation.run(plain)
    assert wrapped.state() == plain.state()
    assert wrapped.faults.calls == 1
    assert wrapped.faults.log == ()


@pytest.mark.parametrize("operation", OPERATIONS, ids=by_name)
def test_busy_before(operation: Operation) -> None:
    one = world(AtOperation(operation.name, Fault.BUSY_BEFORE))
    before = one.state()
    with pytest.raises(StorageBusy):
        operation.run(one)
    assert one.state() == before
    operation.run(one)
    assert (one.state() != before) == operation.writes


@pytest.mark.parametrize("operation", WRITES, ids=by_name)
def test_busy_after(operation: Operation) -> None:
    good, one = world(), world(AtOperation(operation.name, Fault.BUSY_AFTER))
    operation.run(good)
    with pytest.raises(StorageBusy):
        operation.run(one)
    assert one.state() == good.state()


@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER])
@pytest.mark.parametrize("operation", OPERATIONS, ids=by_name)
def test_a_crash_kills_the_process_and_not_the_stores(operation: Operation, fault: Fault) -> None:
    good, one = world(), world(AtCall(0, fault))
    before = one.state()
    operation.run(good)
    with pytest.raises(SimulatedCrash):
        operation.run(one)
    after = one.state()
    assert after == (good.state() if fault is Fault.CRASH_AFTER else before)
    assert one.faults.crashed
    for other in OPERATIONS:  # what a finally block of the dead would do
        with pytest.raises(SimulatedCrash):
            other.run(one)
    assert one.state() == after
    one.start()
    operation.run(one)


def test_no_service_survives_a_crash() -> None:
    one = world(AtCall(0, Fault.CRASH_BEFORE))

    def service() -> None:
        try:
            one.table.delete(A)
        except Exception:  # noqa: BLE001 - what the crash must pass through
            pytest.fail("a service survived")

    with pytest.raises(SimulatedCrash):
        service()


# --- a second attempt --------------------------------------------------------------------------------------


def test_a_put_that_succeeded_fails_over_its_own_item() -> None:
    one = world(AtOperation("table.put", Fault.TWICE))
    mine = {"pk": "p", "sk": "b", "by": "me"}
    with pytest.raises(ConditionFailed) as lost:
        one.table.put(mine, condition=Absent("pk"))
    assert lost.value.item == mine == one.stored.get(Key("p", "b"))


def test_an_add_counts_twice() -> None:
    one = world(AtOperation("table.update", Fault.TWICE))
    assert one.table.update(A, [Add("n", 1)])["n"] == 3


def test_a_transaction_counts_once() -> None:
    one = world(AtOperation("table.transact", Fault.TWICE))
    one.table.transact([PutItem({"pk": "p", "sk": "b"}, Absent("pk"))], token="t")
    assert one.stored.get(Key("p", "b")) is not None


def test_a_first_object_meets_itself() -> None:
    one = world(AtOperation("objects.put", Fault.TWICE))
    with pytest.raises(PreconditionFailed):
        one.objects.put("new", b"mine", if_none_match=True)
    assert one.bucket.get("new") == b"mine"


def test_a_call_that_fails_twice_fails_like_once() -> None:
    one = world(AtOperation("table.delete", Fault.TWICE))
    with pytest.raises(ConditionFailed):
        one.table.delete(A, condition=Absent("pk"))


# --- halves, stale reads, messages -------------------------------------------------------------------------


def test_half_a_batch() -> None:
    one = world(AtOperation("table.batch_put", Fault.PARTIAL), AtOperation("objects.delete", Fault.PARTIAL))
    with pytest.raises(StorageBusy):
        one.table.batch_put([{"pk": "b", "sk": str(n)} for n in range(4)])
    assert [item["sk"] for item in one.stored.query("b").items] == ["0", "1"]
    for name in "123":
        one.bucket.put(name, b"")
    with pytest.raises(StorageBusy):
        one.objects.delete(["1", "2", "3"])
    assert [head.key for head in one.bucket.list("")] == ["2", "3", "o"]


def test_the_index_lags_and_the_table_does_not() -> None:
    one = world(lambda call: Fault.STALE)
    one.table.update(A, [Drop("gsi1pk"), Assign("n", 9)])
    assert [item["pk"] for item in one.table.query("G", index="gsi1").items] == ["p"]
    assert one.table.query("p").items[0]["n"] == 9
    found = one.table.get(A)
    assert found is not None
    assert found["n"] == 9
    stale = one.table.get(A, consistent=False)
    assert stale is not None
    assert stale["n"] == 1
    assert [call.operation for call, _ in one.faults.log] == ["table.query", "table.get"]


@pytest.mark.parametrize(
    ("fault", "now", "later"),
    [(None, 1, 0), (Fault.LOST, 0, 0), (Fault.DUPLICATE, 2, 0), (Fault.LATE, 0, 1), (Fault.TWICE, 2, 0)],
)
def test_messages(fault: Fault | None, now: int, later: int) -> None:
    one = world(*([AtCall(0, fault)] if fault else []))
    one.queue.send({"a": "b"}, group="g")
    assert len(one.sent.receive()) == now
    one.clock.now += 60
    assert len(one.sent.receive()) == later


def test_a_late_message_is_not_later_than_sqs_allows() -> None:
    one = world(AtCall(0, Fault.LATE))
    one.queue.send({"a": "b"}, group="g", delay_seconds=890)
    one.clock.now += 900
    assert len(one.sent.receive()) == 1
