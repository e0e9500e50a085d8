"""Datasets over HTTP, row by row of the contract."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.unit.http.api import Api


def test_create_answers_with_the_empty_dataset(api: Api) -> None:
    answer = api.call("POST", "/v1/datasets", {"name": "products", "dimension": 768})
    assert answer.status == 201
    assert answer.json == {
        "name": "products",
        "dimension": 768,
        "metric": "l2",
        "status": "empty",
        "row_count": 0,
        "created_at": "2026-05-28T20:26:40Z",
        "last_indexed_at": None,
        "error_message": None,
        "recall": None,
        "embedding_model": None,
        "aliases": [],
    }


@pytest.mark.parametrize("name", ["a", "a" * 64, "0", "_", "-", "a-b_c-9"])
def test_good_names(api: Api, name: str) -> None:
    assert api.call("POST", "/v1/datasets", {"name": name, "dimension": 1}).status == 201
    assert api.call("GET", f"/v1/datasets/{name}").json["name"] == name


@pytest.mark.parametrize("name", ["", "a" * 65, "A", "a b", "a/b", "a.b", "ä", "a\n", None, 5, ["a"], {}])
def test_bad_names(api: Api, name: Any) -> None:
    answer = api.call("POST", "/v1/datasets", {"name": name, "dimension": 4})
    assert (answer.status, answer.code) == (400, "invalid_name")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b'"x"', b'{"dimension": 0}', b"name=x"])
def test_the_name_is_judged_first_whatever_the_body_is(api: Api, body: bytes) -> None:
    answer = api.call("POST", "/v1/datasets", body)
    assert (answer.status, answer.code) == (400, "invalid_name")


@pytest.mark.parametrize("dimension", [1, 4096])
def test_good_dimensions(api: Api, dimension: int) -> None:
    assert api.call("POST", "/v1/datasets", {"name": "a", "dimension": dimension}).status == 201


@pytest.mark.parametrize("dimension", [0, -1, 4097, 1.0, 4.5, "4", True, None, [4]])
def test_bad_dimensions(api: Api, dimension: Any) -> None:
    answer = api.call("POST", "/v1/datasets", {"name": "a", "dimension": dimension, "metric": "no"})
    assert (answer.status, answer.code) == (400, "invalid_dimension")


def test_metrics(api: Api) -> None:
    for metric in ("l2", "cosine", "dot"):
        assert api.dataset(metric, metric=metric)
        assert api.call("GET", f"/v1/datasets/{metric}").json["metric"] == metric
    for bad in ("L2", "", None, 1, ["l2"]):
        answer = api.call("POST", "/v1/datasets", {"name": "b", "dimension": 1, "metric": bad})
        assert (answer.status, answer.code) == (400, "invalid_metric")


def test_a_name_is_taken_once_even_by_many_at_once(api: Api) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda _: api.call("POST", "/v1/datasets", {"name": "a", "dimension": 4}), range(8))
        )
    assert sorted(answer.status for answer in answers) == [201] + [409] * 7
    assert {answer.code for answer in answers if answer.status == 409} == {"dataset_exists"}


def test_list_shows_all_by_name(api: Api) -> None:
    assert api.call("GET", "/v1/datasets").json == {"datasets": []}
    for name in ("b", "a"):
        api.dataset(name)
    listed = api.call("GET", "/v1/datasets")
    assert listed.status == 200
    assert [entry["name"] for entry in listed.json["datasets"]] == ["a", "b"]


def test_delete_frees_the_name(api: Api) -> None:
    api.dataset()
    gone = api.call("DELETE", "/v1/datasets/products")
    assert (gone.status, gone.text) == (204, "")
    assert "content-type" not in gone.headers
    for method in ("GET", "DELETE"):
        answer = api.call(method, "/v1/datasets/products")
        assert (answer.status, answer.code) == (404, "dataset_not_found")
    api.dataset(dimension=8)
    assert api.call("GET", "/v1/datasets/products").json["dimension"] == 8


@pytest.mark.parametrize("name", ["nowhere", "UPPER", "a" * 65, "a#b", "ä"])
def test_unknown_names(api: Api, name: str) -> None:
    answer = api.call("GET", f"/v1/datasets/{name}")
    assert (answer.status, answer.code) == (404, "dataset_not_found")


def test_status_and_exact_row_count_follow_the_writes(api: Api) -> None:
    api.dataset(dimension=1)

    def view() -> tuple[str, int]:
        shown = api.call("GET", "/v1/datasets/products").json
        return shown["status"], shown["row_count"]

    job = api.upload({"id": "a", "values": [1]}, {"id": "a", "values": [2]}, {"id": "b", "values": [3]}).json
    assert view() == ("validating", 0)
    api.index(job["job_id"])
    assert view() == ("indexed", 2)
    assert api.call("GET", "/v1/datasets/products").json["last_indexed_at"] == "2026-05-28T20:26:40Z"
    for wanted in ("a", "b"):
        job = api.call("DELETE", f"/v1/datasets/products/vectors/{wanted}").json
        api.index(job["job_id"])
    assert view() == ("empty", 0)
