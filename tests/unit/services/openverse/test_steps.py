"""What the workflow is told, and that it cannot run out of events before it runs out of time."""

import json
from dataclasses import replace

import pytest

from shoal.errors import RunStopped
from shoal.model.limits import LOG_MAX_BYTES_AHEAD
from shoal.model.openverse import Action, OpenverseTask, TaskState
from shoal.services.heads import keys_of
from shoal.services.openverse.steps import LONGEST_WAIT_SECONDS, State, move, wait, wait_for_others
from shoal.services.openverse.tasks import finish_task
from shoal.storage.ports import Add
from tests.unit.services.openverse.world import FILE, OpenverseWorld
from tests.unit.services.world import record

MOST_EVENTS = 25_000
"""Of one execution, by Step Functions."""
EVENTS_A_TURN = 9
"""Of a task five, of a choice two, of a wait two."""


def running(world: OpenverseWorld, **more: object) -> OpenverseTask:
    task = OpenverseTask("1" * 32, world.tenant_id, Action.REINDEX, "image", world.clock())
    return world.put_task(replace(task, **more))  # type: ignore[arg-type]


def test_an_execution_has_events_for_all_of_its_time() -> None:
    world = OpenverseWorld()
    task = running(world)
    seconds = json.loads(FILE.read_text())["TimeoutSeconds"]
    begin, turns = world.clock(), 0
    while world.clock() < begin + seconds:
        world.clock.pass_seconds(wait_for_others(world.ports, task).seconds)
        turns += 1
    assert turns * EVENTS_A_TURN < MOST_EVENTS / 1.5


def test_waits_are_whole_seconds_and_never_none() -> None:
    assert [wait(seconds).seconds for seconds in (0, 0.4, 1.2, 59.6)] == [1, 1, 1, 60]
    world = OpenverseWorld()
    task = running(world)
    assert wait_for_others(world.ports, task).seconds == 1
    assert wait_for_others(world.ports, task, least=7).seconds == 7
    world.clock.pass_seconds(10_000)
    found = wait_for_others(world.ports, task)
    assert (found.state, found.seconds) == (State.WAIT, LONGEST_WAIT_SECONDS)


def test_progress_never_goes_back_and_is_not_whole_before_the_end() -> None:
    world = OpenverseWorld()
    task = running(world)
    for progress, then in ((10, 10), (5, 10), (10.01, 10), (60, 60), (100, 99.9), (3, 99.9)):
        move(world.ports, world.task(task), progress)
        assert world.task(task).progress == then
    assert move(world.ports, task, 50).progress == 99.9  # of one who read it long ago
    now = world.task(task)
    assert now.progress == 99.9
    assert finish_task(world.ports, now).progress == 100
    move(world.ports, replace(now, progress=0.0), 50)
    assert world.task(task).progress == 100


def test_no_such_task() -> None:
    world = OpenverseWorld()
    with pytest.raises(RunStopped):
        world.call(
            world.ports, "ingestion", {"step": "work", "tenant_id": world.tenant_id, "task_id": "0" * 32}
        )
    given = {
        "step": "fail",
        "tenant_id": world.tenant_id,
        "task_id": "0" * 32,
        "error": {"Error": "RunStopped"},
    }
    assert world.call(world.ports, "ingestion", given) == {"outcome": "stopped"}


def test_a_quick_task_that_nobody_ended_is_failed() -> None:
    world = OpenverseWorld()
    ended = world.failed(running(world, action=Action.POINT_ALIAS))
    assert (ended.status, ended.detail) == (TaskState.FAILED, "who was to do it died; send the task again")


def test_a_backlog_is_waited_for() -> None:
    world = OpenverseWorld()
    index = world.index("image-a")
    world.fill({"a": record(1, 2, 3, 4, updated_on="2024-05-06")})
    task = world.accept(Action.UPDATE_INDEX, index_suffix="a", since_date="2024-01-01")
    given = {"step": "work", "tenant_id": world.tenant_id, "task_id": task.task_id}
    for _ in range(2):
        world.call(world.ports, "ingestion", given)
    log = keys_of(index).sequence
    world.table.update(log, [Add("bytes", LOG_MAX_BYTES_AHEAD)])
    assert world.call(world.ports, "ingestion", given) == {"state": "wait", "seconds": 2}
    world.table.update(log, [Add("bytes", -LOG_MAX_BYTES_AHEAD)])
    assert world.call(world.ports, "ingestion", given)["state"] == "again"
