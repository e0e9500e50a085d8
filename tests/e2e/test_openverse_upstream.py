"""INGEST_UPSTREAM over the local stack: objects of a bucket of others become an index, and only of those given."""

import gzip
import json
import os
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.local.info import StackInfo
from infra.local.session import LocalSession
from infra.local.workers import pids_of
from shoal.errors import InvalidInput
from shoal.services.sources import put_source
from shoal.services.tenants import create_tenant
from shoal.storage.ports import Ports

pytestmark = pytest.mark.e2e
PATIENCE_SECONDS = 240.0
GIVEN = "upstream"
"""The bucket that the local stack's setting names."""
ROWS = 400
KILLS = 3


class Catalogue:
    """A tenant with a dataset, and a folder of its own in a bucket."""

    def __init__(self, client: httpx.Client, ports: Ports, tenant_id: str, s3: Any) -> None:
        self.client, self.ports, self.tenant_id, self._s3 = client, ports, tenant_id, s3
        self.folder = f"dump-{secrets.token_hex(4)}"

    def put(self, name: str, rows: range, *, bucket: str = GIVEN, pack: bool = False) -> None:
        """Put an object of the catalogue's."""
        lines = (
            {"id": f"r{row}", "values": [row, 1], "metadata": {"title": f"picture {row}"}} for row in rows
        )
        body = "\n".join(map(json.dumps, lines)).encode()
        self._s3.put_object(
            Bucket=bucket, Key=f"{self.folder}/{name}", Body=gzip.compress(body) if pack else body
        )

    def register(self, bucket: str = GIVEN) -> None:
        """What the operator does."""
        put_source(self.ports, self.tenant_id, "image", f"s3://{bucket}/{self.folder}", "ndjson")

    def ask(self, suffix: str) -> httpx.Response:
        body = {"model": "image", "action": "INGEST_UPSTREAM", "index_suffix": suffix}
        return self.client.post("/task", json=body)

    def ended(self, suffix: str) -> dict[str, Any]:
        """The task once it has ended; its progress never goes back, and it is active all the while."""
        answer = self.ask(suffix)
        assert answer.status_code == 202, answer.text
        give_up_at, before = time.monotonic() + PATIENCE_SECONDS, 0.0
        while True:
            status: dict[str, Any] = self.client.get(answer.json()["status_check"]).raise_for_status().json()
            assert status["progress"] >= before
            before = status["progress"]
            if not status["active"]:
                return status
            assert status["error"] is False
            assert status["progress"] < 100
            assert time.monotonic() < give_up_at, status
            time.sleep(0.3)

    def exists(self, name: str) -> bool:
        return bool(self.client.get(f"/stat/{name}").json()["exists"])

    def count(self, name: str) -> int:
        answer = self.client.post("/v1/count", json={"dataset": f"openverse/{name}"})
        assert answer.status_code == 200, answer.text
        return int(answer.json()["count"])


@pytest.fixture
def catalogue(
    session: LocalSession,
    ports: Ports,
    new_key: Callable[..., str],
    client_of: Callable[[str], httpx.Client],
) -> Catalogue:
    """A fresh one; the buckets of others are there."""
    s3 = session.client("s3")
    for bucket in (GIVEN, "elsewhere"):
        with suppress(s3.exceptions.BucketAlreadyOwnedByYou):
            s3.create_bucket(Bucket=bucket)
    tenant_id = create_tenant(ports, name="a catalogue").tenant_id
    client = client_of(new_key(tenant_id=tenant_id))
    assert client.post("/v1/datasets", json={"name": "image", "dimension": 2}).status_code == 201
    return Catalogue(client, ports, tenant_id, s3)


@contextmanager
def killed_again_and_again(state: Path, *functions: str) -> Iterator[list[int]]:
    """The processes of functions are killed, a few times each, as a step is tried so often; those that were."""
    over, killed = threading.Event(), list[int]()

    def kill() -> None:
        while len(killed) < KILLS and not over.wait(2.5):
            for pid in (pid for function in functions for pid in pids_of(function, state)):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)

    thread = threading.Thread(target=kill, name="killer")
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


def test_objects_of_another_bucket_become_an_index_whoever_is_killed(
    catalogue: Catalogue, local_stack: StackInfo, local_state: Path
) -> None:
    assert local_stack.api_url
    catalogue.put("a.ndjson", range(ROWS))
    catalogue.put("b.ndjson.gz", range(ROWS, 2 * ROWS), pack=True)
    catalogue.put("_SUCCESS", range(0))
    catalogue.register()
    with killed_again_and_again(local_state, "ingestion", "derivation") as killed:
        status = catalogue.ended("fresh")
    assert (status["progress"], status["error"]) == (100.0, False), status
    assert killed
    assert status["detail"].startswith(f"{2 * ROWS} records pulled from 2 objects; ")
    assert catalogue.count("image-fresh") == 2 * ROWS


def test_only_the_buckets_that_were_given_can_be_read(catalogue: Catalogue) -> None:
    catalogue.put("a.ndjson", range(3), bucket="elsewhere")
    catalogue.register("elsewhere")
    status = catalogue.ended("never")
    assert (status["active"], status["error"]) == (False, True)
    assert "may not read the bucket elsewhere" in status["detail"]
    assert not catalogue.exists("image-never")


def test_our_own_bucket_is_no_source(catalogue: Catalogue, session: LocalSession) -> None:
    with pytest.raises(InvalidInput) as caught:
        catalogue.register(session.outputs["BucketName"])
    assert caught.value.code == "own_bucket"
    answer = catalogue.ask("never")
    assert answer.status_code == 400
    assert "no source is registered for image" in answer.json()["detail"]
