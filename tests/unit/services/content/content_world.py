"""Content indexes in a World whose model is a fake: built by the deployed workflow, and followed, in process."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson

from shoal.errors import NotFound, ShoalError
from shoal.model.content_documents import Deletion, Document
from shoal.model.content_indexes import ContentIndex, check_index, parse_selection
from shoal.model.datasets import Dataset
from shoal.model.imports import ImportFormat
from shoal.model.limits import GAP_SECONDS, LEASE_SECONDS
from shoal.services.collections.embedding import embed_objects
from shoal.services.content.activate import activate_step
from shoal.services.content.build import describe, embed_step, plan_step, source_object
from shoal.services.content.documents import ensure_documents, put_versions
from shoal.services.content.following import follow_content
from shoal.services.content.indexes import create_index, delete_index, get_index, list_indexes
from shoal.services.content.items import read_index
from shoal.services.content.reading import scan
from shoal.services.followers import children_of, forget_child, say_synced
from shoal.services.heads import keys_of
from shoal.services.imports.lookup import find_import
from shoal.services.imports.reconcile import reconcile_imports
from shoal.services.imports.steps import run_step
from shoal.services.snapshot import open_snapshot
from shoal.services.sweep import sweep
from shoal.services.tenants import create_tenant
from shoal.storage.keys import DatasetKeys
from shoal.storage.memory.workflows import RUNNING
from shoal.storage.ports import Ports
from tests.unit.services.reindex.models import OLD
from tests.unit.services.reindex.world import TextWorld, no_pause
from tests.unit.services.world import Record
from tests.workflow.machine import Execution, run_workflow
from tests.workflow.steps import import_definition, reindex_definition

NAME = "production"


@dataclass
class ContentWorld(TextWorld):
    """A TextWorld with one dataset of documents."""

    def __post_init__(self) -> None:
        TextWorld.__post_init__(self)
        self.tenant_id = create_tenant(self.ports, name="content").tenant_id
        self.models.told.cannot = frozenset({OLD.model_id})

    @property
    def documents(self) -> Dataset:
        return ensure_documents(self.ports, self.tenant_id, NAME)

    def put(self, *changes: Document | Deletion, applied: bool = True) -> None:
        """What webhooks bring."""
        put_versions(self.ports, self.documents, changes, vector_quota=None)
        if applied:
            self.drain(self.documents)

    # --- indexes

    def create_index(
        self, name: str = "movies", filter_text: str = "", projection: str = "", *, ports: Ports | None = None
    ) -> ContentIndex:
        """Make an index, and leave its build to the workflow."""
        spec = check_index(name, filter_text, projection)
        return create_index(
            ports or self.ports,
            self.models.registry,
            self.searcher.reader,
            self.documents,
            spec,
            vector_quota=None,
            pause=no_pause,
        )

    def index(self, name: str = "movies") -> ContentIndex:
        return get_index(self.ports, self.tenant_id, dataset_name=NAME, name=name)

    def indexes(self) -> list[ContentIndex]:
        return list_indexes(self.ports, self.tenant_id, dataset_name=NAME)

    def delete_index(self, name: str = "movies", *, ports: Ports | None = None) -> ContentIndex:
        return delete_index(ports or self.ports, self.tenant_id, dataset_name=NAME, name=name)

    def made(self, name: str = "movies", filter_text: str = "", projection: str = "") -> ContentIndex:
        """An index that is built."""
        self.create_index(name, filter_text, projection)
        assert self.built(name).succeeded
        return self.index(name)

    # --- the workflow

    def step(self, ports: Ports, function: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        """What a handler of the workflow does with an event, without ever waiting."""
        import_id = str(payload["import_id"])
        job = find_import(ports, import_id)
        if job is None or job.format is not ImportFormat.CONTENT or function != "reindex":
            return TextWorld.step(self, ports, function, payload)
        match payload["step"]:
            case "fail":
                return TextWorld.step(self, ports, function, payload)
            case "deploy":
                return activate_step(ports, import_id)
            case _:
                embedder = self.embedder(ports)
                mine = {
                    "plan": plan_step(embedder.registry, seconds=0, pause=no_pause),
                    "embed": embed_step(embedder),
                }
                return run_step(ports, payload, mine)

    def built(
        self,
        name: str = "movies",
        *,
        invoke: Callable[[str, Mapping[str, Any]], Mapping[str, Any]] | None = None,
    ) -> Execution:
        """Run the workflow of an index to its end."""
        item = read_index(self.ports, keys_of(self.index(name).dataset))
        assert item is not None
        return self.execute(item.import_id, invoke=invoke)

    def execute(
        self,
        import_id: str,
        *,
        invoke: Callable[[str, Mapping[str, Any]], Mapping[str, Any]] | None = None,
    ) -> Execution:
        """Run the workflow of an import to its end."""

        def alone(function: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
            return self.step(self.ports, function, payload)

        job = find_import(self.ports, import_id)
        uploaded = job is not None and job.format.uploaded
        workflows = self.imports if uploaded else self.reindexes
        execution = run_workflow(
            import_definition() if uploaded else reindex_definition(),
            self.ports,
            invoke or alone,
            {"import_id": import_id},
            wait=lambda _: self.rest(),
        )
        workflows.end(import_id, execution.status)
        return execution

    def under_way(self) -> list[str]:
        """Builds that were started and have not been run."""
        return [name for name, status in self.reindexes.statuses.items() if status == RUNNING]

    # --- following

    def follow(self, *, ports: Ports | None = None, budget: float = 60.0) -> bool:
        """What is done when the followers of the documents are woken; whether all are up to date."""
        given = ports or self.ports
        source = keys_of(self.documents)
        up_to_date = True
        for child in children_of(given, source):
            head = self.head(self.documents)
            try:
                done = follow_content(
                    given,
                    self.embedder(given),
                    self.searcher.reader,
                    self.documents,
                    head,
                    child,
                    owner="test",
                    budget_seconds=budget,
                )
            except NotFound:
                forget_child(given, source, child.dataset_id)
                continue
            up_to_date = up_to_date and done
            if done:
                say_synced(given, source, child.dataset_id, version=head.version)
        return up_to_date

    def drain_all(self) -> None:
        TextWorld.drain_all(self)
        self.drain(self.documents)
        for index in self.indexes():
            with suppress(ShoalError):
                self.drain(index.dataset)

    def rest(self) -> None:
        """Let leases run out and places be given up, and have every log applied."""
        self.clock.pass_seconds(LEASE_SECONDS + GAP_SECONDS)
        self.drain_all()

    def settle_down(self) -> None:
        """All that runs by itself, often enough for all that was left behind."""
        for _ in range(4):
            self.clock.pass_seconds(100)
            self.rest()
            sweep(self.ports)
            reconcile_imports(self.ports)
            for import_id in self.under_way():
                self.execute(import_id)
            self.rest()
            self.follow()
            self.drain_all()

    # --- what there should be

    def latest(self) -> dict[str, Document]:
        """The published documents as they are, by id."""
        snapshot = open_snapshot(self.searcher.reader, self.documents, self.head(self.documents))
        return {document.document_id: document for document in scan(snapshot)}

    def wanted(self, index: ContentIndex) -> tuple[dict[str, Record], set[str]]:
        """The rows that an index must hold, and the ids of documents that it cannot."""
        selection = parse_selection(index.filter, index.projection)
        chosen = [document for document in self.latest().values() if selection.selects(document)]
        objects = [source_object(selection, document) for document in chosen]
        found = embed_objects(self.embedder(), index.dataset, objects, describe=describe)
        rows = zip(found.ids, found.vectors.tolist(), found.metadata, strict=True)
        records: dict[str, Record] = {
            name: (tuple(values), orjson.loads(metadata)) for name, values, metadata in rows
        }
        return records, {one.object_id for one in found.failed}

    def check(self, index: ContentIndex, message: str = "") -> None:
        """See that an index holds what it must, and says what it does not."""
        records, failed = self.wanted(index)
        assert self.records(index.dataset) == records, message
        assert index.status == "active", message
        assert (index.remaining_count, index.failed_count) == (0, len(failed)), message
        assert index.error is None, message

    def is_gone(self, dataset: Dataset) -> bool:
        keys = DatasetKeys(dataset.tenant_id, dataset.dataset_id)
        item = self.table.get(keys.head)
        return item is None or item["state"] != "live"


def document(name: str, ms: int = 1, **fields: Any) -> Document:
    """A version of a document."""
    return Document(name, {"_id": name, "_type": "movie", **fields}, ms)


__all__ = ["NAME", "ContentWorld", "Deletion", "document"]
