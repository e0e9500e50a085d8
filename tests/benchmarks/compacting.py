"""Compactions in this process: what the builder decides, and the deployed workflow over the same ports."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from shoal.model.datasets import Dataset
from shoal.model.merge_policy import Due
from shoal.services.compaction.items import newest_compaction
from shoal.services.compaction.look_after import look_after
from shoal.services.heads import keys_of
from shoal.services.search import Searcher
from shoal.services.stats import dataset_stats
from shoal.storage.memory import MemoryObjects, MemoryQueue, MemoryTable, MemoryWorkflows
from shoal.storage.ports import Clock, ObjectStore, Ports
from tests.benchmarks.deployment import Deployment
from tests.benchmarks.harness import timed
from tests.workflow.machine import run_workflow
from tests.workflow.steps import call_compaction, compaction_definition


def with_compactions(clock: Clock, objects: ObjectStore | None = None) -> Deployment:
    """A deployment that can start compactions."""
    queues = MemoryQueue(clock), MemoryQueue(clock)
    ports = Ports(objects or MemoryObjects(clock), MemoryTable(clock), *queues, clock)
    return Deployment(ports=replace(ports, compactions=MemoryWorkflows()))


def look(deployment: Deployment, dataset: Dataset, *, thorough: bool = False) -> Due:
    """Do what the builder does with a message; a compaction is only started."""
    return look_after(
        deployment.ports, dataset.tenant_id, dataset.dataset_id, owner="benchmarks", thorough=thorough
    )


def finish(deployment: Deployment, dataset: Dataset) -> float:
    """Run the workflow of the compaction that was started last, one step after the other; seconds."""
    job = newest_compaction(deployment.ports, keys_of(dataset))
    assert job is not None

    def invoke(_: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        return call_compaction(deployment.ports, payload)

    def work() -> None:
        execution = run_workflow(compaction_definition(), deployment.ports, invoke, {"run_id": job.run_id})
        assert execution.succeeded, execution

    return timed(work)


def bytes_named(deployment: Deployment, dataset: Dataset) -> int:
    """Bytes of all objects that the current manifest names."""
    searcher = Searcher(deployment.ports, cache_bytes=10**8)
    found = dataset_stats(
        deployment.ports, searcher, dataset.tenant_id, scope=dataset.scope, name=dataset.name
    )
    return found.bytes
