"""Every sample event of the function that does tasks, replayed, also twice."""

import pytest

from shoal.model.bindings import Family
from shoal.model.embedding_models import ModelRegistry
from shoal.model.tasks import Task, TaskKind, TaskStatus
from shoal.services.collections.blue import ensure_blue
from shoal.services.commit import drain
from shoal.services.heads import keys_of, read_head
from shoal.services.tasks import lookup
from shoal.services.tasks.accept import UpsertBody, accept
from tests.functions.world import EVENTS, LambdaContext, World

GOOD: dict[str, list[dict[str, str]]] = {"batchItemFailures": []}
CASES = {
    "one_message": GOOD,
    "unknown_tenant": GOOD,
    "unreadable_among_good": {
        "batchItemFailures": [
            {"itemIdentifier": f"{number:08d}-0000-4000-8000-000000000000"} for number in (1, 3, 4)
        ]
    },
}


@pytest.fixture
def waiting(world: World) -> World:
    """A task waits in the line of items; nobody was told."""
    tenant_id = world.values["TENANT_ID"]
    blue = ensure_blue(world.ports, ModelRegistry(), tenant_id, Family.ITEMS)
    accept(
        world.ports,
        tenant_id,
        kind=TaskKind.UPSERTION,
        family=Family.ITEMS,
        model_id=blue.name,
        asked_as=blue.name,
        task_id="first",
        body=UpsertBody([{"object_id": "a", "payload": {"title": "a red chair"}}, {"object_id": "b"}]),
    )
    world.messages("tasks")
    return world


def task(world: World) -> Task:
    return lookup.get_task(world.ports, world.values["TENANT_ID"], [TaskKind.UPSERTION], "first")


def test_every_sample_event_is_replayed() -> None:
    assert {path.stem for path in (EVENTS / "tasks").iterdir()} == CASES.keys()


@pytest.mark.parametrize("case", CASES)
def test_replay(waiting: World, case: str) -> None:
    assert waiting.replay("tasks", case) == CASES[case]
    done = task(waiting).processed
    assert done == (0 if case == "unknown_tenant" else 2)


def test_a_task_is_done_once_it_is_indexed_and_by_one_of_two_messages(waiting: World) -> None:
    for _ in range(2):
        assert waiting.replay("tasks", "one_message") == GOOD
    stored = task(waiting)
    (dataset_id,) = stored.sequences
    assert (stored.status, stored.failed, stored.sequences) == (TaskStatus.PROCESSING, 1, {dataset_id: 1})
    drain(waiting.ports, stored.tenant_id, dataset_id, owner="test")
    assert task(waiting).status is TaskStatus.DONE
    blue = ensure_blue(waiting.ports, ModelRegistry(), stored.tenant_id, Family.ITEMS)
    head = read_head(waiting.ports, keys_of(blue))
    assert head is not None
    assert (head.row_count, head.watermark) == (1, 1)


def test_a_worker_short_of_time_leaves_the_work_to_a_new_message(waiting: World) -> None:
    late = LambdaContext(milliseconds_left=50_000)
    assert waiting.invoke("tasks", waiting.event("tasks", "one_message"), late) == GOOD
    assert task(waiting).status is TaskStatus.PENDING
    assert waiting.messages("tasks") == [{"tenant_id": waiting.values["TENANT_ID"], "family": "items"}]
