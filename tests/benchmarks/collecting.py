"""Collections in this process: requests of the API, the worker of the line, the indexer; and real documents."""

import time
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import orjson

from infra.cli.demo.documents import TEMPLATE
from infra.cli.demo.operations import Operation, load_operations
from shoal.embedding.models import Models
from shoal.http.app import App
from shoal.http.context import Deps
from shoal.http.routes import service_router
from shoal.model.bindings import Family
from shoal.model.datasets import Dataset
from shoal.services.collections.catalog import find_collection, list_collections
from shoal.services.embedding import Embedder
from shoal.services.search import Searcher
from shoal.services.tasks.worker import work
from shoal.storage.memory import MemoryObjects, MemoryQueue, MemoryTable, MemoryWorkflows
from shoal.storage.ports import ObjectStore, Ports
from tests.benchmarks.deployment import SETTINGS, Deployment, answer_of
from tests.unit.http.api import event

TASK_OBJECTS = 1000
_API = "/api/v1"
_COLLECTIONS = f"{_API}/internal/vectordb/collections"
_REINDEXES = f"{_API}/internal/reindex-tasks"
_BUDGET_SECONDS = 600.0


@cache
def operations() -> tuple[Operation, ...]:
    """Every AWS API operation that botocore describes: 19,796 documents of real text."""
    return tuple(load_operations())


class _Objects(MemoryObjects):
    """A bucket in memory that hashes nothing: that is S3's work, not that of who is measured."""

    def _etag(self, content: bytes) -> str:
        return f"{len(content):032x}"


def memory_ports(objects: ObjectStore | None = None) -> Ports:
    """Everything in memory."""
    clock = time.time
    return Ports(
        objects or _Objects(clock),
        MemoryTable(clock),
        MemoryQueue(clock),
        MemoryQueue(clock),
        clock,
        reindexes=MemoryWorkflows(),
        tasks=MemoryQueue(clock),
    )


class Collections(Deployment):
    """A deployment whose tenant has collections of items."""

    def __init__(self, ports: Ports | None = None) -> None:
        super().__init__(ports=ports or memory_ports())
        registry = SETTINGS.embedding_registry()
        self.embedder = Embedder(
            self.ports, Models(registry, inference=self.ports.inference, outbound=self.ports.outbound)
        )
        self._api = self.api_app()

    @property
    def reindexes(self) -> MemoryWorkflows:
        """The reindexes that were started."""
        assert isinstance(self.ports.reindexes, MemoryWorkflows)
        return self.ports.reindexes

    def search_app(self) -> App:
        """What the handler of the function `query` makes in a new container, with an embedder."""
        searcher = Searcher(self.ports, cache_bytes=SETTINGS.cache_bytes)
        return App(service_router(), Deps.of(SETTINGS, self.ports, searcher, self.embedder), serves="query")

    def collection(self, model_id: str) -> Dataset:
        """A new collection of a model, blue, of which the field `text` is embedded."""
        for call, body in (
            ("create", {"embedding_model_id": model_id, "template": TEMPLATE}),
            ("set-blue", {"embedding_model_id": model_id}),
        ):
            answer_of(self._api, self.event(f"{_COLLECTIONS}/{call}", orjson.dumps(body).decode()))
        return self.dataset(model_id)

    def dataset(self, model_id: str) -> Dataset:
        """The collection of a model."""
        return find_collection(self.ports, self.tenant_id, Family.ITEMS, model_id)

    def events(self, documents: Sequence[bytes]) -> list[dict[str, Any]]:
        """Requests that write documents, a thousand each, as the gateway hands them over."""
        path = f"{_API}/embeddings/upsertion-tasks/run"
        some = (documents[start : start + TASK_OBJECTS] for start in range(0, len(documents), TASK_OBJECTS))
        # JSON that is not packed arrives as text.
        return [self.event(path, (b'{"items":[%s]}' % b",".join(each)).decode()) for each in some]

    def accept(self, events: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The tasks that requests made."""
        return [answer_of(self._api, event) for event in events]

    def work(self) -> None:
        """Do the line of the family, to its end."""
        while work(
            self.ports,
            self.embedder,
            self.tenant_id,
            Family.ITEMS,
            owner="benchmarks",
            budget_seconds=_BUDGET_SECONDS,
        ):
            pass

    def reindex(self, source: str, dest: str) -> str:
        """Ask for a reindex whose destination is to be blue; its id. Its workflow is started, not run."""
        body = {
            "source": {"embedding_model_id": source},
            "dest": {"embedding_model_id": dest},
            "deploy_as_blue": True,
        }
        asked = self.event(f"{_REINDEXES}/run", orjson.dumps(body).decode())
        return str(answer_of(self._api, asked)["task_id"])

    def task(self, task_id: str) -> dict[str, Any]:
        """A reindex as it is shown."""
        headers = {"authorization": f"Bearer {self.key}"}
        return answer_of(self._api, event("GET", f"{_REINDEXES}/{task_id}", headers=headers))

    def datasets(self) -> list[Dataset]:
        """All collections of items."""
        views = list_collections(self.ports, self.tenant_id, Family.ITEMS)
        return [each.view.dataset for each in views]

    def search_event(self, text: str, *, limit: int = 10) -> dict[str, Any]:
        """A search by text."""
        body = {"search_query": text, "limit": limit}
        return self.event(f"{_API}/embeddings/similarity-search", orjson.dumps(body).decode())
