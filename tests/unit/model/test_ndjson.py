"""NDJSON uploads against a slow and plain reading of the contract."""

import json
import math
import struct
import unicodedata
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shoal.errors import InvalidInput
from shoal.model.limits import MAX_DOCUMENT_BYTES, MAX_METADATA_BYTES
from shoal.model.ndjson import parse

type Verdict = tuple[str, list[bytes], bytes, str, bytes] | str


def float32_bits(value: float) -> bytes | None:
    """The float32 nearest to a number; None where there is none."""
    try:
        packed = struct.pack("<f", value)
    except OverflowError:
        return None
    return packed if math.isfinite(struct.unpack("<f", packed)[0]) else None


def judge_texts(record: dict[str, Any]) -> tuple[str, bytes] | str:
    """Namespace and document, read the plain way."""
    namespace, document = (
        "" if record.get(key) is None else record[key] for key in ("namespace", "document")
    )
    if not isinstance(namespace, str):
        return "namespace must be a string"
    if len(namespace) > 64:
        return "namespace too long (max 64 chars)"
    if any(unicodedata.category(character) == "Cc" for character in namespace):
        return "namespace must not contain control characters"
    if not isinstance(document, str):
        return "document must be a string"
    text = document.encode()
    if len(text) > MAX_DOCUMENT_BYTES:
        return f"document too large: got {len(text)} bytes expected at most {MAX_DOCUMENT_BYTES}"
    return namespace, text


def judge(line: bytes, dimension: int, *, refuse_zero: bool) -> Verdict:
    """One line, read the plain way."""
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        return "invalid json"
    if not isinstance(record, dict):
        return "record must be a JSON object"
    name = record.get("id")
    if not isinstance(name, str) or name == "":
        return "id must be a non-empty string"
    if len(name) > 256:
        return "id too long (max 256 chars)"
    values = record.get("values")
    if not isinstance(values, list) or any(
        isinstance(v, bool) or not isinstance(v, int | float) for v in values
    ):
        return "values must be list[float]"
    if len(values) != dimension:
        return f"dimension mismatch: got {len(values)} expected {dimension}"
    exact = json.loads(line, parse_int=float)["values"]
    bits = [float32_bits(value) for value in exact]
    if None in bits:
        return "values must be finite and within float4 range"
    metadata = record.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        return "metadata must be object"
    encoded = orjson.dumps(metadata or {})
    if len(encoded) > MAX_METADATA_BYTES:
        return f"metadata too large: got {len(encoded)} bytes expected at most {MAX_METADATA_BYTES}"
    texts = judge_texts(record)
    if isinstance(texts, str):
        return texts
    if refuse_zero and all(
        value == 0 for value in struct.unpack(f"<{dimension}f", b"".join(b for b in bits if b))
    ):
        return "values must not be all zero under cosine"
    return name, [b for b in bits if b is not None], encoded, *texts


numbers: st.SearchStrategy[Any] = st.one_of(
    st.floats(width=32, allow_nan=False, allow_infinity=False),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(2**70), 2**70),
    st.sampled_from(
        [0, -0.0, 1e-45, 1e-46, 3.4028235e38, 3.4028236e38, 1e39, -1e39, True, False, None, "0.2", []]
    ),
)
scalars = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.text(max_size=5), st.floats(-1, 1))
NAMESPACES = st.one_of(
    st.text(max_size=3),
    st.sampled_from(["", "a/b", "n" * 64, "n" * 65, "é" * 64, "é" * 65, "\t", "a\x7f", "\x85", "\u2028"]),
)
DOCUMENTS = st.one_of(
    st.text(max_size=3),
    st.sampled_from(
        ["", '"values":[1,2]', "\x00\n", "d" * (MAX_DOCUMENT_BYTES + 1), "é" * (MAX_DOCUMENT_BYTES // 2)]
    ),
)
records = st.fixed_dictionaries(
    {},
    optional={
        "id": st.one_of(st.text(max_size=5), st.sampled_from(["x" * 256, "é" * 257, 7, None])),
        "values": st.one_of(
            st.lists(numbers, min_size=2, max_size=2), st.lists(numbers, max_size=3), scalars
        ),
        "metadata": st.one_of(scalars, st.dictionaries(st.text(max_size=3), scalars, max_size=3)),
        "namespace": st.one_of(scalars, NAMESPACES),
        "document": st.one_of(scalars, DOCUMENTS),
        "other": scalars,
    },
)
good = st.fixed_dictionaries(
    {
        "id": st.text(min_size=1, max_size=3),
        "values": st.lists(
            st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=2, max_size=2
        ),
    },
    optional={
        "metadata": st.dictionaries(st.text(max_size=3), scalars, max_size=3),
        "namespace": st.none() | NAMESPACES,
        "document": st.none() | DOCUMENTS,
    },
)


def written(value: Any) -> bytes:
    return json.dumps(value).replace("-0.0", "-0").encode()


lines = st.one_of(
    good.map(written),
    records.map(written),
    records.map(lambda record: json.dumps(record, ensure_ascii=False).encode("utf-8", "replace") + b"\r"),
    st.sampled_from(
        [
            b"",
            b" ",
            b"\r",
            b"[]",
            b"{",
            b"null",
            b'{"id":"a","values":[-0, -0 ]}',
            b'{"id":"-0,","values":[1,-0]}',
        ]
    ),
)


@settings(max_examples=300, deadline=None)
@given(body=st.lists(lines, min_size=1, max_size=8), refuse_zero=st.booleans())
@example(body=[b'{"id":"a","values":[1e39,0],"metadata":1}'], refuse_zero=True)
@example(body=[b'{"id":"a","values":[0,0],"metadata":[]}'], refuse_zero=True)
def test_like_the_plain_reading(body: list[bytes], refuse_zero: bool) -> None:
    wanted = {
        number: judge(line, 2, refuse_zero=refuse_zero)
        for number, line in enumerate(body, start=1)
        if line.strip()
    }
    if not wanted:
        with pytest.raises(InvalidInput, match="Empty NDJSON body"):
            parse(b"\n".join(body), dimension=2, refuse_zero=refuse_zero)
        return
    got = parse(b"\n".join(body), dimension=2, refuse_zero=refuse_zero)
    assert {error.line: error.reason for error in got.errors} == {
        number: verdict for number, verdict in wanted.items() if isinstance(verdict, str)
    }
    accepted = [verdict for verdict in wanted.values() if not isinstance(verdict, str)]
    assert list(got.ids) == [verdict[0] for verdict in accepted]
    assert got.vectors.tobytes() == b"".join(b"".join(verdict[1]) for verdict in accepted)
    assert list(got.metadata) == [verdict[2] for verdict in accepted]
    assert list(got.namespaces or [""] * len(got)) == [verdict[3] for verdict in accepted]
    assert list(got.documents or [b""] * len(got)) == [verdict[4] for verdict in accepted]
    assert got.vectors.shape == (len(accepted), 2)
    assert got.vectors.dtype == np.float32
    assert got.vectors.flags.c_contiguous


def test_texts_are_columns_only_where_there_are_any() -> None:
    plain = (
        b'{"id":"%d","values":[1],"metadata":{"pad":"' + b"x" * 400 + b'"},"namespace":"","document":null}'
    )
    body = b"\n".join(plain % number for number in range(1000))
    got = parse(body, dimension=1, refuse_zero=False)
    assert (len(got), got.namespaces, got.documents) == (1000, (), ())
    with_texts = b'{"id":"last","values":[1],"namespace":"n","document":"\\u00e9"}'
    got = parse(body + b"\n" + with_texts, dimension=1, refuse_zero=False)
    assert got.namespaces == ("",) * 1000 + ("n",)
    assert got.documents == (b"",) * 1000 + ("é".encode(),)


@settings(max_examples=200, deadline=None)
@given(junk=st.binary(max_size=40))
def test_any_bytes_are_judged_and_never_crash(junk: bytes) -> None:
    try:
        got = parse(junk, dimension=1, refuse_zero=False)
    except InvalidInput as error:
        code = error.code
    else:
        code = "invalid_ndjson"
        assert got.errors or len(got)
    assert code == "invalid_ndjson"


def test_every_float32_of_a_sample_survives_its_shortest_digits() -> None:
    rng = np.random.default_rng(3)
    sample = rng.integers(0, 2**32, size=4096, dtype=np.uint32).view(np.float32)
    sample = np.where(np.isfinite(sample), sample, np.float32(-0.0)).astype(np.float32)
    line = orjson.dumps({"id": "a", "values": sample}, option=orjson.OPT_SERIALIZE_NUMPY)
    got = parse(line, dimension=4096, refuse_zero=False)
    assert (got.vectors[0].view(np.uint32) == sample.view(np.uint32)).all()
