"""Every sample event of the function that reindexes, replayed step by step, also twice."""

import json
from typing import Any

import pytest

from shoal.errors import ImportStopped
from shoal.model.bindings import Family
from shoal.model.datasets import Dataset
from shoal.model.embedding_models import ModelRegistry
from shoal.model.tasks import Task, TaskKind, TaskStatus
from shoal.services.collections.blue import blue_of, ensure_blue
from shoal.services.collections.catalog import find_collection
from shoal.services.commit import drain
from shoal.services.heads import keys_of, read_head
from shoal.services.parts import PartReader
from shoal.services.reindex.starting import start_reindex
from shoal.services.snapshot import open_snapshot
from shoal.services.tasks import lookup
from shoal.services.tasks.accept import UpsertBody, accept
from tests.functions.world import EVENTS, World

REGISTRY = ModelRegistry()
STEPS = (
    ("reindex", "plan"),
    ("reindex", "embed"),
    ("import_cells", "settle"),
    ("import_cells", "build_shard"),
    ("import_finish", "commit"),
    ("reindex", "deploy"),
)
"""What the workflow does of a small collection, in order."""


@pytest.fixture
def reindexing(world: World) -> World:
    """A reindex of two objects has begun; the import is that of its destination."""
    ports, tenant_id = world.ports, world.values["TENANT_ID"]
    source = ensure_blue(ports, REGISTRY, tenant_id, Family.ITEMS)
    accept(
        ports,
        tenant_id,
        kind=TaskKind.UPSERTION,
        family=Family.ITEMS,
        model_id=source.name,
        asked_as=source.name,
        task_id="first",
        body=UpsertBody(
            [{"object_id": name, "payload": {"title": f"a red {name}"}} for name in ("chair", "desk")]
        ),
    )
    world.replay("tasks", "one_message")
    drain(ports, tenant_id, source.dataset_id, owner="seed")
    task = start_reindex(
        ports,
        REGISTRY,
        tenant_id,
        task_id="reindex",
        family=Family.ITEMS,
        source=REGISTRY["static-256"],
        dest=REGISTRY["static-128"],
        asked_as=("static-256", "static-128"),
        deploy_as_blue=True,
    )
    world.values["IMPORT_ID"] = task.settings["import_id"]
    world.values["SHARD_ID"] = shard_of(world, source)
    apply_all(world)
    return world


def shard_of(world: World, dataset: Dataset) -> str:
    head = read_head(world.ports, keys_of(dataset))
    assert head is not None
    version = open_snapshot(PartReader(world.ports.objects, cache_bytes=10**6), dataset, head)
    assert version is not None
    return version.manifest.shards[0].shard_id


def apply_all(world: World) -> None:
    """What the indexer does."""
    for name in ("static-256", "static-128"):
        dataset = find_collection(world.ports, world.values["TENANT_ID"], Family.ITEMS, name)
        drain(world.ports, dataset.tenant_id, dataset.dataset_id, owner="test")


def reindex(world: World) -> Task:
    return lookup.get_task(world.ports, world.values["TENANT_ID"], [TaskKind.REINDEX], "reindex")


def test_every_sample_event_is_replayed() -> None:
    mine = {step for function, step in STEPS if function == "reindex"}
    assert {path.stem for path in (EVENTS / "reindex").iterdir()} == {*mine, "fail"}


@pytest.mark.parametrize("times", [1, 2])
def test_step_by_step(reindexing: World, times: int) -> None:
    world, answers = reindexing, dict[str, dict[str, Any]]()
    for function, step in STEPS:
        for _ in range(1 if step == "commit" else times):
            answers[step] = world.replay(function, step)
    assert (answers["plan"]["items"], answers["settle"]["layout"]) == (1, "shard")
    listed = json.loads(world.ports.objects.get(answers["plan"]["items_key"]))
    assert listed.pop("seal")
    assert listed == world.event("reindex", "embed")["item"]
    task = reindex(world)
    assert (task.status, task.total, task.processed) == (TaskStatus.DONE, 2, 2)
    blue = blue_of(world.ports, world.values["TENANT_ID"], Family.ITEMS)
    assert blue is not None
    assert blue.name == "static-128"
    head = read_head(world.ports, keys_of(blue))
    assert head is not None
    assert head.row_count == 2
    assert world.replay("reindex", "fail") == {"outcome": "stopped"}
    assert reindex(world) == task


def test_one_whose_step_failed_is_ended(reindexing: World) -> None:
    assert reindexing.replay("reindex", "fail") == {"outcome": "error"}
    task = reindex(reindexing)
    assert task.status is TaskStatus.FAILED
    assert "Sandbox.Timedout" in (task.detail or "")
    assert reindexing.replay("reindex", "fail") == {"outcome": "stopped"}
    for step in ("plan", "embed"):
        with pytest.raises(ImportStopped):
            reindexing.replay("reindex", step)
    assert reindexing.replay("reindex", "deploy") == {}
