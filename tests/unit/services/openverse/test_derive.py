"""REINDEX and filtered indexes: followed from 0 to 100, whole or not there at all, whoever dies meanwhile."""

from contextlib import suppress

import pytest

from shoal.model.openverse import Action, OpenverseTask, TaskState
from shoal.services import datasets
from shoal.services.aliases import point_alias
from shoal.services.derived.starting import cancel_derivation, get_derivation
from shoal.services.openverse.accept import accept
from shoal.services.openverse.reconcile import reconcile_tasks
from shoal.services.openverse.tasks import list_tasks
from shoal.services.term_lists import put_terms
from shoal.storage.memory.faults import Fault, SimulatedCrash
from shoal.storage.ports import Ports
from tests.unit.services.openverse.world import MODEL, OpenverseWorld
from tests.unit.services.world import Record, record
from tests.workflow.kills import KilledOnce, killing
from tests.workflow.machine import Invoke

RECORDS: dict[str, Record] = {
    f"{n}": record(n, 0.5, -1, 2, title=("a running dog", "blue water", "a stone", "a fox")[n % 4], n=n)
    for n in range(12)
}
PLAIN = {name: each for name, each in RECORDS.items() if int(name) % 4 > 1}
FAULTS = [Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.TWICE]


def filled() -> OpenverseWorld:
    world = OpenverseWorld()
    world.fill(RECORDS)
    put_terms(world.ports, world.tenant_id, "sensitive", ["running", "water", "unheard of"])
    return world


def reindex(world: OpenverseWorld, suffix: str = "a") -> OpenverseTask:
    return world.accept(Action.REINDEX, index_suffix=suffix)


def filtered(world: OpenverseWorld, **more: str) -> OpenverseTask:
    return world.accept(Action.CREATE_AND_POPULATE_FILTERED_INDEX, quota=None, **more)


def test_a_reindex_is_the_dataset() -> None:
    world = filled()
    task = reindex(world)
    assert world.indexes() == {}
    ended = world.done(task)
    assert world.stored(world.found("image-a"), RECORDS) == RECORDS
    assert world.indexes() == {"image-a": 12}
    assert ended.detail == "12 of 12 records of image are in image-a"
    assert (ended.removed_by_term, ended.is_bad_request) == ((), False)
    assert world.progress[0] == 0
    assert world.progress[-1] == 100
    assert reconcile_tasks(world.ports) == 0


def test_a_filtered_index_tells_what_each_term_removed() -> None:
    world = filled()
    world.done(reindex(world))
    ended = world.done(filtered(world, destination_index_suffix="a"))
    assert world.stored(world.found("image-a-filtered"), RECORDS) == PLAIN
    assert world.indexes() == {"image-a": 12, "image-a-filtered": 6}
    assert dict(ended.removed_by_term) == {"running": 3, "water": 3}
    assert ended.detail == "6 of 12 records of image-a are in image-a-filtered"


def test_a_list_that_changes_meanwhile_is_taken_as_it_was() -> None:
    world = filled()
    world.done(reindex(world))
    task = filtered(world, destination_index_suffix="a")
    put_terms(world.ports, world.tenant_id, "sensitive", ["stone", "fox"])
    world.done(task)
    assert world.stored(world.found("image-a-filtered"), RECORDS) == PLAIN


def test_of_an_alias_it_is_what_that_points_at() -> None:
    world = filled()
    world.done(reindex(world, "live"))
    point_alias(world.ports, world.tenant_id, scope="openverse", alias=MODEL, dataset="image-live")
    task = filtered(world)
    ended = world.done(task)
    assert ended.index == f"image-{task.task_id}-filtered"
    assert world.indexes()[ended.index] == 6


def test_a_derivation_that_is_cancelled_fails_the_task() -> None:
    world = filled()
    task = reindex(world)
    cancel_derivation(world.ports, world.tenant_id, task.run_id or "")
    ended = world.failed(task)
    assert ended.detail == "cancelled on request"
    assert world.indexes() == {}
    assert world.done(reindex(world)).index == "image-a"


def test_a_source_that_is_deleted_meanwhile_fails_the_task() -> None:
    world = filled()
    task = reindex(world)
    datasets.delete_dataset(world.ports, world.tenant_id, scope="native", name=MODEL)
    assert world.failed(task).detail
    assert world.indexes() == {}


def test_one_whose_acceptor_died_is_begun_by_its_workflow() -> None:
    world = filled()
    for number in range(200):
        died = KilledOnce(world.process, lambda ports, _f, _p: _accepted(world, ports), number=number)
        with suppress(SimulatedCrash):
            died("accept", {"step": "accept"})
        world.clock.pass_seconds(120)
        reconcile_tasks(world.ports)
        tasks = list_tasks(world.ports, world.tenant_id)
        assert {task.task_id for task in tasks if not task.settled} <= set(world.ingestions.started)
        for task in tasks:
            if not task.settled:
                assert world.done(task).index == "image-a"
                datasets.delete_dataset(world.ports, world.tenant_id, scope="openverse", name="image-a")
        assert world.indexes() == {}
        if died.killed is None:
            assert number > 5
            return
    pytest.fail("never whole")


def _accepted(world: OpenverseWorld, ports: Ports) -> dict[str, object]:
    body = {"model": MODEL, "action": "REINDEX", "index_suffix": "a"}
    accept(ports, world.tenant_id, body, vector_quota=None)
    return {}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_kill_at_any_call_of_a_step_changes_nothing(fault: Fault) -> None:
    worlds: list[tuple[OpenverseWorld, OpenverseTask]] = []

    def make(number: int | None) -> KilledOnce:
        world = filled()
        worlds.append((world, reindex(world)))
        return KilledOnce(world.process, world.call, number=number, fault=fault)

    def run(killer: Invoke) -> None:
        world, task = worlds[-1]
        seen: list[dict[str, int]] = []

        def invoke(function: str, payload: dict[str, object]) -> object:
            try:
                return killer(function, payload)
            finally:
                seen.append(world.indexes())

        assert world.run(task, invoke).succeeded  # type: ignore[arg-type]
        assert world.task(task).status is TaskState.COMPLETED
        assert all(index in ({}, {"image-a": 12}) for index in seen)
        assert world.indexes() == {"image-a": 12}

    assert len(killing(make, run)) > 5


@pytest.mark.parametrize("action", ["reindex", "filtered"])
def test_a_task_that_is_given_up_leaves_nothing_and_its_retry_finishes(action: str) -> None:
    """Every call of a step dies, and so does the first of who clears away."""
    world = filled()
    if action == "filtered":
        world.done(reindex(world, "b"))
    before = world.indexes()

    def ask() -> OpenverseTask:
        if action == "reindex":
            return reindex(world)
        return filtered(world, destination_index_suffix="a", origin_index_suffix="b")

    task = ask()
    world.others_sleep = True
    deaths = 0

    def invoke(function: str, payload: dict[str, object]) -> object:
        nonlocal deaths
        deaths += 1
        if payload["step"] == "work" or deaths % 2:
            raise MemoryError("out of memory")
        return world.call(world.ports, function, payload)

    execution = world.run(task, invoke)  # type: ignore[arg-type]
    assert (execution.status, execution.error) == ("FAILED", "IngestionFailed")
    ended = world.task(task)
    assert (ended.status, ended.settled) == (TaskState.FAILED, True)
    assert ended.detail == "internal error (MemoryError); send the task again"
    assert world.indexes() == before
    assert get_derivation(world.ports, world.tenant_id, task.run_id or "").status == "cancelled"
    world.others_work()
    assert world.indexes() == before
    world.others_sleep = False
    assert world.done(ask()).progress == 100


def test_a_task_whose_steps_die_is_completed_where_its_index_is_there() -> None:
    world = filled()
    task = reindex(world)

    def invoke(function: str, payload: dict[str, object]) -> object:
        if payload["step"] == "work":
            raise MemoryError("out of memory")
        return world.call(world.ports, function, payload)

    assert world.run(task, invoke).error == "IngestionFailed"  # type: ignore[arg-type]
    assert world.task(task).status is TaskState.COMPLETED
    assert world.indexes() == {"image-a": 12}


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED"])
def test_the_sweep_ends_a_task_whose_workflow_died(status: str) -> None:
    world = filled()
    task = reindex(world)
    world.ingestions.end(task.task_id, status)
    assert reconcile_tasks(world.ports) == 0  # it may only be slow to be seen
    world.clock.pass_seconds(61)
    assert reconcile_tasks(world.ports) == 1
    ended = world.task(task)
    assert ended.status is TaskState.FAILED
    assert ended.detail == f"internal error: the workflow ended ({status}); send the task again"
    world.others_work()
    assert world.indexes() == {}
    assert reconcile_tasks(world.ports) == 0
    world.done(reindex(world))


def test_the_sweep_completes_a_task_whose_index_is_there_already() -> None:
    world = filled()
    task = reindex(world)
    world.others_work()
    assert world.indexes() == {"image-a": 12}
    world.ingestions.end(task.task_id, "TIMED_OUT")
    world.clock.pass_seconds(61)
    assert reconcile_tasks(world.ports) == 1
    assert world.task(task).status is TaskState.COMPLETED
    assert world.indexes() == {"image-a": 12}


def test_the_sweep_starts_what_was_not_started() -> None:
    world = filled()
    task = reindex(world)
    del world.ingestions.started[task.task_id], world.ingestions.statuses[task.task_id]
    world.clock.pass_seconds(61)
    assert reconcile_tasks(world.ports) == 1
    assert world.ingestions.status(task.task_id) == "RUNNING"
    assert reconcile_tasks(world.ports) == 0
    world.done(task)


def test_many_tasks_at_once_each_make_their_own() -> None:
    world = filled()
    world.done(reindex(world, "source"))
    tasks = [reindex(world, f"r{n}") for n in range(6)]
    tasks += [
        filtered(world, origin_index_suffix="source", destination_index_suffix=f"f{n}") for n in range(6)
    ]
    loser = reindex(world, "r0")
    assert (loser.status, loser.detail) == (
        TaskState.FAILED,
        f"image-r0 already exists: it is being built by {tasks[0].run_id}",
    )
    given = [{"step": "work", "task_id": task.task_id, "tenant_id": task.tenant_id} for task in tasks]
    for _ in range(60):
        states = [world.call(world.ports, "ingestion", payload)["state"] for payload in given]
        running = [world.task(task) for task in tasks]
        assert all(not task.status.terminal or task.progress == 100 for task in running)
        if set(states) == {"done"}:
            break
        world.clock.pass_seconds(1)
        world.others_work()
    assert all(world.task(task).status is TaskState.COMPLETED for task in tasks)
    assert world.indexes() == {
        "image-source": 12,
        **{f"image-r{n}": 12 for n in range(6)},
        **{f"image-f{n}-filtered": 6 for n in range(6)},
    }
