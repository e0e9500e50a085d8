"""Derivations in a World: the deployed definition, run in this process, beside an indexer and a builder."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, cast

import orjson

from functions.derivation.handler import STEPS
from shoal.model.datasets import NATIVE_SCOPE, Dataset
from shoal.model.derivations import EVERYTHING, Condition, Derivation
from shoal.model.selection import Selection
from shoal.services.commit import drain
from shoal.services.compaction.items import find_compaction
from shoal.services.compaction.look_after import look_after
from shoal.services.datasets import resolve
from shoal.services.derived.ending import handle_failure
from shoal.services.derived.plan import plan_with
from shoal.services.derived.run import Step, open_derivation
from shoal.services.derived.settle import settle_with
from shoal.services.derived.starting import get_derivation, start_derivation, start_rebuild
from shoal.services.embedding import Embedder
from shoal.services.heads import keys_of
from shoal.services.listing import ListRequest, list_records
from shoal.services.parts import PartReader
from shoal.services.pipeline.steps import do_step
from shoal.services.snapshot import Snapshot, open_snapshot
from shoal.services.wake import THOROUGH
from shoal.storage.keys import DatasetKeys
from shoal.storage.memory import MemoryQueue, MemoryWorkflows
from shoal.storage.memory.faults import Faults
from shoal.storage.memory.faulty import FaultyQueue
from shoal.storage.ports import Ports
from tests.unit.services.compaction.work import ONE_SHARD, CompactWorld
from tests.unit.services.world import Record
from tests.workflow.definition import States, read_definition
from tests.workflow.machine import Execution, Invoke, Runner

FILE: Final = Path(__file__).parents[4] / "infra/statemachines/derivation.asl.json"
NAMES: Final = {"Partition": "aws", "Bucket": "bucket", "DerivationFunctionArn": "derivation"}
PIECE_ROWS = 4


def _at_once(_: float) -> None:
    """Nobody else would do anything meanwhile."""


SMALL: Final[Mapping[str, Step]] = {
    **STEPS,
    "plan": plan_with(seconds=0.0, pause=_at_once, piece_rows=PIECE_ROWS),
    "settle": settle_with(seconds=0.0, pause=_at_once),
}
"""The steps, for a source of few rows, in a process that waits for nothing."""


def definition() -> States:
    """The state machine of derivations, as deployed."""
    return read_definition(FILE, NAMES)


def call(ports: Ports, function: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the handler does with an event."""
    assert function == "derivation"
    if payload["step"] == "fail":
        return handle_failure(ports, payload)
    return do_step(payload, SMALL, lambda: open_derivation(ports, payload["run_id"]))


class DeriveWorld(CompactWorld):
    """A world with a workflow that derives. `builder`: somebody does what the builder is asked for, too."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.builder = False
        self.reader = PartReader(self.objects, cache_bytes=1 << 24)
        self.derivations = MemoryWorkflows()
        self.tasks = MemoryQueue(self.clock)
        self.ports = replace(self.ports, derivations=self.derivations, tasks=self.tasks)

    def process(self, faults: Faults) -> Ports:
        return replace(
            super().process(faults), derivations=self.derivations, tasks=FaultyQueue(self.tasks, faults)
        )

    # --- deriving

    def begin(
        self,
        source: Dataset,
        name: str = "derived",
        condition: Condition = EVERYTHING,
        *,
        follow: bool = False,
        quota: int | None = None,
        run_id: str | None = None,
        scope: str = NATIVE_SCOPE,
    ) -> Derivation:
        """A run whose workflow has not begun."""
        return start_derivation(
            self.ports,
            self.tenant_id,
            source=source,
            scope=scope,
            name=name,
            condition=condition,
            follow=follow,
            vector_quota=quota,
            run_id=run_id,
        )

    def run_derivation(
        self,
        run: Derivation,
        invoke: Invoke | None = None,
        *,
        before: Callable[[Mapping[str, Any]], None] = lambda _: None,
    ) -> Execution:
        """The workflow of a run, from its first state to its last; logs are applied while it waits.

        `before` is told of each call of a function.
        """

        def invoked(name: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
            before(payload)
            return (invoke or (lambda _, given: call(self.ports, name, given)))(name, payload)

        keys = (DatasetKeys(run.tenant_id, run.source_id), DatasetKeys(run.tenant_id, run.dataset_id))

        def waited(seconds: float) -> None:
            self.clock.pass_seconds(seconds)
            for each in keys:
                if self.table.get(each.meta) is not None:
                    self.drain_id(each)
            if self.builder:
                self.look_after_builds()

        execution = Runner(self.objects, invoked, wait=waited).run(definition(), {"run_id": run.run_id}, {})
        self.derivations.end(run.run_id, execution.status)
        return execution

    def derive(
        self, source: Dataset, name: str = "derived", condition: Condition = EVERYTHING, **more: Any
    ) -> Dataset:
        """A whole derivation; the dataset that it made."""
        self.completed(self.begin(source, name, condition, **more))
        return self.named(name)

    def rebuild(self, dataset: Dataset, *, quota: int | None = None) -> Derivation:
        """A whole rebuild."""
        return self.completed(start_rebuild(self.ports, self.tenant_id, dataset=dataset, vector_quota=quota))

    def completed(self, run: Derivation, invoke: Invoke | None = None) -> Derivation:
        """The run, done."""
        execution = self.run_derivation(run, invoke)
        assert execution.succeeded, (execution.error, execution.cause)
        return self.again(run)

    def again(self, run: Derivation) -> Derivation:
        """The run as it is now."""
        return get_derivation(self.ports, self.tenant_id, run.run_id)

    # --- what is there

    def named(self, name: str) -> Dataset:
        """The dataset of a name."""
        return resolve(self.ports, self.tenant_id, scope=NATIVE_SCOPE, name=name)

    def drain_id(self, keys: DatasetKeys) -> None:
        """Have a log applied."""
        drain(self.ports, keys.tenant_id, keys.dataset_id, owner="test")

    def look_after_builds(self) -> None:
        """Do what the builder was asked for."""
        for received in self.builds.receive():
            self.builds.delete(received.receipt)
            look_after(
                self.ports,
                received.message["tenant_id"],
                received.message["dataset_id"],
                owner="test",
                thorough=THOROUGH in received.message,
                one_shard_bytes=ONE_SHARD,
            )
        self.run_compactions()

    def run_compactions(self) -> None:
        """Run what was started."""
        for run_id, status in list(self.compactions.statuses.items()):
            if status == "RUNNING":
                job = find_compaction(self.ports, run_id)
                assert job is not None
                self.compactions.end(run_id, self.run(job).status)

    def keys(self, dataset: Dataset) -> DatasetKeys:
        """The keys of a dataset."""
        return keys_of(dataset)

    def snapshot_of(self, dataset: Dataset) -> Snapshot:
        """The version of now."""
        snapshot = open_snapshot(self.reader, dataset, self.head(dataset))
        assert snapshot is not None
        return snapshot


def no_models() -> Embedder:
    """What brings followers up that embed nothing."""
    return cast("Embedder", None)


def seen(world: DeriveWorld, dataset: Dataset, universe: Iterable[str] = ()) -> dict[str, Record]:
    """The records of a dataset as a listing has them; a fetch, a search and the count of rows say the same.

    `universe`: ids that are asked for, too.
    """
    request = ListRequest(Selection(), b"", 1000, include_values=True)
    where = {"scope": dataset.scope, "name": dataset.name}
    page = list_records(world.ports, world.searcher, world.tenant_id, request=request, **where)
    assert page.cursor is None
    found: dict[str, Record] = {}
    for match in page.records:
        assert match.values is not None
        assert match.id not in found, "no record comes twice"
        found[match.id] = (tuple(match.values.tolist()), orjson.loads(match.metadata))
    assert page.total == world.head(dataset).row_count == len(found)
    assert world.stored(dataset, [*universe, *found]) == found
    if found:
        answer = world.query(dataset, [0.0] * dataset.dimension, top_k=1000)
        assert {match.id for match in answer.matches} == found.keys()
    return found
