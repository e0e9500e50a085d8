"""Exports over HTTP: begun, shown, listed, and refused."""

import json
from typing import Any

import pytest

from shoal.model.exports import MANIFEST_NAME
from shoal.model.tenants import Scope
from shoal.services.datasets import resolve
from shoal.services.exports.items import keys_of_export
from shoal.services.exports.lifecycle import URL_SECONDS, get_export
from tests.unit.http.api import Api
from tests.unit.services.exports.exporting import run_export

PATH = "/v1/datasets/products"


@pytest.fixture(autouse=True)
def _dataset(api: Api) -> None:
    api.dataset()
    api.indexed(
        {"id": "a", "values": [1, 2, 3, 4], "namespace": "n", "document": "text"},
        {"id": "b", "values": [4, 3, 2, 1]},
    )


def begun(api: Api, body: Any = None) -> dict[str, Any]:
    answer = api.call("POST", f"{PATH}/exports", body)
    assert answer.status == 202, answer.text
    told: dict[str, Any] = answer.json
    return told


def test_an_export_begins(api: Api) -> None:
    told = begun(api)
    assert told == {
        "export_id": told["export_id"],
        "dataset": "products",
        "status": "running",
        "version": 1,
        "progress": {"done": 0, "total": 0},
        "row_count": 0,
        "bytes": 0,
        "created_at": "2026-05-28T20:26:40Z",
        "completed_at": None,
        "error_message": None,
    }
    assert api.exports.started == {told["export_id"]: {"run_id": told["export_id"]}}
    shown = api.call("GET", f"{PATH}/exports/{told['export_id']}").json
    assert shown == told | {"manifest": None, "files": []}


def test_a_completed_export_says_where_its_files_are(api: Api) -> None:
    told = begun(api, {})
    assert run_export(api.ports, told["export_id"]).succeeded
    shown = api.call("GET", f"{PATH}/exports/{told['export_id']}").json
    assert (shown["status"], shown["row_count"], shown["progress"]) == (
        "completed",
        2,
        {"done": 1, "total": 1},
    )
    (file,) = shown["files"]
    dataset = resolve(api.ports, api.tenant_id, scope="native", name="products")
    keys = keys_of_export(get_export(api.ports, dataset, told["export_id"]))
    manifest = json.loads(api.ports.objects.get(keys.exported(MANIFEST_NAME)))
    (named,) = manifest["files"]
    assert (file["name"], file["rows"], file["bytes"], file["sha256"]) == (
        named["name"],
        named["rows"],
        named["size"],
        named["sha256"],
    )
    assert keys.exported(file["name"]) in file["url"]
    assert f"products-{file['name']}" in file["url"]
    assert keys.exported(MANIFEST_NAME) in shown["manifest"]["url"]
    assert file["expires_at"] == "2026-05-28T21:26:40Z"
    assert URL_SECONDS == 3600
    api.clock.now += 60
    again = api.call("GET", f"{PATH}/exports/{told['export_id']}").json
    assert again["files"][0]["expires_at"] == "2026-05-28T21:27:40Z"


def test_the_list_is_without_addresses(api: Api) -> None:
    first = begun(api)
    api.clock.now += 1
    second = begun(api)
    run_export(api.ports, second["export_id"])
    listed = api.call("GET", f"{PATH}/exports").json["exports"]
    assert [each["export_id"] for each in listed] == [second["export_id"], first["export_id"]]
    assert [each["status"] for each in listed] == ["completed", "running"]
    assert not {"files", "manifest"} & set(listed[0])


def test_a_snapshot_is_exported(api: Api) -> None:
    made = api.call("POST", f"{PATH}/snapshots", {"name": "monday"})
    assert made.status == 201, made.text
    api.indexed({"id": "c", "values": [0, 0, 0, 1]})
    told = begun(api, {"snapshot": "monday"})
    run_export(api.ports, told["export_id"])
    assert api.call("GET", f"{PATH}/exports/{told['export_id']}").json["row_count"] == 2


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"snapshot": "tuesday"}, 404, "snapshot_not_found"),
        ({"snapshot": 1}, 400, "invalid_request"),
        ({"snapshto": "monday"}, 400, "invalid_request"),
        ("[]", 400, "invalid_request"),
        ("{", 400, "invalid_request"),
    ],
)
def test_a_wrong_body_is_refused(api: Api, body: Any, status: int, code: str) -> None:
    answer = api.call("POST", f"{PATH}/exports", body)
    assert (answer.status, answer.code) == (status, code), answer.text
    assert api.exports.started == {}


def test_nothing_indexed_is_nothing_to_export(api: Api) -> None:
    api.dataset("empty")
    answer = api.call("POST", "/v1/datasets/empty/exports")
    assert (answer.status, answer.code) == (409, "dataset_empty")


def test_too_many_at_once(api: Api) -> None:
    for _ in range(10):
        begun(api)
    answer = api.call("POST", f"{PATH}/exports")
    assert (answer.status, answer.code) == (409, "too_many_exports")
    assert answer.json["error"]["details"] == {"limit": 10}


@pytest.mark.parametrize("wrong", ["exp_" + "0" * 32, "imp_" + "0" * 32, "x", "EXP_" + "0" * 32])
def test_an_export_that_is_none(api: Api, wrong: str) -> None:
    answer = api.call("GET", f"{PATH}/exports/{wrong}")
    assert (answer.status, answer.code) == (404, "export_not_found")


def test_an_export_is_its_datasets_and_its_tenants(api: Api) -> None:
    told = begun(api)
    api.dataset("other")
    assert api.call("GET", f"/v1/datasets/other/exports/{told['export_id']}").code == "export_not_found"
    assert api.call("GET", "/v1/datasets/other/exports").json == {"exports": []}
    stranger = api.stranger()
    for method, path in (("POST", "exports"), ("GET", "exports"), ("GET", f"exports/{told['export_id']}")):
        strange = api.call(method, f"{PATH}/{path}", key=stranger)
        assert (strange.status, strange.code) == (404, "dataset_not_found")


def test_who_may_read_may_export(api: Api) -> None:
    reader = api.new_key(Scope.READ)
    assert api.call("POST", f"{PATH}/exports", key=reader).status == 202
    assert api.call("GET", f"{PATH}/exports", key=reader).status == 200
    writer = api.new_key(Scope.WRITE)
    assert api.call("POST", f"{PATH}/exports", key=writer).status == 403


def test_a_deleted_dataset_takes_its_exports_along(api: Api) -> None:
    told = begun(api)
    assert api.call("DELETE", PATH).status == 204
    assert api.call("GET", f"{PATH}/exports/{told['export_id']}").code == "dataset_not_found"
    assert run_export(api.ports, told["export_id"]).succeeded
    api.dataset()
    assert api.call("GET", f"{PATH}/exports/{told['export_id']}").code == "export_not_found"


def test_a_workflow_that_died_fails_its_export(api: Api) -> None:
    told = begun(api)
    api.exports.end(told["export_id"], "FAILED")
    shown = api.call("GET", f"{PATH}/exports/{told['export_id']}").json
    assert (shown["status"], shown["files"]) == ("failed", [])
    assert "its workflow ended (FAILED)" in shown["error_message"]
