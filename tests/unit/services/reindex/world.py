"""Collections in a World whose models are fakes, and reindexes of them run in this process."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from shoal.errors import ShoalError
from shoal.model.bindings import Family
from shoal.model.datasets import Dataset
from shoal.model.embedding_models import EmbeddingModel
from shoal.model.imports import Import
from shoal.model.limits import GAP_SECONDS, LEASE_SECONDS
from shoal.model.tasks import Task
from shoal.services.collections.blue import blue_of, set_blue
from shoal.services.collections.catalog import create_collection, find_collection, list_collections
from shoal.services.collections.counts import mark_many_parts
from shoal.services.collections.embedding import embed_objects
from shoal.services.collections.objects import SourceObject
from shoal.services.embedding import Embedder
from shoal.services.heads import keys_of
from shoal.services.imports.finish import commit_with
from shoal.services.imports.reconcile import reconcile_imports
from shoal.services.imports.settle import settle_with
from shoal.services.imports.steps import run_step
from shoal.services.imports.workspace import Step
from shoal.services.parts import PartReader
from shoal.services.publish import live_rows
from shoal.services.reindex.deploying import deploy_step
from shoal.services.reindex.embed import embed_with
from shoal.services.reindex.failing import handle_failure
from shoal.services.reindex.lookup import import_of, read_reindex
from shoal.services.reindex.plan import plan_with
from shoal.services.reindex.reconcile import reconcile_reindexes
from shoal.services.reindex.starting import start_reindex
from shoal.services.snapshot import open_snapshot
from shoal.services.sweep import sweep
from shoal.services.tasks.family import LEASE_SECONDS as LINE_LEASE_SECONDS
from shoal.services.tasks.family import FamilyState, read_family
from shoal.services.write import upsert
from shoal.storage.keys import FamilyKeys
from shoal.storage.memory import MemoryQueue, MemoryWorkflows
from shoal.storage.memory.faults import Faults
from shoal.storage.memory.faulty import FaultyQueue
from shoal.storage.ports import Ports
from tests.unit.services.reindex.models import NEW, OLD, FakeModels
from tests.unit.services.world import Record, World
from tests.workflow.machine import Execution, run_workflow
from tests.workflow.steps import reindex_definition, steps_of

type Documents = dict[str, dict[str, Any]]
"""Payloads by object id."""


@dataclass
class TextWorld(World):
    """A World with collections. `in_cells`: however small a reindex is. `embed_step` makes that step."""

    models: FakeModels = field(default_factory=FakeModels)
    in_cells: bool = False
    tokens_a_day: int | None = None
    embed_step: Callable[[Embedder], Step] = embed_with

    def __post_init__(self) -> None:
        World.__post_init__(self)
        self.tasks = MemoryQueue(self.clock)
        self.reindexes = MemoryWorkflows()
        self.ports = replace(self.ports, tasks=self.tasks, reindexes=self.reindexes)
        self.family = FamilyKeys(self.tenant_id, Family.ITEMS.value)

    def process(self, faults: Faults) -> Ports:
        """The ports of a process that has this bad luck."""
        ports = World.process(self, faults)
        return replace(ports, tasks=FaultyQueue(self.tasks, faults), reindexes=self.reindexes)

    def embedder(self, ports: Ports | None = None) -> Embedder:
        return Embedder(ports or self.ports, self.models, tokens_a_day=self.tokens_a_day)

    # --- collections

    def collection(self, model: EmbeddingModel, documents: Documents | None = None, **more: Any) -> Dataset:
        """A new collection with these documents in it."""
        view = create_collection(self.ports, self.tenant_id, Family.ITEMS, model, **more)
        if documents:
            self.fill(view.dataset, documents)
        return view.dataset

    def source(self, documents: Documents, model: EmbeddingModel = OLD) -> Dataset:
        """The active collection."""
        dataset = self.collection(model, documents)
        set_blue(self.ports, self.tenant_id, Family.ITEMS, model.model_id)
        return dataset

    def found(self, model: EmbeddingModel) -> Dataset:
        return find_collection(self.ports, self.tenant_id, Family.ITEMS, model.model_id)

    def fill(self, dataset: Dataset, documents: Documents) -> None:
        """Write documents as the line would, but past it."""
        found = embed_objects(self.embedder(), dataset, objects_of(documents))
        if max(found.parts.values(), default=0) > 1:
            mark_many_parts(self.ports, keys_of(dataset))
        upsert(
            self.ports,
            dataset,
            ids=found.ids,
            vectors=found.vectors,
            metadata=found.metadata,
            vector_quota=None,
        )
        self.drain(dataset)

    def blue(self) -> str:
        found = blue_of(self.ports, self.tenant_id, Family.ITEMS)
        assert found is not None
        return found.name

    def state(self) -> FamilyState:
        return read_family(self.ports, self.family)

    def records(self, dataset: Dataset) -> dict[str, Record]:
        """All live rows of a dataset, read as a compaction would; each id once."""
        head = self.head(dataset)
        snapshot = open_snapshot(PartReader(self.objects, cache_bytes=1 << 24), dataset, head)
        found: dict[str, Record] = {}
        count = 0
        for shard in snapshot.all_shards() if snapshot else ():
            rows = live_rows(snapshot, shard, snapshot.dead().get(shard.shard_id)) if snapshot else None
            assert rows is not None
            for place, name in enumerate(rows.ids):
                found[name] = (tuple(rows.vectors[place].tolist()), orjson.loads(rows.metadata[place]))
                count += 1
        assert count == len(found) == head.row_count, (
            f"{count} rows, {len(found)} ids, {head.row_count} counted"
        )
        return found

    def expected(self, dataset: Dataset, documents: Documents) -> dict[str, Record]:
        """The rows that these documents are in a collection."""
        found = embed_objects(self.embedder(), dataset, objects_of(documents))
        rows = zip(found.ids, found.vectors.tolist(), found.metadata, strict=True)
        return {name: (tuple(values), orjson.loads(metadata)) for name, values, metadata in rows}

    # --- reindexes

    def reindex(
        self,
        dest: EmbeddingModel = NEW,
        *,
        source: EmbeddingModel = OLD,
        task_id: str | None = "reindex-1",
        ports: Ports | None = None,
        **more: Any,
    ) -> Task:
        """Ask for a reindex."""
        return start_reindex(
            ports or self.ports,
            self.models.registry,
            self.tenant_id,
            task_id=task_id,
            family=Family.ITEMS,
            source=source,
            dest=dest,
            asked_as=(source.model_id, dest.model_id),
            **more,
        )

    def task(self, task_id: str = "reindex-1") -> Task:
        found = read_reindex(self.ports, self.tenant_id, task_id)
        assert found is not None
        return found

    def job(self, task_id: str = "reindex-1") -> Import:
        found = import_of(self.ports, self.task(task_id))
        assert found is not None
        return found

    def step(self, ports: Ports, function: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        """What a handler of the workflow does with an event, without ever waiting."""
        name, import_id = str(payload["step"]), str(payload["import_id"])
        if name == "fail":
            return handle_failure(ports, payload, seconds=0, pause=no_pause)
        if name == "deploy":
            return deploy_step(ports, import_id, seconds=0, pause=no_pause)
        if function == "reindex":
            embedder = self.embedder(ports)
            mine = {
                "plan": plan_with(embedder.registry, seconds=0, pause=no_pause),
                "embed": self.embed_step(embedder),
            }
            return run_step(ports, payload, mine)
        steps = {**steps_of(function), "commit": commit_with(0.0)}
        if self.in_cells:
            steps |= {"settle": settle_with(0)}
        return run_step(ports, payload, steps)

    def run(
        self,
        task: Task | None = None,
        *,
        invoke: Callable[[str, Mapping[str, Any]], Mapping[str, Any]] | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> Execution:
        """Run the workflow of a reindex to its end; `meanwhile` is called whenever it waits."""
        job = import_of(self.ports, task or self.task())
        assert job is not None

        def alone(function: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
            return self.step(self.ports, function, payload)

        def wait(_seconds: float) -> None:
            self.rest()
            if meanwhile is not None:
                meanwhile()

        given = {"import_id": job.import_id}
        execution = run_workflow(reindex_definition(), self.ports, invoke or alone, given, wait=wait)
        self.reindexes.end(job.import_id, execution.status)
        return execution

    def lines(self, key: str) -> list[dict[str, Any]]:
        """The items of a map."""
        return [orjson.loads(line) for line in self.objects.get(key).splitlines()]

    def rest(self) -> None:
        """Let leases run out and places be given up, and have every log applied."""
        self.clock.pass_seconds(LEASE_SECONDS + GAP_SECONDS + LINE_LEASE_SECONDS)
        self.drain_all()

    def drain_all(self) -> None:
        for model in self.models.registry.values():
            with suppress(ShoalError):
                self.drain(self.found(model))

    def settle_down(self) -> None:
        """What the sweep does, often enough for all that was left behind."""
        for _ in range(4):
            self.clock.pass_seconds(100)
            self.rest()
            sweep(self.ports)
            reconcile_imports(self.ports)
            reconcile_reindexes(self.ports, self.family)
            self.drain_all()

    def has_task(self, task_id: str = "reindex-1") -> bool:
        return read_reindex(self.ports, self.tenant_id, task_id) is not None

    def live(self) -> list[Dataset]:
        """All collections that are there."""
        views = list_collections(self.ports, self.tenant_id, Family.ITEMS)
        return [view.view.dataset for view in views]


def objects_of(documents: Documents) -> list[SourceObject]:
    return [SourceObject(name, payload) for name, payload in documents.items()]


def texts(names: Iterable[str], *, words: int = 3) -> Documents:
    """Documents of so many words."""
    return {name: {"title": " ".join(f"{name}-{n}" for n in range(words))} for name in names}


def numbered(count: int, *, words: int = 3) -> Documents:
    return texts((f"doc-{number}" for number in range(count)), words=words)


def no_pause(_seconds: float) -> None:
    """Nothing passes."""
