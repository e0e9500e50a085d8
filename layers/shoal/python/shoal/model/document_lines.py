"""Lines of a content export: which are documents, and the exact reason for every one that is not."""

import hashlib
from collections.abc import Sequence

import numpy as np
import orjson

from shoal.errors import InvalidInput, TooLarge
from shoal.model.content_documents import document_of, encoded_change, is_published
from shoal.model.ndjson_lines import INVALID_JSON, NOT_AN_OBJECT
from shoal.model.parsed_lines import LineError, ParsedLines
from shoal.model.record_texts import Texts
from shoal.model.records import Vectors

_NUMBER_BITS = 24
"""What a float32 below 1 holds exactly."""


class DocumentParser:
    """Judges lines. `skipped` counts the documents that are not taken though they are good: drafts, and versions
    of releases.

    Args:
        now: in epoch seconds; the time of documents that do not say when they were changed.
    """

    def __init__(self, *, now: float) -> None:
        self._now = now
        self.skipped = 0

    def parse(self, block: bytes, *, first_line: int) -> ParsedLines:
        """The lines of a block as records; blank ones are skipped but counted.

        Args:
            block: whole lines in UTF-8.
            first_line: the number of the first one.
        """
        lines: list[int] = []
        ids: list[str] = []
        metadata: list[bytes] = []
        texts: dict[int, Texts] = {}
        errors: list[LineError] = []
        for number, line in enumerate(block.split(b"\n"), start=first_line):
            if not line or line.isspace():
                continue
            try:
                document = document_of(
                    _object_in(line), updated_ms=int(self._now * 1000), where="the document"
                )
                change = encoded_change(document, now=self._now)
            except (InvalidInput, TooLarge) as refused:
                errors.append(LineError(number, refused.message))
                continue
            if not is_published(change.document_id):
                self.skipped += 1
                continue
            lines.append(number)
            ids.append(change.document_id)
            metadata.append(change.metadata)
            texts[number] = ("", change.text)
        return ParsedLines(lines, ids, spread(ids), metadata, errors, texts)


def _object_in(line: bytes) -> dict[str, object]:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise InvalidInput("invalid_document", INVALID_JSON) from None
    if type(found) is not dict:
        raise InvalidInput("invalid_document", NOT_AN_OBJECT)
    return found


def spread(ids: Sequence[str]) -> Vectors:
    """The vectors of documents: float32, shape (n, 1), evenly spread over [0, 1) by their ids.

    Rows that were all equal could not be dealt out to cells.
    """
    numbers = [int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest()) for name in ids]
    low = np.array(numbers, dtype=np.uint64) & np.uint64((1 << _NUMBER_BITS) - 1)
    return np.ascontiguousarray((low / np.float64(1 << _NUMBER_BITS)).astype(np.float32).reshape(-1, 1))
