"""Tasks of the Openverse dialect in a World: the deployed machine, and all that it waits for, in this process."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import orjson

from functions.derivation.handler import STEPS as DERIVATION_STEPS
from functions.ingestion.handler import FAIL, WORK, answer
from shoal.errors import NotFound
from shoal.model.datasets import NATIVE_SCOPE, Dataset
from shoal.model.limits import BUILD_LEASE_SECONDS, GAP_SECONDS
from shoal.model.openverse import SCOPE, Action, OpenverseTask, TaskState
from shoal.services import datasets
from shoal.services.commit import drain
from shoal.services.compaction.look_after import look_after
from shoal.services.derived.ending import handle_failure as derivation_failed
from shoal.services.derived.ending import reconcile_derivations
from shoal.services.derived.items import find_derivation
from shoal.services.derived.plan import plan_with
from shoal.services.derived.run import open_derivation
from shoal.services.derived.settle import settle_with
from shoal.services.imports.finish import commit_with
from shoal.services.imports.reconcile import reconcile_imports
from shoal.services.imports.steps import run_step
from shoal.services.openverse.accept import accept
from shoal.services.openverse.ending import handle_failure
from shoal.services.openverse.tasks import put_new, read_task
from shoal.services.openverse.work import step
from shoal.services.parts import PartReader
from shoal.services.pipeline.steps import do_step
from shoal.services.sources import put_source
from shoal.services.tenants import create_tenant
from shoal.storage.memory import MemoryOutbound, MemoryQueue, MemoryUpstream, MemoryWorkflows
from shoal.storage.memory.faults import Faults
from shoal.storage.memory.faulty_outside import FaultyOutbound, FaultyUpstream
from shoal.storage.memory.faulty_steering import FaultyWorkflows
from shoal.storage.model_ports import Outbound
from shoal.storage.ports import Ports
from tests.unit.services.world import Record, World
from tests.workflow.definition import States, read_definition
from tests.workflow.machine import Execution, Invoke, run_workflow
from tests.workflow.steps import call as call_import
from tests.workflow.steps import compaction_definition, import_definition, in_process

_FOLDER = Path(__file__).parents[4] / "infra/statemachines"
FILE: Final = _FOLDER / "ingestion.asl.json"
NAMES: Final = {"Partition": "aws", "IngestionFunctionArn": "ingestion"}
DERIVATION_FILE: Final = _FOLDER / "derivation.asl.json"
DERIVATION_NAMES: Final = {"Partition": "aws", "Bucket": "bucket", "DerivationFunctionArn": "derivation"}
MODEL = "image"
BUCKET = "catalogue"
MOST_WAITS = 400
"""Of one execution: more, and something is waited for that never comes."""


def definition() -> States:
    """The state machine, as deployed."""
    return read_definition(FILE, NAMES)


@dataclass
class OpenverseWorld(World):
    """A World with a tenant that has a dataset `image`, buckets of others, and workflows that run when waited for,
    unless `others_sleep`.

    `progress` is what was seen of the task of the execution at hand whenever it waited.
    """

    budget_seconds: float = 300.0
    others_sleep: bool = False
    progress: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        World.__post_init__(self)
        self.upstream = MemoryUpstream(self.objects, self.clock)
        self.outside = MemoryOutbound()
        self.tasks = MemoryQueue(self.clock)
        self.derivations, self.ingestions, self.compactions = (MemoryWorkflows() for _ in range(3))
        self.use(self.outside)
        self.tenant_id = create_tenant(self.ports, name="ours").tenant_id
        self.dataset = self.create(MODEL, dimension=4)

    def use(self, outbound: Outbound) -> None:
        """Call back by another way."""
        self.ports = replace(
            self.ports,
            tasks=self.tasks,
            compactions=self.compactions,
            derivations=self.derivations,
            ingestions=self.ingestions,
            upstream=self.upstream,
            outbound=outbound,
        )

    def process(self, faults: Faults) -> Ports:
        """The ports of a process that has this bad luck."""
        return replace(
            World.process(self, faults),
            tasks=self.tasks,
            imports=FaultyWorkflows(self.imports, faults),
            derivations=FaultyWorkflows(self.derivations, faults),
            ingestions=FaultyWorkflows(self.ingestions, faults),
            upstream=FaultyUpstream(self.upstream, faults),
            outbound=FaultyOutbound(self.ports.outbound, faults),
        )

    # --- what there is

    def fill(self, records: Mapping[str, Record], dataset: Dataset | None = None, **more: Any) -> None:
        """Write records, and have them applied."""
        self.upsert(dataset or self.dataset, records, **more)
        self.drain(dataset or self.dataset)

    def index(self, name: str, *, dimension: int = 4) -> Dataset:
        """An index that is there, and empty."""
        view = datasets.create_dataset(
            self.ports,
            self.tenant_id,
            scope=SCOPE,
            name=name,
            dimension=dimension,
            metric=self.dataset.metric,
        )
        return view.dataset

    def indexes(self) -> dict[str, int]:
        """The indexes that can be seen, and how many records each has."""
        views = datasets.list_datasets(self.ports, self.tenant_id, scope=SCOPE)
        return {view.dataset.name: view.head.row_count for view in views}

    def found(self, name: str) -> Dataset:
        """An index that can be seen."""
        return datasets.resolve(self.ports, self.tenant_id, scope=SCOPE, name=name)

    def put(self, key: str, records: Mapping[str, Record] | bytes) -> None:
        """What the owner of the catalogue's bucket does."""
        body = records if isinstance(records, bytes) else ndjson(records)
        self.upstream.put(BUCKET, key, body)

    def register(self, url: str = f"s3://{BUCKET}/dump", file_format: str = "ndjson") -> None:
        """What the operator does."""
        put_source(self.ports, self.tenant_id, MODEL, url, file_format)

    # --- tasks

    def accept(self, action: Action, *, quota: int | None = None, **body: Any) -> OpenverseTask:
        """Ask for a task."""
        request = {"model": MODEL, "action": action.value, **body}
        return accept(self.ports, self.tenant_id, request, vector_quota=quota)

    def put_task(self, task: OpenverseTask) -> OpenverseTask:
        """Store a task as it is given."""
        put_new(self.ports, task)
        return task

    def task(self, task: OpenverseTask) -> OpenverseTask:
        """The task as it is now."""
        found = read_task(self.ports, self.tenant_id, task.task_id)
        assert found is not None
        return found

    def call(self, ports: Ports, function: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the handler does with an event, in a new process."""
        assert function == "ingestion"
        if payload["step"] == FAIL:
            return handle_failure(ports, payload)
        assert payload["step"] == WORK
        found = step(
            ports,
            lambda: PartReader(ports.objects, cache_bytes=1 << 24),
            tenant_id=str(payload["tenant_id"]),
            task_id=str(payload["task_id"]),
            budget_seconds=self.budget_seconds,
        )
        return answer(found)

    def run(self, task: OpenverseTask, invoke: Invoke | None = None) -> Execution:
        """Run the workflow of a task to its end; what it waits for happens whenever it waits."""
        self.progress = [self.task(task).progress]
        waits = 0

        def wait(seconds: float) -> None:
            nonlocal waits
            waits += 1
            assert waits < MOST_WAITS, "waits for ever"
            self.clock.pass_seconds(seconds)
            now = self.task(task)
            if not now.status.terminal:
                assert now.progress < 100
            self.progress.append(now.progress)
            if not self.others_sleep:
                self.others_work()

        def alone(function: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
            return self.call(self.ports, function, payload)

        given = {"task_id": task.task_id, "tenant_id": task.tenant_id}
        execution = run_workflow(definition(), self.ports, invoke or alone, given, wait=wait)
        self.ingestions.end(task.task_id, execution.status)
        self.progress.append(self.task(task).progress)
        assert self.progress == sorted(self.progress), self.progress
        return execution

    def done(self, task: OpenverseTask) -> OpenverseTask:
        """Run a task that succeeds."""
        execution = self.run(task)
        assert execution.succeeded, (execution.error, execution.cause)
        ended = self.task(task)
        assert (ended.status, ended.progress) == (TaskState.COMPLETED, 100.0), ended.detail
        return ended

    def failed(self, task: OpenverseTask) -> OpenverseTask:
        """Run a task that cannot be done, which is no failure of its workflow."""
        execution = self.run(task)
        assert execution.succeeded, (execution.error, execution.cause)
        ended = self.task(task)
        assert ended.status is TaskState.FAILED
        assert ended.progress < 100
        return ended

    # --- the others

    def others_work(self) -> None:
        """Have the sweep look after what was left behind, run the workflows that were started, apply every log."""
        reconcile_imports(self.ports)
        reconcile_derivations(self.ports)
        for machine, run in ((self.imports, self.run_import), (self.derivations, self.run_derivation)):
            for name, status in list(machine.statuses.items()):
                if status == "RUNNING":
                    run(name)
        self.drain_all()

    def run_import(self, import_id: str) -> None:
        """Run the workflow of an import."""

        def invoke(function: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
            if payload["step"] == "commit":
                return run_step(self.ports, payload, {"commit": commit_with(0.0)})
            return call_import(self.ports, function, payload)

        def wait(_seconds: float) -> None:
            self.clock.pass_seconds(BUILD_LEASE_SECONDS + GAP_SECONDS)

        execution = run_workflow(import_definition(), self.ports, invoke, {"import_id": import_id}, wait=wait)
        self.imports.end(import_id, execution.status)

    def run_derivation(self, run_id: str) -> None:
        """Run the workflow of a derivation."""
        steps = {**DERIVATION_STEPS, "plan": plan_with(seconds=0, pause=_no_pause)}
        steps["settle"] = settle_with(seconds=0, pause=_no_pause)

        def invoke(_function: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
            if payload["step"] == "fail":
                return derivation_failed(self.ports, payload)
            return do_step(payload, steps, lambda: open_derivation(self.ports, run_id))

        def wait(seconds: float) -> None:
            self.clock.pass_seconds(seconds)
            self.drain_all()
            run = find_derivation(self.ports, run_id)
            assert run is not None
            self._work_on(run.dataset_id)

        machine = read_definition(DERIVATION_FILE, DERIVATION_NAMES)
        execution = run_workflow(machine, self.ports, invoke, {"run_id": run_id}, wait=wait)
        self.derivations.end(run_id, execution.status)

    def _work_on(self, dataset_id: str) -> None:
        """Do for a dataset that cannot be seen yet what its messages ask for."""
        drain(self.ports, self.tenant_id, dataset_id, owner="test")
        if not self.builds.receive():
            return
        look_after(self.ports, self.tenant_id, dataset_id, owner="test", thorough=True)
        for given in self.compactions.started.values():
            run_workflow(compaction_definition(), self.ports, in_process(self.ports), given)
        self.compactions.started.clear()

    def drain_all(self) -> None:
        """Have every log applied."""
        self.clock.pass_seconds(GAP_SECONDS + 1)
        for scope in (NATIVE_SCOPE, SCOPE):
            for view in datasets.list_datasets(self.ports, self.tenant_id, scope=scope):
                try:
                    self.drain(view.dataset)
                except NotFound:
                    continue


def _no_pause(_seconds: float) -> None:
    """Nothing passes."""


def ndjson(records: Mapping[str, Record]) -> bytes:
    """Records as lines of an import."""
    lines = (
        {"id": name, "values": list(values), "metadata": dict(metadata)}
        for name, (values, metadata) in records.items()
    )
    return b"".join(orjson.dumps(line) + b"\n" for line in lines)
