"""A file on its way to where an import wants it: whole, or in parts at once."""

import threading
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait

from infra.cli.failures import CliError, UsageError
from infra.cli.imports.formats import Source
from infra.cli.imports.results import Part, Upload
from infra.cli.imports.signed_urls import Count, SignedUrls, Slice

PARTS_AT_ONCE = 4
"""A part has 512 MiB and streams: more connections would help only on lines faster than about 3 Gbit/s."""


def upload(storage: SignedUrls, source: Source, target: Upload, *, count: Count) -> tuple[Part, ...] | None:
    """Send the file; the parts to complete with, or None where it went in one piece.

    Raises:
        UsageError: the file is over what the import takes.
        CliError: refused, or the file changed; or `Unreachable`.
    """
    if source.size > target.max_bytes:
        raise UsageError(f"{source.path} has {source.size:,} bytes, the import takes {target.max_bytes:,}")
    stop = threading.Event()
    if target.part_bytes is None:
        whole = Slice(source.path, 0, source.size)
        storage.put(target.urls[0], whole, content_type=target.content_type, count=count, stop=stop)
        return None
    slices = slices_of(source, target.part_bytes)
    pool = ThreadPoolExecutor(PARTS_AT_ONCE, thread_name_prefix="part")
    try:
        sent = [
            pool.submit(storage.put, url, each, content_type=None, count=count, stop=stop)
            for url, each in zip(target.urls, slices, strict=False)
        ]
        wait(sent, return_when=FIRST_EXCEPTION)
        _raise_first(sent)
        return tuple(Part(number, each.result()) for number, each in enumerate(sent, 1))
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


def slices_of(source: Source, part_bytes: int) -> list[Slice]:
    """The parts of a file, of which only the last may be smaller."""
    starts = range(0, source.size, part_bytes)
    return [Slice(source.path, start, min(start + part_bytes, source.size)) for start in starts]


def _raise_first(sent: list[Future[str]]) -> None:
    """The failure that the other parts were stopped for."""
    for each in sent:
        if each.done() and (error := each.exception()) is not None:
            raise error if isinstance(error, CliError) else CliError(f"the upload failed: {error}")
