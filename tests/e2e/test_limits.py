"""Quotas and rates over HTTP: refused at the limit, with the seconds to wait, and counted right."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from infra.local.session import LocalSession
from shoal.services.tenants import create_tenant
from shoal.storage.ports import Ports
from tests.e2e.conftest import ClientOf
from tests.e2e.steps import code, done, ndjson, new_dataset, store, until

pytestmark = pytest.mark.e2e
SHOAL = Path(sys.executable).parent / "shoal"
type Limited = Callable[..., httpx.Client]


@pytest.fixture
def limited(
    ports: Ports, new_key: Callable[..., str], client_of: ClientOf, local_state: Path, tmp_path: Path
) -> Limited:
    """Makes tenants whose operator has set their quotas on the command line."""

    def make(*options: str) -> httpx.Client:
        tenant_id = create_tenant(ports, name="limited").tenant_id
        environ = {"HOME": str(tmp_path), "SHOAL_LOCAL_STATE": str(local_state)}
        command = [str(SHOAL), "tenants", "set-quota", tenant_id, *options, "--json"]
        subprocess.run(command, env=environ, capture_output=True, timeout=60, check=True)
        return client_of(new_key(tenant_id=tenant_id))

    return make


def used(client: httpx.Client) -> int:
    return int(client.get("/v1/usage").json()["vectors_used"])


def test_the_quota_of_vectors(limited: Limited) -> None:
    client = limited("--vectors", "3")
    name = new_dataset(client, 1)
    path = f"/v1/datasets/{name}/vectors"

    def send(*ids: str) -> httpx.Response:
        return client.post(path, content=ndjson(*({"id": each, "values": [1]} for each in ids)))

    assert done(client, send("a", "b").json()["job_id"])["status"] == "indexed"
    assert done(client, send("a").json()["job_id"])["status"] == "indexed"
    until(lambda: used(client) == 2 or None)

    refused = send("c", "d")
    assert code(refused) == (429, "vector_quota_exceeded")
    assert refused.json()["error"]["details"] == {"limit": 3, "used": 2}
    assert int(refused.headers["retry-after"]) >= 1
    # The place of the refused upload in the log is closed: the next one is applied without waiting for it.
    bad_lines_are_not_counted = client.post(path, content=ndjson({"id": "c", "values": [1]}, "bad", "bad"))
    done(client, bad_lines_are_not_counted.json()["job_id"])
    until(lambda: used(client) == 3 or None)

    assert code(send("d")) == (429, "vector_quota_exceeded")
    done(client, client.delete(f"{path}/a").json()["job_id"])
    until(lambda: used(client) == 2 or None)
    done(client, send("d").json()["job_id"])
    assert client.delete(f"/v1/datasets/{name}").status_code == 204
    assert used(client) == 0
    # Compared at rest: while a commit is settled, two answers may differ.
    assert client.get("/auth/usage").json() == client.get("/v1/usage").json()


def test_the_quota_of_queries(limited: Limited) -> None:
    client = limited("--queries", "2")
    name = new_dataset(client, 1)
    store(client, name, {"id": "a", "values": [1]})

    def ask(*vector: float, dataset: str = name) -> httpx.Response:
        return client.post("/v1/query", json={"dataset": dataset, "vector": vector})

    assert ask(1).status_code == 200
    # What cannot be answered is not counted.
    assert code(ask(1, 2)) == (400, "dimension_mismatch")
    assert code(ask(1, dataset="none")) == (404, "dataset_not_found")
    assert ask(1).status_code == 200
    refused = ask(1)
    usage = client.get("/v1/usage").json()
    assert code(refused) == (429, "query_quota_exceeded")
    assert refused.json()["error"]["details"] == {"limit": 2, "reset_at": usage["queries_reset_at"]}
    assert 1 <= int(refused.headers["retry-after"]) <= 86_401
    assert (usage["queries_today"], usage["daily_query_quota"], usage["vector_quota"]) == (2, 2, None)


@pytest.fixture
def two_a_second(session: LocalSession) -> Iterator[None]:
    """The deployment's setting for the rate of a key, for the time of one test."""
    lambda_ = session.client("lambda")
    found = lambda_.list_functions()["Functions"]
    function = next(
        each for each in found if each["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"] == "api"
    )
    before = function["Environment"]["Variables"]
    limited = {**before, "SHOAL_RATE_LIMIT_RPS": "2", "SHOAL_RATE_LIMIT_BURST": "3"}
    name = function["FunctionName"]
    lambda_.update_function_configuration(FunctionName=name, Environment={"Variables": limited})
    yield
    lambda_.update_function_configuration(FunctionName=name, Environment={"Variables": before})


@pytest.mark.usefixtures("two_a_second")
def test_the_rate_of_a_key(new_key: Callable[..., str], client_of: ClientOf) -> None:
    client = client_of(new_key())
    answers = [client.get("/v1/datasets") for _ in range(6)]
    assert [answer.status_code for answer in answers[:3]] == [200] * 3
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert code(refused) == (429, "rate_limited")
    assert refused.json()["error"]["details"] == {"limit_rps": 2, "burst": 3}
    assert refused.headers["retry-after"] == "1"
    assert [client.get(path).status_code for path in ("/v1/usage", "/v1/keys", "/healthz")] == [200] * 3
    assert client_of(new_key()).get("/v1/datasets").status_code == 200
    until(lambda: client.get("/v1/datasets").status_code == 200 or None, seconds=2)
