"""Runs of the id index as objects: a fence table at the front, then 16 KB blocks of sorted entries.

A run is read whole, or its front by one ranged GET and then only the blocks that may hold a hash. The container's
header guards itself and holds the digest of the fence; the fence holds the digest of each block.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoal.errors import CorruptObject
from shoal.index.checksums import Buffer, digest128
from shoal.index.container import (
    PREAMBLE_BYTES,
    Attributes,
    count_of,
    header_end,
    pack,
    parse_header,
    section_of,
    unpack,
)
from shoal.index.id_index import ENTRY, TOMBSTONE, Entries, Hashes

KIND = "id-run"
FORMAT = 1
BLOCK_ENTRIES = 512
"""16 KB of entries."""
_FENCE = np.dtype([("high", "<u8"), ("low", "<u8"), ("digest", "V16")])
_MAX_ENTRIES = 2**32 - 2


def encode_run(source: Entries) -> bytes:
    """Build the object of a run."""
    table = np.ascontiguousarray(source.table, dtype=ENTRY)
    blocks = [table[start : start + BLOCK_ENTRIES] for start in range(0, len(table), BLOCK_ENTRIES)]
    fence = np.zeros(len(blocks), dtype=_FENCE)
    for number, block in enumerate(blocks):
        fence[number] = (block["high"][0], block["low"][0], digest128(block.tobytes()))
    attributes = {
        "entries": len(table),
        "shards": list(source.shard_ids),
        "fence": digest128(fence.tobytes()).hex(),
    }
    return pack(KIND, FORMAT, attributes, {"fence": fence.tobytes(), "blocks": table.tobytes()})


def decode_run(data: Buffer) -> Entries:
    """Read a whole run, after its checksum has been compared.

    Raises:
        CorruptObject: not a run of a known format, or its entries are out of order.
    """
    container = unpack(KIND, data, versions=(FORMAT,))
    count, shard_ids = _shape(container.attributes)
    raw = section_of(container, "blocks", size=count * ENTRY.itemsize)
    _fence(container.attributes, section_of(container, "fence"), count)
    return _entries(shard_ids, raw)


def bytes_needed(first: Buffer) -> int:
    """How many bytes from the front `RunFront.parse` needs, as far as `first` shows it; ask again with more.

    Raises:
        CorruptObject: `first` is not the front of a run.
    """
    if len(first) < PREAMBLE_BYTES:
        return PREAMBLE_BYTES
    end = header_end(first)
    if len(first) < end:
        return end
    header = parse_header(KIND, first, versions=(FORMAT,))
    return header.places.get("fence", (0, end))[1]


@dataclass(frozen=True, slots=True)
class RunFront:
    """The front of a run: which block may hold a hash, and where in the object it is."""

    shard_ids: tuple[str, ...]
    entries: int
    front_size: int
    size: int
    _fence: NDArray[np.void]
    _blocks_start: int

    @classmethod
    def parse(cls, first: Buffer) -> "RunFront":
        """Read the front from at least the first `bytes_needed` bytes of the object.

        Raises:
            CorruptObject: cut short, damaged, or not a run of a known format.
        """
        header = parse_header(KIND, first, versions=(FORMAT,))
        count, shard_ids = _shape(header.attributes)
        if header.places.keys() != {"fence", "blocks"}:
            raise CorruptObject("id run: sections are missing")
        fence_start, fence_stop = header.places["fence"]
        blocks_start, blocks_stop = header.places["blocks"]
        if blocks_stop - blocks_start != count * ENTRY.itemsize:
            raise CorruptObject("id run: size of the blocks does not fit the entries")
        raw = memoryview(first)[fence_start:fence_stop]
        if len(raw) != fence_stop - fence_start:
            raise CorruptObject("id run: fence is cut short")
        fence = _fence(header.attributes, raw, count)
        return cls(shard_ids, count, fence_stop, header.size, fence, blocks_start)

    def blocks_of(self, hashes: Hashes) -> list[tuple[int, tuple[int, int]]]:
        """The blocks in which hashes (uint64, shape (n, 2)) would be: (number, byte range in the object)."""
        high, low = self._fence["high"], self._fence["low"]
        numbers = np.searchsorted(high, hashes[:, 0], side="right") - 1
        before = numbers >= 0
        while before.any():  # once, but for hashes that agree in their first half
            at = np.where(before, numbers, 0)
            before &= (high[at] == hashes[:, 0]) & (low[at] > hashes[:, 1])
            numbers[before] -= 1
            before &= numbers >= 0
        wanted = np.unique(numbers[numbers >= 0]).tolist()
        return [(number, self._range(number)) for number in wanted]

    def parse_block(self, number: int, data: Buffer) -> Entries:
        """Read a block from the bytes of its range.

        Raises:
            CorruptObject: the bytes do not match the checksum in the fence.
        """
        start, stop = self._range(number)
        raw = memoryview(data)
        if raw.nbytes != stop - start or digest128(raw) != self._fence["digest"][number].tobytes():
            raise CorruptObject(f"id run: block {number} does not match its checksum")
        return _entries(self.shard_ids, raw)

    def _range(self, number: int) -> tuple[int, int]:
        first = number * BLOCK_ENTRIES
        last = min(first + BLOCK_ENTRIES, self.entries)
        return self._blocks_start + first * ENTRY.itemsize, self._blocks_start + last * ENTRY.itemsize


def _shape(attributes: Attributes) -> tuple[int, tuple[str, ...]]:
    count = count_of(attributes, "entries", most=_MAX_ENTRIES)
    shard_ids = attributes.get("shards")
    if not isinstance(shard_ids, list) or not all(isinstance(name, str) for name in shard_ids):
        raise CorruptObject("id run: table of shards is malformed")
    if len(set(shard_ids)) != len(shard_ids):
        raise CorruptObject("id run: a shard is listed twice")
    return count, tuple(shard_ids)


def _fence(attributes: Attributes, raw: memoryview, count: int) -> NDArray[np.void]:
    blocks = -(-count // BLOCK_ENTRIES)
    if raw.nbytes != blocks * _FENCE.itemsize or digest128(raw).hex() != attributes.get("fence"):
        raise CorruptObject("id run: fence does not match its checksum")
    fence = np.frombuffer(raw, dtype=_FENCE)
    _check_order(fence)
    return fence


def _entries(shard_ids: tuple[str, ...], raw: memoryview) -> Entries:
    table = np.frombuffer(raw, dtype=ENTRY)
    _check_order(table)
    deleted = table["row"] == TOMBSTONE
    placed = table["shard"] < len(shard_ids)
    if not np.where(deleted, table["shard"] == TOMBSTONE, placed).all():
        raise CorruptObject("id run: an entry names a shard that is not listed")
    return Entries(shard_ids, table)


def _check_order(table: NDArray[np.void]) -> None:
    high, low = table["high"], table["low"]
    rising = (high[1:] > high[:-1]) | ((high[1:] == high[:-1]) & (low[1:] > low[:-1]))
    if not rising.all():
        raise CorruptObject("id run: hashes are out of order")
