"""Runs of the index of properties: all values of one kind at one path, as blocks, and what to read of them."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from shoal.errors import CorruptObject
from shoal.index.properties_blocks import Lists, bitmap_of, read_bitmap
from shoal.index.properties_column import Kind


class Place(NamedTuple):
    """Bytes `start` to `stop` of the file of sections, and their `digest128`."""

    start: int
    stop: int
    digest: bytes


type Sections = Mapping[Place, bytes]
"""What was read of the file of sections: bytes that have been compared with their digests."""
type Cut = Callable[[Any], bool]
"""Tells of a value whether a point in the order has been reached; once reached, it is for all greater values."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block as the front knows it. `place` is None where every row has its only value: there is nothing to read.

    `first` is not greater than its lowest value, and greater than the highest of the block before; of a block with
    one value it is that value.
    """

    first: Any
    distinct: int
    postings: int
    place: Place | None


class Answer:
    """Rows as they are found, of `total` rows in all."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._lists: list[NDArray[np.uint32]] = []
        self._bitmaps: list[BitMap] = []

    def add_list(self, rows: NDArray[np.uint32]) -> None:
        """Rows in any order."""
        if len(rows):
            self._lists.append(rows)

    def add_all(self, block: Block, sections: Sections) -> None:
        """The rows of a block with one value."""
        if block.place is None:
            self._bitmaps.append(BitMap(range(self._total)))
        else:
            data = sections[block.place]
            self._bitmaps.append(read_bitmap(data, count=block.postings, below=self._total))

    def rows(self) -> BitMap:
        """All rows that were found.

        Raises:
            CorruptObject: a row that the shard does not have.
        """
        if self._lists:
            rows = np.concatenate(self._lists)
            if rows.max() >= self._total:
                raise CorruptObject("properties: a list holds a row that the shard does not have")
            self._bitmaps.append(bitmap_of(rows))
        return BitMap.union(*self._bitmaps) if self._bitmaps else BitMap()


@dataclass(frozen=True, slots=True)
class Run:
    """The values of one kind at one path: `blocks` in order, and the `greatest` value of all.

    `repeats`: a row may have several of them.
    """

    kind: Kind
    greatest: Any
    blocks: tuple[Block, ...]
    repeats: bool

    def points(self, wanted: Iterable[Any]) -> "Points":
        """Where rows with one of the values are, all of which are of this kind."""
        picked: dict[int, list[Any]] = {}
        for value in wanted:
            place = bisect_right(self.blocks, value, key=lambda block: block.first) - 1
            if place < 0 or value > self.greatest:
                continue
            if self.blocks[place].distinct > 1 or self.blocks[place].first == value:
                picked.setdefault(place, []).append(value)
        return Points(self, picked)

    def span(self, begin: Cut | None, end: Cut | None) -> "Span":
        """Where rows with a value from one cut up to another are; None stands for the first and the last value."""
        first, begin_inside = (0, None) if begin is None else self._locate(begin)
        last, end_inside = (len(self.blocks), None) if end is None else self._locate(end)
        return Span(self, first, begin_inside, last, end_inside)

    def _locate(self, cut: Cut) -> tuple[int, Cut | None]:
        """The block whose beginning is the cut, or that holds it inside."""
        if not cut(self.greatest):
            return len(self.blocks), None
        reached = bisect_left(self.blocks, True, key=lambda block: cut(block.first))
        if reached == 0 or self.blocks[reached - 1].distinct == 1:
            return reached, None
        return reached - 1, cut

    def opened(self, block: Block, sections: Sections) -> Lists:
        """A block of several values."""
        if block.place is None:
            raise CorruptObject("properties: a block of several values has no bytes")
        return Lists(self.kind, block.first, block.distinct, block.postings, sections[block.place])


@dataclass(frozen=True, slots=True)
class Points:
    """Some values of a run, by the number of the block that may hold them."""

    run: Run
    picked: Mapping[int, list[Any]]

    def places(self) -> Iterator[Place]:
        """What must be read."""
        return _places(self.run.blocks[number] for number in self.picked)

    def collect(self, sections: Sections, answer: Answer) -> None:
        """Find the rows."""
        for number, wanted in self.picked.items():
            block = self.run.blocks[number]
            if block.distinct == 1:
                answer.add_all(block, sections)
                continue
            lists = self.run.opened(block, sections)
            for place in lists.places_of(wanted):
                answer.add_list(lists.rows(place, place + 1))

    def bounds(self) -> tuple[int, int]:
        """How many rows there are at least and at most."""
        least = most = 0
        for number, wanted in self.picked.items():
            block = self.run.blocks[number]
            if block.distinct == 1:
                least = max(least, block.postings)
                most += block.postings
            else:
                most += min(block.postings, len(wanted) * (block.postings - block.distinct + 1))
        return least, most


@dataclass(frozen=True, slots=True)
class Span:
    """The values of a run from block `first` up to block `last`.

    Where `begin` is given, the first block begins inside of it; where `end` is given, the last one is included as
    far as there.
    """

    run: Run
    first: int
    begin: Cut | None
    last: int
    end: Cut | None

    def places(self) -> Iterator[Place]:
        """What must be read."""
        return _places(block for _, block in self.blocks())

    def collect(self, sections: Sections, answer: Answer) -> None:
        """Find the rows."""
        for number, block in self.blocks():
            if block.distinct == 1:
                answer.add_all(block, sections)
                continue
            lists, start, stop = self.opened(number, sections)
            if start < stop:
                answer.add_list(lists.rows(start, stop))

    def opened(self, number: int, sections: Sections) -> tuple[Lists, int, int]:
        """A block of several values, and from which of them on, up to which one, they are of the span."""
        lists = self.run.opened(self.run.blocks[number], sections)
        start = lists.cut(self.begin) if self.begin and number == self.first else 0
        stop = lists.cut(self.end) if self.end and number == self.last else len(lists)
        return lists, start, stop

    def bounds(self) -> tuple[int, int]:
        """How many rows there are at least and at most."""
        sure = most = 0
        for number, block in self.blocks():
            most += block.postings
            if not (self.begin and number == self.first) and not (self.end and number == self.last):
                sure += block.postings
        return (min(sure, 1) if self.run.repeats else sure), most

    def blocks(self) -> Iterator[tuple[int, Block]]:
        """Those that hold values of the span, with their numbers."""
        stop = self.last + 1 if self.end else self.last
        return ((number, self.run.blocks[number]) for number in range(self.first, stop))


@dataclass(frozen=True, slots=True)
class Sifted:
    """The values of a span that pass a test: all of them are read but those that the front tells."""

    span: Span
    test: Callable[[Any], bool]

    def places(self) -> Iterator[Place]:
        """What must be read."""
        return _places(block for _, block in self._blocks())

    def collect(self, sections: Sections, answer: Answer) -> None:
        """Find the rows."""
        for number, block in self._blocks():
            if block.distinct == 1:
                answer.add_all(block, sections)
                continue
            lists, start, stop = self.span.opened(number, sections)
            for place in range(start, stop):
                if self.test(lists.value(place)):
                    answer.add_list(lists.rows(place, place + 1))

    def bounds(self) -> tuple[int, int]:
        """How many rows there are at least and at most."""
        least = most = 0
        for _, block in self._blocks():
            least = max(least, block.postings if block.distinct == 1 else 0)
            most += block.postings
        return least, most

    def _blocks(self) -> Iterator[tuple[int, Block]]:
        """Blocks of several values, and those whose only value passes."""
        return (
            (number, block)
            for number, block in self.span.blocks()
            if block.distinct > 1 or self.test(block.first)
        )


def _places(blocks: Iterable[Block]) -> Iterator[Place]:
    return (block.place for block in blocks if block.place is not None)
