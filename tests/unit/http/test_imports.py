"""Imports over HTTP, row by row of the contract, up to the start of the workflow."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from shoal.http.native.import_types import ImportOut, NewImportOut
from shoal.model.limits import MAX_UPLOAD_BYTES, MAX_UPLOAD_PARTS, UPLOAD_PART_BYTES
from shoal.model.tenants import Scope
from tests.unit.http.api import Answer, Api

PATH = "/v1/datasets/products/imports"
LINE = b'{"id":"a","values":[1,2,3,4]}\n'
FIVE_MIB = 5 * 1024**2


@pytest.fixture
def products(api: Api) -> str:
    return api.dataset()


def created(api: Api, **fields: Any) -> dict[str, Any]:
    answer = api.call("POST", PATH, {"format": "ndjson", **fields})
    assert answer.status == 201, answer.text
    job: dict[str, Any] = answer.json
    return job


def key_of(url: str) -> str:
    """The key to which an address in memory leads."""
    return urlsplit(url).path.removeprefix("/")


def staged(api: Api, data: bytes = LINE, **fields: Any) -> dict[str, Any]:
    job = created(api, **fields)
    api.ports.objects.put(key_of(job["upload"]["url"]), data)
    return job


def of(api: Api, job: dict[str, Any], what: str = "", body: Any = None, key: str = "") -> Answer:
    method = "POST" if what else "GET"
    return api.call(method, f"{PATH}/{job['import_id']}{what}", body, key=key)


@pytest.mark.usefixtures("products")
def test_create_answers_with_the_address_of_the_upload(api: Api) -> None:
    answer = api.call("POST", PATH, {"format": "ndjson", "error_mode": "continue", "max_bad_records": 100})
    assert answer.status == 201
    job = answer.json
    assert list(job)[:8] == [
        "import_id",
        "dataset",
        "status",
        "format",
        "error_mode",
        "max_bad_records",
        "upload",
        "records_processed",
    ]
    assert job["import_id"].startswith("imp_")
    url = job["upload"].pop("url")
    assert job["upload"] == {
        "method": "PUT",
        "content_type": "application/octet-stream",
        "max_bytes": 5368709120,
        "expires_at": "2026-05-28T21:26:40Z",
    }
    assert parse_qs(urlsplit(url).query)["content_type"] == ["application/octet-stream"]
    assert {name: job[name] for name in list(job)[:6]} == {
        "import_id": job["import_id"],
        "dataset": "products",
        "status": "awaiting_upload",
        "format": "ndjson",
        "error_mode": "continue",
        "max_bad_records": 100,
    }
    assert job["created_at"] == "2026-05-28T20:26:40Z"


@pytest.mark.usefixtures("products")
def test_what_is_shown_later_has_the_fields_of_the_contract_in_its_order(api: Api) -> None:
    job = created(api)
    shown = of(api, job)
    assert shown.status == 200
    assert list(shown.json) == [
        "import_id",
        "dataset",
        "format",
        "status",
        "error_mode",
        "max_bad_records",
        "records_processed",
        "records_accepted",
        "records_rejected",
        "percent_complete",
        "rejected_records_url",
        "error_message",
        "created_at",
        "completed_at",
        "progress",
        "reasons",
    ]
    ImportOut.model_validate(shown.json)
    NewImportOut.model_validate(job)
    assert shown.json == {
        "import_id": job["import_id"],
        "dataset": "products",
        "format": "ndjson",
        "status": "awaiting_upload",
        "error_mode": "continue",
        "max_bad_records": None,
        "records_processed": 0,
        "records_accepted": 0,
        "records_rejected": 0,
        "percent_complete": 0,
        "rejected_records_url": None,
        "error_message": None,
        "created_at": "2026-05-28T20:26:40Z",
        "completed_at": None,
        "progress": None,
        "reasons": [],
    }


@pytest.mark.usefixtures("products")
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_request"),
        (b"{", "invalid_request"),
        (b"\xff", "invalid_request"),
        (b"[]", "invalid_request"),
        ({}, "invalid_format"),
        ({"format": None}, "invalid_format"),
        ({"format": "csv", "error_mode": "no"}, "invalid_format"),
        ({"format": "NDJSON"}, "invalid_format"),
        ({"format": ["ndjson"]}, "invalid_format"),
        ({"format": "ndjson", "error_mode": "stop", "max_bad_records": -1}, "invalid_error_mode"),
        ({"format": "ndjson", "error_mode": None}, "invalid_error_mode"),
        ({"format": "ndjson", "error_mode": 1}, "invalid_error_mode"),
        ({"format": "ndjson", "max_bad_records": -1}, "invalid_request"),
        ({"format": "ndjson", "max_bad_records": 1.5}, "invalid_request"),
        ({"format": "ndjson", "max_bad_records": "5"}, "invalid_request"),
        ({"format": "ndjson", "max_bad_records": True}, "invalid_request"),
        ({"format": "ndjson", "multipart": "yes"}, "invalid_request"),
        ({"format": "ndjson", "multipart": None}, "invalid_request"),
    ],
)
def test_bad_imports(api: Api, body: Any, code: str) -> None:
    answer = api.call("POST", PATH, body)
    assert (answer.status, answer.code) == (400, code)
    assert api.call("GET", PATH).json == {"imports": []}


@pytest.mark.usefixtures("products")
def test_good_imports(api: Api) -> None:
    for fields in (
        {"format": "parquet", "error_mode": "abort"},
        {"max_bad_records": 0},
        {"max_bad_records": None, "what else": 1},
    ):
        job = created(api, **fields)
        assert (job["format"], job["error_mode"]) == (
            fields.get("format", "ndjson"),
            fields.get("error_mode", "continue"),
        )
        assert job["max_bad_records"] == fields.get("max_bad_records")


@pytest.mark.usefixtures("products")
def test_complete_starts_the_import_once(api: Api) -> None:
    job = staged(api)
    answer = of(api, job, "/complete")
    assert answer.status == 202
    assert (answer.json["status"], answer.json["percent_complete"]) == ("validating", 25)
    assert "upload" not in answer.json
    assert set(answer.json["progress"]) == {"stage", "done", "total"}
    assert list(api.imports.started) == [job["import_id"]]
    again = of(api, job, "/complete")
    assert (again.status, again.code) == (409, "import_not_pending")
    assert of(api, job).json["status"] == "validating"


@pytest.mark.usefixtures("products")
def test_complete_before_the_upload(api: Api) -> None:
    job = created(api)
    for body in (None, {}, {"parts": None}, b" \n"):
        answer = of(api, job, "/complete", body)
        assert (answer.status, answer.code) == (400, "upload_missing")
    assert of(api, job).json["status"] == "awaiting_upload"


@pytest.mark.usefixtures("products")
def test_a_body_of_complete_that_is_no_object(api: Api) -> None:
    job = staged(api)
    for body in (b"{", b"[]", b"null", b"\xff"):
        answer = of(api, job, "/complete", body)
        assert (answer.status, answer.code) == (400, "invalid_request")
    assert of(api, job).json["status"] == "awaiting_upload"


@pytest.mark.usefixtures("products")
def test_an_upload_in_parts(api: Api) -> None:
    job = created(api, multipart=True)
    upload = job["upload"]
    assert set(upload) == {"method", "content_type", "max_bytes", "part_bytes", "expires_at", "parts"}
    assert (upload["part_bytes"], len(upload["parts"])) == (UPLOAD_PART_BYTES, MAX_UPLOAD_PARTS)
    assert upload["max_bytes"] == UPLOAD_PART_BYTES * MAX_UPLOAD_PARTS > MAX_UPLOAD_BYTES
    assert [part["part_number"] for part in upload["parts"]] == list(range(1, MAX_UPLOAD_PARTS + 1))
    asked = parse_qs(urlsplit(upload["parts"][1]["url"]).query)
    assert asked["part_number"] == ["2"]
    upload_id = asked["upload_id"][0]
    pieces = [b" " * (FIVE_MIB - 1) + b"\n", LINE]
    etags = [api.uploads.put_part(upload_id, number, data) for number, data in enumerate(pieces, 1)]
    parts = [{"part_number": number, "etag": etag} for number, etag in enumerate(etags, 1)]
    wrong = of(api, job, "/complete", {"parts": [parts[0], {"part_number": 2, "etag": '"other"'}]})
    assert (wrong.status, wrong.code) == (400, "invalid_parts")
    answer = of(api, job, "/complete", {"parts": parts})
    assert answer.status == 202, answer.text
    assert answer.json["status"] == "validating"
    key = key_of(upload["parts"][0]["url"])
    assert api.ports.objects.get(key) == b"".join(pieces)


@pytest.mark.usefixtures("products")
@pytest.mark.parametrize(
    "parts",
    [
        [],
        "1",
        [1],
        [{"part_number": 1}],
        [{"etag": "x"}],
        [{"part_number": 0, "etag": "x"}],
        [{"part_number": MAX_UPLOAD_PARTS + 1, "etag": "x"}],
        [{"part_number": True, "etag": "x"}],
        [{"part_number": 1.0, "etag": "x"}],
        [{"part_number": 1, "etag": ""}],
        [{"part_number": 1, "etag": "a b"}],
        [{"part_number": 1, "etag": "x" * 129}],
        [{"part_number": 1, "etag": None}],
        [{"part_number": 2, "etag": "x"}, {"part_number": 1, "etag": "y"}],
        [{"part_number": 1, "etag": "x"}, {"part_number": 1, "etag": "x"}],
    ],
)
def test_parts_that_cannot_be(api: Api, parts: Any) -> None:
    job = created(api, multipart=True)
    answer = of(api, job, "/complete", {"parts": parts})
    assert (answer.status, answer.code) == (400, "invalid_parts")
    assert of(api, job).json["status"] == "awaiting_upload"


@pytest.mark.usefixtures("products")
def test_cancel_ends_an_import(api: Api) -> None:
    for job in (created(api), staged(api), created(api, multipart=True)):
        if job["upload"].get("url") and api.ports.objects.head(key_of(job["upload"]["url"])):
            assert of(api, job, "/complete").status == 202
        answer = of(api, job, "/cancel")
        assert answer.status == 202
        told = (answer.json["status"], answer.json["error_message"], answer.json["progress"])
        assert told == ("failed", "cancelled", None)
        assert answer.json["completed_at"] == "2026-05-28T20:26:40Z"
        assert of(api, job, "/cancel").json["status"] == "failed"
        late = of(api, job, "/complete")
        assert (late.status, late.code) == (409, "import_not_pending")


@pytest.mark.usefixtures("products")
def test_list_shows_the_newest_first(api: Api) -> None:
    assert api.call("GET", PATH).json == {"imports": []}
    made = []
    for _ in range(3):
        made.append(created(api)["import_id"])
        api.clock.now += 1
    listed = api.call("GET", PATH)
    assert listed.status == 200
    assert [each["import_id"] for each in listed.json["imports"]] == made[::-1]
    for each in listed.json["imports"]:
        ImportOut.model_validate(each)
        assert "upload" not in each
    newest = api.call("GET", PATH, query={"limit": "2"})
    assert [each["import_id"] for each in newest.json["imports"]] == made[:0:-1]
    assert len(api.call("GET", PATH, query={"limit": "999999"}).json["imports"]) == 3


@pytest.mark.usefixtures("products")
@pytest.mark.parametrize("limit", ["0", "-1", "", "x", "1.5", "²", "9" * 400])
def test_bad_limits(api: Api, limit: str) -> None:
    answer = api.call("GET", PATH, query={"limit": limit})
    assert (answer.status, answer.code) == (400, "invalid_limit")


@pytest.mark.parametrize(("method", "what"), [("GET", ""), ("POST", "/complete"), ("POST", "/cancel")])
def test_imports_that_are_not_there(api: Api, products: str, method: str, what: str) -> None:
    job = staged(api)
    for import_id in ("imp_" + "0" * 32, "imp_1", "x", "job_" + "0" * 32, "IMPORT#", ".."):
        answer = api.call(method, f"{PATH}/{import_id}{what}")
        assert (answer.status, answer.code) == (404, "import_not_found")
    api.dataset("others")
    elsewhere = api.call(method, f"/v1/datasets/others/imports/{job['import_id']}{what}")
    assert (elsewhere.status, elsewhere.code) == (404, "import_not_found")
    missing = api.call(method, f"/v1/datasets/nowhere/imports/{job['import_id']}{what}")
    assert (missing.status, missing.code) == (404, "dataset_not_found")

    stranger = api.stranger()
    theirs = api.call(method, f"{PATH}/{job['import_id']}{what}", key=stranger)
    assert (theirs.status, theirs.code) == (404, "dataset_not_found")
    api.call("POST", "/v1/datasets", {"name": products, "dimension": 4}, key=stranger)
    theirs = api.call(method, f"{PATH}/{job['import_id']}{what}", key=stranger)
    assert (theirs.status, theirs.code) == (404, "import_not_found")
    assert of(api, job).json["status"] == "awaiting_upload"


@pytest.mark.usefixtures("products")
def test_a_deleted_dataset_shows_no_imports(api: Api) -> None:
    job = staged(api)
    assert api.call("DELETE", "/v1/datasets/products").status == 204
    for what in ("", "/complete", "/cancel"):
        answer = of(api, job, what)
        assert (answer.status, answer.code) == (404, "dataset_not_found")
    api.dataset()
    assert of(api, job).code == "import_not_found"
    assert api.call("GET", PATH).json == {"imports": []}


def test_at_the_quota_nothing_is_created(products: str) -> None:
    from shoal.http.context import Limits

    api = Api(Limits(vector_quota=1))
    api.dataset(products)
    api.indexed({"id": "a", "values": [1, 2, 3, 4]})
    answer = api.call("POST", PATH, {"format": "ndjson"})
    assert (answer.status, answer.code) == (429, "vector_quota_exceeded")
    assert answer.json["error"]["details"] == {"limit": 1, "used": 1}
    assert api.call("GET", PATH).json == {"imports": []}


def test_scopes(api: Api, products: str) -> None:
    reader, writer = api.new_key(Scope.READ), api.new_key(Scope.WRITE)
    job = staged(api)
    for what, key in (("/complete", reader), ("/cancel", reader), ("", writer)):
        assert of(api, job, what, key=key).status == 403
    assert api.call("POST", PATH, {"format": "ndjson"}, key=reader).status == 403
    assert api.call("GET", PATH, key=writer).status == 403
    assert of(api, job, key=reader).status == 200
    assert of(api, job, "/complete", key=writer).status == 202


def test_the_document_says_that_complete_needs_no_body() -> None:
    from shoal.http.openapi import document

    operations = document()["paths"]
    complete = operations["/v1/datasets/{name}/imports/{import_id}/complete"]["post"]
    assert complete["requestBody"]["required"] is False
    assert operations["/v1/datasets/{name}/imports"]["post"]["requestBody"]["required"] is True
    assert orjson.dumps(complete)
