"""The judge of NDJSON lines: which are records, and the exact reason for every one that is not.

A line is judged in the order of the contract's table, and by its first fault. Every parser of lines answers as
this one does (`shoal.model.ndjson_blocks` is the quick one).

Each line is parsed by orjson, its numbers are appended to one flat buffer of doubles, and all of it is cast to
float32 and checked once. Text and null do not fit the buffer. Booleans do, as 0 and 1, and the parser makes
`-0` an integer, which has no sign: so lines with a value of 0 or 1 are looked at a second time. Searching every
line for how these are spelt took a third of the time (1,000 x 768: 32 of 83 ms).
"""

import json
import re
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np
import orjson

from shoal.model.limits import MAX_ID_CHARACTERS, MAX_LINE_BYTES, MAX_METADATA_BYTES
from shoal.model.parsed_lines import NO_TEXTS, LineError, ParsedLines
from shoal.model.record_texts import Texts, judge_texts
from shoal.model.records import Vectors

NO_METADATA = b"{}"
NEGATIVE_ZERO = re.compile(rb"(?<=[\[,\s])-0(?=[,\]\s])")
_NUMBERS = frozenset({int, float})

INVALID_JSON = "invalid json"
NOT_AN_OBJECT = "record must be a JSON object"
BAD_ID = "id must be a non-empty string"
LONG_ID = f"id too long (max {MAX_ID_CHARACTERS} chars)"
BAD_VALUES = "values must be list[float]"
NOT_FINITE = "values must be finite and within float4 range"
BAD_METADATA = "metadata must be object"
DEEP_METADATA = "metadata is nested too deeply"
ZERO_VECTOR = "values must not be all zero under cosine"
LONG_LINE = f"line too long (max {MAX_LINE_BYTES} bytes)"
"""Of an import, whose lines are read in blocks; a body of an upload is short anyway."""


class _Fault(Exception):
    """Why a line is not accepted."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(slots=True)
class _Columns:
    lines: list[int]
    raw: list[bytes]
    ids: list[str]
    values: "array[float]"
    rest: list[tuple[bytes, Texts] | _Fault]
    errors: list[LineError]


def judge_lines(lines: Iterable[tuple[int, bytes]], *, dimension: int, refuse_zero: bool) -> ParsedLines:
    """Judge numbered lines, none of them blank.

    Args:
        lines: number and text of each, in rising order.
        dimension: length of a vector.
        refuse_zero: whether a vector of zeros is refused, as under cosine.
    """
    columns = _Columns([], [], [], array("d"), [], [])
    for number, line in lines:
        try:
            _parse_line(line, number, dimension, columns)
        except _Fault as fault:
            columns.errors.append(LineError(number, fault.reason))
    return _finish(columns, dimension, refuse_zero=refuse_zero)


def _parse_line(line: bytes, number: int, dimension: int, columns: _Columns) -> None:
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise _Fault(_why_not_json(line)) from None
    if type(record) is not dict:
        raise _Fault(NOT_AN_OBJECT)
    record_id = record.get("id")
    if type(record_id) is not str or not record_id:
        raise _Fault(BAD_ID)
    if len(record_id) > MAX_ID_CHARACTERS:
        raise _Fault(LONG_ID)
    values = record.get("values")
    if type(values) is not list:
        raise _Fault(BAD_VALUES)
    if len(values) != dimension:
        if not _NUMBERS.issuperset(map(type, values)):
            raise _Fault(BAD_VALUES)
        raise _Fault(f"dimension mismatch: got {len(values)} expected {dimension}")
    try:
        columns.values.fromlist(values)
    except TypeError:
        raise _Fault(BAD_VALUES) from None
    columns.lines.append(number)
    columns.raw.append(line)
    columns.ids.append(record_id)
    # Kept back: a fault of the values, found after the cast, comes first.
    columns.rest.append(_rest(record))


def _why_not_json(line: bytes) -> str:
    """NaN and Infinity are no JSON, but it is what Python writes; 1e400 and an integer of 400 digits are, but no
    doubles. Say so of values.
    """
    try:
        record = json.loads(line.decode(), parse_int=float)
    except (ValueError, RecursionError):
        return INVALID_JSON
    values = record.get("values") if isinstance(record, dict) else None
    if isinstance(values, list) and any(isinstance(each, float) and not isfinite(each) for each in values):
        return NOT_FINITE
    return INVALID_JSON


def _look_twice(columns: _Columns, vectors: Vectors) -> set[int]:
    """Give `-0` its sign in `vectors`; the rows that hold a boolean.

    Both are 0 or 1 by now, so few rows of real vectors are looked at. A line is known to be JSON, and what the
    replacement does inside a string spoils only what is not used.
    """
    boolean: set[int] = set()
    doubtful = ((vectors == 0) | (vectors == 1)).any(axis=1)
    for row in np.flatnonzero(doubtful).tolist():
        line = columns.raw[row]
        if (b"true" in line or b"false" in line) and not _NUMBERS.issuperset(
            map(type, orjson.loads(line)["values"])
        ):
            boolean.add(row)
        elif NEGATIVE_ZERO.search(line):
            vectors[row] = _to_float32(orjson.loads(NEGATIVE_ZERO.sub(b"-0.0", line))["values"])
    return boolean


def _to_float32(values: Sequence[float]) -> Vectors:
    with np.errstate(over="ignore"):  # 1e39 becomes infinite, and is refused by the caller
        return np.asarray(values, dtype=np.float64).astype(np.float32)


def _rest(record: dict[str, object]) -> tuple[bytes, Texts] | _Fault:
    """What stands beside the values."""
    metadata = _encode_metadata(record.get("metadata"))
    if isinstance(metadata, _Fault):
        return metadata
    if "namespace" not in record and "document" not in record:
        return metadata, NO_TEXTS
    texts = judge_texts(record.get("namespace"), record.get("document"))
    return _Fault(texts) if isinstance(texts, str) else (metadata, texts)


def _encode_metadata(metadata: object) -> bytes | _Fault:
    if metadata is None:
        return NO_METADATA
    if type(metadata) is not dict:
        return _Fault(BAD_METADATA)
    try:
        encoded = orjson.dumps(metadata)
    except orjson.JSONEncodeError:
        return _Fault(DEEP_METADATA)
    if len(encoded) > MAX_METADATA_BYTES:
        return _Fault(f"metadata too large: got {len(encoded)} bytes expected at most {MAX_METADATA_BYTES}")
    return encoded


def _finish(columns: _Columns, dimension: int, *, refuse_zero: bool) -> ParsedLines:
    vectors = _to_float32(columns.values).reshape(-1, dimension)
    boolean = _look_twice(columns, vectors)
    finite = np.isfinite(vectors).all(axis=1)
    zero = ~vectors.any(axis=1) if refuse_zero else np.zeros(len(vectors), dtype=np.bool_)
    good: list[int] = []
    kept: list[bytes] = []
    kept_texts: dict[int, Texts] = {}
    errors = columns.errors
    for row, rest in enumerate(columns.rest):
        if row in boolean:
            reason = BAD_VALUES
        elif not finite[row]:
            reason = NOT_FINITE
        elif isinstance(rest, _Fault):
            reason = rest.reason
        elif zero[row]:
            reason = ZERO_VECTOR
        else:
            good.append(row)
            metadata, texts = rest
            kept.append(metadata)
            if texts is not NO_TEXTS and texts != NO_TEXTS:
                kept_texts[columns.lines[row]] = texts
            continue
        errors.append(LineError(columns.lines[row], reason))
    lines, ids = columns.lines, columns.ids
    if len(good) != len(vectors):
        vectors = vectors[good]
        lines = [lines[row] for row in good]
        ids = [ids[row] for row in good]
    errors = sorted(errors, key=lambda error: error.line)
    return ParsedLines(lines, ids, vectors, kept, errors, kept_texts)
