"""The front of the index of properties as JSON: columns with what tells where their blocks are."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shoal.errors import CorruptObject
from shoal.index.checksums import digest128
from shoal.index.properties_blocks import BlockSizes, bitmap_bytes, blocks_of
from shoal.index.properties_column import GatheredColumn, Kind
from shoal.index.properties_runs import Block, Place, Run

_TYPES: Mapping[Kind, type] = {
    Kind.BOOL: bool,
    Kind.INT: int,
    Kind.BIG: int,
    Kind.FLOAT: float,
    Kind.STR: str,
}
_RANGES: Mapping[Kind, tuple[int, int]] = {
    Kind.INT: (-(2**63), 2**63 - 1),
    Kind.BIG: (2**63, 2**64 - 1),
}


@dataclass(frozen=True, slots=True)
class Column:
    """A path: the rows that have it (a block with one value, which is None), and a run for each kind of values.

    Of the kinds in `without` nothing is known.
    """

    exists: Block
    runs: Mapping[Kind, Run]
    without: frozenset[Kind]


class SectionWriter:
    """Blocks one after the other."""

    def __init__(self, sizes: BlockSizes) -> None:
        self._sizes = sizes
        self.pieces: list[bytes] = []
        self.size = 0

    def column(self, gathered: GatheredColumn, total: int) -> dict[str, Any]:
        """Add the blocks of a column; returns what the front says of it. `total` is the number of rows."""
        start = self.size
        rows = gathered.rows_with_it()
        exists = [len(rows), *self._add(b"" if len(rows) == total else bitmap_bytes(rows))]
        kinds: dict[str, Any] = {}
        for kind in Kind:
            if kind not in gathered.pieces:
                continue
            found = gathered.sorted_values(kind)
            greatest = found.values[-1]
            blocks = [
                [
                    raw.first,
                    raw.distinct,
                    raw.postings,
                    *self._add(b"" if raw.distinct == 1 and raw.postings == total else raw.data),
                ]
                for raw in blocks_of(found, self._sizes)
            ]
            plain = greatest if isinstance(greatest, str) else greatest.item()
            kinds[kind.value] = {"greatest": bool(plain) if kind is Kind.BOOL else plain, "blocks": blocks}
        return {
            "start": start,
            "exists": exists,
            "kinds": kinds,
            "without": sorted(kind.value for kind in gathered.without),
            "repeats": gathered.repeats,
        }

    def _add(self, data: bytes) -> tuple[int, str]:
        self.pieces.append(data)
        self.size += len(data)
        return len(data), digest128(data).hex() if data else ""


class SectionReader:
    """Columns of a front, whose blocks lie one after the other from byte `base` on in a file of `size` bytes."""

    def __init__(self, base: int, size: int, total: int) -> None:
        self._base, self._size, self._total = base, size, total
        self._position = base

    def column(self, raw: Any) -> Column:
        """One column as JSON.

        Raises:
            CorruptObject: a field is missing or is of another type, or values are out of order.
        """
        match raw:
            case {
                "start": int(start),
                "exists": [int(count), int(size), str(digest)],
                "kinds": dict(kinds),
                "without": list(without),
                "repeats": bool(repeats),
            }:
                self._position = self._base + start
                exists = self._block(None, 1, count, size, digest)
                runs = {_kind(name): self._run(_kind(name), run, repeats) for name, run in kinds.items()}
                return Column(exists, runs, frozenset(map(_kind, without)))
            case _:
                raise _malformed("a column")

    def _run(self, kind: Kind, raw: Any, repeats: bool) -> Run:
        match raw:
            case {"greatest": greatest, "blocks": [_, *_] as table}:
                pass
            case _:
                raise _malformed("the values of a column")
        blocks: list[Block] = []
        for entry in table:
            match entry:
                case [first, int(distinct), int(postings), int(size), str(digest)] if distinct > 0:
                    pass
                case _:
                    raise _malformed("a block")
            _check_value(kind, first)
            if blocks and not blocks[-1].first < first:
                raise _malformed("the order of blocks")
            blocks.append(self._block(first, distinct, postings, size, digest))
        _check_value(kind, greatest)
        if greatest < blocks[-1].first:
            raise _malformed("the greatest value")
        return Run(kind, greatest, tuple(blocks), repeats)

    def _block(self, first: Any, distinct: int, postings: int, size: int, digest: str) -> Block:
        start, stop = self._position, self._position + size
        self._position = stop
        if size < 0 or stop > self._size or start < self._base or postings < 0:
            raise _malformed("the place of a block")
        if not size:
            if distinct != 1 or postings != self._total:
                raise _malformed("a block without bytes")
            return Block(first, distinct, postings, None)
        try:
            return Block(first, distinct, postings, Place(start, stop, bytes.fromhex(digest)))
        except ValueError as error:
            raise _malformed("a digest") from error


def _kind(name: Any) -> Kind:
    try:
        return Kind(name)
    except ValueError as error:
        raise _malformed("a kind") from error


def _check_value(kind: Kind, value: Any) -> None:
    if type(value) is not _TYPES[kind]:
        raise _malformed("a value")
    if isinstance(value, int) and kind in _RANGES and not _RANGES[kind][0] <= value <= _RANGES[kind][1]:
        raise _malformed("an integer")


def _malformed(what: str) -> CorruptObject:
    return CorruptObject(f"properties: {what} is malformed in the front")
