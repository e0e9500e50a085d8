"""The rejects file of an import: the parts of all chunks, with line numbers of the whole file."""

import re
from collections.abc import Iterator, Sequence

import orjson

from shoal.model.import_work import ChunkRecord
from shoal.services.imports.workspace import Workspace

_LINE = re.compile(rb'^\{"line":(\d+)', re.MULTILINE)


def first_lines(records: Sequence[ChunkRecord]) -> list[int]:
    """For each chunk, how many lines of the file lie before it."""
    before, total = [], 0
    for record in records:
        before.append(total)
        total += record.lines
    return before


def renumbered(part: bytes, before: int) -> bytes:
    """A part of the rejects file whose lines count from the start of the file, `before` lines ahead of it."""
    if not before:
        return part
    return _LINE.sub(lambda match: b'{"line":%d' % (int(match[1]) + before), part)


def store_rejects(work: Workspace, records: Sequence[ChunkRecord]) -> str | None:
    """Store the rejects file; what it says of its first record, in words, or None where there is none."""
    listed = [
        (record.rejects, before)
        for record, before in zip(records, first_lines(records), strict=True)
        if record.rejects is not None
    ]
    if not listed:
        return None
    pieces = (renumbered(work.read(part), before) for part, before in listed)
    first = next(pieces)

    def all_of_them() -> Iterator[bytes]:
        yield first
        yield from pieces

    work.ports.objects.put_pieces(work.keys.rejects, all_of_them())
    record = orjson.loads(first[: first.index(b"\n")])
    return f"line {record['line']}: {record['reason']}"
