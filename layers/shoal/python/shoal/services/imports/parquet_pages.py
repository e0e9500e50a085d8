"""Page headers of a Parquet column, read before its pages are: what they will unpack to, whatever the footer says.

A few bytes of a page may stand for gigabytes: run lengths repeat a value, and a dictionary or a shared prefix
repeats a long string. How much is known from the page headers, which lie uncompressed before each page. They are
Thrift structs in its compact protocol, of which this reads what occurs in them.

Source: https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
    and https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from dataclasses import dataclass

_DICTIONARY_PAGE = 2
_DELTA_BYTE_ARRAY = 7
_TRUE, _FALSE, _I8, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 12
_VARINTS = frozenset({4, 5, 6})
_MAX_DEPTH = 8
_MAX_VARINT_BYTES = 10

type Fields = dict[int, "int | Fields"]
"""Integers and structs of a struct by field number; what else is in it has been skipped."""


class BrokenPage(Exception):
    """The bytes are no pages as the format has them; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Pages:
    """What the page headers of a column say.

    `values` with null ones, and their bytes when unpacked. No string that is repeated whole can be longer than
    `largest_dictionary`, and none that repeats the front of another longer than `largest_prefixed`: pages' bytes.
    """

    values: int
    unpacked_bytes: int
    largest_dictionary: int
    largest_prefixed: int


def read_pages(column: memoryview) -> Pages:
    """Walk over the pages of a column.

    Raises:
        BrokenPage: they do not fill it as their headers say.
    """
    place = values = unpacked = dictionary = prefixed = 0
    while place < len(column):
        header, place = _Reader(column, place).struct()
        kind, size, packed = (_number(header, field) for field in (1, 2, 3))
        if size < 0 or packed < 0 or place + packed > len(column):
            raise BrokenPage("a page that ends behind its column")
        place += packed
        unpacked += size
        described = header.get(5, header.get(8))
        if isinstance(described, dict):
            values += max(_number(described, 1), 0)
            encoding = _number(described, 2 if 5 in header else 4)
            if encoding == _DELTA_BYTE_ARRAY:
                prefixed = max(prefixed, size)
        elif kind == _DICTIONARY_PAGE:
            dictionary = max(dictionary, size)
    return Pages(values, unpacked, dictionary, prefixed)


def _number(fields: Fields, field: int) -> int:
    value = fields.get(field)
    if not isinstance(value, int):
        raise BrokenPage("a page header that lacks a field")
    return value


class _Reader:
    """Reads one struct, from `place` on."""

    def __init__(self, data: memoryview, place: int) -> None:
        self._data = data
        self._place = place

    def struct(self, depth: int = 0) -> tuple[Fields, int]:
        """The struct, and the place behind it."""
        if depth > _MAX_DEPTH:
            raise BrokenPage("a page header that is nested too deeply")
        fields: Fields = {}
        field = 0
        while head := self._byte():
            step, kind = head >> 4, head & 15
            field = field + step if step else self._zigzag()
            value = self._value(kind, depth)
            if value is not None:
                fields[field] = value
        return fields, self._place

    def _value(self, kind: int, depth: int) -> "int | Fields | None":
        if kind in _VARINTS:
            return self._zigzag()
        if kind == _STRUCT:
            return self.struct(depth + 1)[0]
        if kind in (_TRUE, _FALSE):
            return None
        if kind == _BINARY:
            self._skip(self._varint())
        elif kind in (_I8, _DOUBLE):
            self._skip(1 if kind == _I8 else 8)
        elif kind in (_LIST, _SET):
            self._skip_list(depth)
        else:
            raise BrokenPage(f"a page header with a field of type {kind}")
        return None

    def _skip_list(self, depth: int) -> None:
        head = self._byte()
        count = head >> 4 if head >> 4 != 15 else self._varint()
        if count > len(self._data) - self._place:
            raise BrokenPage("a page header that ends behind its column")
        for _ in range(count):
            # In a list, a boolean takes a byte.
            if head & 15 in (_TRUE, _FALSE):
                self._skip(1)
            else:
                self._value(head & 15, depth + 1)

    def _byte(self) -> int:
        self._skip(1)
        return self._data[self._place - 1]

    def _varint(self) -> int:
        value = 0
        for shift in range(0, 7 * _MAX_VARINT_BYTES, 7):
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise BrokenPage("a page header with an endless number")

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def _skip(self, count: int) -> None:
        if self._place + count > len(self._data):
            raise BrokenPage("a page header that ends behind its column")
        self._place += count
