"""NDJSON uploads against a slow and plain reading of the contract."""

import json
import math
import struct
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shoal.errors import InvalidInput
from shoal.model.limits import MAX_METADATA_BYTES
from shoal.model.ndjson import parse

type Verdict = tuple[str, list[bytes], bytes] | str


def float32_bits(value: float) -> bytes | None:
    """The float32 nearest to a number; None where there is none."""
    try:
        packed = struct.pack("<f", value)
    except OverflowError:
        return None
    return packed if math.isfinite(struct.unpack("<f", packed)[0]) else None


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
    if refuse_zero and all(
        value == 0 for value in struct.unpack(f"<{dimension}f", b"".join(b for b in bits if b))
    ):
        return "values must not be all zero under cosine"
    return name, [b for b in bits if b is not None], encoded


numbers: st.SearchStrategy[Any] = st.one_of(
    st.floats(width=32, allow_nan=False, allow_infinity=False),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(2**70), 2**70),
    st.sampled_from(
        [0, -0.0, 1e-45, 1e-46, 3.4028235e38, 3.4028236e38, 1e39, -1e39, True, False, None, "0.2", []]
    ),
)
scalars = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.text(max_size=5), st.floats(-1, 1))
records = st.fixed_dictionaries(
    {},
    optional={
        "id": st.one_of(st.text(max_size=5), st.sampled_from(["x" * 256, "é" * 257, 7, None])),
        "values": st.one_of(
            st.lists(numbers, min_size=2, max_size=2), st.lists(numbers, max_size=3), scalars
        ),
        "metadata": st.one_of(scalars, st.dictionaries(st.text(max_size=3), scalars, max_size=3)),
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
    optional={"metadata": st.dictionaries(st.text(max_size=3), scalars, max_size=3)},
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
    assert got.vectors.shape == (len(accepted), 2)
    assert got.vectors.dtype == np.float32
    assert got.vectors.flags.c_contiguous


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
