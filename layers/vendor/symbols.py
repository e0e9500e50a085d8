"""Shared objects without the symbol table that only debuggers read: a fifth of what wheels bring.

The linker that loads an object reads `.dynsym`; `.symtab` repeats that for debuggers, with every name that is
private to the object. GNU strip knows the processors it was built for, and machines that build for Lambda have
it for one: so this is done here, for the one layout that every linker makes by itself, in which nothing is loaded
from behind the table. Any other object is left as it is.
"""

import struct
from pathlib import Path
from typing import NamedTuple

_ELF64_LITTLE = b"\x7fELF\x02\x01"
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMTAB, _STRTAB = 2, 3


class _Section(NamedTuple):
    name: int
    type: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int
    entry_size: int


def drop_symbols(path: Path) -> None:
    """Rewrite a shared object without its symbol table; it stays as it is where that has another layout."""
    data = path.read_bytes()
    stripped = without_symbols(data)
    if stripped is not None:
        path.write_bytes(stripped)


def without_symbols(data: bytes) -> bytes | None:
    """An object without its symbol table; None where it has none, or not where linkers put it.

    Its last three sections are the symbols, their names, and the sections' names; none of them is loaded.
    """
    if not data.startswith(_ELF64_LITTLE):
        return None
    header = list(_HEADER.unpack_from(data))
    sections_at, entry_size, count, names = header[6], header[11], header[12], header[13]
    if entry_size != _SECTION.size or count < 4 or names != count - 1:
        return None
    sections = [_Section(*_SECTION.unpack_from(data, sections_at + n * _SECTION.size)) for n in range(count)]
    symbols, symbol_names, section_names = sections[-3:]
    kinds = (symbols.type, symbol_names.type, section_names.type)
    if kinds != (_SYMTAB, _STRTAB, _STRTAB) or any(each.flags for each in sections[-3:]):
        return None
    kept = sections[:-3]
    if max(_end(each) for each in kept) > symbols.offset or any(each.link >= count - 3 for each in kept):
        return None
    front = data[: symbols.offset]
    name_bytes = data[section_names.offset : section_names.offset + section_names.size]
    moved = section_names._replace(offset=len(front))
    padding = bytes(-(len(front) + len(name_bytes)) % 8)
    header[6], header[12], header[13] = len(front) + len(name_bytes) + len(padding), count - 2, count - 3
    table = b"".join(_SECTION.pack(*each) for each in (*kept, moved))
    return _HEADER.pack(*header) + front[_HEADER.size :] + name_bytes + padding + table


def _end(section: _Section) -> int:
    nobits = 8
    return section.offset + (0 if section.type == nobits else section.size)
