"""Snapshots, restores and clones: their transactions over several items, spoken to AWS's own client."""

import time

import pytest

from shoal.errors import Conflict, LimitReached, NotFound
from shoal.model.datasets import NATIVE_SCOPE, Dataset, Metric
from shoal.model.ids import new_tenant_id
from shoal.services import datasets
from shoal.services.clone import clone_dataset
from shoal.services.commit import drain
from shoal.services.fetch import fetch
from shoal.services.restore import restore
from shoal.services.search import Searcher
from shoal.services.sequence import leap
from shoal.services.snapshots import create_snapshot, delete_snapshot, list_snapshots
from shoal.services.write import delete_ids, upsert
from shoal.storage.keys import DatasetKeys, TenantKeys
from shoal.storage.memory import MemoryObjects, MemoryQueue, MemoryTable
from shoal.storage.ports import Ports
from tests.contract.stores import Aws
from tests.unit.services.world import as_vectors

TENANT = new_tenant_id()
IDS = list("abcdef")


@pytest.fixture
def ports(backend: str, aws: Aws) -> Ports:
    """Empty stores; nobody listens to the queues."""
    queues = (MemoryQueue(time.time), MemoryQueue(time.time))
    if backend == "memory":
        return Ports(MemoryObjects(time.time), MemoryTable(time.time), *queues, time.time)
    return Ports(aws.objects(), aws.table(), *queues, time.time)


@pytest.fixture
def dataset(ports: Ports) -> Dataset:
    """a, b and c at 1; named `before`; then a at 2, without b."""
    view = datasets.create_dataset(
        ports, TENANT, scope=NATIVE_SCOPE, name="books", dimension=2, metric=Metric.L2
    )
    write(ports, view.dataset, "abc", 1)
    create_snapshot(ports, view.dataset, "before")
    write(ports, view.dataset, "a", 2)
    delete_ids(ports, view.dataset, ["b"])
    applied(ports, view.dataset)
    return view.dataset


def write(ports: Ports, dataset: Dataset, names: str, value: float) -> None:
    vectors = as_vectors([(value, 0.0)] * len(names), 2)
    upsert(ports, dataset, ids=list(names), vectors=vectors, metadata=[b"{}"] * len(names), vector_quota=100)
    applied(ports, dataset)


def applied(ports: Ports, dataset: Dataset) -> None:
    drain(ports, dataset.tenant_id, dataset.dataset_id, owner="test")


def rows(ports: Ports, dataset: Dataset) -> dict[str, float]:
    found = fetch(
        Searcher(ports, cache_bytes=10**7),
        TENANT,
        scope=NATIVE_SCOPE,
        name=dataset.name,
        ids=IDS,
        include_values=True,
    )
    return {record.id: float(record.values[0]) for record in found.records if record.values is not None}


def used(ports: Ports) -> int:
    counter = ports.table.get(TenantKeys(TENANT).quota)
    return int((counter or {})["used"])


def test_named_gone_back_to_and_forgotten(ports: Ports, dataset: Dataset) -> None:
    assert rows(ports, dataset) == {"a": 2, "c": 1}
    with pytest.raises(Conflict):
        create_snapshot(ports, dataset, "before")
    with pytest.raises(LimitReached):
        restore(ports, dataset, "before", vector_quota=2)
    restore(ports, dataset, "before", vector_quota=100)
    assert used(ports) == 3, "the row that comes back is reserved"
    write(ports, dataset, "d", 4)
    assert rows(ports, dataset) == {"a": 1, "b": 1, "c": 1, "d": 4}
    assert used(ports) == 4
    (named,) = list_snapshots(ports, dataset)
    assert (named.version, named.watermark, named.row_count) == (1, 1, 3)
    delete_snapshot(ports, dataset, "before")
    with pytest.raises(NotFound):
        restore(ports, dataset, "before", vector_quota=None)


def test_cloned_changed_and_taken_over(ports: Ports, dataset: Dataset) -> None:
    for quota in (1, 3):
        with pytest.raises(LimitReached) as refused:
            clone_dataset(ports, dataset, name="trial", vector_quota=quota)
        assert refused.value.details == {"limit": quota, "used": 2}
    clone = clone_dataset(ports, dataset, name="trial", snapshot="before", vector_quota=100).dataset
    assert used(ports) == 5
    with pytest.raises(Conflict):
        clone_dataset(ports, dataset, name="trial", vector_quota=None)
    for value in range(6):
        write(ports, clone, "ae", 10 + value)
    create_snapshot(ports, clone, "tried")
    restore(ports, dataset, "tried", source=clone, vector_quota=100)
    write(ports, dataset, "e", 20)
    assert rows(ports, dataset) == {"a": 15, "b": 1, "c": 1, "e": 20}
    assert rows(ports, clone) == {"a": 15, "b": 1, "c": 1, "e": 15}
    datasets.delete_dataset(ports, TENANT, scope=NATIVE_SCOPE, name="books")
    assert rows(ports, clone)["e"] == 15
    assert used(ports) == 4


def test_a_leap_is_one_transaction(ports: Ports, dataset: Dataset) -> None:
    keys = DatasetKeys(TENANT, dataset.dataset_id)
    leap(ports, keys, up_to=10**12)
    leap(ports, keys, up_to=10**6)
    write(ports, dataset, "f", 6)
    head = ports.table.get(keys.head)
    assert head is not None
    assert int(head["watermark"]) == 10**12 + 1
    assert rows(ports, dataset) == {"a": 2, "c": 1, "f": 6}
