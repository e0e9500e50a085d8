"""Tasks whose every process has bad luck: each ends, with a whole index or none, and is made when asked again."""

from typing import Any

import pytest

from shoal.model.openverse import Action, OpenverseTask, TaskState
from shoal.services.openverse.reconcile import reconcile_tasks
from shoal.services.openverse.tasks import read_task
from shoal.services.term_lists import put_terms
from shoal.storage.memory.faults import Fault, Faults, RandomFaults
from shoal.storage.model_ports import Answer
from tests.unit.services.openverse.world import MODEL, OpenverseWorld
from tests.unit.services.world import Record, record

URL = "http://catalogue.example/done"
RECORDS: dict[str, Record] = {
    f"{n}": record(n, 1, 0, 0, title=("a bird", "a stone")[n % 2], updated_on="2024-06-01") for n in range(8)
}
STONES = {name for name in RECORDS if int(name) % 2}
MILD = {Fault.CRASH_BEFORE: 0.01, Fault.CRASH_AFTER: 0.02, Fault.TWICE: 0.03, Fault.BUSY_AFTER: 0.01}
HARD = {Fault.CRASH_BEFORE: 0.2, Fault.CRASH_AFTER: 0.25}
WHOLE = {
    Action.REINDEX: ("image-a", set(RECORDS)),
    Action.CREATE_AND_POPULATE_FILTERED_INDEX: ("image-a-filtered", STONES),
    Action.INGEST_UPSTREAM: ("image-a", set(RECORDS) | {"pulled"}),
}


def ask(world: OpenverseWorld, action: Action) -> OpenverseTask:
    if action is Action.CREATE_AND_POPULATE_FILTERED_INDEX:
        return world.accept(
            action, origin_index_suffix="source", destination_index_suffix="a", callback_url=URL
        )
    return world.accept(action, index_suffix="a", callback_url=URL)


def prepared() -> OpenverseWorld:
    world = OpenverseWorld()
    world.fill(RECORDS)
    put_terms(world.ports, world.tenant_id, "sensitive", ["bird"])
    world.outside.put(URL, Answer(204, b""))
    world.done(world.accept(Action.REINDEX, index_suffix="source"))
    world.register()
    world.put("dump/a.ndjson", {"pulled": record(1, 2, 3, 4)})
    return world


@pytest.mark.parametrize("action", WHOLE)
@pytest.mark.parametrize("rates", [MILD, HARD], ids=["mild", "hard"])
@pytest.mark.parametrize("seed", range(8))
def test_it_ends_and_is_made_when_asked_again(action: Action, rates: dict[Fault, float], seed: int) -> None:
    world = prepared()
    task = ask(world, action)
    luck = iter(range(10_000))
    name, whole = WHOLE[action]

    def invoke(function: str, payload: Any) -> Any:
        faults = Faults(RandomFaults(seed=seed * 1000 + next(luck), rates=rates))
        try:
            return world.call(world.process(faults), function, payload)
        finally:
            check(world, task, name, whole)

    world.run(task, invoke)
    for _ in range(3):  # what a workflow that died has left is found by the sweep
        world.clock.pass_seconds(120)
        world.others_work()
        reconcile_tasks(world.ports)
    ended = read_task(world.ports, world.tenant_id, task.task_id)
    assert ended is not None
    assert ended.settled
    check(world, task, name, whole)
    if ended.status is TaskState.FAILED:
        assert name not in world.indexes()
        assert ended.detail
        world.done(ask(world, action))
    assert set(world.stored(world.found(name), [*RECORDS, "pulled"])) == whole
    assert len(world.outside.sent) <= 2 + 5


def check(world: OpenverseWorld, task: OpenverseTask, name: str, whole: set[str]) -> None:
    """The index is whole or not there, and the task says nothing else."""
    rows = world.indexes().get(name)
    now = world.task(task)
    assert rows in (None, len(whole))
    assert (now.status is TaskState.COMPLETED) == (now.progress == 100)
    if now.status is TaskState.COMPLETED:
        assert rows == len(whole)
    if now.status is TaskState.FAILED:
        assert rows is None
    assert world.found(f"{MODEL}-source")
