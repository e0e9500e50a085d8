"""Compactions in a World: what is due decided for a few rows, and the deployed workflow run over its ports."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import orjson

from shoal.errors import RunStopped
from shoal.model.compactions import Compaction
from shoal.model.datasets import Dataset
from shoal.model.manifests import Manifest
from shoal.model.merge_policy import Due
from shoal.services.compaction.finish import commit_with
from shoal.services.compaction.items import find_compaction, newest_compaction
from shoal.services.compaction.look_after import look_after
from shoal.services.compaction.plan import plan_with
from shoal.services.heads import keys_of
from shoal.services.imports.lifecycle import get_import
from shoal.services.publish import live_positions
from shoal.services.snapshot import Snapshot
from shoal.storage.memory import MemoryWorkflows
from shoal.storage.memory.faults import Faults
from shoal.storage.ports import Ports
from tests.unit.services.imports.small import Named, begun, finished, validated
from tests.unit.services.world import Record, World, record
from tests.workflow.machine import Execution, run_workflow
from tests.workflow.steps import CompactionStep, call_compaction, compaction_definition

ONE_SHARD = 4 * 4 * 40
"""Vector bytes of one shard, of four values: so a dataset of over 40 rows becomes cells."""
PIECE = 2000
STEPS: Mapping[str, CompactionStep] = {"plan": plan_with(ONE_SHARD, PIECE), "commit": commit_with(0.2)}


class CompactWorld(World):
    """A world with a workflow that compacts."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.compactions = MemoryWorkflows()
        self.ports = replace(self.ports, compactions=self.compactions)

    def process(self, faults: Faults) -> Ports:
        return replace(super().process(faults), compactions=self.compactions)

    def ports_with(self, **others: Any) -> Ports:
        """The ports with some others in place."""
        return replace(self.ports, **others)

    def manifest(self, dataset: Dataset) -> Manifest:
        snapshot = self.searcher.snapshot(dataset.tenant_id, scope=dataset.scope, name=dataset.name)
        assert snapshot is not None
        return snapshot.manifest

    def decide(self, dataset: Dataset, *, thorough: bool = True, ports: Ports | None = None) -> Due:
        """What the builder does with a message."""
        return look_after(
            ports or self.ports,
            dataset.tenant_id,
            dataset.dataset_id,
            owner="test",
            thorough=thorough,
            one_shard_bytes=ONE_SHARD,
        )

    def started(self, dataset: Dataset) -> Compaction:
        """Decide, which must start a compaction."""
        before = set(self.compactions.started)
        self.decide(dataset)
        (run_id,) = set(self.compactions.started) - before
        job = find_compaction(self.ports, run_id)
        assert job is not None
        return job

    def fresh_newest(self, dataset: Dataset) -> Compaction:
        """The compaction that began last."""
        found = newest_compaction(self.ports, keys_of(dataset))
        assert found is not None
        return found

    def run(self, job: Compaction, *, before: Callable[[Mapping[str, Any]], None] | None = None) -> Execution:
        """Run the workflow of a compaction; `before` is told of each call of a function."""

        def invoke(_: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
            if before is not None:
                before(payload)
            return call_compaction(self.ports, payload, STEPS)

        return run_workflow(compaction_definition(), self.ports, invoke, {"run_id": job.run_id})

    def compact(self, dataset: Dataset) -> Compaction:
        """Start a compaction and run it to its end."""
        job = self.started(dataset)
        execution = self.run(job)
        assert execution.succeeded, execution
        return self.fresh(job)

    def fresh(self, job: Compaction) -> Compaction:
        """The compaction as it is now."""
        found = find_compaction(self.ports, job.run_id)
        assert found is not None
        return found


class Stepper:
    """A compaction done call by call, so that others can do something between any two."""

    def __init__(self, world: CompactWorld, job: Compaction) -> None:
        self._world = world
        self.job = job
        self._todo: list[tuple[str, Any]] = [("plan", None)]

    @property
    def over(self) -> bool:
        """Whether nothing is left to do."""
        return not self._todo

    @property
    def next_step(self) -> str:
        """The name of the next call's step."""
        return self._todo[0][0]

    def step(self, ports: Ports | None = None) -> None:
        """Do the next call; a run that has been stopped ends as its workflow would end it."""
        name, item = self._todo[0]
        payload = {"step": name, "run_id": self.job.run_id, "item": item}
        try:
            output = call_compaction(ports or self._world.ports, payload, STEPS)
        except RunStopped:
            self._todo = []
            self.fail("RunStopped")
            return
        del self._todo[0]
        match name:
            case "plan":
                follow = {"nothing": ["commit"], "shard": ["build_shard", "commit"], "cells": ["train"]}
                items = [] if output["layout"] == "nothing" else self._items("extract", output)
                self._todo = items + [(after, None) for after in follow[str(output["layout"])]]
            case "train":
                self._todo = [*self._items("assign", output), ("group", None)]
            case "group":
                self._todo = [*self._items("build", output), ("calibrate", None), ("commit", None)]

    def fail(self, error: str) -> str:
        """What the workflow does at last where a step has failed; the outcome."""
        payload = {"step": "fail", "run_id": self.job.run_id, "error": {"Error": error}}
        return str(call_compaction(self._world.ports, payload)["outcome"])

    def _items(self, step: str, output: Mapping[str, Any]) -> list[tuple[str, Any]]:
        lines = self._world.objects.get(str(output["items_key"])).splitlines()
        return [(step, orjson.loads(line)) for line in lines]


def rows_named(first: int, stop: int, version: str = "first") -> dict[str, Record]:
    return {f"id-{n:03}": record(n, n % 7, n % 5, 1, version=version) for n in range(first, stop)}


def imported(world: CompactWorld, dataset: Dataset, rows: dict[str, Record]) -> None:
    """Import rows into cells of their own."""
    job = begun(world, dataset)
    named: list[Named] = list(rows.items())
    validated(world, job, named)
    finished(world, dataset, job, in_cells=True)
    assert get_import(world.ports, dataset, job.import_id).error_message is None


def write(world: CompactWorld, dataset: Dataset, rows: dict[str, Record]) -> None:
    world.upsert(dataset, rows)
    world.drain(dataset)


def delete(world: CompactWorld, dataset: Dataset, names: list[str]) -> None:
    world.delete(dataset, names)
    world.drain(dataset)


def sequences(world: CompactWorld, dataset: Dataset) -> dict[str, int]:
    """The sequence of each live row, read from the shards themselves."""
    snapshot = world.searcher.snapshot(dataset.tenant_id, scope=dataset.scope, name=dataset.name)
    assert isinstance(snapshot, Snapshot)
    found: dict[str, int] = {}
    dead = snapshot.dead()
    for shard in snapshot.all_shards():
        rows = snapshot.rows_of(shard).take(live_positions(shard.rows, dead.get(shard.shard_id)))
        assert not found.keys() & set(rows.ids), "a live row lies in one place"
        found |= dict(zip(rows.ids, rows.sequences.tolist(), strict=True))
    return found


def check(world: CompactWorld, dataset: Dataset, expected: dict[str, Record], message: str = "") -> None:
    """Every row, the count, the index and the shards agree."""
    names = {*expected, *rows_named(0, 150), *(f"new-{n}" for n in range(10))}
    assert world.stored(dataset, names) == expected, message
    assert world.head(dataset).row_count == len(expected), message
    assert sequences(world, dataset).keys() == expected.keys(), message
    answer = world.query(dataset, (3.0, 1.0, 2.0, 1.0), top_k=300)
    assert sorted(match.id for match in answer.matches) == sorted(expected), message
