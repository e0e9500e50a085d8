"""A dataset that follows another one takes no writes of users, by whatever way they come."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from shoal.http.vectorize.common import PREFIX
from shoal.model.datasets import NATIVE_SCOPE
from shoal.services import datasets
from shoal.services.heads import keys_of
from shoal.storage.memory.faults import Call, Fault, Faults
from shoal.storage.memory.faulty import FaultyObjects, FaultyTable
from shoal.storage.ports import Assign
from tests.unit.http.api import Answer, Api

PATH = "/v1/datasets/mirror"
RECORD = {"id": "c", "values": [1, 2, 3, 4]}
NDJSON = {"content-type": "application/x-ndjson"}


@pytest.fixture(autouse=True)
def _mirror(api: Api) -> None:
    """A dataset with two records and a snapshot, which follows another one from then on."""
    api.dataset("mirror")
    api.indexed({"id": "a", "values": [1, 2, 3, 4]}, {"id": "b", "values": [5, 6, 7, 8]}, name="mirror")
    assert api.call("POST", f"{PATH}/snapshots", {"name": "monday"}).status == 201
    dataset = datasets.resolve(api.ports, api.tenant_id, scope=NATIVE_SCOPE, name="mirror")
    api.ports.table.update(keys_of(dataset).meta, [Assign("follows", True)])
    api.use(api.ports)


def vectorize(api: Api, method: str, rest: str, body: Any) -> Answer:
    account = PREFIX.format(account_id=api.tenant_id.removeprefix("ten_"))
    return api.call(method, f"{account}/mirror{rest}", body, headers=NDJSON)


NATIVE: dict[str, Callable[[Api], Answer]] = {
    "upsert": lambda api: api.upload(RECORD, name="mirror"),
    "upsert of nothing": lambda api: api.upload("{", name="mirror"),
    "delete one": lambda api: api.call("DELETE", f"{PATH}/vectors/a"),
    "delete ids": lambda api: api.call("POST", f"{PATH}/vectors/delete", {"ids": ["a"]}),
    "delete by filter": lambda api: api.call("POST", f"{PATH}/vectors/delete", {"filter": {"x": 1}}),
    "delete all": lambda api: api.call("POST", f"{PATH}/vectors/delete", {"all": True}),
    "patch one": lambda api: api.call("PATCH", f"{PATH}/vectors/a", {"metadata": {"x": 1}}),
    "patch many": lambda api: api.call("POST", f"{PATH}/vectors/patch", '{"id": "a", "metadata": {"x": 1}}'),
    "import": lambda api: api.call("POST", f"{PATH}/imports", {"format": "ndjson", "error_mode": "abort"}),
    "restore": lambda api: api.call("POST", f"{PATH}/restore", {"snapshot": "monday"}),
}
VECTORIZE: dict[str, Callable[[Api], Answer]] = {
    "insert": lambda api: vectorize(api, "POST", "/insert", '{"id": "c", "values": [1, 2, 3, 4]}'),
    "upsert": lambda api: vectorize(api, "POST", "/upsert", '{"id": "c", "values": [1, 2, 3, 4]}'),
    "delete": lambda api: vectorize(api, "POST", "/delete_by_ids", {"ids": ["a"]}),
    "metadata index": lambda api: vectorize(
        api, "POST", "/metadata_index/create", {"propertyName": "x", "indexType": "string"}
    ),
    "metadata index dropped": lambda api: vectorize(
        api, "POST", "/metadata_index/delete", {"propertyName": "x"}
    ),
}


def as_it_was(api: Api) -> None:
    listed = api.call("GET", f"{PATH}/vectors").json["vectors"]
    assert listed == [{"id": "a", "metadata": {}}, {"id": "b", "metadata": {}}]
    shown = api.call("GET", PATH).json
    assert (shown["status"], shown["row_count"]) == ("indexed", 2)


@pytest.mark.parametrize("how", NATIVE)
def test_it_takes_no_writes(api: Api, how: str) -> None:
    answer = NATIVE[how](api)
    assert (answer.status, answer.code) == (409, "dataset_follows")
    assert (
        answer.message
        == "mirror is kept in step with the dataset that it was derived from; write to that one"
    )
    as_it_was(api)


@pytest.mark.parametrize("how", VECTORIZE)
def test_it_takes_no_writes_through_vectorize(api: Api, how: str) -> None:
    answer = VECTORIZE[how](api)
    (error,) = answer.json["errors"]
    assert (answer.status, error["code"], answer.json["success"]) == (409, 40026, False)
    assert "write to that one" in error["message"]
    as_it_was(api)


@pytest.mark.parametrize("how", NATIVE)
def test_refusing_reads_no_more_than_any_write_does_and_stores_nothing(api: Api, how: str) -> None:
    calls: list[str] = []

    def hook(call: Call) -> Fault | None:
        calls.append(f"{call.operation} {call.target.rpartition(' ')[2]}")
        return None

    faults = Faults(hook)
    table, objects = FaultyTable(api.ports.table, faults), FaultyObjects(api.ports.objects, faults)
    api.use(replace(api.ports, table=table, objects=objects))
    assert NATIVE[how](api).code == "dataset_follows"
    of_dataset = calls[calls.index("table.get NAME#native#mirror") :]
    assert of_dataset == ["table.get NAME#native#mirror", "table.get META"]
    assert not any(call.startswith("objects.") for call in calls)


def test_what_reads_it_or_has_nothing_to_do_with_its_records_goes_on(api: Api) -> None:
    assert len(api.call("POST", f"{PATH}/query", {"vector": [1, 2, 3, 4]}).json["matches"]) == 2
    assert api.call("POST", f"{PATH}/snapshots", {"name": "tuesday"}).status == 201
    cloned = api.call("POST", f"{PATH}/clone", {"name": "free"})
    assert cloned.status == 201
    api.indexed(RECORD, name="free")
    assert api.call("GET", "/v1/datasets/free").json["row_count"] == 3
    assert (
        api.call("POST", "/v1/datasets/free/restore", {"snapshot": "monday", "dataset": "mirror"}).status
        == 202
    )
    assert api.call("PUT", "/v1/aliases/live", {"dataset": "mirror"}).status == 201
    answer = api.upload(RECORD, name="live")
    assert (answer.status, answer.code) == (409, "dataset_follows")
    assert api.call("DELETE", PATH, query={"force": "true"}).status == 204
