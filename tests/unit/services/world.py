"""A whole Shoal in memory, with a clock that tests move and processes that can die."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson

from shoal.index.log_codec import SelectionJson
from shoal.model.datasets import NATIVE_SCOPE, Dataset, Head, Metric
from shoal.model.ids import new_tenant_id
from shoal.model.records import Vectors
from shoal.services import datasets, write
from shoal.services.build import build_resident
from shoal.services.commit import drain
from shoal.services.fetch import fetch
from shoal.services.heads import keys_of, read_head
from shoal.services.search import QueryAnswer, QueryRequest, Searcher
from shoal.storage.keys import TenantKeys
from shoal.storage.memory import MemoryObjects, MemoryQueue, MemoryTable, MemoryUploads, MemoryWorkflows
from shoal.storage.memory.faults import Faults
from shoal.storage.memory.faulty import FaultyObjects, FaultyQueue, FaultyTable
from shoal.storage.ports import Ports

type Record = tuple[tuple[float, ...], Mapping[str, object]]


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def pass_seconds(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class World:
    """Stores that outlive every process, and the ports of a process that behaves."""

    clock: Clock = field(default_factory=Clock)
    tenant_id: str = field(default_factory=new_tenant_id)

    def __post_init__(self) -> None:
        self.objects = MemoryObjects(self.clock)
        self.table = MemoryTable(self.clock)
        self.wakeups = MemoryQueue(self.clock)
        self.builds = MemoryQueue(self.clock)
        self.uploads = MemoryUploads(self.objects, self.clock)
        self.imports = MemoryWorkflows()
        self.ports = Ports(
            self.objects, self.table, self.wakeups, self.builds, self.clock, self.uploads, self.imports
        )
        self.searcher = Searcher(self.ports, cache_bytes=1 << 26)

    def process(self, faults: Faults) -> Ports:
        """The ports of a process that has this bad luck."""
        return Ports(
            FaultyObjects(self.objects, faults),
            FaultyTable(self.table, faults),
            FaultyQueue(self.wakeups, faults),
            FaultyQueue(self.builds, faults),
            self.clock,
            self.uploads,
            self.imports,
        )

    def create(self, name: str = "books", *, dimension: int = 4, metric: Metric = Metric.L2) -> Dataset:
        view = datasets.create_dataset(
            self.ports, self.tenant_id, scope=NATIVE_SCOPE, name=name, dimension=dimension, metric=metric
        )
        return view.dataset

    def upsert(
        self,
        dataset: Dataset,
        records: Mapping[str, Record],
        *,
        ports: Ports | None = None,
        quota: int | None = None,
        **more: Any,
    ) -> write.Accepted:
        """Write records; `more` are namespaces, documents and a condition, as `write.upsert` takes them."""
        return write.upsert(
            ports or self.ports,
            dataset,
            ids=list(records),
            vectors=as_vectors([values for values, _ in records.values()], dataset.dimension),
            metadata=[orjson.dumps(metadata) for _, metadata in records.values()],
            vector_quota=quota,
            **more,
        )

    def delete(self, dataset: Dataset, ids: Iterable[str], *, ports: Ports | None = None) -> write.Accepted:
        return write.delete_ids(ports or self.ports, dataset, list(ids))

    def delete_where(
        self, dataset: Dataset, *, ports: Ports | None = None, **selection: Any
    ) -> write.Accepted:
        """Delete what a selection means, as `SelectionJson` takes it; all records without one."""
        return write.delete_where(ports or self.ports, dataset, SelectionJson(**selection))

    def patch(
        self, dataset: Dataset, *changes: tuple[str, Mapping[str, object]], ports: Ports | None = None
    ) -> write.Accepted:
        """Merge into the metadata of ids."""
        return write.patch(
            ports or self.ports,
            dataset,
            ids=[name for name, _ in changes],
            patches=[orjson.dumps(change) for _, change in changes],
        )

    def drain(self, dataset: Dataset, *, ports: Ports | None = None) -> None:
        drain(ports or self.ports, dataset.tenant_id, dataset.dataset_id, owner="test")

    def build(self, dataset: Dataset, *, ports: Ports | None = None) -> bool:
        return build_resident(
            ports or self.ports, dataset.tenant_id, dataset.dataset_id, owner="test", even_if_small=True
        )

    def head(self, dataset: Dataset) -> Head:
        head = read_head(self.ports, keys_of(dataset))
        assert head is not None
        return head

    def query(self, dataset: Dataset, vector: Iterable[float], top_k: int = 10) -> QueryAnswer:
        request = QueryRequest(np.array(list(vector), dtype=np.float32), top_k)
        return self.searcher.query(dataset.tenant_id, scope=dataset.scope, name=dataset.name, request=request)

    def stored(self, dataset: Dataset, ids: Iterable[str]) -> dict[str, Record]:
        """What is there now under these ids, read through the id index."""
        fetched = fetch(
            self.searcher,
            dataset.tenant_id,
            scope=dataset.scope,
            name=dataset.name,
            ids=list(ids),
            include_values=True,
        )
        assert not fetched.unprocessed_ids
        found = {}
        for record in fetched.records:
            assert record.values is not None
            found[record.id] = (tuple(record.values.tolist()), orjson.loads(record.metadata))
        return found


def used(world: World) -> int:
    """Rows that the tenant's quota is charged with."""
    item = world.table.get(TenantKeys(world.tenant_id).quota)
    return int(item["used"]) if item else 0


def as_vectors(values: list[tuple[float, ...]], dimension: int) -> Vectors:
    return np.array(values, dtype=np.float32).reshape(len(values), dimension)


def record(*values: float, **metadata: object) -> Record:
    """A record whose values survive float32 unchanged."""
    return tuple(float(np.float32(value)) for value in values), metadata
