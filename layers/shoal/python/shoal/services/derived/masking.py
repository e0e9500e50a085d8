"""Which rows of shards a condition leaves out, found out by looking at them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from shoal.index.cell_records import CellRecords
from shoal.index.metadata import parse_object
from shoal.index.records import Records
from shoal.index.shard_masks import ShardMasks, joined
from shoal.model.derivations import Condition, texts_at
from shoal.model.filters import parse_filter
from shoal.model.reindex_work import RowSource
from shoal.model.selection import Selection
from shoal.model.terms import TermMatcher
from shoal.services.matching import SCAN_BYTES, in_turns
from shoal.services.property_rows import indexed_rows
from shoal.services.snapshot import Snapshot

type _Block = Records | CellRecords


@dataclass(frozen=True, slots=True)
class Sieve:
    """A condition, ready to be asked of many rows."""

    selection: Selection
    matcher: TermMatcher | None
    fields: tuple[str, ...]
    numbers: dict[str, int]


def sieve_of(condition: Condition) -> Sieve:
    """The condition as rows are asked about it."""
    terms = condition.terms or ()
    return Sieve(
        selection=Selection(
            filter=None if condition.filter is None else parse_filter(dict(condition.filter))
        ),
        matcher=TermMatcher(terms) if terms else None,
        fields=condition.term_fields,
        numbers={term: number for number, term in enumerate(terms)},
    )


def masks_of(snapshot: Snapshot, sources: Sequence[RowSource], sieve: Sieve) -> ShardMasks:
    """What a condition leaves out of some rows, dead ones included.

    Args:
        snapshot: a version that has them.
        sources: rows of its shards.
        sieve: the condition.

    Raises:
        CorruptObject: something stored is not what names it.
    """
    return joined(_masks(snapshot, source, sieve) for source in sources)


def _masks(snapshot: Snapshot, source: RowSource, sieve: Sieve) -> ShardMasks:
    start, stop = _rows_of(snapshot, source)
    every = np.arange(start, stop, dtype=np.int64)
    kept = _matching(snapshot, source, sieve, every)
    removed = BitMap(np.setdiff1d(every, kept, assume_unique=True).astype(np.uint32))
    by_term = _holding(snapshot, source, sieve, kept) if sieve.matcher is not None and len(kept) else {}
    for rows in by_term.values():
        removed |= rows
    return ShardMasks(
        frozenset({source.shard_id}),
        {source.shard_id: removed} if removed else {},
        {(source.shard_id, number): rows for number, rows in by_term.items()},
    )


def _rows_of(snapshot: Snapshot, source: RowSource) -> tuple[int, int]:
    """The first row of the shard that is meant, and the one behind the last."""
    if source.cell_set is None:
        return source.start, source.stop
    table = snapshot.cells()[source.cell_set].cell_set.table
    last = source.stop - 1
    return int(table["first_row"][source.start]), int(table["first_row"][last]) + int(table["rows"][last])


def _matching(
    snapshot: Snapshot, source: RowSource, sieve: Sieve, every: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The rows that the filter matches, ascending: by the shard's index, or by looking at its records."""
    if sieve.selection.everything:
        return every
    (known,) = indexed_rows(snapshot, [snapshot.shard(source.shard_id)], sieve.selection)
    if known is not None:
        return known[np.isin(known, every, assume_unique=True)]
    found = [np.empty(0, dtype=np.int64)]
    for block, first in _blocks(snapshot, source):
        found.append(block.matching(sieve.selection).astype(np.int64) + first)
    rows = np.concatenate(found)
    return rows[np.isin(rows, every, assume_unique=True)]


def _holding(
    snapshot: Snapshot, source: RowSource, sieve: Sieve, kept: NDArray[np.int64]
) -> dict[int, BitMap]:
    """The rows, of those that the filter leaves, that hold each term, by the term's number."""
    if sieve.matcher is None:
        raise ValueError("a condition without terms")
    wanted = BitMap(kept.astype(np.uint32))
    found: dict[int, BitMap] = {}
    for block, first in _blocks(snapshot, source):
        _, _, metadata = block.all()
        for row, raw in enumerate(metadata, start=first):
            if row in wanted:
                parsed = parse_object(raw, row)
                texts = (text for path in sieve.fields for text in texts_at(parsed, path))
                for term in sieve.matcher.found(texts):
                    found.setdefault(sieve.numbers[term], BitMap()).add(row)
    return found


def _blocks(snapshot: Snapshot, source: RowSource) -> Iterator[tuple[_Block, int]]:
    """The records of a source, block by block, each with the row of the shard that its first one is."""
    if source.cell_set is None:
        yield snapshot.reader.load(snapshot.records_part(snapshot.shard(source.shard_id))), 0
        return
    cells = snapshot.cells()[source.cell_set]
    wanted = np.arange(source.start, source.stop, dtype=np.int64)
    for turn in in_turns(cells.record_bytes[wanted], most=SCAN_BYTES):
        numbers = wanted[turn]
        blocks: list[CellRecords] = snapshot.reader.load_all(cells.records(numbers))
        yield from zip(blocks, cells.cell_set.table["first_row"][numbers].tolist(), strict=True)
