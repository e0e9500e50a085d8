"""What a condition leaves out of shards: of each that was looked at, the rows, and those that hold each term.

A shard never changes, and neither does a condition, so this is worked out once for each shard and kept. Dead rows
are in it as others are: what is dead differs from version to version, what a row holds does not.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from pyroaring import BitMap

from shoal.errors import CorruptObject
from shoal.index import dead_rows
from shoal.index.checksums import Buffer
from shoal.index.container import pack, section_of, unpack

KIND = "masks"
FORMAT = 1
_BETWEEN = "/"


@dataclass(frozen=True, slots=True)
class ShardMasks:
    """`shards` were looked at. `removed`: the rows of each that are left out, where there are any. `by_term`: of
    those, for each shard and number of a term, the rows that the term takes.
    """

    shards: frozenset[str] = frozenset()
    removed: Mapping[str, BitMap] = field(default_factory=dict)
    by_term: Mapping[tuple[str, int], BitMap] = field(default_factory=dict)

    def of(self, shards: Collection[str]) -> "ShardMasks":
        """What is known of some shards."""
        wanted = frozenset(shards)
        return ShardMasks(
            self.shards & wanted,
            {name: rows for name, rows in self.removed.items() if name in wanted},
            {key: rows for key, rows in self.by_term.items() if key[0] in wanted},
        )

    def counts(self, dead: Mapping[str, BitMap]) -> tuple[int, dict[int, int]]:
        """How many rows are left out that are not dead anyway: in all, and for each number of a term."""
        total = sum(_living(rows, dead.get(name)) for name, rows in self.removed.items())
        of_terms: dict[int, int] = {}
        for (name, number), rows in self.by_term.items():
            of_terms[number] = of_terms.get(number, 0) + _living(rows, dead.get(name))
        return total, {number: count for number, count in of_terms.items() if count}


def _living(rows: BitMap, dead: BitMap | None) -> int:
    return len(rows) if dead is None else rows.difference_cardinality(dead)


def joined(some: Iterable[ShardMasks]) -> ShardMasks:
    """All that several know; of a shard of which each has some rows, those of all."""
    shards: set[str] = set()
    removed: dict[str, BitMap] = {}
    by_term: dict[tuple[str, int], BitMap] = {}
    for one in some:
        shards |= one.shards
        removed = dead_rows.union(removed, one.removed)
        for key, rows in one.by_term.items():
            by_term[key] = by_term[key] | rows if key in by_term else rows
    return ShardMasks(frozenset(shards), removed, by_term)


def encode(masks: ShardMasks) -> bytes:
    """Build the object."""
    named = {f"{name}{_BETWEEN}{number}": rows for (name, number), rows in masks.by_term.items()}
    sections = {"removed": dead_rows.encode(masks.removed), "terms": dead_rows.encode(named)}
    return pack(KIND, FORMAT, {"shards": sorted(masks.shards)}, sections)


def decode(data: Buffer) -> ShardMasks:
    """Read the object, after its checksum has been compared.

    Raises:
        CorruptObject: not an object of masks of a known format.
    """
    container = unpack(KIND, data, versions=(FORMAT,))
    shards = container.attributes.get("shards")
    if not isinstance(shards, list) or not all(isinstance(name, str) for name in shards):
        raise CorruptObject("masks: the list of shards is malformed")
    removed = dead_rows.decode(section_of(container, "removed"))
    named = dead_rows.decode(section_of(container, "terms"))
    return ShardMasks(frozenset(shards), removed, dict(_keyed(named)))


def _keyed(named: Mapping[str, BitMap]) -> Iterator[tuple[tuple[str, int], BitMap]]:
    for key, rows in named.items():
        name, _, number = key.rpartition(_BETWEEN)
        if not name or not number.isdecimal():
            raise CorruptObject("masks: a term is malformed")
        yield (name, int(number)), rows
