"""Tasks as items of the table: stored once, changed a revision at a time, found while something is left to do."""

from dataclasses import replace

import pytest

from shoal.errors import TryAgain
from shoal.model.openverse import Action, Callback, OpenverseTask, TaskState
from shoal.services.openverse.tasks import (
    KEPT_SECONDS,
    change_running,
    change_task,
    finish_task,
    key_of,
    list_tasks,
    put_new,
    read_task,
)
from shoal.storage.keys import GSI, INGESTIONS
from shoal.storage.memory.faults import Call, Faults
from tests.unit.services.world import World

TENANT = "ten_" + "1" * 32
URL = "https://example.org/done"


def new(world: World, task_id: str = "a" * 32, **more: object) -> OpenverseTask:
    task = OpenverseTask(
        task_id=task_id,
        tenant_id=TENANT,
        action=Action.REINDEX,
        model="image",
        created_at=world.clock(),
        index="image-1",
        source_scope="native",
        source="image",
        run_id="drv_" + "0" * 32,
        request={"index_suffix": "1"},
        vector_quota=1000,
    )
    return replace(task, **more)  # type: ignore[arg-type]  # fields of a task


def read(world: World, task: OpenverseTask) -> OpenverseTask:
    found = read_task(world.ports, TENANT, task.task_id)
    assert found is not None
    return found


def listed(world: World) -> list[str]:
    items = world.ports.table.query(INGESTIONS, index=GSI).items
    return [item["gsi1sk"].removeprefix(f"{TENANT}#") for item in items]


@pytest.fixture
def world() -> World:
    return World()


def test_a_task_is_read_as_it_was_stored(world: World) -> None:
    task = new(
        world, removed_by_term=(("bird", 2), ("sea", 1)), work={"row": 3, "pulled": ["a"]}, progress=12.5
    )
    put_new(world.ports, task)
    assert read(world, task) == task
    assert read_task(world.ports, TENANT, "b" * 32) is None
    assert read_task(world.ports, "ten_" + "2" * 32, task.task_id) is None


def test_storing_it_twice_changes_nothing(world: World) -> None:
    task = new(world)
    put_new(world.ports, task)
    changed = change_task(world.ports, task, progress=50.0)
    world.clock.pass_seconds(3600)  # tokens of transactions are forgotten
    put_new(world.ports, task)
    assert read(world, task) == changed
    assert len(list_tasks(world.ports, TENANT)) == 1


def test_of_two_who_change_it_one_loses(world: World) -> None:
    task = new(world)
    put_new(world.ports, task)
    assert change_task(world.ports, task, progress=10.0) is not None
    assert change_task(world.ports, task, progress=20.0) is None
    assert read(world, task).progress == 10.0
    again = change_running(world.ports, task, lambda now: {"progress": now.progress + 5})
    assert (again.progress, again.revision) == (15.0, 2)


def test_who_never_gets_a_turn_gives_up(world: World) -> None:
    task = new(world)
    put_new(world.ports, task)

    def overtaken(now: OpenverseTask) -> dict[str, float]:
        change_task(world.ports, now, progress=now.progress + 1)
        return {"progress": 99.0}

    with pytest.raises(TryAgain):
        change_running(world.ports, task, overtaken)
    assert read(world, task).progress < 99


def test_it_is_listed_while_something_is_left_to_do(world: World) -> None:
    task = new(world, callback_url=URL)
    put_new(world.ports, task)
    assert listed(world) == [task.task_id]
    done = finish_task(world.ports, task, detail="all of it")
    assert (done.status, done.callback, done.detail) == (TaskState.COMPLETED, Callback.PENDING, "all of it")
    assert listed(world) == [task.task_id], "somebody is still to be called"
    settled = change_task(world.ports, done, callback=Callback.SENT)
    assert settled is not None
    assert settled.settled
    assert listed(world) == []
    stored = world.ports.table.get(key_of(TENANT, task.task_id))
    assert stored is not None
    assert stored["expires_at"] == int(world.clock() + KEPT_SECONDS)


def test_nobody_is_called_of_what_failed(world: World) -> None:
    task = new(world, callback_url=URL)
    put_new(world.ports, task)
    failed = finish_task(world.ports, task, failed=True, detail="gone")
    assert (failed.callback, failed.settled, failed.progress) == (None, True, 0.0)
    assert listed(world) == []


def test_one_that_has_ended_is_never_listed(world: World) -> None:
    put_new(world.ports, new(world, status=TaskState.FAILED, finished_at=world.clock()))
    assert listed(world) == []


def test_the_newest_come_first(world: World) -> None:
    for number in range(5):
        put_new(world.ports, new(world, task_id=f"{number}" * 32))
        world.clock.pass_seconds(0.001)
    assert [task.task_id[0] for task in list_tasks(world.ports, TENANT)] == list("43210")
    assert [task.task_id[0] for task in list_tasks(world.ports, TENANT, limit=2)] == list("43")
    assert list_tasks(world.ports, "ten_" + "2" * 32) == []


@pytest.mark.parametrize("task_id", ["", "A" * 32, "a" * 31, "a" * 3000, "a" * 31 + "é", "a" * 32 + "\n"])
def test_what_is_no_id_is_not_looked_for(task_id: str) -> None:
    """A key has 1,024 bytes at most: the table would call the request wrong."""
    world = World()

    def nobody(call: Call) -> None:
        raise AssertionError(call)

    assert read_task(world.process(Faults(nobody)), TENANT, task_id) is None
