"""What parsing of NDJSON lines gives: the good ones as columns, and why the others are not."""

from dataclasses import dataclass

import numpy as np

from shoal.model.record_texts import Texts
from shoal.model.records import Vectors

NO_TEXTS: Texts = ("", b"")


@dataclass(frozen=True, slots=True)
class LineError:
    """A line that was not accepted; lines are counted from 1."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class ParsedLines:
    """The good lines as columns, in order, and the bad ones.

    `lines`: the numbers of the n good ones. `ids`: n strings, repeats included. `vectors`: float32, shape
    (n, dimension). `metadata`: n compact JSON objects in UTF-8. `texts`: of the good lines that have a namespace
    or a document, by number.
    """

    lines: list[int]
    ids: list[str]
    vectors: Vectors
    metadata: list[bytes]
    errors: list[LineError]
    texts: dict[int, Texts]

    def __len__(self) -> int:
        return len(self.ids)

    def columns_of_texts(self) -> tuple[list[str], list[bytes]]:
        """Namespaces and documents of all good lines, in order."""
        found = [self.texts.get(line, NO_TEXTS) for line in self.lines]
        return [namespace for namespace, _ in found], [document for _, document in found]


def merged(some: ParsedLines, others: ParsedLines) -> ParsedLines:
    """Lines parsed in two lots, in their order."""
    lines = some.lines + others.lines
    ids = some.ids + others.ids
    metadata = some.metadata + others.metadata
    vectors = np.concatenate([some.vectors, others.vectors])
    order = sorted(range(len(lines)), key=lines.__getitem__)
    return ParsedLines(
        [lines[row] for row in order],
        [ids[row] for row in order],
        vectors[order] if len(others) else vectors,
        [metadata[row] for row in order],
        sorted([*some.errors, *others.errors], key=lambda error: error.line),
        some.texts | others.texts,
    )
