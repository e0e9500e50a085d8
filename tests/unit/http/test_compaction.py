"""Compactions over HTTP: asked for, shown, and refused where there is no dataset."""

from dataclasses import replace
from typing import cast

import pytest

from shoal.model.merge_policy import Compact
from shoal.model.tenants import Scope
from shoal.services.compaction.ending import complete
from shoal.services.compaction.starting import start
from shoal.services.datasets import resolve
from shoal.services.heads import keys_of, read_head
from shoal.services.parts import PartReader
from shoal.services.snapshot import open_snapshot
from shoal.storage.memory import MemoryQueue, MemoryWorkflows
from tests.unit.http.api import Api

PATH = "/v1/datasets/products"


@pytest.fixture(autouse=True)
def _dataset(api: Api) -> None:
    api.dataset()
    api.indexed({"id": "a", "values": [1, 2, 3, 4]})


def test_a_compaction_is_asked_for() -> None:
    api = Api()
    api.dataset()
    answer = api.call("POST", f"{PATH}/compact")
    assert (answer.status, answer.json) == (202, {"dataset": "products", "status": "requested"})
    (message,) = cast("MemoryQueue", api.ports.builds).receive()
    assert message.message["thorough"] == "yes"
    assert api.call("POST", f"{PATH}/compact", key=api.new_key(Scope.READ)).status == 403


def test_the_last_compaction_is_shown(api: Api) -> None:
    assert api.call("GET", f"{PATH}/compaction").code == "compaction_not_found"
    ports = replace(api.ports, compactions=MemoryWorkflows())
    dataset = resolve(ports, api.tenant_id, scope="native", name="products")
    head = read_head(ports, keys_of(dataset))
    assert head is not None
    snapshot = open_snapshot(PartReader(ports.objects, cache_bytes=10**6), dataset, head)
    assert snapshot is not None
    job = start(ports, snapshot, head, Compact())
    assert job is not None
    shown = api.call("GET", f"{PATH}/compaction").json
    assert shown == {
        "compaction_id": job.run_id,
        "dataset": "products",
        "status": "running",
        "rows": 0,
        "error_message": None,
        "created_at": "2026-05-28T20:26:40Z",
        "completed_at": None,
        "progress": {"stage": "", "done": 0, "total": 0},
    }
    complete(ports, job)
    shown = api.call("GET", f"{PATH}/compaction").json
    assert (shown["status"], shown["progress"]) == ("completed", None)
    assert shown["completed_at"] == "2026-05-28T20:26:40Z"


def test_no_dataset(api: Api) -> None:
    for method, path in (("POST", "compact"), ("GET", "compaction")):
        assert api.call(method, f"/v1/datasets/other/{path}").code == "dataset_not_found"
    strange = api.call("POST", f"{PATH}/compact", key=api.stranger())
    assert (strange.status, strange.code) == (404, "dataset_not_found")
