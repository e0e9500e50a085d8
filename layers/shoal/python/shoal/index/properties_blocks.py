"""Blocks of the index of properties: the values of one kind in order, each with the rows that have it, in pieces.

A block holds either many values, each with a list of rows, or one value that many rows have, as a bitmap. Laid out
as (all little-endian; how many values and rows there are, the front says)::

    rows     uint32 of each row, those of the first value, then those of the second, ...
    counts   uint32 of each value: how many rows have it; left out where every value has one
    values   bool: uint8; float: float64; int and big: what to add to the block's first value, in the narrowest
             unsigned type that all fit in; str: uint16 lengths in bytes, then UTF-8
"""

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from operator import le
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from shoal.errors import CorruptObject
from shoal.index.properties_column import Kind, SortedValues

_WIDTHS: Mapping[int, np.dtype[Any]] = {
    1: np.dtype("<u1"),
    2: np.dtype("<u2"),
    4: np.dtype("<u4"),
    8: np.dtype("<u8"),
}
_STORED: Mapping[Kind, np.dtype[Any]] = {Kind.BOOL: np.dtype("<u1"), Kind.FLOAT: np.dtype("<f8")}
_WIDE = np.uint64(2**64 - 1)


@dataclass(frozen=True, slots=True)
class BlockSizes:
    """How values are cut into blocks.

    `block_bytes`: about how large a block of lists becomes, which is what a filter that names one value reads.
    `bitmap_rows`: a value that so many rows have is kept as a bitmap; from there on that is smaller.
    """

    block_bytes: int = 64 * 1024
    bitmap_rows: int = 4096


BLOCK_SIZES = BlockSizes()


class RawBlock(NamedTuple):
    """A block to store: its lowest value (of strings, as much as tells it from the one before), the numbers of its
    values and of its rows, and its bytes.
    """

    first: Any
    distinct: int
    postings: int
    data: bytes


def blocks_of(column: SortedValues, sizes: BlockSizes = BLOCK_SIZES) -> Iterator[RawBlock]:
    """The blocks of one kind of values, in order."""
    kind, values, counts, rows = column.kind, column.values, column.counts, column.rows
    raw = [value.encode() for value in values] if isinstance(values, list) else []
    needed = counts * 4 + (np.fromiter(map(len, raw), dtype=np.int64, count=len(raw)) + 6 if raw else 12)
    large = counts >= sizes.bitmap_rows
    needed[large] = 0
    number = np.cumsum(needed) // sizes.block_bytes
    begins = np.ones(len(counts), dtype=bool)
    begins[1:] = (number[1:] != number[:-1]) | large[1:] | large[:-1]
    bounds = [*np.flatnonzero(begins).tolist(), len(counts)]
    row_bounds = np.concatenate([[0], np.cumsum(counts)])[bounds].tolist()
    for place, (start, stop) in enumerate(pairwise(bounds)):
        some = rows[row_bounds[place] : row_bounds[place + 1]]
        if stop - start == 1:
            first = values[start] if isinstance(values, list) else _plain(kind, values[start])
            yield RawBlock(first, 1, len(some), bitmap_bytes(some))
            continue
        pieces = [some.astype("<u4", copy=False).tobytes()]
        if len(some) != stop - start:
            pieces.append(counts[start:stop].astype("<u4").tobytes())
        if isinstance(values, list):
            pieces += [np.fromiter(map(len, raw[start:stop]), dtype="<u2").tobytes(), *raw[start:stop]]
            first = _separator(values[start - 1], values[start]) if start else values[start]
        else:
            pieces.append(_packed(kind, values[start:stop]))
            first = _plain(kind, values[start])
        yield RawBlock(first, stop - start, len(some), b"".join(pieces))


def bitmap_bytes(rows: NDArray[np.uint32]) -> bytes:
    """Rows, each once, as a bitmap."""
    bitmap = bitmap_of(rows)
    bitmap.run_optimize()
    return bitmap.serialize()


def bitmap_of(rows: NDArray[np.uint32]) -> BitMap:
    """The set of rows. An array of the standard library is what the bitmap takes in at once."""
    return BitMap(array("I", rows.tobytes()))


class Lists:
    """An opened block of several values.

    Raises:
        CorruptObject: its bytes are not what the front says of them.
    """

    __slots__ = ("_data", "_rows", "_stops", "_values", "kind")

    def __init__(self, kind: Kind, first: Any, distinct: int, postings: int, data: bytes) -> None:
        self.kind = kind
        single = distinct == postings
        end = 4 * postings + (0 if single else 4 * distinct)
        if postings < distinct or len(data) < end:
            raise CorruptObject("properties: a block is cut short")
        self._rows = np.frombuffer(data, dtype="<u4", count=postings)
        if single:
            self._stops = np.arange(1, distinct + 1)
        else:
            counts = np.frombuffer(data, dtype="<u4", offset=4 * postings, count=distinct)
            self._stops = np.cumsum(counts, dtype=np.int64)
            if self._stops[-1] != postings:
                raise CorruptObject("properties: the rows of a block do not add up")
        self._data = data
        # Of strings, where each begins; of all others, the values.
        self._values: NDArray[Any] = (
            _string_places(data, end, distinct)
            if kind is Kind.STR
            else _unpacked(kind, first, data, end, distinct)
        )

    def __len__(self) -> int:
        return len(self._stops)

    def value(self, place: int) -> Any:
        """The value at a place, as JSON gives it."""
        if self.kind is not Kind.STR:
            return _plain(self.kind, self._values[place])
        start, stop = self._values[place : place + 2].tolist()
        try:
            return self._data[start:stop].decode()
        except UnicodeDecodeError as error:
            raise CorruptObject("properties: a string is not UTF-8") from error

    def cut(self, reached: Callable[[Any], bool]) -> int:
        """The first place whose value has `reached` it, which then all behind have; the length where none has."""
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if reached(self.value(middle)):
                high = middle
            else:
                low = middle + 1
        return low

    def places_of(self, wanted: Sequence[Any]) -> list[int]:
        """Where those of some values are that the block has, all of which are of its kind."""
        if self.kind is Kind.STR:
            found = ((self.cut(partial(le, value)), value) for value in wanted)
            return [place for place, value in found if place < len(self) and self.value(place) == value]
        values = np.array(wanted, dtype=self._values.dtype)
        places = np.searchsorted(self._values, values)
        there = self._values[np.minimum(places, len(self) - 1)] == values
        return list(places[there].tolist())

    def rows(self, start: int, stop: int) -> NDArray[np.uint32]:
        """The rows of the values from one place up to another: uint32; a row may come several times."""
        first = int(self._stops[start - 1]) if start else 0
        last = int(self._stops[stop - 1]) if stop else 0
        return self._rows[first:last]


def read_bitmap(data: bytes, *, count: int, below: int) -> BitMap:
    """A bitmap whose bytes have been compared with their digest.

    Raises:
        CorruptObject: it holds another number of rows, or rows from `below` on.
    """
    try:
        rows = BitMap.deserialize(data)
    except (ValueError, IndexError) as error:
        raise CorruptObject("properties: a bitmap cannot be read") from error
    if len(rows) != count or (count and rows.max() >= below):
        raise CorruptObject("properties: a bitmap is not the one that the front names")
    return rows


def _separator(before: str, value: str) -> str:
    """The shortest beginning of `value` that still comes behind `before`."""
    same = next((n for n, (a, b) in enumerate(zip(before, value, strict=False)) if a != b), len(before))
    return value[: same + 1]


def _plain(kind: Kind, value: Any) -> Any:
    return bool(value) if kind is Kind.BOOL else value.item()


def _packed(kind: Kind, values: NDArray[Any]) -> bytes:
    if kind in _STORED:
        return values.astype(_STORED[kind], copy=False).tobytes()
    # Integers of 64 bits wrap around: the differences come out right with or without a sign.
    wide: NDArray[np.uint64] = values.astype(np.uint64)
    over_first = wide - wide[0]
    last = int(over_first[-1])
    width = next(width for width in _WIDTHS if last < 1 << 8 * width)
    packed: NDArray[Any] = over_first.astype(_WIDTHS[width])
    return packed.tobytes()


def _unpacked(kind: Kind, first: Any, data: bytes, start: int, distinct: int) -> NDArray[Any]:
    size = len(data) - start
    if kind in _STORED:
        if size != distinct * _STORED[kind].itemsize:
            raise CorruptObject("properties: a block has another size than its values take")
        return np.frombuffer(data, dtype=_STORED[kind], offset=start)
    stored = _WIDTHS.get(size // distinct)
    if stored is None or size % distinct:
        raise CorruptObject("properties: a block has another size than its values take")
    over_first = np.frombuffer(data, dtype=stored, offset=start).astype(np.uint64)
    wide = over_first + np.uint64(first & int(_WIDE))
    return wide.view(np.int64) if kind is Kind.INT else wide


def _string_places(data: bytes, start: int, distinct: int) -> NDArray[np.int64]:
    """Where each string begins, and the last one ends."""
    text = start + 2 * distinct
    if len(data) < text:
        raise CorruptObject("properties: a block is cut short")
    places = np.empty(distinct + 1, dtype=np.int64)
    places[0] = text
    lengths = np.frombuffer(data, dtype="<u2", offset=start, count=distinct)
    np.cumsum(lengths, dtype=np.int64, out=places[1:])
    places[1:] += text
    if places[-1] != len(data):
        raise CorruptObject("properties: a block has another size than its values take")
    return places
