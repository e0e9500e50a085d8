"""records.sqlite: a shard's rows but for their vectors, read by row number or by selection."""

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
from shoal.index.column_file import Blobs
from shoal.index.filter_answers import FilterAnswers
from shoal.index.record_columns import RecordColumns
from shoal.model.records import Rows
from shoal.model.selection import Selection

FORMAT = 2
"""Format 2 has namespaces and documents. Rows without both are written as format 1."""
_PLAIN_FORMAT = 1
_APPLICATION_ID = 0x53484F4C
_PLAIN_SCHEMA = (
    "CREATE TABLE rows (row INTEGER PRIMARY KEY, id TEXT NOT NULL, "
    "sequence INTEGER NOT NULL, metadata BLOB NOT NULL)"
)
_SCHEMA = f"{_PLAIN_SCHEMA[:-1]}, namespace TEXT NOT NULL, document BLOB NOT NULL)"
"""Documents come last: who reads what stands before them does not read their pages."""
_SCHEMAS = {_PLAIN_FORMAT: _PLAIN_SCHEMA, FORMAT: _SCHEMA}
_PARAMETERS = 500
_CACHED_FILTERS = 32
_NEEDLES = 8
"""SQLite bounds the depth of an expression, and a few needles rule out most rows."""
_HEADER_BYTES = 100


@dataclass(frozen=True, slots=True)
class Record:
    """One row without its vector. `metadata` is a compact JSON object in UTF-8, as is the text of `document`.

    `namespace` is "" and `document` b"" where the record has none.
    """

    id: str
    sequence: int
    metadata: bytes
    namespace: str = ""
    document: bytes = b""


def write_records(rows: Rows) -> bytes:
    """Build the database of a shard: row n of the table is row n of the vectors.

    There is no index on the id: ids are found through the id index of the dataset.
    """
    columns: list[Sequence[object]] = [range(len(rows)), rows.ids, rows.sequences.tolist(), rows.metadata]
    version = _PLAIN_FORMAT
    if any(rows.namespaces) or any(rows.documents):
        version = FORMAT
        columns += [rows.namespaces, rows.documents]
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute("PRAGMA journal_mode = OFF")  # nothing is rolled back here
        connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {version}")
        connection.execute(_SCHEMAS[version])
        places = ", ".join("?" * len(columns))
        with connection:
            connection.executemany(f"INSERT INTO rows VALUES ({places})", zip(*columns, strict=True))  # noqa: S608 (only ?)
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
            self._count, version = _open(self._connection, data)
        except (sqlite3.Error, UnicodeDecodeError, TypeError) as error:
            self.close()
            raise CorruptObject("records cannot be opened") from error
        except CorruptObject:
            self.close()
            raise
        self._plain = version == _PLAIN_FORMAT

    def __len__(self) -> int:
        return self._count

    def close(self) -> None:
        """Free the database. It also happens when the last reference goes."""
        self._finalizer()

    def by_rows(
        self, rows: Sequence[int] | NDArray[np.integer], *, documents: bool = True
    ) -> dict[int, Record]:
        """The records at `rows`, by row number; without their documents where nobody wants them.

        Raises:
            CorruptObject: a row that is not there, or a damaged page.
        """
        wanted = sorted({int(row) for row in rows})
        found: dict[int, Record] = {}
        for start in range(0, len(wanted), _PARAMETERS):
            some = wanted[start : start + _PARAMETERS]
            places = ",".join("?" * len(some))
            columns = self._columns(documents=documents)
            query = f"SELECT {columns} FROM rows WHERE row IN ({places})"  # noqa: S608 (only ?)
            for row, *record in self._read(query, some):
                found[row] = Record(*record)
        if len(found) != len(wanted):
            missing = next(row for row in wanted if row not in found)
            raise CorruptObject(f"records have no row {missing}")
        return found

    def all(self) -> tuple[tuple[str, ...], NDArray[np.uint64], tuple[bytes, ...]]:
        """Everything in row order: ids, sequences (uint64, shape (n,)), metadata.

        Raises:
            CorruptObject: row numbers with gaps, or a damaged page.
        """
        table = self._table(documents=False)
        return tuple(row[1] for row in table), _sequences(table), tuple(row[3] for row in table)

    def columns(self) -> RecordColumns:
        """Everything in row order.

        Raises:
            CorruptObject: row numbers with gaps, or a damaged page.
        """
        table = self._table(documents=True)
        try:
            return RecordColumns(
                ids=Blobs.of([row[1].encode() for row in table]),
                sequences=_sequences(table),
                metadata=Blobs.of([row[3] for row in table]),
                namespaces=Blobs.of([row[4].encode() for row in table]),
                documents=Blobs.of([row[5] for row in table]),
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise CorruptObject("records hold values of other types") from error

    def _table(self, *, documents: bool) -> list[Any]:
        columns = self._columns(documents=documents)
        table = self._read(f"SELECT {columns} FROM rows ORDER BY row", ())  # noqa: S608 (names of columns)
        if [row[0] for row in table] != list(range(self._count)):
            raise CorruptObject("records have gaps in their row numbers")
        return table

    def _columns(self, *, documents: bool) -> str:
        """The columns to read; those that there are none of are empty."""
        if self._plain:
            return "row, id, sequence, metadata, '', x''"
        return f"row, id, sequence, metadata, namespace, {'document' if documents else "x''"}"

    def matching(self, selection: Selection) -> NDArray[np.uint32]:
        """Numbers of the rows that a selection takes, ascending: uint32, read-only.

        The answers of the last few selections are kept. Metadata is parsed of rows of the namespace and the prefix
        only, and not where its raw bytes rule a match out.

        Raises:
            CorruptObject: metadata that is not a JSON object, or a damaged page.
        """
        return self._answers.of(selection, self._candidates)

    def _candidates(self, selection: Selection) -> list[tuple[int, bytes]]:
        """Compared as bytes, in which a zero ends nothing.

        A row without a backslash spells every string as it is, so it can be searched raw.
        """
        terms: list[str] = ["1"]
        parameters: list[bytes | int] = []
        if selection.namespace is not None:
            terms.append(f"CAST({"''" if self._plain else 'namespace'} AS BLOB) = ?")
            parameters.append(encoded(selection.namespace))
        if selection.prefix:
            beginning = encoded(selection.prefix)
            terms.append("substr(CAST(id AS BLOB), 1, ?) = ?")
            parameters += [len(beginning), beginning]
        needles = selection.filter.needles[:_NEEDLES] if selection.filter else ()
        if needles:
            present = " AND ".join("instr(metadata, ?)" for _ in needles)
            terms.append(f"(({present}) OR instr(metadata, x'5c'))")
            parameters += needles
        metadata = "metadata" if selection.filter else "x''"
        query = f"SELECT row, {metadata} FROM rows WHERE {' AND '.join(terms)} ORDER BY row"  # noqa: S608 (only ?)
        return self._read(query, parameters)

    def _read(self, query: str, parameters: Sequence[object]) -> list[Any]:
        try:
            with self._lock:
                return self._connection.execute(query, parameters).fetchall()
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            raise CorruptObject("records cannot be read") from error


def encoded(text: str) -> bytes:
    """Text to be compared with stored UTF-8: what no UTF-8 can be equals none of it."""
    return text.encode(errors="surrogatepass")


def _sequences(table: list[Any]) -> NDArray[np.uint64]:
    return np.fromiter((row[2] for row in table), dtype=np.uint64, count=len(table))


def _open(connection: sqlite3.Connection, data: Buffer) -> tuple[int, int]:
    """Load the bytes with all switched off that stored bytes could use; the number of rows, and the format."""
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
    if version not in _SCHEMAS:
        raise CorruptObject(f"records of format version {version}")
    if connection.execute("SELECT sql FROM sqlite_master").fetchall() != [(_SCHEMAS[version],)]:
        raise CorruptObject("records with another schema")
    (count,) = connection.execute("SELECT count(*) FROM rows").fetchone()
    (last,) = connection.execute("SELECT max(row) FROM rows").fetchone()
    if count and last != count - 1:
        raise CorruptObject("records have gaps in their row numbers")
    return int(count), int(version)
