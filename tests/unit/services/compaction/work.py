"""Compactions in a World: what is due decided for a few rows, and the deployed workflow run over its ports."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from shoal.model.compactions import Compaction
from shoal.model.datasets import Dataset
from shoal.model.manifests import Manifest
from shoal.model.merge_policy import Due
from shoal.services.compaction.finish import commit_with
from shoal.services.compaction.items import find_compaction, newest_compaction
from shoal.services.compaction.look_after import look_after
from shoal.services.compaction.plan import plan_with
from shoal.services.heads import keys_of
from shoal.storage.memory import MemoryWorkflows
from shoal.storage.memory.faults import Faults
from shoal.storage.ports import Ports
from tests.unit.services.world import World
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
