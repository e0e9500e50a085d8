"""records.sqlite: ids, sequences and metadata of a shard's rows, read by row number or by filter."""

import sqlite3
import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.errors import CorruptObject
from shoal.index.checksums import Buffer
from shoal.index.filter_answers import FilterAnswers
from shoal.model.filters import Filter
from shoal.model.records import Rows

FORMAT = 1
_APPLICATION_ID = 0x53484F4C
_SCHEMA = (
    "CREATE TABLE rows (row INTEGER PRIMARY KEY, id TEXT NOT NULL, "
    "sequence INTEGER NOT NULL, metadata BLOB NOT NULL)"
)
_PARAMETERS = 500
_CACHED_FILTERS = 32
_NEEDLES = 8
"""SQLite bounds the depth of an expression, and a few needles rule out most rows."""
_HEADER_BYTES = 100


@dataclass(frozen=True, slots=True)
class Record:
    """One row without its vector. `metadata` is a compact JSON object in UTF-8."""

    id: str
    sequence: int
    metadata: bytes


def write_records(rows: Rows) -> bytes:
    """Build the database of a shard: row n of the table is row n of the vectors.

    There is no index on the id: ids are found through the id index of the dataset.
    """
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {FORMAT}")
        connection.execute(_SCHEMA)
        with connection:
            connection.executemany(
                "INSERT INTO rows VALUES (?, ?, ?, ?)",
                zip(range(len(rows)), rows.ids, rows.sequences.tolist(), rows.metadata, strict=True),
            )
        return connection.serialize()
    finally:
        connection.close()


class Records:
    """The records of one shard, held in memory; safe to use from several threads.

    It is opened from bytes whose checksum has been compared.

    Raises:
        CorruptObject: not a database as `write_records` makes them; also later, when a page is damaged.
    """

    def __init__(self, data: Buffer) -> None:
        self._lock = threading.Lock()
        self._answers = FilterAnswers(_CACHED_FILTERS)
        self._connection = sqlite3.connect(":memory:", check_same_thread=False)
        self._finalizer = weakref.finalize(self, self._connection.close)
        try:
            self._count = _open(self._connection, data)
        except (sqlite3.Error, UnicodeDecodeError, TypeError) as error:
            self.close()
            raise CorruptObject("records cannot be opened") from error
        except CorruptObject:
            self.close()
            raise

    def __len__(self) -> int:
        return self._count

    def close(self) -> None:
        """Free the database. It also happens when the last reference goes."""
        self._finalizer()

    def by_rows(self, rows: Sequence[int] | NDArray[np.integer]) -> dict[int, Record]:
        """The records at `rows`, by row number.

        Raises:
            CorruptObject: a row that is not there, or a damaged page.
        """
        wanted = sorted({int(row) for row in rows})
        found: dict[int, Record] = {}
        for start in range(0, len(wanted), _PARAMETERS):
            some = wanted[start : start + _PARAMETERS]
            places = ",".join("?" * len(some))
            query = f"SELECT row, id, sequence, metadata FROM rows WHERE row IN ({places})"  # noqa: S608 (only ?)
            for row, name, sequence, metadata in self._read(query, some):
                found[row] = Record(id=name, sequence=sequence, metadata=metadata)
        if len(found) != len(wanted):
            missing = next(row for row in wanted if row not in found)
            raise CorruptObject(f"records have no row {missing}")
        return found

    def all(self) -> tuple[tuple[str, ...], NDArray[np.uint64], tuple[bytes, ...]]:
        """Everything in row order: ids, sequences (uint64, shape (n,)), metadata.

        Raises:
            CorruptObject: row numbers with gaps, or a damaged page.
        """
        table = self._read("SELECT row, id, sequence, metadata FROM rows ORDER BY row", ())
        if [row[0] for row in table] != list(range(self._count)):
            raise CorruptObject("records have gaps in their row numbers")
        sequences = np.fromiter((row[2] for row in table), dtype=np.uint64, count=len(table))
        return tuple(row[1] for row in table), sequences, tuple(row[3] for row in table)

    def matching(self, condition: Filter) -> NDArray[np.uint32]:
        """Row numbers, ascending, whose metadata matches: uint32, read-only.

        The answers of the last few filters are kept. Rows whose raw bytes rule a match out are not parsed.

        Raises:
            CorruptObject: metadata that is not a JSON object, or a damaged page.
        """
        return self._answers.of(condition, self._candidates)

    def _candidates(self, condition: Filter) -> list[tuple[int, bytes]]:
        """A row without a backslash spells every string as it is, so it can be searched raw."""
        needles = condition.needles[:_NEEDLES]
        query = "SELECT row, metadata FROM rows"
        if needles:
            present = " AND ".join("instr(metadata, ?)" for _ in needles)
            query += f" WHERE ({present}) OR instr(metadata, x'5c')"
        return self._read(f"{query} ORDER BY row", needles)

    def _read(self, query: str, parameters: Sequence[object]) -> list[Any]:
        try:
            with self._lock:
                return self._connection.execute(query, parameters).fetchall()
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            raise CorruptObject("records cannot be read") from error


def _open(connection: sqlite3.Connection, data: Buffer) -> int:
    """Load the bytes with everything switched off that stored bytes could use; returns the number of rows."""
    if memoryview(data).nbytes < _HEADER_BYTES:
        raise CorruptObject("records are cut short")
    connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)
    connection.setconfig(sqlite3.SQLITE_DBCONFIG_TRUSTED_SCHEMA, False)
    connection.deserialize(data)
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA cell_size_check = ON")
    if connection.execute("PRAGMA application_id").fetchone() != (_APPLICATION_ID,):
        raise CorruptObject("not a database of records")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version != FORMAT:
        raise CorruptObject(f"records of format version {version}")
    if connection.execute("SELECT sql FROM sqlite_master").fetchall() != [(_SCHEMA,)]:
        raise CorruptObject("records with another schema")
    (count,) = connection.execute("SELECT count(*) FROM rows").fetchone()
    (last,) = connection.execute("SELECT max(row) FROM rows").fetchone()
    if count and last != count - 1:
        raise CorruptObject("records have gaps in their row numbers")
    return int(count)
