"""Writes from their acknowledgement to the index while others write, delete, die or fall silent."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import numpy as np
import pytest

from infra.local.info import StackInfo
from infra.local.session import LocalSession
from infra.local.workers import pids_of
from shoal.model.datasets import NATIVE_SCOPE, Dataset, Head
from shoal.services import datasets, write
from shoal.services.heads import keys_of, read_head
from shoal.storage.memory import MemoryQueue
from shoal.storage.ports import Assign, Ports
from tests.e2e.steps import code, done, ids_of, new_dataset, show, store, until, upload

pytestmark = pytest.mark.e2e


@dataclass(frozen=True, slots=True)
class Inside:
    """A dataset seen from within the stack's account: what a client cannot see or do."""

    ports: Ports
    dataset: Dataset

    def head(self) -> Head:
        head = read_head(self.ports, keys_of(self.dataset))
        assert head is not None
        return head

    def let_the_lease_run_out(self) -> None:
        self.ports.table.update(keys_of(self.dataset).head, [Assign("lease_until", 0.0)])

    def write_without_a_wakeup(self, record_id: str) -> str:
        """A write whose message got lost; the job's id."""
        silent = replace(self.ports, wakeups=MemoryQueue(self.ports.clock))
        vectors = np.ones((1, self.dataset.dimension), np.float32)
        accepted = write.upsert(
            silent, self.dataset, ids=[record_id], vectors=vectors, metadata=[b"{}"], vector_quota=None
        )
        # As if it had been a while ago: the sweep leaves young writes to their own wake-up.
        self.ports.table.update(keys_of(self.dataset).sequence, [Assign("taken_at", 0.0)])
        return accepted.job_id


@pytest.fixture
def inside(ports: Ports, local_stack: StackInfo) -> Callable[[str], Inside]:
    def look(name: str) -> Inside:
        tenant_id = local_stack.tenant_id or ""
        return Inside(ports, datasets.resolve(ports, tenant_id, scope=NATIVE_SCOPE, name=name))

    return look


def function_named(session: LocalSession, short: str) -> str:
    found = session.client("lambda").list_functions()["Functions"]
    names = {
        each["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]: each["FunctionName"] for each in found
    }
    return str(names[short])


@pytest.fixture
def redelivered_soon(session: LocalSession) -> Iterator[None]:
    """Messages of a dead indexer come again after a second, not after the two minutes that it may take."""
    queue, url = session.client("sqs"), session.outputs["WakeupsQueueUrl"]
    queue.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "1"})
    yield
    queue.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "120"})


def test_of_many_creates_and_deletes_of_one_name_one_succeeds(api: httpx.Client) -> None:
    name = new_dataset(api, 1)
    api.delete(f"/v1/datasets/{name}")
    with ThreadPoolExecutor(8) as pool:
        bodies = [{"name": name, "dimension": 1 + n} for n in range(8)]
        created = list(pool.map(lambda body: api.post("/v1/datasets", json=body), bodies))
        deleted = list(pool.map(lambda _: api.delete(f"/v1/datasets/{name}"), bodies))
    assert sorted(answer.status_code for answer in created) == [201, *[409] * 7]
    assert sorted(answer.status_code for answer in deleted) == [204, *[404] * 7]


def test_writes_at_the_same_time_are_all_there(api: httpx.Client) -> None:
    name = new_dataset(api, 4)

    def send(number: int) -> str:
        lines = [{"id": f"{number}-{n}", "values": [number, n, 0, 1]} for n in range(50)]
        return str(upload(api, name, *lines, {"id": "all", "values": [number, 0, 0, 0]})["job_id"])

    with ThreadPoolExecutor(6) as pool:
        jobs = list(pool.map(send, range(12)))
    assert {done(api, job)["status"] for job in jobs} == {"indexed"}
    assert show(api, name)["row_count"] == 12 * 50 + 1
    last = api.get(f"/v1/datasets/{name}/vectors/all?include_values=true").json()["embedding"]
    assert f"{max(jobs)}" == jobs[int(last[0])], "the last place in the log wins"


def test_a_name_deleted_while_it_is_indexed_and_made_again_is_another_dataset(api: httpx.Client) -> None:
    name = new_dataset(api, 64)
    old_job = upload(api, name, *({"id": str(n), "values": [n] * 64} for n in range(2000)))["job_id"]
    assert api.delete(f"/v1/datasets/{name}").status_code == 204
    assert api.post("/v1/datasets", json={"name": name, "dimension": 1}).status_code == 201
    assert code(api.get(f"/v1/jobs/{old_job}")) == (404, "job_not_found")
    assert api.get(f"/v1/query/status/{old_job}").json() == {"ready": False}
    assert code(api.get(f"/v1/datasets/{name}/vectors/1")) == (404, "not_found")
    store(api, name, {"id": "new", "values": [1]})
    assert show(api, name)["row_count"] == 1
    assert ids_of(api.post("/v1/query", json={"dataset": name, "vector": [0]})) == ["new"]


@pytest.mark.usefixtures("redelivered_soon")
@pytest.mark.parametrize("moment", ["before its commit", "after its commit"])
def test_an_indexer_that_is_killed_changes_nothing(
    api: httpx.Client, inside: Callable[[str], Inside], local_state: Path, moment: str
) -> None:
    name = new_dataset(api, 128)
    view = inside(name)
    store(api, name, {"id": "old", "values": [0.5] * 128})
    before = view.head().version
    rows = np.random.default_rng(5).integers(0, 100, (3000, 128)).tolist()
    job = upload(api, name, *({"id": f"r{n}", "values": row} for n, row in enumerate(rows)))["job_id"]

    def its_moment() -> bool | None:
        head = view.head()
        return head.version > before if moment == "after its commit" else bool(head.lease_owner) or None

    until(lambda: its_moment() or None, pause=0.001)
    workers = pids_of("indexer", local_state)
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    assert workers
    view.let_the_lease_run_out()

    assert done(api, job)["status"] == "indexed"
    after = upload(api, name, {"id": "r7", "values": [1] * 128}, {"id": "next", "values": [2] * 128})
    done(api, after["job_id"])
    assert show(api, name)["row_count"] == 3002
    wanted = {"ids": ["r0", "r2999", "r7", "old"], "include_values": True}
    read = api.post(f"/v1/datasets/{name}/vectors/fetch", json=wanted).json()["vectors"]
    assert [record["embedding"] for record in read] == [rows[0], rows[2999], [1.0] * 128, [0.5] * 128]
    until(lambda: view.head().lease_owner is None or None)
    jobs = (job, after["job_id"])
    assert {api.get(f"/v1/jobs/{each}").json()["status"] for each in jobs} == {"indexed"}


def test_the_sweep_finds_a_write_whose_wakeup_was_lost(
    api: httpx.Client, inside: Callable[[str], Inside], session: LocalSession
) -> None:
    name = new_dataset(api, 1)
    job = inside(name).write_without_a_wakeup("lost")
    assert show(api, name)["status"] == "validating"
    answer = session.client("lambda").invoke(FunctionName=function_named(session, "sweep"), Payload=b"{}")
    with answer["Payload"] as payload:
        assert json.loads(payload.read())["woken"] >= 1
    assert done(api, job)["status"] == "indexed"
    assert ids_of(api.post("/v1/query", json={"dataset": name, "vector": [0]})) == ["lost"]


def test_a_later_write_takes_an_earlier_one_without_wakeup_along(
    api: httpx.Client, inside: Callable[[str], Inside]
) -> None:
    name = new_dataset(api, 1)
    job = inside(name).write_without_a_wakeup("first")
    store(api, name, {"id": "second", "values": [2]})
    assert api.get(f"/v1/jobs/{job}").json()["status"] == "indexed"
    assert show(api, name)["row_count"] == 2
