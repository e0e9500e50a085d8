"""The lines of a range of a file, in blocks, in bounded memory whatever the file is like."""

from collections.abc import Iterable, Iterator

from shoal.model.limits import MAX_LINE_BYTES
from shoal.model.ndjson import blocks_of
from shoal.model.ndjson_blocks import BLOCK_BYTES
from shoal.services.imports.source import READ_BYTES, Source

_BEYOND_BYTES = 64 * 1024


def owned_bytes(source: Source, start: int, stop: int, *, size: int = READ_BYTES) -> Iterator[bytes]:
    """The lines that begin in bytes ``[start, stop)`` of a file, in pieces that may end anywhere.

    A line that is over `MAX_LINE_BYTES` may be cut at its end, beyond that length.
    """
    begun = start == 0
    last = b""
    for read in source.pieces(max(start - 1, 0), stop, size=size):
        piece = read
        if not begun:
            feed = read.find(b"\n")
            if feed < 0:
                continue
            begun = True
            piece = read[feed + 1 :]
        if piece:
            yield piece
            last = piece
    if not last or last.endswith(b"\n"):
        return
    at, step = stop, min(size, _BEYOND_BYTES)
    while at < source.size and at <= stop + MAX_LINE_BYTES:
        piece = source.read(at, min(at + step, source.size))
        feed = piece.find(b"\n")
        if feed >= 0:
            yield piece[: feed + 1]
            return
        yield piece
        at += len(piece)
        step = min(step * 4, READ_BYTES)


def line_blocks(pieces: Iterable[bytes], *, size: int = BLOCK_BYTES) -> Iterator[bytes]:
    """Blocks of whole lines of about `size` bytes, which must be less than `MAX_LINE_BYTES`.

    A longer line is a block of its own. Of a line over `MAX_LINE_BYTES` only one byte more than that and a line
    feed are left, so that it can be told, and need not be held.
    """
    rest = bytearray()
    for piece in pieces:
        first = piece.find(b"\n")
        if first < 0:
            rest += piece[: MAX_LINE_BYTES + 1 - len(rest)]
            continue
        start = 0
        if rest:
            rest += piece[: min(first, MAX_LINE_BYTES + 1 - len(rest))]
            yield bytes(rest) + b"\n"
            start = first + 1
        stop = piece.rfind(b"\n") + 1
        for block in blocks_of(piece, start, stop, size=size):
            yield block[: MAX_LINE_BYTES + 1] + b"\n" if is_long(block) else block
        rest = bytearray(piece[stop : stop + MAX_LINE_BYTES + 1])
    if rest:
        yield bytes(rest)


def is_long(block: bytes) -> bool:
    """Whether a block of `line_blocks` is one line that is over the limit."""
    return len(block) - block.endswith(b"\n") > MAX_LINE_BYTES


def count_lines(pieces: Iterable[bytes]) -> int:
    """How many lines there are; the last need not end."""
    lines = 0
    open_end = False
    for piece in pieces:
        lines += piece.count(b"\n")
        open_end = not piece.endswith(b"\n")
    return lines + open_end
