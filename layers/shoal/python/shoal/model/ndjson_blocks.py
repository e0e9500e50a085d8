"""NDJSON in blocks of many lines: as `shoal.model.ndjson_lines` judges them, several times as fast.

Nearly all of a line are its numbers, so the two are parted. The text between ``"values":[`` and the next ``]`` is
cut out of every line, and the numbers of all lines are parsed in one call of simdjson into one array of doubles.
A mark stands in their place in what is left of the line, which is short and is parsed by orjson.

What is accepted here is what the judge would accept, because

- the mark is a string that nobody outside can know. Where `values` of the parsed rest *is* the mark, the text cut
  out stood in the place of a JSON value, and if it is a list of numbers itself, the line is JSON as a whole;
- as many marks as records, and a mark in each, means one in each. That no line feed was cut out is checked too;
- between the numbers of two lines stands a number beyond float32. After the cast each column but the last must be
  finite, so every one of those stands in the last, and each line has as many numbers as it should. simdjson
  refuses what is no number, and text with a ``[`` but no ``]`` cannot nest;
- it reads integers without the sign of `-0`: lines with a 0 are searched for one.

Whatever is not plain in this way is judged line by line. Blocks of 128 KB stay in the processor's cache: with
1.4 MB, 768-d lines took 1.25 times as long, 50-d lines 1.2 times.

`python -m tests.benchmarks validate`, MB/s of 50-d lines of 605 bytes and of 768-d lines of 8.4 KB: bare orjson
323 and 278, the judge 133 and 184, these blocks 233 and 400.
"""

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import orjson
from numpy.typing import NDArray
from simdjson import Array, Parser

from shoal.model.limits import MAX_ID_CHARACTERS, MAX_METADATA_BYTES
from shoal.model.ndjson_lines import (
    NEGATIVE_ZERO,
    NO_METADATA,
    ZERO_VECTOR,
    judge_lines,
)
from shoal.model.parsed_lines import NO_TEXTS, LineError, ParsedLines, merged
from shoal.model.record_texts import Texts, judge_texts
from shoal.model.records import Vectors

BLOCK_BYTES = 128 * 1024
"""What is best parsed at a time."""

_VALUES = re.compile(rb'"values"[ \t]*:[ \t]*\[')
_APART = b",1e300,"


@dataclass(slots=True)
class _Plain:
    """Plain lines as columns: their number, id, metadata, and the text of their numbers.

    `texts` are of those that have any, by the number of the line; it may hold more lines than these.
    """

    lines: list[int]
    ids: list[str]
    metadata: list[bytes]
    numbers: list[bytes]
    texts: dict[int, Texts]

    def take(self, rows: list[int]) -> "_Plain":
        """Some of them."""
        return _Plain(
            [self.lines[row] for row in rows],
            [self.ids[row] for row in rows],
            [self.metadata[row] for row in rows],
            [self.numbers[row] for row in rows],
            self.texts,
        )


class BlockParser:
    """Parses blocks of lines for one dataset; not to be used by two threads at once."""

    def __init__(self, *, dimension: int, refuse_zero: bool) -> None:
        self._dimension = dimension
        self._refuse_zero = refuse_zero
        self._mark = secrets.token_hex(12)
        self._parser = Parser()
        self._opening = b""
        self._marked = b""
        self._spell(b'"values":[')

    def parse(self, block: bytes, *, first_line: int = 1) -> ParsedLines:
        """Parse whole lines.

        Args:
            block: lines that end at LF, the last perhaps without; blank ones are skipped but counted.
            first_line: the number of the first one.
        """
        others: list[int] = []
        plain = self._sort_all(block, first_line)
        vectors = self._numbers(plain.numbers) if plain is not None else None
        if plain is None or vectors is None:
            plain, others = self._sort_each(block, first_line)
            vectors, rows = self._numbers_of_each(plain.numbers)
            others += sorted(set(plain.lines).difference(plain.lines[row] for row in rows))
            plain = plain.take(rows)
        errors: list[LineError] = []
        if self._refuse_zero:
            zero = ~vectors.any(axis=1)
            if zero.any():
                errors = [LineError(plain.lines[row], ZERO_VECTOR) for row in np.flatnonzero(zero).tolist()]
                vectors = vectors[~zero]
                plain = plain.take(np.flatnonzero(~zero).tolist())
        texts = (
            {line: plain.texts[line] for line in plain.lines if line in plain.texts} if plain.texts else {}
        )
        parsed = ParsedLines(plain.lines, plain.ids, vectors, plain.metadata, errors, texts)
        return self._with_judged(parsed, block, first_line, sorted(others)) if others else parsed

    # --- lines without their numbers

    def _sort_all(self, block: bytes, first_line: int) -> _Plain | None:
        """All lines at once; None where one of them is not plain, but for its numbers.

        Lines are numbered right only if the numbers hold no line feed.
        """
        found = block.split(self._opening)
        numbers: list[bytes] = []
        rest = [found[0]]
        for piece in found[1:]:
            text, _, after = piece.partition(b"]")
            numbers.append(text)
            rest.append(after)
        lines = self._marked.join(rest).split(b"\n")
        plain, others = self._read(enumerate(lines, start=first_line))
        if others or len(plain.lines) != len(numbers):
            return None
        plain.numbers = numbers
        return plain

    def _sort_each(self, block: bytes, first_line: int) -> tuple[_Plain, list[int]]:
        """The plain lines, and the numbers of the others."""
        spelt = _VALUES.search(block)
        if spelt is not None:
            self._spell(spelt[0])
        texts: dict[int, bytes] = {}
        marked: list[tuple[int, bytes]] = []
        for number, line in enumerate(block.split(b"\n"), start=first_line):
            head, _, after = line.partition(self._opening)
            texts[number], closing, tail = after.partition(b"]")
            marked.append((number, head + self._marked + tail if closing else line))
        plain, others = self._read(marked)
        plain.numbers = [texts[number] for number in plain.lines]
        return plain, others

    def _spell(self, opening: bytes) -> None:
        self._opening = opening
        self._marked = opening[:-1] + orjson.dumps(self._mark)

    def _read(self, lines: Iterable[tuple[int, bytes]]) -> tuple[_Plain, list[int]]:
        """Lines with the mark in them: the plain ones but for their numbers, and which are not plain.

        One loop without calls: as a function of a line it took twice as long (50-d: 2.4 instead of 1.3 us a line).
        """
        numbers: list[int] = []
        ids: list[str] = []
        encoded: list[bytes] = []
        texts: dict[int, Texts] = {}
        others: list[int] = []
        loads, dumps, mark = orjson.loads, orjson.dumps, self._mark
        for number, line in lines:
            if not line or line.isspace():
                continue
            try:
                record = loads(line)
                if type(record) is dict and record.get("values") == mark:
                    record_id = record.get("id")
                    if type(record_id) is str and 0 < len(record_id) <= MAX_ID_CHARACTERS:
                        metadata = record.get("metadata")
                        if metadata is None or type(metadata) is dict:
                            compact = NO_METADATA if metadata is None else dumps(metadata)
                            found: Texts | str = NO_TEXTS
                            if "namespace" in record or "document" in record:
                                found = judge_texts(record.get("namespace"), record.get("document"))
                            if len(compact) <= MAX_METADATA_BYTES and type(found) is tuple:
                                numbers.append(number)
                                ids.append(record_id)
                                encoded.append(compact)
                                if found is not NO_TEXTS and found != NO_TEXTS:
                                    texts[number] = found
                                continue
            except (orjson.JSONDecodeError, orjson.JSONEncodeError):
                pass
            others.append(number)
        return _Plain(numbers, ids, encoded, [], texts), others

    # --- numbers

    def _numbers(self, texts: list[bytes]) -> Vectors | None:
        """All lists of numbers at once: float32, shape (n, dimension); None where one of them is not plain."""
        if not texts:
            return np.empty((0, self._dimension), dtype=np.float32)
        width = self._dimension + 1
        text = b"[%b%b]" % (_APART.join(texts), _APART[:-1])
        doubles = self._doubles(text) if b"\n" not in text else None
        if doubles is None or len(doubles) != len(texts) * width:
            return None
        with np.errstate(over="ignore"):
            vectors = doubles.reshape(-1, width)[:, : self._dimension].astype(np.float32, order="C")
        if not np.isfinite(vectors).all():
            return None
        for row in np.flatnonzero((vectors == 0).any(axis=1)).tolist():
            if NEGATIVE_ZERO.search(b"[%b]" % texts[row]):
                return None
        return vectors

    def _numbers_of_each(self, texts: list[bytes]) -> tuple[Vectors, list[int]]:
        """The vectors of those that are plain, and which those are: all at once, or else one by one."""
        together = self._numbers(texts)
        if together is not None:
            return together, list(range(len(texts)))
        rows: list[int] = []
        vectors = [np.empty((0, self._dimension), dtype=np.float32)]
        for row, text in enumerate(texts):
            vector = self._numbers([text])
            if vector is not None:
                rows.append(row)
                vectors.append(vector)
        return np.concatenate(vectors), rows

    def _doubles(self, text: bytes) -> NDArray[np.float64] | None:
        try:
            listed = self._parser.parse(text)
            return np.frombuffer(listed.as_buffer(of_type="d")) if isinstance(listed, Array) else None
        except (ValueError, TypeError, RuntimeError):  # not JSON, not a number, or deeper than it goes
            return None

    # --- lines that are not plain

    def _with_judged(
        self, parsed: ParsedLines, block: bytes, first_line: int, others: list[int]
    ) -> ParsedLines:
        raw = block.split(b"\n")
        judged = judge_lines(
            [(number, raw[number - first_line]) for number in others],
            dimension=self._dimension,
            refuse_zero=self._refuse_zero,
        )
        return merged(parsed, judged)
