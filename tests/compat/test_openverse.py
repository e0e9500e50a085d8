"""The curl lines of the ingestion server's page, in its order, with only the address changed."""

import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
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
from tests.compat.reader import PATIENCE_SECONDS, Reader
from tests.unit.http.api import Api
from tests.unit.http.openverse.pump import Pump

PAGE = Path(__file__).parent / "openverse"
HOST = "http://localhost:8001"
PROMPT = {"$ curl": "curl"}
"""The page shows its lines behind a prompt."""
RECORDS = [
    {"id": "rose", "values": [1, 0, 0, 0], "metadata": {"title": "A rose", "tags": [{"name": "flower"}]}},
    {"id": "gull", "values": [0, 1, 0, 0], "metadata": {"title": "Gull", "tags": [{"name": "Bird"}]}},
    {"id": "duck", "values": [0, 0, 1, 0], "metadata": {"title": "Birds", "description": "a water fowl"}},
    {"id": "sea", "values": [0, 0, 0, 1], "metadata": {"title": "Sea", "description": "only water"}},
]
TERMS = ["bird", "water fowl"]


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
        scopes = frozenset({Scope.READ, Scope.WRITE})
        _, key = create_key(ports, tenant_id=tenant_id, name="page", scopes=scopes, expires_at=None)
        yield stack.api_url.replace("://", f"://:{key}@")


@pytest.fixture
def page(address: str, folder: Path) -> Reader:
    """A reader of the page, who has the catalogue's address."""
    for file in PAGE.iterdir():
        shutil.copy(file, folder)
    return Reader(folder, address, "", HOST, dict(PROMPT))


@pytest.fixture
def client(address: str) -> Iterator[httpx.Client]:
    """What we ask beside the page, for a fresh tenant with a catalogue of its own."""
    auth = ("", httpx.URL(address).password)  # an address that an answer names has no key in it
    with httpx.Client(base_url=address, auth=auth, timeout=40.0, trust_env=False) as opened:
        made = opened.post("/v1/datasets", json={"name": "image", "dimension": 4})
        assert made.status_code == 201, made.text
        lines = "\n".join(json.dumps(record) for record in RECORDS)
        assert opened.post("/v1/datasets/image/vectors", content=lines).status_code == 202
        assert opened.put("/v1/term-lists/sensitive", json={"terms": TERMS}).is_success
        yield opened


def accepted(page: Reader, block: str) -> dict[str, Any]:
    """What a block answers that was understood."""
    answer = page.run(block)
    assert answer.status == 202, answer
    assert list(answer.json) == ["message", "task_id", "status_check"]
    assert re.fullmatch("[0-9a-f]{32}", answer.json["task_id"])
    assert answer.json["status_check"].endswith(f"/task/{answer.json['task_id']}")
    found: dict[str, Any] = answer.json
    return found


def ended(client: httpx.Client, task: dict[str, Any]) -> dict[str, Any]:
    """The status of a task once it has ended, looked at where the answer says."""
    assert task["message"] == "Successfully scheduled task"
    seen: list[float] = []
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while True:
        status: dict[str, Any] = client.get(task["status_check"]).raise_for_status().json()
        seen.append(status["progress"])
        assert seen == sorted(seen), "progress only rises"
        if not status["active"]:
            assert (status["progress"], status["error"]) == (100.0, False), status
            return status
        assert status["error"] is False, "no error while it is active"
        assert time.monotonic() < give_up_at, status
        time.sleep(0.1)


def found(client: httpx.Client, name: str) -> set[str]:
    """The ids of an index, as a search has them."""
    query = {"dataset": f"openverse/{name}", "vector": [1, 1, 1, 1], "top_k": 10}
    answer = client.post("/v1/query", json=query)
    assert answer.status_code == 200, answer.text
    return {match["id"] for match in answer.json()["matches"]}


def test_the_page_from_its_first_line_to_its_last(page: Reader, client: httpx.Client) -> None:
    reindexed = ended(client, accepted(page, "reindex"))
    assert (reindexed["model"], reindexed["action"]) == ("image", "REINDEX")
    assert found(client, "image-20231106") == {"rose", "gull", "duck", "sea"}

    filtered = ended(client, accepted(page, "create_and_populate_filtered_index"))
    assert filtered["removed_by_term"] == {"bird": 1, "water fowl": 1}
    assert found(client, "image-20231106-filtered") == {"rose", "sea"}

    pointed = accepted(page, "point_alias")
    assert pointed["message"] == "Successfully completed task"
    behind = {"exists": True, "is_alias": True, "alt_names": "image-20231106-filtered"}
    assert client.get("/stat/image-filtered").json() == behind
    assert found(client, "image-filtered") == {"rose", "sea"}

    deleted = accepted(page, "delete_index")
    assert deleted["message"] == "Successfully completed task"
    assert client.get(deleted["status_check"]).json()["is_bad_request"] is False
    assert client.get("/stat/image-20231106").json()["exists"] is False
    assert client.get("/stat/image-filtered").json() == behind
    assert found(client, "image-filtered") == {"rose", "sea"}, "it needs its source no more"
    assert {task["action"] for task in client.get("/task").json()} == {
        "REINDEX",
        "CREATE_AND_POPULATE_FILTERED_INDEX",
        "POINT_ALIAS",
        "DELETE_INDEX",
    }


def test_lines_run_in_another_order(page: Reader, client: httpx.Client) -> None:
    nothing_there = page.run("delete_index")
    assert nothing_there.status == 202
    assert client.get(nothing_there.json["status_check"]).json()["is_bad_request"] is True
    assert page.run("create_and_populate_filtered_index").status == 500
    assert page.run("point_alias").status == 500
    assert client.get("/stat/image-20231106-filtered").json()["exists"] is False, (
        "nothing is left of a failure"
    )

    ended(client, accepted(page, "reindex"))
    again = page.run("reindex")
    assert again.status == 500
    assert again.json["message"].startswith("Failed to schedule task due to an internal server error.")
    assert "image-20231106 already exists" in again.json["detail"]
    assert page.run("point_alias").status == 400, "nothing unfiltered is put behind the filtered alias"
    ended(client, accepted(page, "create_and_populate_filtered_index"))
    accepted(page, "point_alias")
    accepted(page, "delete_index")
