"""Columns of text: the distinct strings once, whatever form they have, and which of them each row holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shoal.index.column_file import Blobs
from shoal.model.limits import MAX_ID_CHARACTERS, MAX_NAMESPACE_CHARACTERS
from shoal.model.ndjson_lines import BAD_ID, LONG_ID
from shoal.model.record_texts import (
    BAD_DOCUMENT,
    BAD_NAMESPACE,
    LONG_NAMESPACE,
    document_fault,
    namespace_fault,
)

_MAX_UTF8_BYTES = 4
"""Of a character."""


@dataclass(frozen=True, slots=True)
class Texts:
    """`words` are strings (a `large_string` array), `rows` the word of each row: int64, -1 where it is null.

    A long word that many rows share is there once, as it is in the file.
    """

    words: pa.Array
    rows: NDArray[np.int64]

    @property
    def ends(self) -> NDArray[np.int64]:
        """Where each word ends in the words' data, after a first 0 of its own: int64, shape (words + 1,)."""
        return np.frombuffer(self.words.buffers()[1], dtype=np.int64)[
            self.words.offset : self.words.offset + len(self.words) + 1
        ]

    @property
    def data(self) -> memoryview:
        """All that the ends point into."""
        buffer = self.words.buffers()[2]
        return memoryview(b"") if buffer is None else memoryview(buffer)

    def tolist(self) -> list[bytes]:
        """The words as bytes, UTF-8 or not."""
        ends, data = self.ends.tolist(), self.data
        return [bytes(data[start:stop]) for start, stop in pairwise(ends)]

    def blobs(self, chosen: NDArray[np.intp]) -> Blobs:
        """The texts of some rows; empty where one is null."""
        rows = self.rows[chosen]
        words = self.words
        if len(rows) != len(words) or not np.array_equal(rows, np.arange(len(words))):
            words = words.take(pa.array(rows, mask=rows < 0))
        taken = Texts(words, rows)
        ends = taken.ends
        if not len(words):
            return Blobs(np.zeros(0, dtype=np.uint32), b"")
        return Blobs(np.diff(ends).astype(np.uint32), bytes(taken.data[ends[0] : ends[-1]]))

    def nbytes(self, chosen: NDArray[np.intp]) -> int:
        """Bytes of the texts of some rows, once each has its own copy."""
        lengths = np.append(np.diff(self.ends), 0)  # the last one is that of null rows
        return int(lengths[self.rows[chosen]].sum(dtype=np.int64))

    def front(self, row: int, most: int) -> str | None:
        """The text of a row as people may recognize it: its first bytes; None where it is null."""
        word = int(self.rows[row])
        if word < 0:
            return None
        start, stop = self.ends[word : word + 2].tolist()
        return bytes(self.data[start : min(stop, start + most)]).decode(errors="replace")


def texts_of(column: pa.Array) -> Texts:
    """The texts of a column of strings of any kind, or of dictionaries of them."""
    nulls = column.is_null().to_numpy(zero_copy_only=False) if column.null_count else None
    if not pa.types.is_dictionary(column.type):
        rows = np.arange(len(column))
        if nulls is not None:
            rows[nulls] = -1
        return Texts(column.cast(pa.large_string()), rows)
    words = column.dictionary
    places = (
        column.indices.fill_null(0).to_numpy().astype(np.int64) if len(words) else np.zeros(len(column), "i8")
    )
    if len(words) > len(column):
        # The dictionary is that of the whole row group, and this is a small part of it.
        used, places = np.unique(places, return_inverse=True)
        words = words.take(pa.array(used))
    if nulls is not None:
        places[nulls] = -1
    gone = words.is_null().to_numpy(zero_copy_only=False) if words.null_count else None
    if gone is not None:
        places[gone[places] & (places >= 0)] = -1
    return Texts(words.cast(pa.large_string()), places)


def judge_ids(texts: Texts) -> dict[int, str]:
    """The reasons of the rows whose text is no id, by row."""
    lengths = np.diff(texts.ends)
    reasons: dict[int, str] = {}
    for word in np.flatnonzero((lengths == 0) | (lengths > MAX_ID_CHARACTERS)).tolist():
        if not lengths[word]:
            reasons[word] = BAD_ID
        elif _characters(texts, word) > MAX_ID_CHARACTERS:
            reasons[word] = LONG_ID
    reasons |= dict.fromkeys(_not_utf8(texts), BAD_ID)
    return _of_rows(texts, {-1: BAD_ID} | reasons)


def judge_namespaces(texts: Texts) -> dict[int, str]:
    """The reasons of the rows whose text is no namespace, by row; null is none."""
    ends = texts.ends
    most = MAX_NAMESPACE_CHARACTERS * _MAX_UTF8_BYTES
    reasons: dict[int, str] = {}
    for word in np.flatnonzero(np.diff(ends)).tolist():
        start, stop = ends[word : word + 2].tolist()
        try:
            fault = (
                LONG_NAMESPACE
                if stop - start > most
                else namespace_fault(str(texts.data[start:stop], "utf8"))
            )
        except UnicodeDecodeError:
            fault = BAD_NAMESPACE
        if fault is not None:
            reasons[word] = fault
    return _of_rows(texts, reasons)


def judge_documents(texts: Texts) -> dict[int, str]:
    """The reasons of the rows whose text is no document, by row; null is none."""
    reasons = {
        word: fault
        for word, size in enumerate(np.diff(texts.ends).tolist())
        if (fault := document_fault(size)) is not None
    }
    return _of_rows(texts, reasons | dict.fromkeys(_not_utf8(texts), BAD_DOCUMENT))


def _of_rows(texts: Texts, reasons: Mapping[int, str]) -> dict[int, str]:
    """The reasons of words as those of rows."""
    if not reasons:
        return {}
    bad = np.isin(texts.rows, np.fromiter(reasons, dtype=np.int64))
    return {row: reasons[int(texts.rows[row])] for row in np.flatnonzero(bad).tolist()}


def _characters(texts: Texts, word: int) -> int:
    start, stop = texts.ends[word : word + 2].tolist()
    if stop - start > MAX_ID_CHARACTERS * _MAX_UTF8_BYTES:
        return int(stop - start)
    return len(bytes(texts.data[start:stop]).decode(errors="replace"))


def _not_utf8(texts: Texts) -> list[int]:
    """Words that are not UTF-8: nobody has looked at that when a file is read."""
    try:
        texts.words.validate(full=True)
    except pa.ArrowInvalid:
        return [word for word, data in enumerate(texts.tolist()) if not _is_utf8(data)]
    return []


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
