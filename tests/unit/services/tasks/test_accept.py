"""Tasks come, are found, listed, cancelled and restarted; bad ones are refused with a reason."""

import math
import threading
from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from shoal.errors import Conflict, InvalidInput, LimitReached, NotFound, StorageBusy
from shoal.model.bindings import MAX_PARTS, MAX_TASK_OBJECTS, Family
from shoal.model.datasets import Metric
from shoal.model.tasks import Task, TaskKind, TaskStatus
from shoal.services.tasks import lookup
from shoal.services.tasks.accept import DeleteBody, ObjectsBody, TaskBody, UpsertBody, accept
from shoal.services.tasks.bodies import decode_body, encode_body
from shoal.services.tasks.family import LEASE_SECONDS, acquire
from shoal.services.tasks.joining import MAX_WAITING_TASKS, unlist_line
from shoal.services.tasks.reconcile import reconcile_families
from shoal.storage.keys import TASKS, FamilyKeys
from shoal.storage.memory.faults import AtOperation, Fault, Faults, Storm
from shoal.storage.ports import Assign
from tests.unit.services.reindex.models import OLD
from tests.unit.services.tasks.line_world import Asked, LineWorld

BODY = UpsertBody([{"object_id": "a", "payload": {"title": "words"}}])


@pytest.fixture
def world() -> LineWorld:
    world = LineWorld()
    world.source({})
    return world


def accepted(
    world: LineWorld,
    body: TaskBody = BODY,
    *,
    kind: TaskKind = TaskKind.UPSERTION,
    task_id: str | None = None,
    family: Family = Family.ITEMS,
    model_id: str = OLD.model_id,
) -> Task:
    return accept(
        world.ports,
        world.tenant_id,
        kind=kind,
        family=family,
        model_id=model_id,
        asked_as="my-model",
        task_id=task_id,
        body=body,
    )


def found(world: LineWorld, task_id: str) -> Task:
    return lookup.get_task(world.ports, world.tenant_id, [TaskKind.UPSERTION], task_id)


def test_a_task_is_stored_with_what_it_was_given_and_the_line_is_woken(world: LineWorld) -> None:
    task = accepted(world)
    assert len(task.task_id) == 24
    assert found(world, task.task_id) == task
    assert (task.place, task.total, task.asked_as, task.status) == (1, 1, "my-model", TaskStatus.PENDING)
    assert lookup.object_ids(world.ports, task) == ["a"]
    (message,) = world.tasks.receive()
    assert dict(message.message) == {"tenant_id": world.tenant_id, "family": "items"}


def test_the_same_id_again_is_the_task_that_is_there(world: LineWorld) -> None:
    first = accepted(world, task_id="once")
    world.clock.pass_seconds(10)
    assert accepted(world, DeleteBody([]), task_id="once") == first
    assert accepted(world, kind=TaskKind.DELETION, task_id="once") != first
    assert [task.place for task in (first, accepted(world))] == [1, 3]


def test_a_message_that_cannot_be_sent_is_made_up_for_by_the_sweep(world: LineWorld) -> None:
    ports = world.process(Faults(AtOperation("queue.send", Fault.LOST)))
    told = world.ask(Asked("upsert", (("a", {"title": "words"}),)), ports=ports)
    assert told is not None
    assert world.tasks.receive() == []
    assert reconcile_families(world.ports) == 0, "its own message may be on the way"
    world.clock.pass_seconds(11)
    assert reconcile_families(world.ports) == 1
    assert len(world.tasks.receive()) == 1
    world.check()


def test_the_sweep_leaves_lines_that_are_worked_on_or_empty(world: LineWorld) -> None:
    accepted(world)
    world.clock.pass_seconds(11)
    assert acquire(world.ports, world.family, owner="worker") is not None
    assert reconcile_families(world.ports) == 0
    world.clock.pass_seconds(LEASE_SECONDS + 1)
    world.work()
    assert world.table.query(TASKS, index="gsi1").items == ()
    world.table.update(world.family.counter, [Assign("gsi1pk", TASKS), Assign("gsi1sk", "x")])
    assert reconcile_families(world.ports) == 0
    assert world.table.query(TASKS, index="gsi1").items == ()
    assert unlist_line(world.ports, FamilyKeys(world.tenant_id, "categories"))


def test_requests_at_the_same_time_get_places_without_gaps(world: LineWorld) -> None:
    tasks: list[Task] = []
    threads = [threading.Thread(target=lambda: tasks.append(accepted(world))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(task.place or 0 for task in tasks) == list(range(1, 13))
    world.work()
    assert world.state().done == 12


def test_of_one_id_at_the_same_time_there_is_one_task(world: LineWorld) -> None:
    tasks: list[Task] = []
    threads = [
        threading.Thread(target=lambda: tasks.append(accepted(world, task_id="same"))) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tasks) == 6
    assert len(set(map(repr, tasks))) == 1
    assert len(lookup.list_tasks(world.ports, world.tenant_id, TaskKind.UPSERTION)) == 1


def test_families_have_lines_of_their_own(world: LineWorld) -> None:
    places = [
        accepted(world, family=family).place for family in (Family.ITEMS, Family.CATEGORIES, Family.ITEMS)
    ]
    assert places == [1, 1, 2]


def test_a_line_that_is_too_long_takes_no_more(world: LineWorld) -> None:
    accepted(world)
    world.table.update(world.family.counter, [Assign("next", MAX_WAITING_TASKS)])
    with pytest.raises(LimitReached) as refused:
        accepted(world)
    assert refused.value.code == "backlog_full"
    assert refused.value.details is not None
    assert refused.value.details["tasks_waiting"] == MAX_WAITING_TASKS


def test_storage_that_stays_busy_is_told_and_nothing_is_acknowledged(world: LineWorld) -> None:
    ports = world.process(Faults(Storm(0, 1000, Fault.BUSY_BEFORE)))
    world.ports, good = ports, world.ports
    with pytest.raises(StorageBusy):
        accepted(world, task_id="never")
    world.ports = good
    with pytest.raises(NotFound):
        found(world, "never")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (UpsertBody([{"object_id": str(n)} for n in range(MAX_TASK_OBJECTS + 1)]), "too_many_objects"),
        (DeleteBody([str(n) for n in range(MAX_TASK_OBJECTS + 1)]), "too_many_objects"),
        (UpsertBody([{"object_id": ""}]), "invalid_object_id"),
        (UpsertBody([{"object_id": "a\x1f1"}]), "invalid_object_id"),
        (UpsertBody([{"object_id": "x" * 201}]), "invalid_object_id"),
        (UpsertBody([{}]), "invalid_object_id"),
        (UpsertBody([{"object_id": "a", "payload": ["no object"]}]), "invalid_payload"),
        (UpsertBody([{"object_id": "a", "payload": {"n": 2**80}}]), "invalid_payload"),
        (DeleteBody(["fine", "\n"]), "invalid_object_id"),
    ],
)
def test_what_is_wrong_with_a_task_is_told_at_once(world: LineWorld, body: TaskBody, code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        accepted(world, body)
    assert refused.value.code == code
    assert world.table.get(world.family.counter) is None


def test_an_error_names_the_object(world: LineWorld) -> None:
    with pytest.raises(InvalidInput, match=r"^items\[2\]\.object_id must be"):
        accepted(world, UpsertBody([{"object_id": "a"}, {"object_id": "b"}, {"object_id": 3}]))


def test_json_that_seems_to_have_no_end_is_refused(world: LineWorld) -> None:
    endless: dict[str, Any] = {}
    endless["again"] = endless
    deep: dict[str, Any] = {}
    for _ in range(300):
        deep = {"deeper": deep}
    for payload in (endless, deep):
        with pytest.raises(InvalidInput) as refused:
            accepted(world, UpsertBody([{"object_id": "a", "payload": payload}]))
        assert refused.value.code == "invalid_payload"


def parts(*vectors: Sequence[Any]) -> ObjectsBody:
    return ObjectsBody(
        "upsert", [{"object_id": "a", "parts": [{"vector": list(vector)} for vector in vectors]}]
    )


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (parts(), "invalid_parts"),
        (parts(*[[1.0, 2.0, 3.0]] * (MAX_PARTS + 1)), "invalid_parts"),
        (parts([1.0, 2.0]), "dimension_mismatch"),
        (parts([1.0, 2.0, "3"]), "invalid_vector"),
        (parts([1.0, 2.0, True]), "invalid_vector"),
        (parts([1.0, 2.0, None]), "invalid_vector"),
        (parts([1.0, 2.0, math.nan]), "invalid_vector"),
        (parts([1.0, 2.0, 1e39]), "invalid_vector"),
        (parts([1.0, 2.0, 10**400]), "invalid_vector"),
        (
            ObjectsBody("upsert", [{"object_id": "a", "parts": [{"vector": [1, 2, 3], "part_id": ""}]}]),
            "invalid_parts",
        ),
    ],
)
def test_what_is_wrong_with_a_vector_is_told_at_once(world: LineWorld, body: TaskBody, code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        accepted(world, body, kind=TaskKind.OBJECTS)
    assert refused.value.code == code


def test_a_vector_of_another_dimension_is_told_which_model_the_collection_uses(world: LineWorld) -> None:
    with pytest.raises(InvalidInput, match="has dimension 3, that of old"):
        accepted(world, parts([1.0]), kind=TaskKind.OBJECTS)


def test_a_zero_vector_has_no_cosine(world: LineWorld) -> None:
    dataset = world.create(dimension=2, metric=Metric.COSINE)
    with pytest.raises(InvalidInput, match=r"objects\[0\]\.parts\[0\]\.vector is zero"):
        encode_body(parts([0.0, -0.0]), dataset)


def test_a_body_is_read_as_it_was_written(world: LineWorld) -> None:
    data, total = encode_body(DeleteBody(["a", "b\u2028", "c"]))
    assert (total, decode_body(data).object_ids()) == (3, ["a", "b\u2028", "c"])
    data, _ = encode_body(
        UpsertBody([{"object_id": "a", "payload": {"text": "two\nlines"}, "user_id": None}])
    )
    assert decode_body(data).lines == (b'{"object_id":"a","payload":{"text":"two\\nlines"}}',)
    data, _ = encode_body(UpsertBody([{"object_id": "a", "item_info": {"n": 1}}]))
    assert decode_body(data).lines == (b'{"object_id":"a","payload":{},"item_info":{"n":1}}',)
    written = orjson.Fragment(b'{"text":"as it is"}')
    data, _ = encode_body(UpsertBody([{"object_id": "a", "payload": written}]))
    assert decode_body(data).lines == (b'{"object_id":"a","payload":{"text":"as it is"}}',)


def test_internal_tasks_are_for_collections_that_exist(world: LineWorld) -> None:
    for kind in (TaskKind.INTERNAL_UPSERTION, TaskKind.INTERNAL_DELETION, TaskKind.OBJECTS):
        with pytest.raises(NotFound) as missing:
            accepted(world, DeleteBody(["a"]), kind=kind, model_id="new")
        assert missing.value.code == "collection_not_found"


# --- found, listed, cancelled, restarted


def test_a_task_that_is_not_there(world: LineWorld) -> None:
    with pytest.raises(NotFound, match=r"^Task with ID `nothing` not found$") as missing:
        found(world, "nothing")
    assert missing.value.code == "task_not_found"


def test_tasks_are_listed_by_age_in_pages_and_by_status(world: LineWorld) -> None:
    for number in range(130):
        world.clock.pass_seconds(1)
        accepted(world, task_id=f"t{number}")
    lookup.cancel_task(world.ports, world.tenant_id, [TaskKind.UPSERTION], "t7")

    def ids(**more: Any) -> list[str]:
        return [
            task.task_id
            for task in lookup.list_tasks(world.ports, world.tenant_id, TaskKind.UPSERTION, **more)
        ]

    assert ids(limit=1000) == [f"t{number}" for number in range(130)]
    assert ids(offset=125) == ["t125", "t126", "t127", "t128", "t129"]
    assert ids(status=TaskStatus.CANCELED) == ["t7"]
    assert ids(status=TaskStatus.PENDING, offset=6, limit=3) == ["t6", "t8", "t9"]
    assert lookup.list_tasks(world.ports, world.tenant_id, TaskKind.DELETION) == []


def test_a_task_is_cancelled_once_and_not_after_its_end(world: LineWorld) -> None:
    kinds = [TaskKind.UPSERTION]
    first, second = accepted(world), accepted(world)
    canceled = lookup.cancel_task(world.ports, world.tenant_id, kinds, first.task_id)
    assert canceled.status is TaskStatus.CANCELED
    assert lookup.cancel_task(world.ports, world.tenant_id, kinds, first.task_id) == canceled
    world.work()
    with pytest.raises(Conflict) as refused:
        lookup.cancel_task(world.ports, world.tenant_id, kinds, second.task_id)
    assert refused.value.code == "task_ended"
    assert found(world, first.task_id) == canceled


def test_a_task_is_restarted_only_once_it_has_ended(world: LineWorld) -> None:
    kinds, task = [TaskKind.UPSERTION], accepted(world)

    def restart() -> Task:
        return lookup.restart_task(world.ports, world.tenant_id, kinds, task.task_id)

    with pytest.raises(Conflict, match="is pending; it has not ended yet"):
        restart()
    world.work()
    with pytest.raises(Conflict, match="is processing; it has not ended yet") as refused:
        restart()
    assert refused.value.code == "task_not_ended"
    world.drain_all()
    again = restart()
    assert (again.status, again.place, again.attempt, again.processed) == (TaskStatus.PENDING, 2, 1, 0)
    world.work()
    world.drain_all()
    body_key = task.body_key
    assert body_key is not None
    world.objects.delete([body_key])
    with pytest.raises(Conflict) as gone:
        restart()
    assert gone.value.code == "task_expired"
    assert lookup.object_ids(world.ports, task) is None


def test_failures_that_are_not_stored_any_more_are_not_listed(world: LineWorld) -> None:
    task = accepted(world, UpsertBody([{"object_id": "a"}]))
    world.work()
    task = found(world, task.task_id)
    assert [one.object_id for one in lookup.failed_objects(world.ports, task)] == ["a"]
    assert task.failed_key is not None
    world.objects.delete([task.failed_key])
    assert lookup.failed_objects(world.ports, task) == []
