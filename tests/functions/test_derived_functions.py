"""Every sample event of the functions that derive datasets and do Openverse tasks, replayed step by step, also
twice.
"""

import json
from typing import Any

import pytest

from shoal.errors import NotFound, RunStopped
from shoal.model.datasets import Metric
from shoal.model.derivations import Condition, DerivationStatus
from shoal.model.openverse import OpenverseTask, TaskState
from shoal.services.commit import drain
from shoal.services.datasets import create_dataset, get_dataset, resolve
from shoal.services.derived.starting import get_derivation, start_derivation
from shoal.services.openverse.accept import accept
from shoal.services.openverse.tasks import read_task
from tests.functions.world import EVENTS, World

STEPS = ("plan", "mask", "publish", "settle", "finish")
"""What the workflow does, in order, where what is left is not written anew."""


@pytest.fixture
def deriving(world: World) -> World:
    """One of all atlases in `products` has begun; all that was written to that is applied."""
    drain(world.ports, world.values["TENANT_ID"], world.dataset.dataset_id, owner="seed")
    return begin(world)


def begin(world: World) -> World:
    run = start_derivation(
        world.ports,
        world.values["TENANT_ID"],
        source=world.dataset,
        scope="native",
        name="copy",
        condition=Condition(filter={"title": "Atlas of birds"}),
        vector_quota=None,
    )
    world.values["RUN_ID"] = run.run_id
    return world


def apply(world: World, dataset_id: str) -> None:
    """What the indexer does."""
    drain(world.ports, world.values["TENANT_ID"], dataset_id, owner="test")


def status(world: World) -> DerivationStatus:
    return get_derivation(world.ports, world.values["TENANT_ID"], world.values["RUN_ID"]).status


def test_every_sample_event_is_replayed() -> None:
    assert {path.stem for path in (EVENTS / "derivation").iterdir()} == {*STEPS, "fail"}
    assert {path.stem for path in (EVENTS / "ingestion").iterdir()} == {"work", "fail"}


@pytest.mark.parametrize("times", [1, 2])
def test_a_dataset_is_derived_step_by_step(deriving: World, times: int) -> None:
    world, answers = deriving, dict[str, dict[str, Any]]()
    run = get_derivation(world.ports, world.values["TENANT_ID"], world.values["RUN_ID"])
    for step in STEPS:
        if step == "mask":
            (line,) = world.ports.objects.get(answers["plan"]["items_key"]).splitlines()
            item = json.loads(line)
            assert item.pop("seal")
            world.values["SHARD_ID"] = item["sources"][0]["shard_id"]
            sample = world.event("derivation", "mask")["item"]
            assert item.keys() == sample.keys()
            event = {**world.event("derivation", "mask"), "item": item}
            for _ in range(times):
                answers[step] = world.invoke("derivation", event)
            continue
        for _ in range(1 if step == "finish" else times):
            answers[step] = world.replay("derivation", step)
        if step == "publish":
            with pytest.raises(NotFound):
                resolve(world.ports, run.tenant_id, scope="native", name="copy")
            apply(world, run.dataset_id)
    assert answers["plan"]["pieces"] == 1
    assert answers["settle"]["next"] == "finish"
    assert status(world) is DerivationStatus.COMPLETED
    view = get_dataset(world.ports, run.tenant_id, scope="native", name="copy")
    assert view.head.row_count == 3
    assert world.replay("derivation", "fail") == {"outcome": "stopped"}
    assert status(world) is DerivationStatus.COMPLETED


def test_one_whose_step_failed_leaves_nothing_behind(deriving: World) -> None:
    assert deriving.replay("derivation", "fail") == {"outcome": "error"}
    assert status(deriving) is DerivationStatus.FAILED
    assert deriving.replay("derivation", "fail") == {"outcome": "stopped"}
    with pytest.raises(RunStopped):
        deriving.replay("derivation", "plan")
    begin(deriving)  # the name is free again


# --- tasks of the Openverse dialect --------------------------------------------------------------------------


@pytest.fixture
def reindexing(world: World) -> World:
    """An index of the empty dataset `image` has been asked for."""
    tenant_id = world.values["TENANT_ID"]
    create_dataset(world.ports, tenant_id, scope="native", name="image", dimension=4, metric=Metric.L2)
    body = {"model": "image", "action": "REINDEX", "index_suffix": "first"}
    task = accept(world.ports, tenant_id, body, vector_quota=None)
    world.values["TASK_ID"] = task.task_id
    assert task.run_id is not None
    world.values["RUN_ID"] = task.run_id
    return world


def task_of(world: World) -> OpenverseTask:
    found = read_task(world.ports, world.values["TENANT_ID"], world.values["TASK_ID"])
    assert found is not None
    return found


def test_a_task_is_done_once_its_index_is(reindexing: World) -> None:
    world = reindexing
    for _ in range(2):
        assert world.replay("ingestion", "work")["state"] == "wait"
    run = get_derivation(world.ports, world.values["TENANT_ID"], world.values["RUN_ID"])
    assert world.replay("derivation", "plan")["pieces"] == 0
    world.replay("derivation", "publish")
    apply(world, run.dataset_id)
    for step in ("settle", "finish"):
        world.replay("derivation", step)
    assert [world.replay("ingestion", "work")["state"] for _ in range(3)] == ["again", "done", "done"]
    assert (task_of(world).status, task_of(world).progress) == (TaskState.COMPLETED, 100)
    assert world.replay("ingestion", "fail") == {"outcome": "stopped"}
    assert task_of(world).status is TaskState.COMPLETED


def test_a_task_whose_step_failed_leaves_no_index_behind(reindexing: World) -> None:
    assert reindexing.replay("ingestion", "fail") == {"outcome": "error"}
    assert task_of(reindexing).status is TaskState.FAILED
    assert status(reindexing) is DerivationStatus.CANCELLED
    with pytest.raises(NotFound):
        resolve(reindexing.ports, reindexing.values["TENANT_ID"], scope="openverse", name="image-first")
    assert reindexing.replay("ingestion", "work")["state"] == "done"
