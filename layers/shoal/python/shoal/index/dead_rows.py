"""Dead rows: for each shard, the bitmap of rows that a reader must not see."""

from collections.abc import Mapping

from pyroaring import BitMap

from shoal.errors import CorruptObject
from shoal.index.checksums import Buffer, digest128
from shoal.index.container import pack, section_of, unpack

KIND = "dead"
FORMAT = 1

type DeadRows = Mapping[str, BitMap]
"""Bitmap of row numbers by shard id."""


def encode(dead: DeadRows) -> bytes:
    """Build the object. Shards are ordered by id, empty bitmaps are left out: equal input gives equal bytes."""
    shards = sorted(shard_id for shard_id, rows in dead.items() if rows)
    bitmaps: dict[str, bytes] = {}
    for shard_id in shards:
        rows = dead[shard_id].copy()
        rows.run_optimize()
        bitmaps[shard_id] = rows.serialize()
    table = [[shard_id, len(dead[shard_id]), digest128(bitmaps[shard_id]).hex()] for shard_id in shards]
    return pack(KIND, FORMAT, {"shards": table}, bitmaps)


def decode(data: Buffer) -> dict[str, BitMap]:
    """Read the object, after its checksum has been compared.

    Each bitmap has its own digest in the header, so that the C parser never sees bytes that we did not write.

    Raises:
        CorruptObject: not an object of dead rows of a known format.
    """
    container = unpack(KIND, data, versions=(FORMAT,))
    table = container.attributes.get("shards")
    if not isinstance(table, list) or len(table) != len(container.sections):
        raise CorruptObject("dead rows: table of shards is malformed")
    dead: dict[str, BitMap] = {}
    for entry in table:
        match entry:
            case [str(shard_id), int(count), str(digest)] if shard_id not in dead:
                dead[shard_id] = _bitmap(section_of(container, shard_id), count, digest)
            case _:
                raise CorruptObject("dead rows: table of shards is malformed")
    return dead


def _bitmap(section: memoryview, count: int, digest: str) -> BitMap:
    encoded = section.tobytes()
    if digest128(encoded).hex() != digest:
        raise CorruptObject("dead rows: a bitmap does not match its checksum")
    try:
        rows = BitMap.deserialize(encoded)
    except (ValueError, IndexError) as error:
        raise CorruptObject("dead rows: a bitmap cannot be read") from error
    if len(rows) != count:
        raise CorruptObject(f"dead rows: {len(rows)} rows where {count} were written")
    return rows


def union(first: DeadRows, second: DeadRows) -> dict[str, BitMap]:
    """The rows that are dead in either; neither input changes."""
    merged = {shard_id: rows.copy() for shard_id, rows in first.items()}
    for shard_id, rows in second.items():
        merged[shard_id] = merged[shard_id] | rows if shard_id in merged else rows.copy()
    return merged
