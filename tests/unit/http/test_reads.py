"""Reads and deletes by id: values bit for bit, ids of all kinds, bounded answers."""

import json
from typing import Any

import numpy as np
import pytest

from tests.unit.http.api import Api

BATCH = "/v1/datasets/products/vectors"


@pytest.fixture(autouse=True)
def _dataset(api: Api) -> None:
    api.dataset()


def test_repeated_ids_all_count_and_the_last_wins(api: Api) -> None:
    answer = api.upload(*[{"id": "a", "values": [n, 0, 0, 1]} for n in range(3)])
    assert answer.json["accepted"] == 3
    api.index(answer.json["job_id"])
    shown = api.call("GET", f"{BATCH}/a", query={"include_values": "true"}).json
    assert shown["embedding"] == [2.0, 0.0, 0.0, 1.0]
    assert api.call("GET", "/v1/datasets/products").json["row_count"] == 1


def test_values_come_back_bit_for_bit(api: Api) -> None:
    bits = np.array([0x80000000, 0x00000001, 0x7F7FFFFF, 0x3DCCCCCD], dtype=np.uint32)
    values = bits.view(np.float32)
    api.indexed('{"id":"a","values":[-0,1e-45,3.4028235e38,0.1]}')
    shown = api.call("GET", f"{BATCH}/a", query={"include_values": "true"}).json
    assert (np.array(shown["embedding"], dtype=np.float32).view(np.uint32) == bits).all()
    assert shown["metadata"] == {}
    assert "embedding" not in api.call("GET", f"{BATCH}/a").json
    assert values[0] == 0


def test_namespaces_are_shown_and_documents_to_who_asks(api: Api) -> None:
    values = [1, 2, 3, 4]
    api.indexed(
        {"id": "both", "values": values, "namespace": "é/1", "document": 'a "text"\n'},
        {"id": "none", "values": values, "namespace": "", "document": None},
    )
    plain = {"id": "none", "metadata": {}}
    assert api.call("GET", f"{BATCH}/both").json == {"id": "both", "metadata": {}, "namespace": "é/1"}
    assert api.call("GET", f"{BATCH}/none", query={"include_document": "true"}).json == plain
    both = {"id": "both", "metadata": {}, "namespace": "é/1", "document": 'a "text"\n'}
    assert api.call("GET", f"{BATCH}/both", query={"include_document": "true"}).json == both
    answer = api.call("POST", f"{BATCH}/fetch", {"ids": ["both", "none"], "include_document": True})
    assert answer.json["vectors"] == [both, plain]
    answer = api.call("POST", f"{BATCH}/fetch", {"ids": ["both"]})
    assert answer.json["vectors"] == [{"id": "both", "metadata": {}, "namespace": "é/1"}]
    answer = api.call("GET", f"{BATCH}/both", query={"include_document": "maybe"})
    assert (answer.status, "include_document" in answer.json["error"]["message"]) == (400, True)


def test_every_document_can_be_read(api: Api) -> None:
    """The longest one in its longest spelling, beside the longest metadata."""
    document = "\0" * 262_144
    api.indexed({"id": "a", "values": [1, 2, 3, 4], "metadata": {"x": "y" * 40_000}, "document": document})
    shown = api.call("POST", f"{BATCH}/fetch", {"ids": ["a"], "include_document": True})
    assert shown.json["vectors"][0]["document"] == document


def test_a_namespace_or_document_that_cannot_be_is_a_rejected_line(api: Api) -> None:
    bad = (
        ({"namespace": 7}, "namespace must be a string"),
        ({"namespace": "n" * 65}, "namespace too long (max 64 chars)"),
        ({"namespace": "a\nb"}, "namespace must not contain control characters"),
        ({"document": ["text"]}, "document must be a string"),
        ({"document": "d" * 262_145}, "document too large: got 262145 bytes expected at most 262144"),
    )
    answer = api.upload(*({"id": "a", "values": [1, 2, 3, 4], **more} for more, _ in bad))
    assert (answer.status, answer.json["accepted"]) == (202, 0)
    assert [error["reason"] for error in answer.json["errors"]] == [reason for _, reason in bad]


@pytest.mark.parametrize(
    "name",
    ["a/b c", "%2F", "100%", "😀", "x" * 256, "é" * 256, "fetch", "query", "a//b", "a?b", "id\n2", "\0"],
)
def test_ids_of_all_kinds(api: Api, name: str) -> None:
    api.indexed(json.dumps({"id": name, "values": [1, 2, 3, 4]}))
    shown = api.call("GET", f"{BATCH}/{name}")
    assert (shown.status, shown.json["id"]) == (200, name)
    assert api.call("GET", f"{BATCH}/_", query={"id": name}).json["id"] == name
    fetched = api.call("POST", f"{BATCH}/fetch", {"ids": [name]}).json
    assert [record["id"] for record in fetched["vectors"]] == [name]
    gone = api.call("DELETE", f"{BATCH}/{name}")
    assert gone.status == 202
    api.index(gone.json["job_id"])
    answer = api.call("GET", f"{BATCH}/{name}")
    assert (answer.status, answer.code) == (404, "not_found")


@pytest.mark.parametrize("name", ["..", ".", "/lead", "trail/"])
def test_ids_that_no_path_can_hold(api: Api, name: str) -> None:
    api.indexed({"id": name, "values": [1, 2, 3, 4]})
    assert api.call("GET", f"{BATCH}/_", query={"id": name}).json["id"] == name
    gone = api.call("DELETE", f"{BATCH}/_", query={"id": name})
    api.index(gone.json["job_id"])
    assert api.call("GET", f"{BATCH}/_", query={"id": name}).status == 404


@pytest.mark.parametrize("name", ["x" * 257, ""])
def test_ids_that_cannot_be(api: Api, name: str) -> None:
    for method in ("GET", "DELETE"):
        answer = api.call(method, f"{BATCH}/_", query={"id": name})
        assert (answer.status, answer.code) == (400, "invalid_request")


def test_deleting_what_is_not_there(api: Api) -> None:
    answer = api.call("DELETE", f"{BATCH}/nobody")
    assert (answer.status, list(answer.json)) == (202, ["job_id"])


def test_fetch(api: Api) -> None:
    api.indexed(
        {"id": "a", "values": [1, 2, 3, 4], "metadata": {"x": 1}}, {"id": "b", "values": [5, 6, 7, 8]}
    )
    answer = api.call("POST", f"{BATCH}/fetch", {"ids": ["b", "no", "a", "b"], "include_values": True})
    assert answer.json == {
        "vectors": [
            {"id": "b", "metadata": {}, "embedding": [5.0, 6.0, 7.0, 8.0]},
            {"id": "a", "metadata": {"x": 1}, "embedding": [1.0, 2.0, 3.0, 4.0]},
        ],
        "missing_ids": ["no"],
        "unprocessed_ids": [],
    }


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        [],
        {},
        {"ids": []},
        {"ids": ["x"] * 1001},
        {"ids": [""]},
        {"ids": [1]},
        {"ids": "a"},
        {"ids": None},
    ],
)
def test_bad_fetches(api: Api, body: Any) -> None:
    answer = api.call("POST", f"{BATCH}/fetch", body)
    assert (answer.status, answer.code) == (400, "invalid_request")


def test_fetch_is_bounded_in_bytes(api: Api) -> None:
    text = '"' * 19_000  # 38,000 bytes as JSON, and twice that inside the gateway's envelope
    ids = [f"id-{number}" for number in range(150)]
    for part in range(0, 150, 50):
        api.indexed(
            *({"id": name, "values": [1, 2, 3, 4], "metadata": {"t": text}} for name in ids[part : part + 50])
        )
    seen: list[str] = []
    wanted = ids
    while wanted:
        answer = api.call("POST", f"{BATCH}/fetch", {"ids": wanted})
        assert answer.status == 200
        assert len(json.dumps(answer.text)) < 6_000_000
        seen += [record["id"] for record in answer.json["vectors"]]
        assert answer.json["unprocessed_ids"] != wanted
        wanted = answer.json["unprocessed_ids"]
    assert sorted(seen) == sorted(ids)
