"""The column of vectors as rows of float32: one copy where all is well, row by row where it is not.

pyarrow's `flatten()` leaves null rows out, so what follows a null would land in another row: the offsets and the
values below them are read instead, which also holds for slices.
"""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shoal.model.ndjson_lines import BAD_VALUES, NOT_FINITE
from shoal.model.records import Vectors
from shoal.services.imports.parquet_json import raw_numbers


def read_vectors(column: pa.Array, out: Vectors) -> dict[int, str]:
    """Write the vectors of a column into `out`, float32 of shape (rows, dimension).

    Args:
        column: lists, large lists or lists of a fixed size, of numbers of any kind. Each is cast as a number of
            JSON is: to a double, and that to float32.
        out: where to; a row with a fault is left zero.

    Returns:
        The reasons of the rows at fault, by row.
    """
    rows, dimension = out.shape
    starts, lengths = _spans(column)
    first, last = int(starts[0]) if rows else 0, int(starts[-1] + lengths[-1]) if rows else 0
    child = column.values.slice(first, last - first)
    if pa.types.is_decimal(child.type):
        child = child.cast(pa.float64())
    numbers = raw_numbers(child)
    whole = not column.null_count and not child.null_count and len(numbers) == rows * dimension
    if whole and bool((lengths == dimension).all()):
        _cast(numbers.reshape(rows, dimension), out)
        return _check_finite(out, {})
    faults = _judge(column, child, starts - first, lengths, dimension)
    out[:] = 0
    for row in range(rows):
        if row not in faults:
            start = int(starts[row]) - first
            _cast(numbers[start : start + dimension], out[row])
    return _check_finite(out, faults)


def _spans(column: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where each row begins among the values, and its length: int64, shape (rows,)."""
    if pa.types.is_fixed_size_list(column.type):
        width = column.type.list_size
        starts = (np.arange(len(column), dtype=np.int64) + column.offset) * width
        return starts, np.full(len(column), width, dtype=np.int64)
    offsets = column.offsets.to_numpy().astype(np.int64)
    return offsets[:-1], np.diff(offsets)


def _judge(
    column: pa.Array,
    child: pa.Array,
    starts: NDArray[np.int64],
    lengths: NDArray[np.int64],
    dimension: int,
) -> dict[int, str]:
    """The reasons of the rows that are null, hold a null, or are of another length; in this order."""
    bad = lengths != dimension
    holed = np.zeros(len(column), dtype=np.bool_)
    if column.null_count:
        holed |= column.is_null().to_numpy(zero_copy_only=False)
    if child.null_count:
        before = np.zeros(len(child) + 1, dtype=np.int64)
        np.cumsum(child.is_null().to_numpy(zero_copy_only=False), out=before[1:])
        holed |= before[starts + lengths] > before[starts]
    return {
        row: BAD_VALUES if holed[row] else f"dimension mismatch: got {lengths[row]} expected {dimension}"
        for row in np.flatnonzero(bad | holed).tolist()
    }


def _cast(numbers: NDArray[Any], out: NDArray[np.float32]) -> None:
    if numbers.dtype.kind in "iu":
        numbers = numbers.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):  # 1e39 becomes infinite, which is looked for next
        out[...] = numbers


def _check_finite(out: Vectors, faults: dict[int, str]) -> dict[int, str]:
    # The largest and the smallest are NaN where any is, and infinite where any is: two quick passes.
    if out.size and not (np.isfinite(out.max()) and np.isfinite(out.min())):
        for row in np.flatnonzero(~np.isfinite(out).all(axis=1)).tolist():
            faults.setdefault(row, NOT_FINITE)
    return faults


def first_values(column: pa.Array, row: int, most: int) -> list[float | None] | None:
    """The first numbers of a row, as people read them; None where the row is null."""
    if not column[row].is_valid:
        return None
    starts, lengths = _spans(column)
    shown = column.values.slice(int(starts[row]), min(int(lengths[row]), most))
    # The shortest digits that mean this float32, not those of the double next to it.
    return [value if value is None else float(str(_single(value))) for value in shown.to_pylist()]


def _single(value: float) -> np.float64 | np.float32:
    with np.errstate(over="ignore"):
        single = np.float32(value)
    return single if np.isfinite(single) else np.float64(value)
