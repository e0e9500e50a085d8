"""The container that most stored objects share: a header that says what it is, then aligned sections.

Layout, all integers little-endian::

    0   8  magic, which also shows a transfer that changed line ends
    8   4  size of the header
    12  4  zero
    16  16 BLAKE2b-128 of the header, so that a front read by itself can be trusted
    32  .. header: JSON {"kind", "version", "attributes", "sections": [[name, size], ...]}
    ..  .. sections in that order, each from the next multiple of 64 bytes

The places of the sections follow from their sizes, so a header cannot make two of them overlap.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from shoal.errors import CorruptObject
from shoal.index.checksums import Buffer, digest128

MAGIC = b"\x89SHOAL\r\n"
PREAMBLE_BYTES = 32
ALIGNMENT = 64
MAX_HEADER_BYTES = 16 * 1024 * 1024

type Attributes = Mapping[str, Any]
"""Small JSON values by name."""


@dataclass(frozen=True, slots=True)
class Header:
    """What the front of a container says. `places` holds each section's first byte and end; `size` is of all."""

    version: int
    attributes: dict[str, Any]
    places: dict[str, tuple[int, int]]
    size: int


@dataclass(frozen=True, slots=True)
class Container:
    """An opened container. The sections are read-only views of the bytes it was opened from."""

    version: int
    attributes: dict[str, Any]
    sections: dict[str, memoryview]


def pack(kind: str, version: int, attributes: Attributes, sections: Mapping[str, Buffer]) -> bytes:
    """Build an object.

    Args:
        kind: what the object is, for example ``log``.
        version: its format version.
        attributes: small JSON values.
        sections: named bytes, kept in the order given.
    """
    header = orjson.dumps(
        {
            "kind": kind,
            "version": version,
            "attributes": dict(attributes),
            "sections": [[name, memoryview(data).nbytes] for name, data in sections.items()],
        }
    )
    if len(header) > MAX_HEADER_BYTES:
        raise ValueError(f"container header of {len(header)} bytes")
    parts: list[Buffer] = [MAGIC, len(header).to_bytes(4, "little"), bytes(4), digest128(header), header]
    end = PREAMBLE_BYTES + len(header)
    for data in sections.values():
        start = _aligned(end)
        parts += [bytes(start - end), data]
        end = start + memoryview(data).nbytes
    return b"".join(parts)


def unpack(kind: str, data: Buffer, *, versions: Collection[int]) -> Container:
    """Open an object whose checksum has been compared.

    Args:
        kind: what it must be.
        data: all of it.
        versions: the format versions that the caller can read.

    Raises:
        CorruptObject: anything about it is not as `pack` writes it.
    """
    view = memoryview(data).cast("B").toreadonly()
    header = parse_header(kind, view, versions=versions)
    if header.size != len(view):
        raise CorruptObject(f"{kind}: {len(view)} bytes where the header names {header.size}")
    sections = {name: view[start:stop] for name, (start, stop) in header.places.items()}
    return Container(version=header.version, attributes=header.attributes, sections=sections)


def header_end(data: Buffer) -> int:
    """How many bytes from the front hold the header, told from the first `PREAMBLE_BYTES` bytes.

    Raises:
        CorruptObject: not the front of a container.
    """
    preamble = bytes(memoryview(data)[:PREAMBLE_BYTES])
    if len(preamble) < PREAMBLE_BYTES or preamble[:8] != MAGIC or preamble[12:16] != bytes(4):
        raise CorruptObject("not a container of ours")
    size = int.from_bytes(preamble[8:12], "little")
    if size > MAX_HEADER_BYTES:
        raise CorruptObject(f"container header of {size} bytes")
    return PREAMBLE_BYTES + size


def parse_header(kind: str, data: Buffer, *, versions: Collection[int]) -> Header:
    """Read the header from the front of an object; sections need not be there.

    Raises:
        CorruptObject: the header is cut short, damaged, of another kind or of an unknown version.
    """
    end = header_end(data)
    encoded = bytes(memoryview(data)[PREAMBLE_BYTES:end])
    if len(encoded) != end - PREAMBLE_BYTES:
        raise CorruptObject(f"{kind}: header is cut short")
    if digest128(encoded) != bytes(memoryview(data)[16:32]):
        raise CorruptObject(f"{kind}: header does not match its checksum")
    try:
        header = orjson.loads(encoded)
    except orjson.JSONDecodeError as error:
        raise CorruptObject(f"{kind}: header is not JSON") from error
    match header:
        case {
            "kind": str(found),
            "version": int(version),
            "attributes": dict(attributes),
            "sections": list(table),
        }:
            pass
        case _:
            raise CorruptObject(f"{kind}: header lacks a field")
    if found != kind:
        raise CorruptObject(f"{kind}: the object is of kind {found!r}")
    if isinstance(version, bool) or version not in versions:
        raise CorruptObject(f"{kind}: format version {version} is not known to this release")
    places = _places(kind, table, end)
    size = max((stop for _, stop in places.values()), default=end)
    return Header(version=version, attributes=attributes, places=places, size=size)


def _places(kind: str, table: list[Any], end: int) -> dict[str, tuple[int, int]]:
    places: dict[str, tuple[int, int]] = {}
    for entry in table:
        match entry:
            case [str(name), int(size)] if not isinstance(size, bool) and size >= 0 and name not in places:
                start = _aligned(end)
                end = start + size
                places[name] = (start, end)
            case _:
                raise CorruptObject(f"{kind}: section table is malformed")
    return places


def _aligned(position: int) -> int:
    return -(-position // ALIGNMENT) * ALIGNMENT


def count_of(attributes: Attributes, name: str, *, most: int = 2**63 - 1) -> int:
    """The attribute `name` as an integer from 0 to `most`.

    Raises:
        CorruptObject: absent, not an integer, or out of range.
    """
    value = attributes.get(name)
    if type(value) is not int or not 0 <= value <= most:
        raise CorruptObject(f"attribute {name} is not an integer from 0 to {most}")
    return value


def section_of(container: Container, name: str, *, size: int | None = None) -> memoryview:
    """The section `name`, of exactly `size` bytes when that is known.

    Raises:
        CorruptObject: absent, or of another size.
    """
    section = container.sections.get(name)
    if section is None:
        raise CorruptObject(f"section {name} is missing")
    if size is not None and len(section) != size:
        raise CorruptObject(f"section {name} has {len(section)} bytes where {size} belong")
    return section
