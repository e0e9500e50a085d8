"""Arrow columns as JSON: what `orjson.dumps` makes of the same values as Python objects, column by column.

What JSON has no type for becomes what orjson makes of Python's: dates and times ISO 8601 text, to the microsecond
(nanoseconds are cut off), with an offset where the column has a time zone, which is then written in UTC; NaN and
infinities null. A decimal becomes the nearest double, so that filters compare it as a number. A null struct field
stays, as null: Parquet does not tell it from one that is absent.
"""

from datetime import UTC
from itertools import pairwise
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from shoal.model.limits import MAX_METADATA_BYTES
from shoal.model.ndjson_lines import BAD_METADATA, DEEP_METADATA
from shoal.services.imports.parquet_schema import is_list, is_text
from shoal.services.imports.parquet_text import Texts, texts_of

_EMPTY = b"{}"
_UNITS_A_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_FIRST_SECOND, _END_SECOND = -62_135_596_800, 253_402_300_800
"""Years 1 to 9999, which Python's dates have."""
_FIRST_DAY, _END_DAY = -719_162, 2_932_897

type Objects = list[Any]


class NoJson(Exception):
    """A value that has no place in JSON: text that is not UTF-8, a year that ISO 8601 has not."""


def encode_metadata(column: pa.Array) -> tuple[list[bytes], dict[int, str]]:
    """Compact JSON objects of the rows of a column, and the reasons of those that are none, by row.

    `column` is of structs, of maps, or of JSON text (dictionaries of it too). Null is an empty object, and so is
    what has a reason.
    """
    storage = column.storage if isinstance(column, pa.ExtensionArray) else column
    if is_text(storage.type) or pa.types.is_dictionary(storage.type):
        return _of_texts(texts_of(storage))
    try:
        return _encode(to_objects(storage))
    except (NoJson, pa.ArrowException):
        return _one_by_one(storage)


def _one_by_one(column: pa.Array) -> tuple[list[bytes], dict[int, str]]:
    """One of the rows is nothing JSON could hold: find it."""
    made: list[bytes] = []
    faults: dict[int, str] = {}
    for row in range(len(column)):
        try:
            (encoded,), why = _encode(to_objects(column.slice(row, 1)))
        except (NoJson, pa.ArrowException):
            encoded, why = _EMPTY, {0: BAD_METADATA}
        made.append(encoded)
        if why:
            faults[row] = why[0]
    return made, faults


def _of_texts(texts: Texts) -> tuple[list[bytes], dict[int, str]]:
    """Each word once, as rows may share a long one."""
    values: Objects = []
    bad: dict[int, str] = {}
    for word, data in enumerate(texts.tolist()):
        try:
            value = orjson.loads(data)
        except orjson.JSONDecodeError:
            value = BAD_METADATA
        if value is not None and type(value) is not dict:
            bad[word] = BAD_METADATA
            value = None
        values.append(value)
    made, faults = _encode(values)
    bad |= faults
    rows = texts.rows.tolist()
    encoded = [made[word] if word >= 0 else _EMPTY for word in rows]
    if not bad:
        return encoded, {}
    return encoded, {row: bad[word] for row, word in enumerate(rows) if word in bad}


def _encode(values: Objects) -> tuple[list[bytes], dict[int, str]]:
    dumps = orjson.dumps
    try:
        made = [_EMPTY if value is None else dumps(value) for value in values]
    except orjson.JSONEncodeError:
        return _encode_one_by_one(values)
    if max(map(len, made), default=0) <= MAX_METADATA_BYTES:
        return made, {}
    return _encode_one_by_one(values)


def _encode_one_by_one(values: Objects) -> tuple[list[bytes], dict[int, str]]:
    made: list[bytes] = []
    faults: dict[int, str] = {}
    for row, value in enumerate(values):
        try:
            encoded = _EMPTY if value is None else orjson.dumps(value)
        except orjson.JSONEncodeError:
            faults[row] = DEEP_METADATA
            encoded = _EMPTY
        if len(encoded) > MAX_METADATA_BYTES:
            faults[row] = (
                f"metadata too large: got {len(encoded)} bytes expected at most {MAX_METADATA_BYTES}"
            )
            encoded = _EMPTY
        made.append(encoded)
    return made, faults


def to_objects(array: pa.Array) -> Objects:
    """The values as what orjson takes: one a row, None where it is null.

    Raises:
        NoJson: one of them is nothing JSON could hold.
    """
    kind = array.type
    if pa.types.is_null(kind):
        return [None] * len(array)
    if is_text(kind):
        try:
            return _listed(array.cast(pa.large_string()).to_numpy(zero_copy_only=False))
        except pa.ArrowException as error:
            raise NoJson("text that is not UTF-8") from error
    if pa.types.is_boolean(kind):
        return _listed(array.to_numpy(zero_copy_only=False))
    made = _of_dictionary(array) if pa.types.is_dictionary(kind) else _nested(array)
    if made is None:
        made = _plain(array)
    if array.null_count:
        for row in np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False)).tolist():
            made[row] = None
    return made


def _nested(array: pa.Array) -> Objects | None:
    kind = array.type
    if pa.types.is_struct(kind):
        names = [field.name for field in kind]
        columns = [to_objects(array.field(n)) for n in range(len(names))]
        if not names:
            return [{} for _ in range(len(array))]
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    if is_list(kind) or pa.types.is_map(kind):
        ends = array.offsets.to_numpy().tolist()
        first, last = ends[0], ends[-1]
        spans = [(start - first, stop - first) for start, stop in pairwise(ends)]
        if is_list(kind):
            flat = to_objects(array.values.slice(first, last - first))
            return [flat[start:stop] for start, stop in spans]
        keys = to_objects(array.keys.slice(first, last - first))
        items = to_objects(array.items.slice(first, last - first))
        return [dict(zip(keys[start:stop], items[start:stop], strict=True)) for start, stop in spans]
    if pa.types.is_fixed_size_list(kind):
        width = kind.list_size
        flat = to_objects(array.values.slice(array.offset * width, len(array) * width))
        return [flat[row * width : (row + 1) * width] for row in range(len(array))]
    return None


def _plain(array: pa.Array) -> Objects:
    kind = array.type
    if pa.types.is_decimal(kind):
        return _listed(raw_numbers(array.cast(pa.float64())))
    if pa.types.is_timestamp(kind):
        return _timestamps(array)
    if pa.types.is_date(kind):
        days = raw_numbers(array.cast(pa.date32()), np.dtype(np.int32)).astype(np.int64)
        _check_range(array, days, _FIRST_DAY, _END_DAY)
        return _listed(days.astype("datetime64[D]"))
    if pa.types.is_time(kind):
        return list(array.cast(pa.time64("us"), safe=False).to_pylist())
    return _listed(raw_numbers(array))


def _timestamps(array: pa.Array) -> Objects:
    ticks = raw_numbers(array, np.dtype(np.int64))
    unit = array.type.unit
    _check_range(array, ticks // _UNITS_A_SECOND[unit], _FIRST_SECOND, _END_SECOND)
    times = _listed(ticks.astype(f"datetime64[{unit}]").astype("datetime64[us]"))
    if array.type.tz is None:
        return times
    return [time.replace(tzinfo=UTC) if hasattr(time, "hour") else None for time in times]


def _check_range(array: pa.Array, numbers: NDArray[np.int64], first: int, end: int) -> None:
    outside = (numbers < first) | (numbers >= end)
    if array.null_count:
        outside &= array.is_valid().to_numpy(zero_copy_only=False)
    if outside.any():
        raise NoJson("a year before 1 or after 9999")


def _of_dictionary(array: pa.Array) -> Objects:
    words = array.dictionary
    if not len(words):
        return [None] * len(array)
    places = array.indices.fill_null(0).to_numpy()
    if len(words) > len(array):
        # The dictionary is that of the whole row group, and this is a small part of it.
        used, places = np.unique(places, return_inverse=True)
        words = words.take(pa.array(used))
    objects = to_objects(words)
    return [objects[place] for place in _listed(places)]


def raw_numbers(array: pa.Array, dtype: np.dtype[Any] | None = None) -> NDArray[Any]:
    """The numbers of an array as they lie in memory, anything where one is null: nothing is copied."""
    kind = np.dtype(array.type.to_pandas_dtype()) if dtype is None else dtype
    buffer = array.buffers()[1]
    if buffer is None:
        return np.zeros(len(array), dtype=kind)
    return np.frombuffer(buffer, dtype=kind, count=array.offset + len(array))[array.offset :]


def _listed(values: NDArray[Any]) -> Objects:
    return list(values.tolist())
