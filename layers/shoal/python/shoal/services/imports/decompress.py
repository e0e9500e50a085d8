"""Compressed streams, unpacked piece by piece in bounded memory."""

import sys
import zlib
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from shoal.errors import ImportRejected
from shoal.services.imports.inspect import Compression

if TYPE_CHECKING:
    from backports import zstd
else:  # the standard library has it from 3.14 on, where no backport can be installed
    zstd = import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")

OUTPUT_BYTES = 1024 * 1024
"""The most that comes out at a time: a small file may unpack to gigabytes."""
_INPUT_BYTES = 64 * 1024
"""What goes in at a time. What follows the end of a member is copied, and a file may have a member in 20 bytes."""
_WINDOW_LOG = 23
"""8 MiB: what every zstd decoder is asked to support."""
WINDOW_LIMIT = "the zstd data needs a window of over 8 MiB: compress it without --long or --ultra"


class _Decoder(Protocol):
    """What the decoders of both libraries have."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...


class _Gzip:
    """A gzip member being unpacked. `waiting`: more of it can come out without more going in."""

    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(wbits=31)
        self.state: _Decoder = self._decoder
        self.waiting = False

    def feed(self, data: bytes) -> bytes:
        found = self._decoder.decompress(self._decoder.unconsumed_tail + data, OUTPUT_BYTES)
        # zlib holds back what did not fit, even where it has taken all of the input.
        self.waiting = len(found) == OUTPUT_BYTES or bool(self._decoder.unconsumed_tail)
        return found


class _Zstd:
    """A zstd frame being unpacked; as `_Gzip`."""

    def __init__(self) -> None:
        options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: _WINDOW_LOG}
        self._decoder = zstd.ZstdDecompressor(options=options)
        self.state: _Decoder = self._decoder
        self.waiting = False

    def feed(self, data: bytes) -> bytes:
        found = self._decoder.decompress(data, OUTPUT_BYTES)
        self.waiting = not self._decoder.eof and not self._decoder.needs_input
        return found


def decompressed(pieces: Iterable[bytes], compression: Compression) -> Iterator[bytes]:
    """Unpack a stream of one or many members, to pieces of at most `OUTPUT_BYTES`; some are empty.

    Raises:
        ImportRejected: the data ends too early, is damaged, or needs too much memory.
    """
    member: _Gzip | _Zstd | None = None
    first = True
    for piece in pieces:
        for at in range(0, len(piece), _INPUT_BYTES):
            data = piece[at : at + _INPUT_BYTES]
            while data or (member is not None and member.waiting):
                if member is None:
                    if compression is Compression.GZIP and not first:
                        data = data.lstrip(b"\0")  # padding, which gzip ignores too
                        if not data:
                            break
                    member = _Gzip() if compression is Compression.GZIP else _Zstd()
                    first = False
                yield _fed(member, data, compression)
                data = b""
                if member.state.eof:
                    data = member.state.unused_data
                    member = None
    if member is not None:
        raise ImportRejected(f"the {compression} data ends in the middle: upload the whole file")


def _fed(member: _Gzip | _Zstd, data: bytes, compression: Compression) -> bytes:
    try:
        return member.feed(data)
    except (zlib.error, zstd.ZstdError) as error:
        if "memory" in str(error):
            raise ImportRejected(WINDOW_LIMIT) from error
        raise ImportRejected(f"the {compression} data is damaged: {error}") from error
