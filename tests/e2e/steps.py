"""What the tests of the API share: bodies, patience, one step after the other."""

import gzip
import json
import secrets
import subprocess
import time
from collections.abc import Callable
from typing import Any

import httpx

PATIENCE_SECONDS = 30.0
_PAUSE_SECONDS = 0.05
type Shoal = Callable[..., subprocess.CompletedProcess[str]]


def ndjson(*records: object) -> bytes:
    """One line for each; text is taken as it is."""
    return "\n".join(each if isinstance(each, str) else json.dumps(each) for each in records).encode()


def packed(body: bytes) -> tuple[bytes, dict[str, str]]:
    """The body gzipped, and the header that says so."""
    return gzip.compress(body, compresslevel=1), {"content-encoding": "gzip"}


def until[T](
    look: Callable[[], T | None], *, seconds: float = PATIENCE_SECONDS, pause: float = _PAUSE_SECONDS
) -> T:
    """What `look` finds once it finds something; a test that waits in vain fails."""
    give_up_at = time.monotonic() + seconds
    while (found := look()) is None:
        assert time.monotonic() < give_up_at, f"nothing after {seconds} s"
        time.sleep(pause)
    return found


def code(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a refusal in our envelope, which holds nothing but the tabled fields."""
    body = answer.json()
    assert set(body) == {"error"}, answer.text
    assert {"code", "message"} <= set(body["error"]) <= {"code", "message", "details"}
    assert answer.headers["x-request-id"]
    return answer.status_code, body["error"]["code"]


def new_dataset(api: httpx.Client, dimension: int = 2, **more: object) -> str:
    """The name of a dataset that nobody else has."""
    name = f"e2e-{secrets.token_hex(6)}"
    answer = api.post("/v1/datasets", json={"name": name, "dimension": dimension, **more})
    assert answer.status_code == 201, answer.text
    return name


def upload(api: httpx.Client, dataset: str, *records: object) -> dict[str, Any]:
    """The answer to an upload, which is accepted."""
    answer = api.post(f"/v1/datasets/{dataset}/vectors", content=ndjson(*records))
    assert answer.status_code == 202, answer.text
    told: dict[str, Any] = answer.json()
    return told


def done(api: httpx.Client, job_id: str) -> dict[str, Any]:
    """The job once it is over."""

    def look() -> dict[str, Any] | None:
        job: dict[str, Any] = api.get(f"/v1/jobs/{job_id}").json()
        return None if job["status"] == "pending" else job

    return until(look)


def store(api: httpx.Client, dataset: str, *records: object) -> dict[str, Any]:
    """Upload, and wait until it is indexed; the job."""
    job = done(api, upload(api, dataset, *records)["job_id"])
    assert job["status"] == "indexed", job
    return job


def show(api: httpx.Client, dataset: str) -> dict[str, Any]:
    """The dataset as it is now."""
    answer = api.get(f"/v1/datasets/{dataset}")
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def ids_of(answer: httpx.Response) -> list[str]:
    """The ids of a query's matches, best first."""
    assert answer.status_code == 200, answer.text
    return [match["id"] for match in answer.json()["matches"]]


def told(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """What a command that did not fail printed as JSON."""
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
