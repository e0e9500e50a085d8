"""Imports of documents over HTTP: created, uploaded, completed, followed, cancelled."""

from typing import Any

import pytest

from shoal.model.imports import ImportFormat
from shoal.services.content.documents import find_documents
from shoal.services.imports.items import keys_of_import
from shoal.services.imports.lifecycle import get_import
from tests.unit.http.sanity.client import DATASET, Client, problem
from tests.unit.http.sanity.pump import ContentPump
from tests.workflow.machine import run_workflow
from tests.workflow.steps import import_definition, in_process

FILE = b"""{"_id":"a","_type":"movie","title":"Alien"}
{"_id":"drafts.a","_type":"movie"}
{"_id":"b"}
"""


def created(client: Client, body: Any = None) -> dict[str, Any]:
    answer = client.call("POST", f"data/import/{DATASET}", body)
    assert answer.status == 201, answer.text
    found: dict[str, Any] = answer.json
    return found


def uploaded(client: Client, import_id: str, body: bytes = FILE) -> None:
    """What the presigned PUT does."""
    ports = client.api.ports
    dataset = find_documents(ports, client.api.tenant_id, DATASET)
    ports.objects.put(keys_of_import(get_import(ports, dataset, import_id)).upload, body)


def worked(client: Client, import_id: str) -> None:
    """What the indexer does, and the workflow."""
    ContentPump(client.api).run()
    ports = client.api.ports
    run_workflow(import_definition(), ports, in_process(ports), client.api.imports.started[import_id])


def test_from_the_file_to_the_documents(client: Client) -> None:
    job = created(client)
    assert (job["format"], job["status"], job["dataset"]) == ("documents", "awaiting_upload", DATASET)
    assert job["upload"]["method"] == "PUT"
    uploaded(client, job["import_id"])
    path = f"data/import/{DATASET}/{job['import_id']}"
    begun = client.call("POST", f"{path}/complete")
    assert begun.status == 202, begun.text
    worked(client, job["import_id"])
    done = client.call("GET", path).json
    assert done["status"] == "completed"
    assert (done["records_accepted"], done["records_rejected"]) == (1, 1)
    assert (done["documents_skipped"], done["documents_outdated"]) == (1, 0)
    assert done["reasons"] == [
        {"reason": "the document b: _type must be a string of 1 to 256 characters", "count": 1}
    ]
    assert "upload" not in done
    assert client.call("GET", f"data/import/{DATASET}").json == {"imports": [done]}


def test_one_that_is_cancelled(client: Client) -> None:
    job = created(client, {"error_mode": "abort", "max_bad_records": 3})
    assert (job["error_mode"], job["max_bad_records"]) == ("abort", 3)
    path = f"data/import/{DATASET}/{job['import_id']}"
    ended = client.call("POST", f"{path}/cancel")
    assert (ended.status, ended.json["status"], ended.json["error_message"]) == (202, "failed", "cancelled")
    assert problem(client.call("POST", f"{path}/complete")) == (409, "import_not_pending")


def test_a_large_file_in_parts(client: Client) -> None:
    job = created(client, {"multipart": True})
    assert len(job["upload"]["parts"]) == 100


def test_what_is_wrong_is_told_in_this_dialect(client: Client) -> None:
    assert problem(client.call("GET", f"data/import/{DATASET}")) == (404, "dataset_not_found")
    job = created(client)
    path = f"data/import/{DATASET}"
    assert problem(client.call("POST", path, {"error_mode": "stop"})) == (400, "invalid_request")
    assert problem(client.call("GET", path, query={"limit": "0"})) == (400, "invalid_limit")
    assert problem(client.call("GET", f"{path}/imp_nothing")) == (404, "import_not_found")
    unfinished = f"{path}/{job['import_id']}/complete"
    assert problem(client.call("POST", unfinished)) == (400, "upload_missing")
    assert problem(client.call("GET", path, query={"projectId": "other"})) == (401, "unauthorized")


@pytest.mark.parametrize("file_format", [ImportFormat.DOCUMENTS, ImportFormat.CONTENT])
def test_no_other_dataset_takes_documents(client: Client, file_format: ImportFormat) -> None:
    client.api.dataset("songs")
    answer = client.api.call("POST", "/v1/datasets/songs/imports", {"format": file_format.value})
    assert (answer.status, answer.code) == (400, "invalid_format")
