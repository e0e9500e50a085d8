"""What clients get wrong, over HTTP: sizes, encodings, lines, names, numbers. None of it is stored."""

import gzip
import json
from typing import Any

import httpx
import numpy as np
import pytest

from tests.e2e.steps import code, ids_of, ndjson, new_dataset, packed, show, store, upload

pytestmark = pytest.mark.e2e
MIB = 1024 * 1024
TOO_LARGE = (413, "payload_too_large")
UNPACKED_LIMIT = "Request body exceeds 10485760 bytes"
GOOD = {"id": "good", "values": [1, 2]}
NDJSON = {"content-type": "application/x-ndjson"}


@pytest.fixture(scope="module")
def names() -> dict[str, str]:
    return {}


@pytest.fixture
def vectors(api: httpx.Client, names: dict[str, str]) -> str:
    """Where to send what is refused: one dataset of two dimensions for all."""
    if "refusing" not in names:
        names["refusing"] = new_dataset(api, 2)
    return f"/v1/datasets/{names['refusing']}/vectors"


def padded(size: int) -> bytes:
    """Good lines of this many bytes in all; the last line is a blank one."""
    line = ndjson({**GOOD, "metadata": {"padding": "x" * 1000}}) + b"\n"
    return (line * (size // len(line))).ljust(size)


# --- sizes -------------------------------------------------------------------------------------------------


def test_the_largest_body_that_needs_no_compression(api: httpx.Client, vectors: str) -> None:
    assert api.post(vectors, content=padded(int(4.4 * MIB)), headers=NDJSON).status_code == 202


@pytest.mark.parametrize("size", [int(4.5 * MIB), 9 * MIB, 11 * MIB])
def test_a_larger_one_gets_the_gateways_own_error(api: httpx.Client, vectors: str, size: int) -> None:
    answer = api.post(vectors, content=padded(size), headers=NDJSON)
    assert (answer.status_code, answer.json()) == (413, {"message": "Request Entity Too Large"})


def test_compressed_a_body_may_have_10_mib_and_no_byte_more(api: httpx.Client, vectors: str) -> None:
    body, headers = packed(padded(10 * MIB))
    assert api.post(vectors, content=body, headers=headers).status_code == 202
    body, headers = packed(padded(10 * MIB + 1))
    answer = api.post(vectors, content=body, headers=headers)
    assert code(answer) == TOO_LARGE
    assert answer.json()["error"]["message"] == UNPACKED_LIMIT


def test_a_bomb_is_refused_while_it_is_unpacked(api: httpx.Client, vectors: str) -> None:
    one_mib, headers = packed(bytes(MIB))
    answer = api.post(vectors, content=one_mib * 800, headers=headers)
    assert code(answer) == TOO_LARGE
    assert answer.elapsed.total_seconds() < 5


# --- encodings ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip"])
def test_gzip_of_one_member_or_more(api: httpx.Client, vectors: str, encoding: str) -> None:
    members = gzip.compress(ndjson(GOOD) + b"\n") + gzip.compress(ndjson(GOOD)) + bytes(4)
    answer = api.post(vectors, content=members, headers={"content-encoding": encoding})
    assert (answer.status_code, answer.json()["accepted"]) == (202, 2)


PACKED = gzip.compress(ndjson(GOOD))


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (PACKED[:-4], "gzip"),
        (PACKED[:20], "gzip"),
        (b"", "gzip"),
        (PACKED[:-8] + bytes(8), "gzip"),
        (PACKED + b"more", "gzip"),
        (ndjson(GOOD), "gzip"),
        (ndjson(GOOD), "br"),
        (PACKED, "gzip, gzip"),
    ],
    ids=["truncated", "cut short", "empty", "wrong sum", "more after it", "not packed", "br", "twice"],
)
def test_encodings_that_are_refused(api: httpx.Client, vectors: str, body: bytes, encoding: str) -> None:
    answer = api.post(vectors, content=body, headers={"content-encoding": encoding})
    assert code(answer) == (400, "invalid_encoding")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "Empty NDJSON body"),
        (b"\n \r\n", "Empty NDJSON body"),
        (ndjson(GOOD) + b"\n\xff", "body must be UTF-8"),
        (PACKED, "body must be UTF-8"),
    ],
    ids=["empty", "blank", "one bad byte", "packed but not said so"],
)
def test_bodies_that_are_not_ndjson(api: httpx.Client, vectors: str, body: bytes, message: str) -> None:
    answer = api.post(vectors, content=body, headers=NDJSON)
    assert code(answer) == (400, "invalid_ndjson")
    assert answer.json()["error"]["message"] == message


@pytest.mark.parametrize("kind", ["application/json", "text/csv", "image/png", "no/such; charset=x", None])
def test_the_content_type_is_not_looked_at(api: httpx.Client, vectors: str, kind: str | None) -> None:
    headers = {"content-type": kind} if kind else {}
    line = {"id": "é🐟", "values": [1, 2]}
    body = json.dumps(line, ensure_ascii=False).encode()
    assert api.post(vectors, content=body, headers=headers).json()["accepted"] == 1


# --- lines -------------------------------------------------------------------------------------------------


def test_every_bad_line_has_its_reason_and_its_number(api: httpx.Client, vectors: str) -> None:
    lines = {
        "{": "invalid json",
        "[]": "record must be a JSON object",
        '{"id": "", "values": [1, 2]}': "id must be a non-empty string",
        json.dumps({"id": "🐟" * 257, "values": [1, 2]}): "id too long (max 256 chars)",
        '{"id": "a", "values": [1, true]}': "values must be list[float]",
        '{"id": "a", "values": [1]}': "dimension mismatch: got 1 expected 2",
        '{"id": "a", "values": [1, 1e39]}': "values must be finite and within float4 range",
        '{"id": "a", "values": [1, 2], "metadata": []}': "metadata must be object",
    }
    answer = api.post(vectors, content=ndjson(*lines, "", GOOD)).json()
    assert [error["reason"] for error in answer["errors"]] == list(lines.values())
    assert [error["line"] for error in answer["errors"]] == list(range(1, len(lines) + 1))
    assert (answer["accepted"], answer["rejected"]) == (1, len(lines))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400"])
def test_numbers_that_are_none_are_refused(api: httpx.Client, vectors: str, number: str) -> None:
    line = f'{{"id": "a", "values": [1, {number}]}}'
    assert api.post(vectors, content=ndjson(line, GOOD)).json()["rejected"] == 1
    query = f'{{"dataset": "{vectors.split("/")[3]}", "vector": [1, {number}]}}'
    assert code(api.post("/v1/query", content=query)) == (400, "invalid_request")


def test_values_come_back_bit_for_bit(api: httpx.Client) -> None:
    tiny = np.float32(1e-45)
    spread = np.random.default_rng(2).integers(0, 2**32, 500, dtype=np.uint32).view(np.float32)
    special = [-0.0, 0.0, tiny, -tiny, np.finfo(np.float32).tiny, np.finfo(np.float32).max, 0.1, 16777217.0]
    values = np.concatenate([np.array(special, np.float32), spread[np.isfinite(spread)]])
    rows = values[: len(values) // 4 * 4].reshape(-1, 4)
    name = new_dataset(api, 4)
    written = ({"id": str(n), "values": [float(x) for x in row]} for n, row in enumerate(rows))
    store(api, name, *written, '{"id": "text", "values": [-0, 1e-46, -1e-46, 3.4028234663852886e38]}')
    wanted = [*map(str, range(len(rows))), "text"]
    request = {"ids": wanted, "include_values": True}
    answer = api.post(f"/v1/datasets/{name}/vectors/fetch", json=request).json()
    read = np.array([record["embedding"] for record in answer["vectors"]], np.float32)
    last = np.array([[-0.0, 0.0, -0.0, np.finfo(np.float32).max]], np.float32)
    assert read.tobytes() == np.concatenate([rows, last]).tobytes()


def test_an_id_that_comes_twice_is_one_record(api: httpx.Client) -> None:
    name = new_dataset(api, 1)
    assert upload(api, name, *({"id": "a", "values": [n]} for n in range(9)))["accepted"] == 9
    store(api, name, {"id": "b", "values": [0]})
    assert show(api, name)["row_count"] == 2
    assert api.get(f"/v1/datasets/{name}/vectors/a?include_values=true").json()["embedding"] == [8.0]


# --- datasets, queries, reads ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"no json", "invalid_name"),
        (b"[]", "invalid_name"),
        (b'{"name": "Upper", "dimension": 0}', "invalid_name"),
        (b'{"name": "", "dimension": 1}', "invalid_name"),
        (json.dumps({"name": "a" * 65, "dimension": 1}).encode(), "invalid_name"),
        (b'{"name": "ok", "dimension": 0}', "invalid_dimension"),
        (b'{"name": "ok", "dimension": 4097}', "invalid_dimension"),
        (b'{"name": "ok", "dimension": 4.0}', "invalid_dimension"),
        (b'{"name": "ok", "dimension": true}', "invalid_dimension"),
        (b'{"name": "ok"}', "invalid_dimension"),
        (b'{"name": "ok", "dimension": 1, "metric": "l1"}', "invalid_metric"),
    ],
)
def test_datasets_that_cannot_be(api: httpx.Client, body: bytes, expected: str) -> None:
    assert code(api.post("/v1/datasets", content=body)) == (400, expected)


@pytest.mark.parametrize(("name", "dimension"), [("-", 1), ("z_-9" * 16, 4096)])
def test_the_shortest_and_the_longest_name_the_fewest_and_the_most_dimensions(
    api: httpx.Client, name: str, dimension: int
) -> None:
    assert api.post("/v1/datasets", json={"name": name, "dimension": dimension}).status_code == 201
    store(api, name, {"id": "a", "values": [0.5] * dimension})
    assert ids_of(api.post("/v1/query", json={"dataset": name, "vector": [0.5] * dimension})) == ["a"]
    assert code(api.post("/v1/datasets", json={"name": name, "dimension": 2})) == (409, "dataset_exists")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"vector": [1, 2]}, (404, "dataset_not_found")),
        ({"dataset": "nobodys", "vector": [1, 2]}, (404, "dataset_not_found")),
        ({"vector": [1]}, (400, "dimension_mismatch")),
        ({"vector": [1, "2"]}, (400, "invalid_request")),
        ({"vector": [1, 1e39]}, (400, "invalid_request")),
        ({}, (400, "invalid_request")),
        ({"vector": [1, 2], "top_k": 0}, (400, "top_k_out_of_range")),
        ({"vector": [1, 2], "top_k": 1001}, (400, "top_k_out_of_range")),
        ({"vector": [1, 2], "top_k": "3"}, (400, "invalid_request")),
        ({"vector": [1, 2], "nprobe": 1025}, (400, "nprobe_out_of_range")),
        ({"vector": [1, 2], "filter": {"a": {"b": 1}}}, (400, "invalid_request")),
        ({"vector": [1, 2], "filter": {"a": {"$like": 1}}}, (400, "invalid_request")),
    ],
)
def test_queries_that_cannot_be(
    api: httpx.Client, vectors: str, body: dict[str, Any], expected: tuple[int, str]
) -> None:
    named = body if expected[0] == 404 else {"dataset": vectors.split("/")[3], **body}
    assert code(api.post("/v1/query", json=named)) == expected


@pytest.mark.parametrize("ids", [[], [""], ["x" * 257], [1], [str(n) for n in range(1001)]])
def test_fetches_that_cannot_be(api: httpx.Client, vectors: str, ids: list[Any]) -> None:
    assert code(api.post(f"{vectors}/fetch", json={"ids": ids})) == (400, "invalid_request")


@pytest.mark.parametrize("target", ["/" + "x" * 257, "/_?id=", "/_?id=" + "x" * 257, "/a?include_values=9"])
def test_reads_that_cannot_be(api: httpx.Client, vectors: str, target: str) -> None:
    assert code(api.get(vectors + target)) == (400, "invalid_request")


@pytest.mark.parametrize("path", ["/v1/datasets/%E0%A4%A", "/v1/datasets/x/vectors/100%25"])
def test_a_path_that_the_gateway_cannot_decode_is_its_own_error(api: httpx.Client, path: str) -> None:
    answer = api.get(path)
    assert (answer.status_code, answer.json()) == (400, {"message": "Bad Request"})
