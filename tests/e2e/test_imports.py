"""Bulk imports on the local stack: started by either trigger or by the sweep, and killed in every stage."""

import io
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.local.info import StackInfo
from infra.local.session import LocalSession
from infra.local.workers import pids_of
from shoal.services.imports.reconcile import reconcile_imports
from shoal.storage.keys import ImportKeys, import_by_id
from shoal.storage.ports import Ports
from tests.e2e.steps import ndjson, new_dataset, show, until

pytestmark = pytest.mark.e2e

MINUTES = 180.0
SMALL = 500
LARGE, WIDTH = 110_000, 160
"""70 MB of vectors: more than stay one shard."""
STAGES = {
    "starting": "import_plan",
    "validating": "import_validate",
    "settling": "import_cells",
    "clustering": "import_cells",
    "assigning": "import_cells",
    "building": "import_cells",
    "committing": "import_finish",
}
"""Which function is at work in a stage."""


@dataclass(frozen=True, slots=True)
class Uploader:
    """A client of the import API, and of the addresses that it hands out."""

    api: httpx.Client
    plain: httpx.Client
    dataset: str

    def create(self, **more: object) -> dict[str, Any]:
        """A new import."""
        answer = self.api.post(f"/v1/datasets/{self.dataset}/imports", json={"format": "ndjson", **more})
        assert answer.status_code in (200, 201), answer.text
        told: dict[str, Any] = answer.json()
        return told

    def put(self, created: dict[str, Any], body: bytes, **headers: str) -> httpx.Response:
        """PUT the file to where the import says."""
        upload = created["upload"]
        return self.plain.put(
            upload["url"], content=body, headers={"content-type": upload["content_type"]} | headers
        )

    def complete(self, created: dict[str, Any], **more: object) -> httpx.Response:
        """Say that the file is there."""
        path = f"/v1/datasets/{self.dataset}/imports/{created['import_id']}/complete"
        return self.api.post(path, json=more) if more else self.api.post(path)

    def look(self, created: dict[str, Any]) -> dict[str, Any]:
        """The import as it is now."""
        answer = self.api.get(f"/v1/datasets/{self.dataset}/imports/{created['import_id']}")
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def ended(self, created: dict[str, Any]) -> dict[str, Any]:
        """The import once it has ended."""

        def over() -> dict[str, Any] | None:
            job = self.look(created)
            return job if job["status"] in ("completed", "failed") else None

        return until(over, seconds=MINUTES)


@pytest.fixture
def uploader(api: httpx.Client) -> Iterator[Uploader]:
    """Imports into a new dataset of four dimensions."""
    with httpx.Client(timeout=60.0, trust_env=False) as plain:
        yield Uploader(api, plain, new_dataset(api, 4, metric="l2"))


def records(count: int, *, first: int = 0) -> bytes:
    """Lines of an NDJSON file."""
    rows = range(first, first + count)
    return ndjson(*({"id": f"r{n}", "values": [n, 1, 2, 3], "metadata": {"n": n}} for n in rows)) + b"\n"


def test_from_the_file_to_the_answer(uploader: Uploader) -> None:
    created = uploader.create()
    assert uploader.put(created, records(SMALL) + b'{"id":"bad","values":[1]}\n').status_code == 200
    assert uploader.complete(created).status_code in (200, 202)
    job = uploader.ended(created)
    assert (job["status"], job["percent_complete"]) == ("completed", 100)
    assert (job["records_processed"], job["records_accepted"], job["records_rejected"]) == (
        SMALL + 1,
        SMALL,
        1,
    )
    assert show(uploader.api, uploader.dataset)["row_count"] == SMALL
    found = uploader.api.post(
        f"/v1/datasets/{uploader.dataset}/query", json={"vector": [7, 1, 2, 3], "top_k": 1}
    )
    assert found.json()["matches"] == [{"id": "r7", "score": 0.0, "metadata": {"n": 7}}]
    rejected = uploader.plain.get(job["rejected_records_url"])
    assert rejected.json()["line"] == SMALL + 1
    assert "attachment" in rejected.headers["content-disposition"]


def test_the_event_of_s3_is_enough(uploader: Uploader) -> None:
    created = uploader.create()
    uploader.put(created, records(SMALL))
    assert uploader.ended(created)["records_accepted"] == SMALL


def test_parts_become_one_file(uploader: Uploader) -> None:
    created = uploader.create(multipart=True)
    body = records(120_000)
    cut = len(body) // 2
    parts = []
    for part, data in zip(created["upload"]["parts"], (body[:cut], body[cut:]), strict=False):
        stored = uploader.plain.put(part["url"], content=data)
        assert stored.status_code == 200, stored.text
        parts.append({"part_number": part["part_number"], "etag": stored.headers["etag"]})
    assert uploader.complete(created, parts=parts).status_code in (200, 202)
    assert uploader.ended(created)["records_accepted"] == 120_000


def test_an_address_is_good_for_its_key_and_type_only(uploader: Uploader) -> None:
    created = uploader.create()
    url = created["upload"]["url"]
    other = created | {"upload": created["upload"] | {"url": url.replace("/upload?", "/uploads?")}}
    assert uploader.put(other, b"x").status_code == 403
    assert uploader.put(created, b"x", **{"content-type": "text/plain"}).status_code == 403
    assert uploader.plain.get(url).status_code == 403
    assert uploader.complete(created).json()["error"]["code"] == "upload_missing"


def test_an_address_is_good_for_its_time_only(uploader: Uploader, session: LocalSession) -> None:
    """As S3 says it; ours hold for an hour."""
    key = {"Bucket": session.outputs["BucketName"], "Key": "staging/t/nobody/upload"}
    asked = key | {"ContentType": uploader.create()["upload"]["content_type"]}
    short, long = (
        session.client("s3").generate_presigned_url("put_object", Params=asked, ExpiresIn=seconds)
        for seconds in (1, 60)
    )
    time.sleep(2.1)
    answers = [
        uploader.put({"upload": {"url": url, "content_type": asked["ContentType"]}}, b"x")
        for url in (short, long)
    ]
    assert [answer.status_code for answer in answers] == [403, 200]
    assert "Request has expired" in answers[0].text


def test_the_role_that_signs_may_do_nothing_else(uploader: Uploader, session: LocalSession) -> None:
    """What a signature is worth at most: its session, were it stolen whole, reaches one key and only to put it."""
    role = session.client("iam").list_roles()["Roles"]
    (uploads,) = (each for each in role if "UploadsRole" in each["RoleName"])
    for policy in session.client("iam").list_role_policies(RoleName=uploads["RoleName"])["PolicyNames"]:
        document = session.client("iam").get_role_policy(RoleName=uploads["RoleName"], PolicyName=policy)
        (statement,) = document["PolicyDocument"]["Statement"]
        assert set(statement["Action"]) == {"s3:PutObject", "s3:AbortMultipartUpload"}
    assert "X-Amz-Security-Token" in uploader.create()["upload"]["url"]


def test_neither_trigger_is_found_by_the_sweep(
    uploader: Uploader, ports: Ports, local_stack: StackInfo, session: LocalSession
) -> None:
    created = uploader.create()
    owner = ports.table.get(import_by_id(created["import_id"]))
    assert owner is not None
    key = ImportKeys(owner["tenant_id"], owner["dataset_id"], created["import_id"]).upload
    # Under another name first: no event is sent for what S3 is not told to tell of.
    bucket = local_stack.outputs["BucketName"]
    s3 = session.client("s3")
    told = s3.get_bucket_notification_configuration(Bucket=bucket)
    told.pop("ResponseMetadata")
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    try:
        ports.objects.put(key, records(SMALL))
    finally:
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=told)
    later = Ports(
        ports.objects,
        ports.table,
        ports.wakeups,
        ports.builds,
        lambda: time.time() + 3600,
        ports.uploads,
        ports.imports,
    )
    assert uploader.look(created)["status"] == "awaiting_upload"
    assert reconcile_imports(later) >= 1
    assert uploader.ended(created)["records_accepted"] == SMALL


@pytest.fixture(scope="module")
def large() -> tuple["np.ndarray[Any, np.dtype[np.float32]]", bytes]:
    """Vectors around 100 centers, and the Parquet file of them."""
    generator = np.random.default_rng(7)
    centers = generator.normal(size=(100, WIDTH))
    near = centers[generator.integers(0, 100, LARGE)] + 0.5 * generator.normal(size=(LARGE, WIDTH))
    vectors = near.astype(np.float32)
    values = pa.ListArray.from_arrays(np.arange(0, LARGE * WIDTH + 1, WIDTH, dtype=np.int32), vectors.ravel())
    file = io.BytesIO()
    table = pa.table({"id": [f"r{number}" for number in range(LARGE)], "values": values})
    pq.write_table(table, file, row_group_size=10_000, compression="zstd", use_dictionary=False)
    return vectors, file.getvalue()


def test_a_death_in_every_stage_changes_nothing(
    api: httpx.Client,
    local_stack: StackInfo,
    large: tuple["np.ndarray[Any, np.dtype[np.float32]]", bytes],
    request: pytest.FixtureRequest,
) -> None:
    vectors, file = large
    before = used(api)
    with httpx.Client(timeout=60.0, trust_env=False) as plain:
        uploader = Uploader(api, plain, new_dataset(api, WIDTH, metric="cosine"))
        created = uploader.create(format="parquet")
        assert uploader.put(created, file).status_code == 200
        uploader.complete(created)
        killed = kill_once_a_stage(uploader, created, request.getfixturevalue("local_state"))
        job = uploader.ended(created)
    # The short ones may be over between two looks.
    assert {"validating", "assigning", "building"} <= killed, killed
    assert job["status"] == "completed", job
    assert (job["records_processed"], job["records_accepted"], job["records_rejected"]) == (LARGE, LARGE, 0)
    # Where the death was between the commit and telling the quota of it, the sweep tells it, once a minute.
    until(lambda: True if used(api) == before + LARGE else None, seconds=MINUTES)
    told = show(api, uploader.dataset)
    assert told["row_count"] == LARGE
    assert told["recall"]["measured"] >= 0.9
    for number in (0, LARGE // 2, LARGE - 1):
        asked = {"vector": vectors[number].tolist(), "top_k": 1}
        answer = api.post(f"/v1/datasets/{uploader.dataset}/query", json=asked).json()
        assert [match["id"] for match in answer["matches"]] == [f"r{number}"]


def used(api: httpx.Client) -> int:
    """The vectors that count against the tenant's quota."""
    return int(api.get("/v1/usage").json()["vectors_used"])


def kill_once_a_stage(uploader: Uploader, created: dict[str, Any], state: Any) -> set[str]:
    """Kill the workers of each stage the first time it is seen; the stages in which one died."""
    killed: set[str] = set()
    give_up_at = time.monotonic() + MINUTES
    while time.monotonic() < give_up_at:
        job = uploader.look(created)
        if job["status"] in ("completed", "failed"):
            break
        stage = (job["progress"] or {}).get("stage", "")
        if stage in STAGES and stage not in killed:
            for process in pids_of(STAGES[stage], state):
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
                    killed.add(stage)
        time.sleep(0.02)
    return killed
