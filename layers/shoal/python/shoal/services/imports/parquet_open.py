"""Opening the Parquet file of an import: bounded before it is parsed, and every failure said in words."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from shoal.errors import ImportRejected
from shoal.services.imports.inspect import EMPTY
from shoal.services.imports.parquet_file import RangedFile
from shoal.services.imports.parquet_probe import is_footer_sound
from shoal.services.imports.parquet_schema import Schema, check_schema
from shoal.services.imports.workspace import Workspace

MAGIC = b"PAR1"
ENCRYPTED_MAGIC = b"PARE"
_TAIL_BYTES = 8
MAX_FOOTER_BYTES = 64 * 1024 * 1024
"""A footer takes about 150 bytes a column and row group: 32,000 row groups of ten columns fit."""
_WORDS = frozenset({"PLAIN", "PLAIN_DICTIONARY", "RLE_DICTIONARY", "RLE", "BIT_PACKED"})
"""Encodings of strings that may be read as dictionaries, and of the levels beside them."""
_PYARROW_READS_BYTES = 64 * 1024
"""pyarrow reads so much of the end first, in the hope that the footer is in it."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A Parquet file with its footer read.

    `leaves` are the paths of the columns that lie below those that are read, by their numbers.
    """

    file: RangedFile
    metadata: Any
    schema: Schema
    leaves: dict[int, str]

    @property
    def pages_end(self) -> int:
        """Where the footer begins."""
        return int(self.file.size() - _TAIL_BYTES - self.metadata.serialized_size)

    def reader(self, row_groups: Sequence[int]) -> tuple[Any, frozenset[str]]:
        """A `pyarrow.parquet.ParquetFile` for some row groups, and which columns of text come as dictionaries.

        So a long string that is repeated a million times is never written out. pyarrow can do it where pages hold
        plain strings or dictionaries, and says "not implemented" of any other encoding.
        """
        words = frozenset(name for name in self.schema.texts if self._encodings(name, row_groups) <= _WORDS)
        file = pa.PythonFile(self.file, mode="r")
        return pq.ParquetFile(file, metadata=self.metadata, read_dictionary=sorted(words)), words

    def _encodings(self, name: str, row_groups: Sequence[int]) -> set[str]:
        found: set[str] = set()
        for number in row_groups:
            group = self.metadata.row_group(number)
            for leaf, path in self.leaves.items():
                if path == name:
                    found.update(group.column(leaf).encodings)
        return found


def open_parquet(work: Workspace, *, probe: bool = False) -> Opened:
    """Open the upload and check its schema.

    Args:
        work: the import.
        probe: whether nobody has looked at this footer before: then another process does it first.

    Raises:
        ImportRejected: it is no Parquet file, not all of it, encrypted, or has other columns than it must.
    """
    file = RangedFile(work)
    footer_bytes = _check_ends(file)
    start = max(file.size() - max(footer_bytes + _TAIL_BYTES, _PYARROW_READS_BYTES), 0)
    file.hold([(start, file.size())])
    if probe and not is_footer_sound(file.held(file.size() - _TAIL_BYTES - footer_bytes, file.size())):
        raise ImportRejected(
            "the Parquet file is broken or encrypted: its footer cannot be read; write it again and import that"
        )
    with readable("its footer cannot be read"):
        parquet = pq.ParquetFile(pa.PythonFile(file, mode="r"))
        metadata, arrow = parquet.metadata, parquet.schema_arrow
        paths = [parquet.schema.column(number).path for number in range(len(parquet.schema))]
    file.release()
    schema = check_schema(arrow, dimension=work.dataset.dimension)
    return Opened(file, metadata, schema, _leaves(paths, schema.names))


@contextmanager
def readable(trouble: str) -> Iterator[None]:
    """Turn what pyarrow says of a broken file into the import's end. Storage has errors of its own.

    Raises:
        ImportRejected: pyarrow could not go on.
    """
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        # pyarrow's messages may hold pieces of the file, and nothing of ours.
        said = str(error).strip().split("\n")[0][:300]
        raise ImportRejected(
            f"the Parquet file is broken: {trouble} ({said}); write it again and import that"
        ) from error


def _check_ends(file: RangedFile) -> int:
    """Look at both ends; the size of the footer.

    Raises:
        ImportRejected: they are not those of a Parquet file.
    """
    size = file.size()
    if size == 0:
        raise ImportRejected(EMPTY)
    first = bytes(file.read(len(MAGIC)))
    if first not in (MAGIC, ENCRYPTED_MAGIC):
        raise ImportRejected(f"the file is not Parquet: {_guess(first)}")
    file.seek(max(size - _TAIL_BYTES, 0))
    tail = bytes(file.read(_TAIL_BYTES))
    file.seek(0)
    if tail[4:] == ENCRYPTED_MAGIC:
        raise ImportRejected("the Parquet file is encrypted: import one that is not")
    if size < len(MAGIC) + _TAIL_BYTES or tail[4:] != MAGIC:
        raise ImportRejected("the Parquet file is cut short: its end is missing; upload all of it")
    footer = int.from_bytes(tail[:4], "little")
    if footer > size - len(MAGIC) - _TAIL_BYTES:
        raise ImportRejected(
            "the Parquet file is cut short: its footer is larger than the file; upload all of it"
        )
    if footer > MAX_FOOTER_BYTES:
        raise ImportRejected(
            f"the footer of the Parquet file has {footer} bytes, at most {MAX_FOOTER_BYTES} are read:"
            " write fewer row groups and columns"
        )
    return footer


def _guess(first: bytes) -> str:
    if first.lstrip()[:1] in (b"{", b"\xef"):
        return "it looks like JSON lines; create the import with format ndjson"
    if first[:2] == b"\x1f\x8b" or first == b"\x28\xb5\x2f\xfd":
        return "it is compressed as a whole; unpack it, Parquet is compressed inside"
    return "it does not begin with PAR1"


def _leaves(paths: Sequence[str], names: Sequence[str]) -> dict[int, str]:
    return {
        number: path
        for number, path in enumerate(paths)
        if any(path == name or path.startswith(f"{name}.") for name in names)
    }
