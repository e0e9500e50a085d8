"""Uploads: the seven shapes, bad lines and what becomes of them, limits."""

import gzip
import json
from typing import Any

import pytest

from shoal.http.context import Limits
from shoal.http.vectorize.uploads import ndjson_of
from shoal.model.tenants import RateLimit
from tests.unit.http.vectorize.client import NDJSON, Vectorize, fault, record, vector

LINES = b'{"id":"a","values":[' + b",".join([b"1"] * 32) + b"]}\n" + json.dumps(record("b", 0.5)).encode()


def multipart(
    disposition: str, body: bytes = LINES, *, boundary: str = "----------------------c0ffee"
) -> bytes:
    """A multipart body of one part, with the line ends and the closing boundary that curl writes."""
    head = f"--{boundary}\r\nContent-Disposition: {disposition}\r\nContent-Type: application/octet-stream\r\n\r\n"
    return head.encode() + body + f"\r\n--{boundary}--\r\n".encode()


SHAPES = {
    "Python SDK": ("application/json", LINES),
    "Python SDK, extra headers": ("application/x-ndjson", LINES),
    "no newline at the end, null namespace": (
        "application/x-ndjson",
        LINES.replace(b'"id":"a"', b'"namespace": null, "id":"a"'),
    ),
    "charset": ("application/x-ndjson; charset=utf-8", LINES + b"\n"),
    "wrangler": (
        "multipart/form-data; boundary=----c0ffee",
        multipart('form-data; name="vectors"; filename="vectors.ndjson"', boundary="----c0ffee"),
    ),
    "the document's curl": (
        "application/x-ndjson; boundary=------------------------c0ffee",
        multipart('attachment; name="body"; filename="v.ndjson"'),
    ),
    "curl -F": ("multipart/form-data; boundary=x", multipart('form-data; name="vectors"', boundary="x")),
    "another name": ("multipart/form-data; boundary=x", multipart('form-data; name="file"', boundary="x")),
    "no header": ("", LINES),
    "BOM, CRLF, blank lines": (
        "application/x-ndjson",
        b"\xef\xbb\xbf\r\n" + LINES.replace(b"\n", b"\r\n\r\n") + b"\r\n\r\n",
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("how", ["insert", "upsert"])
def test_an_upload_in_every_shape(api: Vectorize, shape: str, how: str) -> None:
    api.make()
    content_type, body = SHAPES[shape]
    answer = api.v("POST", f"/docs/{how}", body, headers={"content-type": content_type})
    api.apply(answer)
    assert api.ids() == ["a", "b"]


def test_an_upload_may_be_gzipped(api: Vectorize) -> None:
    api.make()
    headers = {**NDJSON, "content-encoding": "gzip"}
    api.apply(api.v("POST", "/docs/upsert", gzip.compress(LINES), headers=headers))
    assert api.ids() == ["a", "b"]


@pytest.mark.parametrize(
    "body",
    [
        multipart('form-data; name="vectors"').split(b"\r\n--")[0],
        multipart('form-data; name="vectors"')[:60],
        b"--x\r\n",
        b"--x\r\nContent-Disposition: form-data\r\n--x--\r\n",
        multipart('form-data; name="a"', boundary="x").replace(b"--x--", b"")
        + multipart('form-data; name="b"', boundary="x"),
    ],
)
def test_half_a_multipart_body_stores_nothing(api: Vectorize, body: bytes) -> None:
    api.make()
    assert fault(api.v("POST", "/docs/upsert", body, headers=NDJSON))[:2] == (400, 40026)
    assert api.v("GET", "/docs/info").json["result"]["processedUpToMutation"] is None


def test_a_part_may_hold_what_looks_like_a_boundary() -> None:
    inner = b'{"id":"--x"}\n{"id":"\\r\\n--y"}'
    assert ndjson_of(multipart('form-data; name="vectors"', inner, boundary="x")) == inner


def test_insert_keeps_what_is_there_and_upsert_replaces_all_of_it(api: Vectorize) -> None:
    api.make()
    api.stored(record("a", 1.0, metadata={"k": 1}, namespace="n"))
    api.apply(api.put(record("a", 0.0, 1.0), record("b"), how="insert"))
    found = {one["id"]: one for one in api.v("POST", "/docs/get_by_ids", {"ids": ["a", "b"]}).json["result"]}
    assert found["a"] == {"id": "a", "values": vector(1.0), "metadata": {"k": 1}, "namespace": "n"}
    assert found["b"] == {"id": "b", "values": vector(1.0)}
    api.stored(record("a", 0.0, 1.0))
    (replaced,) = api.v("POST", "/docs/get_by_ids", {"ids": ["a"]}).json["result"]
    assert replaced == {"id": "a", "values": vector(0.0, 1.0)}


WRONG: dict[str, tuple[Any, int, str]] = {
    "no JSON": ("{", 40023, "failed to parse upsert vectors request in ndjson format: line Some(1) was not"),
    "an array": (
        "[1]",
        40023,
        "failed to parse upsert vectors request in ndjson format: line Some(1) was not",
    ),
    "no id": ({"values": vector(1.0)}, 40023, "line Some(1)"),
    "empty id": (record(""), 40023, "line Some(1)"),
    "a number for an id": ({"id": 5, "values": vector(1.0)}, 40023, "line Some(1)"),
    "no values": ({"id": "x"}, 40023, "line Some(1)"),
    "text among values": ({"id": "x", "values": ["1"] * 32}, 40023, "line Some(1)"),
    "null among values": ({"id": "x", "values": [None] * 32}, 40023, "line Some(1)"),
    "a boolean among values": ({"id": "x", "values": [True] * 32}, 40023, "line Some(1)"),
    "nested values": ({"id": "x", "values": [[1.0]] * 32}, 40023, "line Some(1)"),
    "NaN": ('{"id":"x","values":[NaN]}', 40023, "line Some(1)"),
    "too wide a number": (
        record("x", 1e39),
        40012,
        'invalid vector for id="x", values must fit into float32',
    ),
    "too many dimensions": (
        {"id": "x", "values": [1.0] * 33},
        40012,
        'invalid vector for id="x", expected 32 dimensions, and got 33 dimensions',
    ),
    "zero under cosine": (record("x", 0.0), 40012, 'invalid vector for id="x", a zero vector has no cosine'),
    "a long id": (record("é" * 32 + "x"), 40008, "id too long; max is 64 bytes, got 65 bytes"),
    "a long namespace": (
        record("x", namespace="é" * 33),
        40009,
        'namespace too long for vector id="x"; max is 64 bytes, got 66 bytes',
    ),
    "a namespace that is no text": (record("x", namespace=5), 40023, "line Some(1)"),
    "metadata that is no object": (record("x", metadata=[1]), 40023, "line Some(1)"),
    "large metadata": (
        record("x", metadata={"k": "v" * (10_241 - 8)}),
        40016,
        (
            'oversized metadata for vector id="x"; the compact JSON representation of the metadata must not '
            "exceed 10240 bytes, got 10241 bytes"
        ),
    ),
    "a dot in a key": (record("x", metadata={"a.b": 1}), 40023, 'invalid metadata key for vector id="x"'),
    "a quote in a key": (record("x", metadata={'a"b': 1}), 40023, 'invalid metadata key for vector id="x"'),
    "a dollar before a key": (
        record("x", metadata={"$a": 1}),
        40023,
        'invalid metadata key for vector id="x"',
    ),
    "an empty key": (record("x", metadata={"": 1}), 40023, 'invalid metadata key for vector id="x"'),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_bad_line_fails_the_upload_or_is_left_out(api: Vectorize, what: str) -> None:
    api.make()
    line, code, text = WRONG[what]
    refused = api.put(record("a"), line, record("b"))
    assert fault(refused)[:2] == (400, code)
    assert text in fault(refused)[2]
    assert api.v("GET", "/docs/info").json["result"]["processedUpToMutation"] is None

    kept = api.put(record("a"), line, record("b"), query={"unparsable-behavior": "discard"})
    api.apply(kept)
    assert api.ids() == ["a", "b"]
    (said,) = kept.json["messages"]
    assert (said["code"], text in said["message"]) == (code, True)


def test_metadata_and_ids_up_to_their_limits(api: Vectorize) -> None:
    api.make()
    whole = record("é" * 32, metadata={"k": "v" * (10_240 - 8)}, namespace="é" * 32)
    api.stored(whole)
    (found,) = api.v("POST", "/docs/get_by_ids", {"ids": ["é" * 32]}).json["result"]
    assert found == whole


def test_as_many_vectors_as_the_original_takes(api: Vectorize) -> None:
    api.make()
    line = '{"id":"%d","values":' + json.dumps(vector(1.0)) + "}"
    too_many = "\n".join(line % number for number in range(5001))
    refused = api.v("POST", "/docs/upsert", too_many, headers=NDJSON)
    assert fault(refused) == (400, 40007, "too many vectors in payload; max vector count is 5000")
    api.apply(api.v("POST", "/docs/upsert", too_many.rsplit("\n", 1)[0], headers=NDJSON))
    assert api.v("GET", "/docs/info").json["result"]["vectorCount"] == 5000


def test_an_empty_body_is_a_mutation_of_nothing(api: Vectorize) -> None:
    api.make()
    mutation = api.apply(api.v("POST", "/docs/upsert", "", headers=NDJSON))
    info = api.v("GET", "/docs/info").json["result"]
    assert (info["vectorCount"], info["processedUpToMutation"]) == (0, mutation)


def test_an_unknown_behaviour(api: Vectorize) -> None:
    api.make()
    assert fault(api.put(record("a"), query={"unparsable-behavior": "ignore"}))[:2] == (400, 40026)


def test_too_many_requests() -> None:
    api = Vectorize(Limits(rate=RateLimit(1, 2)))
    answers = [api.call("GET", api.path()) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert fault(answers[-1])[:2] == (429, 40041)
    assert int(answers[-1].headers["retry-after"]) >= 1
