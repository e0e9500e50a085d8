"""The file that hnswlib reads and writes: in memory where the system allows it, checked before it is loaded."""

import mmap
import os
import struct
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from shoal.errors import CorruptObject

_HEADER = struct.Struct("<6QiI3QdQ")
"""hnswlib 0.8.0 `saveIndex`: offset of level 0, capacity, elements, bytes an element, offsets of label and data,
top level, entry point, links of upper levels and of level 0, M, level factor, ef_construction."""
_MAX_LEVELS = 64
_MAX_M = 10_000
_BLOCK_ROWS = 65_536


@contextmanager
def file_of(data: memoryview) -> Iterator[str]:
    """A path under which `data` can be read while the context lasts; nothing stays on disk."""
    with _scratch() as (descriptor, path):
        start = 0
        while start < len(data):
            start += os.write(descriptor, data[start:])
        yield path


@contextmanager
def written_file(write: Callable[[str], object]) -> Iterator[memoryview]:
    """What `write` puts at the path that it is given; a view that ends with the context."""
    with _scratch() as (descriptor, path):
        write(path)
        with mmap.mmap(descriptor, 0, prot=mmap.PROT_READ) as mapped, memoryview(mapped) as view:
            yield view


@contextmanager
def _scratch() -> Iterator[tuple[int, str]]:
    if hasattr(os, "memfd_create") and Path("/proc/self/fd").exists():
        descriptor = os.memfd_create("hnsw")
        try:
            yield descriptor, f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
    else:  # other systems than Linux
        with tempfile.NamedTemporaryFile(prefix="shoal-", suffix=".hnsw") as file:
            yield file.fileno(), file.name


def check_file(data: memoryview, *, rows: int, width: int) -> None:
    """Compare a file with what it must be: hnswlib would load another dimension, or follow any link, unasked.

    Args:
        data: the whole file.
        rows: elements that it must have, labelled 0 to rows - 1, none marked deleted.
        width: float32 values of an element.

    Raises:
        CorruptObject: it has others.
    """
    if rows <= 0 or len(data) < _HEADER.size:
        raise CorruptObject("graph: file is cut short")
    level0, capacity, count, size, label_at, data_at, top, entry, upper, ground, m, factor, _ = (
        _HEADER.unpack_from(data)
    )
    links = 4 + 4 * ground
    consistent = (
        (level0, count, data_at, label_at) == (0, rows, links, links + 4 * width)
        and size == links + 4 * width + 8
        and capacity >= count
        and 1 < m <= _MAX_M
        and (upper, ground) == (m, 2 * m)
        and 0 <= top < _MAX_LEVELS
        and entry < rows
        and factor > 0
    )
    if not consistent or len(data) < _HEADER.size + rows * size + 4 * rows:
        raise CorruptObject(f"graph: file is not one of {rows} rows of {width} values")
    _check_elements(data[_HEADER.size : _HEADER.size + rows * size], rows=rows, size=size, links=links)


def _check_elements(raw: memoryview, *, rows: int, size: int, links: int) -> None:
    """Number of links, deletion mark, links and label of every element on the ground level."""
    element = np.dtype(
        {
            "names": ["count", "mark", "links", "label"],
            "formats": ["<u2", "<u2", ("<u4", (links // 4 - 1,)), "<u8"],
            "offsets": [0, 2, 4, size - 8],
            "itemsize": size,
        }
    )
    elements = np.frombuffer(raw, dtype=element)
    if int(elements["count"].max()) > links // 4 - 1 or elements["mark"].any():
        raise CorruptObject("graph: an element has too many links or is marked deleted")
    seen = np.zeros(rows, dtype=np.bool_)
    for start in range(0, rows, _BLOCK_ROWS):
        some = elements[start : start + _BLOCK_ROWS]
        if int(some["links"].max()) >= rows or int(some["label"].max()) >= rows:
            raise CorruptObject("graph: a link or a label points outside")
        seen[some["label"]] = True
    if not seen.all():
        raise CorruptObject("graph: rows are missing")
