"""A Shoal in this process: stores in memory, the apps that handlers hand events to, and the indexer's work."""

import time
from collections.abc import Mapping
from os import devnull
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from shoal import observability
from shoal.http.app import App
from shoal.http.context import Deps
from shoal.http.routes import service_router
from shoal.model.datasets import NATIVE_SCOPE, Dataset, Head, Metric
from shoal.model.manifests import Manifest
from shoal.model.records import Vectors
from shoal.model.tenants import Scope
from shoal.services.api_keys import create_key
from shoal.services.build import build_resident
from shoal.services.commit import drain
from shoal.services.datasets import create_dataset
from shoal.services.heads import keys_of, read_head
from shoal.services.search import Searcher
from shoal.services.snapshot import open_snapshot
from shoal.services.tenants import create_tenant
from shoal.services.write import upsert
from shoal.settings import Settings
from shoal.storage.memory import MemoryObjects, MemoryQueue, MemoryTable
from shoal.storage.ports import ObjectStore, Ports
from tests.benchmarks.corpus import metadata_of, names
from tests.unit.http.api import event

SETTINGS = Settings(table="benchmarks")
"""As a function without settings of its own gets them."""


class Deployment:
    """One tenant with a key; `ports` are those of every function."""

    def __init__(self, objects: ObjectStore | None = None, *, ports: Ports | None = None) -> None:
        queues = MemoryQueue(time.time), MemoryQueue(time.time)
        self.ports = ports or Ports(
            objects or MemoryObjects(time.time), MemoryTable(time.time), *queues, time.time
        )
        self.tenant_id = create_tenant(self.ports, name="benchmarks").tenant_id
        _, self.key = create_key(
            self.ports,
            tenant_id=self.tenant_id,
            name="benchmarks",
            scopes=frozenset({Scope.ADMIN}),
            expires_at=None,
        )
        # Log lines are made as in Lambda, and go where they cost nothing to look at.
        observability.configure("benchmarks", stream=Path(devnull).open("w"))  # noqa: SIM115 - for the process

    def api_app(self) -> App:
        """What the handler of the function `api` makes in a new container."""
        return App(service_router(), Deps.of(SETTINGS, self.ports), serves="api")

    def query_app(self) -> App:
        """What the handler of the function `query` makes in a new container."""
        searcher = Searcher(self.ports, cache_bytes=SETTINGS.cache_bytes)
        return App(service_router(), Deps.of(SETTINGS, self.ports, searcher), serves="query")

    def event(self, path: str, body: bytes | str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        """A POST as the gateway hands it over; bytes arrive in base64, text as it is."""
        sent = {"authorization": f"Bearer {self.key}", "content-type": "application/json", **(headers or {})}
        return event("POST", path, body=body, headers=sent)

    def query_event(
        self, dataset: Dataset, vector: NDArray[np.float32], *, top_k: int = 10
    ) -> dict[str, Any]:
        """A query with the shortest digits of its vector."""
        body = {"dataset": dataset.name, "vector": vector, "top_k": top_k}
        return self.event("/v1/query", orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY).decode())

    def create(self, name: str, dimension: int, metric: Metric = Metric.L2) -> Dataset:
        """A new dataset."""
        return create_dataset(
            self.ports, self.tenant_id, scope=NATIVE_SCOPE, name=name, dimension=dimension, metric=metric
        ).dataset

    def write(self, dataset: Dataset, vectors: Vectors, *, start: int = 0) -> None:
        """Put rows `start` and following into the log, as one write."""
        upsert(
            self.ports,
            dataset,
            ids=names(start, len(vectors)),
            vectors=vectors,
            metadata=metadata_of(range(start, start + len(vectors))),
            vector_quota=None,
        )

    def drain(self, dataset: Dataset) -> None:
        """Do the indexer's work."""
        drain(self.ports, self.tenant_id, dataset.dataset_id, owner="benchmarks", budget_seconds=600)

    def build(self, dataset: Dataset) -> None:
        """Do the builder's work, whatever the deltas hold."""
        build_resident(self.ports, self.tenant_id, dataset.dataset_id, owner="benchmarks", even_if_small=True)

    def head(self, dataset: Dataset) -> Head:
        """HEAD as it is now."""
        head = read_head(self.ports, keys_of(dataset))
        assert head is not None
        return head

    def manifest(self, dataset: Dataset) -> Manifest:
        """The current manifest."""
        searcher = Searcher(self.ports, cache_bytes=1)
        snapshot = open_snapshot(searcher.reader, dataset, self.head(dataset))
        assert snapshot is not None
        return snapshot.manifest


def answer_of(app: App, sent: Mapping[str, Any], status: int = 200) -> dict[str, Any]:
    """Hand an event to an app, and parse the answer.

    Raises:
        AssertionError: another status than this.
    """
    answer = app.handle(sent)
    assert answer["statusCode"] == status, answer["body"]
    parsed: dict[str, Any] = orjson.loads(answer["body"])
    return parsed
