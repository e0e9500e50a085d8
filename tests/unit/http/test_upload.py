"""Uploads: bodies good and bad, every reason, quotas."""

import gzip
import json
from typing import Any

import pytest

from shoal.http.context import Limits
from shoal.model.limits import MAX_BODY_BYTES, MAX_METADATA_BYTES
from shoal.model.tenants import RateLimit
from tests.unit.http.api import Api, packed

GOOD = {"id": "doc-1", "values": [0.1, 0.2, 0.3, 0.4], "metadata": {"title": "Atlas of birds"}}
BATCH = "/v1/datasets/products/vectors"


@pytest.fixture(autouse=True)
def _dataset(api: Api) -> None:
    api.dataset()


def test_upload_answers_with_a_job(api: Api) -> None:
    answer = api.upload(GOOD)
    job_id = answer.json.pop("job_id")
    assert answer.status == 202
    assert {**answer.json, "job_id": None} == {"accepted": 1, "rejected": 0, "errors": [], "job_id": None}
    assert job_id.startswith("job_")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "invalid json"),
        ('{"id": "a", "values": [NaN, 1, 1, 1]}', "values must be finite and within float4 range"),
        ('{"id": "a", "values": [-Infinity, 1, 1, 1]}', "values must be finite and within float4 range"),
        ('{"id": "a", "values": [1e400, 1, 1, 1]}', "values must be finite and within float4 range"),
        ('{"id": "a", "values": [1, 1, 1, 1], "metadata": {"n": NaN}}', "invalid json"),
        ("NaN", "invalid json"),
        ("[" * 100_000, "invalid json"),
        (
            '{"id": "a", "values": [' + "1" * 10_000 + ", NaN]}",
            "values must be finite and within float4 range",
        ),
        ('{"id": "\\ud800", "values": [1, 1, 1, 1]}', "invalid json"),
        ("[]", "record must be a JSON object"),
        ("7", "record must be a JSON object"),
        ("null", "record must be a JSON object"),
        ('{"values": [1, 1, 1, 1]}', "id must be a non-empty string"),
        ('{"id": "", "values": [1, 1, 1, 1]}', "id must be a non-empty string"),
        ('{"id": 7, "values": [1, 1, 1, 1]}', "id must be a non-empty string"),
        ('{"id": null}', "id must be a non-empty string"),
        (json.dumps({"id": "é" * 257, "values": [1, 1, 1, 1]}), "id too long (max 256 chars)"),
        ('{"id": "a"}', "values must be list[float]"),
        ('{"id": "a", "values": {}}', "values must be list[float]"),
        ('{"id": "a", "values": "1,1,1,1"}', "values must be list[float]"),
        ('{"id": "a", "values": [1, 1, 1, "0.2"]}', "values must be list[float]"),
        ('{"id": "a", "values": [1, 1, 1, null]}', "values must be list[float]"),
        ('{"id": "a", "values": [1, 1, 1, true]}', "values must be list[float]"),
        ('{"id": "a", "values": [[1, 1, 1, 1]]}', "values must be list[float]"),
        ('{"id": "a", "values": [true]}', "values must be list[float]"),
        ('{"id": "a", "values": []}', "dimension mismatch: got 0 expected 4"),
        ('{"id": "a", "values": [1, 1, 1]}', "dimension mismatch: got 3 expected 4"),
        ('{"id": "a", "values": [1, 1, 1, 1, 1]}', "dimension mismatch: got 5 expected 4"),
        ('{"id": "a", "values": [1e39, 1, 1, 1]}', "values must be finite and within float4 range"),
        (
            '{"id": "a", "values": [1, -1e39, 1, 1], "metadata": 5}',
            "values must be finite and within float4 range",
        ),
        ('{"id": "a", "values": [1, 1, 1, 1], "metadata": []}', "metadata must be object"),
        ('{"id": "a", "values": [1, 1, 1, 1], "metadata": "x"}', "metadata must be object"),
        ('{"id": "a", "values": [1, 1, 1, 1], "metadata": 0}', "metadata must be object"),
        (
            json.dumps({"id": "a", "values": [1, 1, 1, 1], "metadata": {"x": "y" * MAX_METADATA_BYTES}}),
            f"metadata too large: got {MAX_METADATA_BYTES + 8} bytes expected at most {MAX_METADATA_BYTES}",
        ),
        (
            '{"id": "a", "values": [1, 1, 1, 1], "metadata": ' + '{"a":' * 300 + "1" + "}" * 300 + "}",
            "metadata is nested too deeply",
        ),
    ],
)
def test_reasons(api: Api, line: str, reason: str) -> None:
    answer = api.upload(GOOD, "", line, GOOD)
    assert answer.status == 202
    assert answer.json["accepted"] == 2
    assert answer.json["errors"] == [{"line": 3, "reason": reason}]


def test_a_body_of_bad_lines_only_still_has_a_job(api: Api) -> None:
    answer = api.upload("{", '{"id": 1}')
    assert answer.status == 202
    assert (answer.json["accepted"], answer.json["rejected"]) == (0, 2)
    api.index(answer.json["job_id"])
    assert api.call("GET", f"/v1/jobs/{answer.json['job_id']}").json["status"] == "indexed"


@pytest.mark.parametrize("body", ["", "\n", "\r\n \t\n", None])
def test_an_empty_body(api: Api, body: Any) -> None:
    answer = api.call("POST", BATCH, body)
    assert (answer.status, answer.code, answer.message) == (400, "invalid_ndjson", "Empty NDJSON body")


@pytest.mark.parametrize(
    "body", [b"\xff\xfe", json.dumps(GOOD).encode() + b"\n\xff", '{"id":"é"}'.encode("latin-1")]
)
def test_a_body_that_is_not_text(api: Api, body: bytes) -> None:
    answer = api.call("POST", BATCH, body)
    assert (answer.status, answer.code, answer.message) == (400, "invalid_ndjson", "body must be UTF-8")


def test_byte_order_mark_carriage_returns_and_a_missing_last_newline(api: Api) -> None:
    line = json.dumps(GOOD).encode()
    answer = api.call("POST", BATCH, b"\xef\xbb\xbf" + line + b"\r\n\r\n" + line)
    assert (answer.json["accepted"], answer.json["rejected"]) == (2, 0)


def test_gzip(api: Api) -> None:
    line = json.dumps(GOOD).encode()
    for body in (packed(line), packed(line + b"\n") + packed(line), packed(line) + b"\0\0"):
        answer = api.call("POST", BATCH, body, headers={"Content-Encoding": "GZIP"})
        assert answer.status == 202, answer.text


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (packed(b"x" * 1000)[:-5], "the gzip body is truncated"),
        (packed(b"x" * 1000)[:4], "the gzip body is truncated"),
        (b"", "the gzip body is truncated"),
        (b"plain text", "the gzip body is corrupt"),
        (packed(b"x") + b"rest", "the gzip body is corrupt"),
        (packed(b"x" * 99)[:-8] + b"\0" * 8, "the gzip body is corrupt"),
    ],
)
def test_broken_gzip(api: Api, body: bytes, message: str) -> None:
    answer = api.call("POST", BATCH, body, headers={"content-encoding": "gzip"})
    assert (answer.status, answer.code, answer.message) == (400, "invalid_encoding", message)


def test_a_bomb_is_refused_while_it_is_unpacked(api: Api) -> None:
    bomb = gzip.compress(b"\n" * (MAX_BODY_BYTES + 1))
    many = gzip.compress(b"\n" * (MAX_BODY_BYTES // 2)) * 3
    for body in (bomb, many):
        answer = api.call("POST", BATCH, body, headers={"content-encoding": "gzip"})
        assert (answer.status, answer.code) == (413, "payload_too_large")
        assert answer.message == "Request body exceeds 10485760 bytes"


def test_a_body_of_exactly_the_limit_is_fine(api: Api) -> None:
    line = json.dumps(GOOD).encode()
    body = packed(line + b" " * (MAX_BODY_BYTES - len(line)))
    assert api.call("POST", BATCH, body, headers={"content-encoding": "gzip"}).status == 202


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "zstd"])
def test_unknown_encodings(api: Api, encoding: str) -> None:
    answer = api.call("POST", BATCH, b"x", headers={"content-encoding": encoding})
    assert (answer.status, answer.code) == (400, "invalid_encoding")


@pytest.mark.parametrize("kind", ["application/x-ndjson", "text/plain", "application/unheard-of", "", ";;"])
def test_content_type_is_not_looked_at(api: Api, kind: str) -> None:
    body = json.dumps(GOOD)
    assert api.call("POST", BATCH, body, headers={"Content-Type": kind}).status == 202


def test_body_that_is_not_base64(api: Api) -> None:
    from tests.unit.http.api import event

    broken = event("POST", BATCH, headers={"authorization": f"Bearer {api.key}"}) | {
        "body": "*",
        "isBase64Encoded": True,
    }
    answer = api.send(broken)
    assert (answer.status, answer.code) == (400, "invalid_encoding")


def test_cosine_refuses_the_zero_vector(api: Api) -> None:
    api.dataset("angles", metric="cosine")
    answer = api.upload('{"id":"a","values":[0,0,-0.0,0]}', GOOD, name="angles")
    assert answer.json["errors"] == [{"line": 1, "reason": "values must not be all zero under cosine"}]


def test_vector_quota_refuses_the_whole_upload() -> None:
    api = Api(Limits(vector_quota=3))
    api.dataset()
    lines = [{"id": str(number), "values": [1, 1, 1, number]} for number in range(4)]
    assert api.upload(*lines[:2]).status == 202
    refused = api.upload(*lines)
    assert (refused.status, refused.code) == (429, "vector_quota_exceeded")
    assert refused.json["error"]["details"] == {"limit": 3, "used": 2}
    assert int(refused.headers["retry-after"]) >= 1
    assert api.upload(lines[2], "{", "[]").json["accepted"] == 1
    assert api.call("GET", "/v1/usage").json["vectors_used"] == 3


def test_sending_an_id_again_eats_no_quota() -> None:
    api = Api(Limits(vector_quota=2, rate=RateLimit(1000, 1000)))
    api.dataset()
    for _ in range(4):
        api.indexed({"id": "a", "values": [1, 1, 1, 1]})
    assert api.call("GET", "/v1/usage").json["vectors_used"] == 1
