"""Reads of a dataset that the body names; and of indexes of the Openverse dialect, which only a body can name."""

from typing import Any

import numpy as np
import pytest

from shoal.model.datasets import Dataset, Metric
from shoal.model.openverse import SCOPE as OPENVERSE
from shoal.services import aliases, datasets, write
from shoal.services.commit import drain
from tests.unit.http.api import Answer, Api

READS: dict[str, dict[str, Any]] = {
    "/v1/query": {"vector": [1, 2, 3, 4]},
    "/v1/fetch": {"ids": ["a", "none"], "include_values": True},
    "/v1/list": {},
    "/v1/count": {},
    "/v1/stats": {},
}
BY_PATH = {
    "/v1/query": "/v1/datasets/image/query",
    "/v1/fetch": "/v1/datasets/image/vectors/fetch",
    "/v1/list": "/v1/datasets/image/vectors/list",
    "/v1/count": "/v1/datasets/image/count",
}


def index(api: Api, name: str, *, scope: str = OPENVERSE) -> Dataset:
    """An index with one record, which says what it is in."""
    dataset = datasets.create_dataset(
        api.ports, api.tenant_id, scope=scope, name=name, dimension=4, metric=Metric.L2
    ).dataset
    write.upsert(
        api.ports,
        dataset,
        ids=["a"],
        vectors=np.array([[1, 2, 3, 4]], dtype=np.float32),
        metadata=[b'{"of":"%s/%s"}' % (scope.encode(), name.encode())],
        vector_quota=None,
    )
    drain(api.ports, api.tenant_id, dataset.dataset_id, owner="test")
    return dataset


@pytest.fixture(autouse=True)
def _image(api: Api) -> None:
    """A dataset and an alias of an index of the same name."""
    index(api, "image", scope="native")
    index(api, "image-20231106")
    aliases.point_alias(api.ports, api.tenant_id, scope=OPENVERSE, alias="image", dataset="image-20231106")


def read(api: Api, path: str, name: object, **more: Any) -> Answer:
    return api.call("POST", path, {**READS[path], "dataset": name, **more})


@pytest.mark.parametrize("path", BY_PATH)
def test_a_read_by_body_answers_as_the_one_by_path(api: Api, path: str) -> None:
    by_body, by_path = read(api, path, "image"), api.call("POST", BY_PATH[path], READS[path])
    assert (by_body.status, by_path.status) == (200, 200)
    bodies = [{**answer.json, "latency_ms": None, "mode": None} for answer in (by_body, by_path)]
    assert bodies[0] == bodies[1]


def test_figures_by_body(api: Api) -> None:
    assert read(api, "/v1/stats", "image").json == api.call("GET", "/v1/datasets/image/stats").json


@pytest.mark.parametrize("name", ["openverse/image", "openverse/image-20231106"])
def test_an_index_of_openverse_and_its_alias_are_read(api: Api, name: str) -> None:
    of = {"of": "openverse/image-20231106"}
    assert read(api, "/v1/query", name).json["matches"][0]["metadata"] == of
    fetched = read(api, "/v1/fetch", name).json
    assert (fetched["vectors"][0]["metadata"], fetched["missing_ids"]) == (of, ["none"])
    assert fetched["vectors"][0]["embedding"] == [1, 2, 3, 4]
    assert read(api, "/v1/list", name).json["vectors"][0]["metadata"] == of
    assert read(api, "/v1/count", name, filter=of).json["count"] == 1
    assert read(api, "/v1/count", name, filter={"of": "native/image"}).json["count"] == 0
    shown = read(api, "/v1/stats", name).json
    assert (shown["name"], shown["row_count"]) == ("image-20231106", 1)


def test_a_cursor_of_an_index_leads_on(api: Api) -> None:
    dataset = index(api, "image-2")
    write.upsert(
        api.ports,
        dataset,
        ids=["b"],
        vectors=np.zeros((1, 4), dtype=np.float32),
        metadata=[b"{}"],
        vector_quota=None,
    )
    drain(api.ports, api.tenant_id, dataset.dataset_id, owner="test")
    first = read(api, "/v1/list", "openverse/image-2", limit=1).json
    second = read(api, "/v1/list", "openverse/image-2", limit=1, cursor=first["next_cursor"]).json
    assert [page["vectors"][0]["id"] for page in (first, second)] == ["a", "b"]
    assert second["next_cursor"] is None
    answer = read(api, "/v1/list", "image", limit=1, cursor=first["next_cursor"])
    assert (answer.status, answer.code) == (400, "invalid_cursor")


def test_a_query_of_an_index_waits_for_a_version(api: Api) -> None:
    assert read(api, "/v1/query", "openverse/image", min_version=1).status == 200
    answer = read(api, "/v1/query", "openverse/image", min_version=2)
    assert (answer.status, answer.code) == (409, "not_indexed_yet")


@pytest.mark.parametrize("path", READS)
@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("openverse/none", 404, "dataset_not_found"),
        ("openverse/", 404, "dataset_not_found"),
        ("openverse/" + "x" * 256, 404, "dataset_not_found"),
        ("openverse/im\nage", 404, "dataset_not_found"),
        ("openverse/openverse/image", 404, "dataset_not_found"),
        ("sanity/production/image", 404, "dataset_not_found"),
        ("native/image", 404, "dataset_not_found"),
        ("Openverse/image", 404, "dataset_not_found"),
        ("", 404, "dataset_not_found"),
        (None, 404, "dataset_not_found"),
        (5, 400, "invalid_request"),
        (["image"], 400, "invalid_request"),
    ],
)
def test_names_of_nothing(api: Api, path: str, name: object, status: int, code: str) -> None:
    answer = read(api, path, name)
    assert (answer.status, answer.code) == (status, code)


@pytest.mark.parametrize("path", ["/v1/fetch", "/v1/list", "/v1/count", "/v1/stats"])
def test_bodies_that_are_wrong(api: Api, path: str) -> None:
    assert (api.call("POST", path, b"{").status, api.call("POST", path, []).status) == (400, 400)
    if path == "/v1/fetch":
        answer = read(api, path, "openverse/image", ids="a")
        assert answer.message.startswith("ids: ")
    else:
        answer = read(api, path, "openverse/image", fliter={})
        assert answer.message.startswith("fliter: ")
    assert (answer.status, answer.code) == (400, "invalid_request")


def test_paths_and_writes_do_not_reach_indexes(api: Api) -> None:
    before = read(api, "/v1/list", "openverse/image").json
    for name in ("openverse/image", "openverse%2Fimage"):
        record = {"id": "b", "values": [1, 1, 1, 1]}
        for method, path, body in (
            ("POST", f"/v1/datasets/{name}/vectors", record),
            ("POST", f"/v1/datasets/{name}/vectors/delete", {"all": True}),
            ("DELETE", f"/v1/datasets/{name}", None),
            ("POST", f"/v1/datasets/{name}/query", {"vector": [1, 2, 3, 4]}),
        ):
            assert api.call(method, path, body).status in {404, 405}
    answer = api.call("PUT", "/v1/aliases/live", {"dataset": "openverse/image"})
    assert answer.status in {400, 404}
    assert read(api, "/v1/list", "openverse/image").json == before


def test_a_stranger_finds_none_of_them(api: Api) -> None:
    key = api.stranger()
    for path, body in READS.items():
        for name in ("image", "openverse/image", "openverse/image-20231106"):
            answer = api.call("POST", path, {**body, "dataset": name}, key=key)
            assert (answer.status, answer.code) == (404, "dataset_not_found")
