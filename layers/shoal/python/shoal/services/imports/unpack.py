"""Step "unpack": a compressed upload, which cannot be split, rewritten as chunks that can be read at once."""

from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from shoal.errors import ImportRejected
from shoal.model.import_work import Unpacked
from shoal.model.limits import CHUNK_BYTES, MAX_UNPACKED_BYTES, UNPACK_SECONDS
from shoal.model.manifests import PartRef
from shoal.model.ndjson_blocks import BLOCK_BYTES
from shoal.services.imports.decompress import decompressed
from shoal.services.imports.inspect import HEAD_BYTES, compression_of
from shoal.services.imports.lines import line_blocks
from shoal.services.imports.source import upload_of
from shoal.services.imports.workspace import Workspace

_UPLOADS = 3
"""Chunks on their way to S3 at once; zlib and zstd unpack meanwhile, as they let go of the interpreter."""
_ADVICE = "split the file or send it uncompressed"


def unpack(work: Workspace, _item: Mapping[str, Any]) -> dict[str, Any]:
    """Unpack the upload into chunks of whole lines, unless an earlier attempt has.

    Raises:
        ImportRejected: it is damaged, or too much for one function.
        ImportStopped: the import has ended.
    """
    if work.recorded("unpacked", Unpacked) is None:
        work.record("unpacked", Unpacked(objects=tuple(unpack_chunks(work))))
    return {}


def unpack_chunks(
    work: Workspace, *, chunk_bytes: int = CHUNK_BYTES, most_bytes: int = MAX_UNPACKED_BYTES
) -> list[PartRef]:
    """The unpacked file as objects of about `chunk_bytes`, in order; of too long lines only the front is kept.

    Raises:
        ImportRejected: it is damaged, unpacks to over `most_bytes`, or takes longer than `UNPACK_SECONDS`.
        ImportStopped: the import has ended.
    """
    source = upload_of(work)
    compression = compression_of(source.read(0, min(HEAD_BYTES, source.size)))
    if compression is None:
        raise ValueError("not a compressed upload")
    unpacked = _bounded(work, decompressed(source.pieces(0, source.size), compression), most_bytes)
    with ThreadPoolExecutor(max_workers=_UPLOADS) as pool:
        done: list[PartRef] = []
        under_way: deque[Future[PartRef]] = deque()
        for number, chunk in enumerate(
            _chunks(line_blocks(unpacked, size=min(BLOCK_BYTES, chunk_bytes)), chunk_bytes)
        ):
            if len(under_way) == _UPLOADS:
                done.append(under_way.popleft().result())
            work.piece_done()
            under_way.append(pool.submit(work.put, f"unpacked-{number:06d}", chunk))
        return done + [each.result() for each in under_way]


def _bounded(work: Workspace, pieces: Iterator[bytes], most_bytes: int) -> Iterator[bytes]:
    clock = work.ports.clock
    deadline = clock() + UNPACK_SECONDS
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > most_bytes:
            raise ImportRejected(f"the file unpacks to over {most_bytes / 1024**3:g} GiB: {_ADVICE}")
        if clock() > deadline:
            raise ImportRejected(f"unpacking took over {UNPACK_SECONDS / 60:g} minutes: {_ADVICE}")
        if piece:
            yield piece


def _chunks(blocks: Iterator[bytes], size: int) -> Iterator[bytes]:
    held: list[bytes] = []
    held_bytes = 0
    for block in blocks:
        held.append(block)
        held_bytes += len(block)
        if held_bytes >= size:
            yield b"".join(held)
            held, held_bytes = [], 0
    if held:
        yield b"".join(held)
