"""The Python blocks of Embedding Studio's page about managing data, with only the address changed."""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from infra.cli.local_stack import ports_of
from infra.local.info import StackInfo
from infra.local.session import session_of
from shoal.model.tenants import Scope
from shoal.services.api_keys import create_key
from shoal.services.tenants import create_tenant
from tests.compat.in_process import served
from tests.compat.python_reader import BLOCKS, PythonReader, until_ended
from tests.compat.reader import assert_as_documented
from tests.unit.http.api import Api
from tests.unit.http.studio.pump import Pump

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
BY_FORM = {
    "created_at": TIME,
    "updated_at": TIME,
    "status": re.compile("pending|processing|done"),
    "fine_tuning_method": re.compile("static"),
}
MODEL = {"embedding_model_id": re.compile("static-256")}
OURS = frozenset({"task_id", "failed", "total"})
SOURCE = "static-256"
NAMES = {
    "text-embedding-ada-002": SOURCE,
    "text-embedding-v2": "static-128",
    "source_model_id": SOURCE,
    "destination_model_id": "static-128",
}
ITEMS = """
def load_items_from_source():
    return [{"object_id": f"item-{n}", "payload": {"title": f"product number {n}"}} for n in range(250)]
"""
RETRIED = 'print(upsert_with_retry([{"object_id": "again", "payload": {"title": "Folding chair"}}])["id"])'


@pytest.fixture(params=["in process", pytest.param("stack", marks=pytest.mark.e2e)])
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where a new tenant's key is the password of the address: in this process, or on the local stack."""
    if request.param == "in process":
        api = Api()
        with served(api.app, meanwhile=Pump(api).run) as where:
            yield where.replace("://", f"://:{api.key}@")
    else:
        stack: StackInfo = request.getfixturevalue("local_stack")
        ports = ports_of(session_of(stack))
        tenant_id = create_tenant(ports, name="a reader").tenant_id
        scopes = frozenset({Scope.ADMIN})
        _, key = create_key(ports, tenant_id=tenant_id, name="page", scopes=scopes, expires_at=None)
        yield stack.api_url.replace("://", f"://:{key}@")


@pytest.fixture
def page(address: str) -> PythonReader:
    """A reader of the page."""
    return PythonReader(f"{address}/api/v1")


@pytest.fixture
def client(address: str) -> Iterator[httpx.Client]:
    """What we ask beside the page, for a tenant that has names of its own for models."""
    with httpx.Client(base_url=address, timeout=40.0, trust_env=False) as opened:
        for alias, model_id in NAMES.items():
            named = opened.put(f"/v1/model-aliases/{alias}", json={"embedding_model_id": model_id})
            assert named.is_success, named.text
        yield opened


def documented(name: str) -> Any:
    return json.loads((BLOCKS / f"{name}.200.json").read_text())


def request_format(name: str) -> Any:
    return json.loads((BLOCKS / f"{name}_request.json").read_text())


def done(client: httpx.Client, path: str) -> dict[str, Any]:
    """A task, once it is done."""
    task: dict[str, Any] = until_ended(lambda: client.get(path).raise_for_status().json())
    assert task["status"] == "done", task
    return task


def titles(client: httpx.Client, words: str) -> list[str]:
    """What a search finds, nearest first."""
    asked = {"search_query": words, "limit": 5}
    found = client.post("/api/v1/embeddings/similarity-search", json=asked)
    assert found.status_code == 200, found.text
    return [hit["payload"]["title"] for hit in found.json()["search_results"]]


def test_the_page_from_its_first_block_to_its_last(page: PythonReader, client: httpx.Client) -> None:
    upserted = page.answer("upsert")
    assert_as_documented(upserted, documented("upsert"), more=OURS, by_form=BY_FORM | MODEL)
    fields, seen = page.wait("get_upsertion")
    assert fields == {
        "Task ID": "product_upsert_20250422",
        "Status": "done",
        "Processed": "2 items",
        "Failed": "0 items",
    }
    assert seen == [state for state in ("pending", "processing", "done") if state in seen]
    assert titles(client, "somewhere to sit") == ["Ergonomic Office Chair", "Adjustable Standing Desk"]

    reindexed = page.answer("reindex")
    more = OURS | {"progress", "count", "stage"}
    assert_as_documented(reindexed, documented("reindex"), more=more, by_form=BY_FORM)
    fields, _ = page.wait("get_reindex")
    assert int(fields.pop("Child Tasks")) >= 1
    assert fields == {
        "Task ID": "reindex_20250422_v1_to_v2",
        "Status": "done",
        "Source Model": "text-embedding-ada-002",
        "Destination Model": "text-embedding-v2",
        "Failed Items": "0",
    }
    blue = client.get("/api/v1/internal/vectordb/collections/get-blue-info").json()
    assert blue["embedding_model"]["id"] == "static-128", "deploy_as_blue"
    assert titles(client, "somewhere to sit") == ["Ergonomic Office Chair", "Adjustable Standing Desk"]

    switch_back = {"embedding_model_id": "text-embedding-ada-002"}
    assert client.post("/api/v1/internal/collections/blue", json=switch_back).status_code == 200
    switched = page.answer("set_blue")
    assert switched == blue, "the block makes the new model's collection the active one again"

    deleted = page.answer("delete")
    more = OURS | {"processed_count"}
    by_form = BY_FORM | {"embedding_model_id": re.compile("static-128")}
    assert_as_documented(deleted, documented("delete"), more=more, by_form=by_form)
    fields, _ = page.wait("get_deletion")
    assert fields == {"Task ID": "product_delete_20250422", "Status": "done", "Failed": "0 items"}
    assert titles(client, "somewhere to sit") == []


def test_batches_and_trying_again(page: PythonReader, client: httpx.Client) -> None:
    assert page.run("batches", before=ITEMS) == ["Created 3 batch tasks"]
    for number, count in enumerate((100, 100, 50)):
        task = done(client, f"/api/v1/embeddings/upsertion-tasks/batch_upsert_{number}")
        assert (task["processed_count"], task["failed_items"]) == (count, [])
    counted = client.post("/api/v1/embeddings/payload-count", json={"search_query": None})
    assert counted.json() == {"total_count": 250}

    (task_id,) = page.run("retry", after=RETRIED)
    assert re.fullmatch(r"upsert_\d+", task_id)
    done(client, f"/api/v1/embeddings/upsertion-tasks/{task_id}")
    assert titles(client, "folding chair")[0] == "Folding chair"


def test_the_request_formats_at_each_endpoint_that_the_page_names(client: httpx.Client) -> None:
    prefix = "/api/v1/embeddings"
    for part in ("", "/categories"):
        upsert = request_format("upsert") | {"task_id": f"upsert{part[:2].strip('/')}"}
        made = client.post(f"{prefix}/upsertion-tasks{part}/run", json=upsert).raise_for_status().json()
        done(client, f"{prefix}/upsertion-tasks/{made['id']}")
        delete = request_format("delete") | {"task_id": f"delete{part[:2].strip('/')}"}
        made = client.post(f"{prefix}/deletion-tasks{part}/run", json=delete).raise_for_status().json()
        task = done(client, f"{prefix}/deletion-tasks/{made['id']}")
        assert (task["object_ids"], task["failed_item_ids"]) == (["id1", "id2", "id3"], [])
    made = client.post("/api/v1/internal/reindex-tasks/run", json=request_format("reindex"))
    assert made.json()["id"] == "optional_custom_task_id"
    task = done(client, "/api/v1/internal/reindex-tasks/optional_custom_task_id")
    assert (task["count"], task["total"], task["progress"]) == (1, 1, 1.0)
    blue = client.get("/api/v1/internal/vectordb/collections/get-blue-info").json()
    assert blue["embedding_model"]["id"] == SOURCE, "deploy_as_blue is false"
