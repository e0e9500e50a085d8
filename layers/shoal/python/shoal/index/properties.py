"""The index of properties: which rows of a shard hold which values at which paths of their metadata.

Two files lie beside the records of a shard. `properties.front` is small and is read whole: it names every path
with the kinds of its values, how many rows have them, and the place and digest of each block. `properties` holds
the blocks, of which a filter reads those that it needs. Namespaces are indexed as one more column.

An answer is the one that `Filter.matches` gives for every row, bit for bit, or there is none: of a path that is
not indexed, nothing is said. A path that no row has is known to be absent.
"""

from collections.abc import Iterable, Sequence
from itertools import chain

from pyroaring import BitMap

from shoal.errors import CorruptObject
from shoal.index.checksums import Buffer, digest128
from shoal.index.column_file import Columns
from shoal.index.container import PREAMBLE_BYTES, count_of, pack, parse_header, unpack
from shoal.index.properties_blocks import BLOCK_SIZES, BlockSizes
from shoal.index.properties_front import Column, SectionReader, SectionWriter
from shoal.index.properties_gather import LIMITS, Limits, gather, gather_strings, no_strings
from shoal.index.properties_plan import ABSENT, Plan, every, plan_of
from shoal.index.properties_runs import Place, Sections
from shoal.index.record_columns import texts
from shoal.index.shard import PROPERTIES_FILE, PROPERTY_FRONT_FILE
from shoal.model.conditions import Equals, Path, typed
from shoal.model.limits import MAX_FILTER_DEPTH
from shoal.model.selection import Selection

FRONT_KIND, SECTIONS_KIND = "properties-front", "properties"
FORMAT = 1
FRONT_FILE, SECTIONS_FILE = PROPERTY_FRONT_FILE, PROPERTIES_FILE
_MAX_ROWS = 2**32 - 2
_NAMESPACE = Path("namespace", ("namespace",))


def encode_properties(
    metadata: Iterable[bytes],
    namespaces: Iterable[str] | None = None,
    *,
    limits: Limits = LIMITS,
    sizes: BlockSizes = BLOCK_SIZES,
) -> tuple[bytes, bytes]:
    """Build the index of a shard: (its front, its sections).

    Args:
        metadata: of each row a compact JSON object in UTF-8.
        namespaces: of each row, "" for none; None where no row is in one.
        limits: what is left out of the index.
        sizes: how it is cut into blocks.

    Raises:
        CorruptObject: metadata that is not a JSON object.
    """
    gathered = gather(metadata, limits)
    names = list(namespaces) if namespaces is not None else []
    if namespaces is not None and len(names) != gathered.rows:
        raise ValueError("columns of unequal length")
    spaces = gather_strings(names) if any(names) else no_strings(gathered.rows)
    writer = SectionWriter(sizes)
    table = [[path, writer.column(column, gathered.rows)] for path, column in gathered.columns.items()]
    attributes = {
        "rows": gathered.rows,
        "namespaces": writer.column(spaces, gathered.rows),
        "paths": table,
        "left_out": list(gathered.left_out),
        "complete": gathered.complete,
    }
    sections = pack(SECTIONS_KIND, FORMAT, {}, {"blocks": b"".join(writer.pieces)})
    base, size = parse_header(SECTIONS_KIND, sections, versions=(FORMAT,)).places["blocks"]
    return pack(FRONT_KIND, FORMAT, {**attributes, "base": base, "size": size}, {}), sections


def properties_files(metadata: Iterable[bytes], namespaces: Iterable[str] | None = None) -> dict[str, bytes]:
    """The two files of the index by name; arguments as of `encode_properties`."""
    front, sections = encode_properties(metadata, namespaces)
    return {FRONT_FILE: front, SECTIONS_FILE: sections}


def properties_of_columns(blocks: Sequence[Columns]) -> dict[str, bytes]:
    """The two files of the index of rows that come in blocks, by name.

    Raises:
        CorruptObject: metadata that is not a JSON object, or a namespace that is not UTF-8.
    """
    metadata = chain.from_iterable(block.metadata.tolist() for block in blocks)
    if not any(block.namespaces.nbytes for block in blocks):
        return properties_files(metadata)
    names = chain.from_iterable(texts(block.namespaces, "a namespace") for block in blocks)
    return properties_files(metadata, names)


def check_section(data: Buffer, place: Place) -> bytes:
    """Bytes read from a place of the file of sections, once they are known to be those.

    Raises:
        CorruptObject: they are not.
    """
    raw = bytes(data)
    if len(raw) != place.stop - place.start or digest128(raw) != place.digest:
        raise CorruptObject(f"properties: bytes from {place.start} on do not match their checksum")
    return raw


class PropertyFront:
    """An opened front; immutable, safe to use from several threads."""

    def __init__(
        self,
        rows: int,
        columns: dict[str, Column],
        namespaces: Column,
        left_out: frozenset[str],
        complete: bool,
    ) -> None:
        self.rows = rows
        self._columns = columns
        self._namespaces = namespaces
        self._left_out = left_out
        self._complete = complete

    @classmethod
    def parse(cls, data: Buffer) -> "PropertyFront":
        """Read the object, after its checksum has been compared.

        Raises:
            CorruptObject: not a front of a known format.
        """
        container = unpack(FRONT_KIND, data, versions=(FORMAT,))
        attributes = container.attributes
        rows = count_of(attributes, "rows", most=_MAX_ROWS)
        base, size = (count_of(attributes, name) for name in ("base", "size"))
        if base < PREAMBLE_BYTES:
            raise CorruptObject("properties: blocks lie over a header")
        reader = SectionReader(base, size, rows)
        match attributes:
            case {
                "namespaces": raw,
                "paths": list(table),
                "left_out": list(left_out),
                "complete": bool(complete),
            }:
                namespaces = reader.column(raw)
            case _:
                raise CorruptObject("properties: the front lacks a field")
        columns: dict[str, Column] = {}
        for entry in table:
            match entry:
                case [str(path), raw] if path not in columns:
                    columns[path] = reader.column(raw)
                case _:
                    raise CorruptObject("properties: the table of paths is malformed")
        if not all(isinstance(path, str) for path in left_out):
            raise CorruptObject("properties: a path is not a string")
        return cls(rows, columns, namespaces, frozenset(left_out), complete)

    def sections_for(self, selection: Selection) -> list[Place] | None:
        """What `matching` must be given, ascending, each once; None: the index cannot tell which rows match.

        A selection by the beginning of ids is one that it cannot answer.
        """
        plan = self._plan(selection)
        return None if plan is None else sorted(set(plan.places()))

    def matching(self, selection: Selection, sections: Sections) -> BitMap:
        """The row numbers that match, as a bitmap of the caller's own.

        Args:
            selection: one that `sections_for` can answer.
            sections: what lies at the places that it named, each verified (`check_section`).

        Raises:
            CorruptObject: a section is not what the front says of it.
        """
        plan = self._plan(selection)
        if plan is None:
            raise ValueError("the index cannot answer this selection")
        return plan.rows(sections, self.rows)

    def bounds(self, selection: Selection) -> tuple[int, int] | None:
        """How many rows match at least and at most, without reading a section; None as of `sections_for`."""
        plan = self._plan(selection)
        return None if plan is None else plan.bounds(self.rows)

    def _plan(self, selection: Selection) -> Plan | None:
        if selection.prefix is not None:
            return None
        plans: list[Plan | None] = []
        if selection.namespace is not None:
            wanted = Equals(_NAMESPACE, typed(selection.namespace))
            plans.append(plan_of(wanted, lambda _: self._namespaces))
        if selection.filter is not None:
            plans.append(plan_of(selection.filter.root, self._column_of))
        return every(plans)

    def _column_of(self, path: Path) -> Column | None:
        column = self._columns.get(path.key)
        if column is not None or not self._complete or path.key in self._left_out:
            return column
        return None if len(path.parts) > MAX_FILTER_DEPTH else ABSENT
