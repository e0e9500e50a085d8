"""NDJSON uploads: a body of lines into ids, vectors and metadata, with an exact reason for every bad line.

Lines end at LF (a CR before it is white space); blank lines are skipped but counted; one byte order mark at the
start is dropped. A record is `{"id", "values", "metadata"?, "namespace"?, "document"?}`; other fields are ignored,
null means that there is none. A namespace is a string of at most `MAX_NAMESPACE_CHARACTERS` without control
characters, a document one of at most `MAX_DOCUMENT_BYTES` of UTF-8; both may be empty, which means none, too.

`shoal.model.ndjson_lines` judges a line, `shoal.model.ndjson_blocks` does so quickly.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from shoal.errors import InvalidInput
from shoal.model.ndjson_blocks import BLOCK_BYTES, BlockParser
from shoal.model.ndjson_lines import INVALID_JSON
from shoal.model.parsed_lines import LineError, ParsedLines
from shoal.model.records import Vectors

BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class ParsedBatch:
    """The good lines as columns, in order, and the bad ones.

    `ids`: n strings, repeats included. `vectors`: float32, shape (n, dimension). `metadata`: n compact JSON
    objects in UTF-8. `namespaces`: n strings, and `documents`: n texts in UTF-8, empty where a record has none; of
    both there is nothing at all where no record has either.
    """

    ids: tuple[str, ...]
    vectors: Vectors
    metadata: tuple[bytes, ...]
    errors: tuple[LineError, ...]
    namespaces: tuple[str, ...] = ()
    documents: tuple[bytes, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)


def parse(body: bytes, *, dimension: int, refuse_zero: bool) -> ParsedBatch:
    """Parse an upload for a dataset of `dimension`; `refuse_zero` where the metric is cosine.

    Raises:
        InvalidInput: code `invalid_ndjson`: no line at all, or not UTF-8.
    """
    body = body.removeprefix(BOM)
    parser = BlockParser(dimension=dimension, refuse_zero=refuse_zero)
    blocks: list[ParsedLines] = []
    line = 1
    for block in blocks_of(body):
        blocks.append(parser.parse(block, first_line=line))
        line += block.count(b"\n")
    errors = tuple(error for parsed in blocks for error in parsed.errors)
    if not errors and not any(map(len, blocks)):
        raise InvalidInput("invalid_ndjson", "Empty NDJSON body")
    if any(error.reason == INVALID_JSON for error in errors):
        _check_utf8(body)
    texts = [parsed.columns_of_texts() for parsed in blocks] if any(parsed.texts for parsed in blocks) else []
    return ParsedBatch(
        ids=tuple(name for parsed in blocks for name in parsed.ids),
        vectors=blocks[0].vectors if len(blocks) == 1 else np.concatenate([p.vectors for p in blocks]),
        metadata=tuple(value for parsed in blocks for value in parsed.metadata),
        errors=errors,
        namespaces=tuple(value for namespaces, _ in texts for value in namespaces),
        documents=tuple(value for _, documents in texts for value in documents),
    )


def blocks_of(
    data: bytes, start: int = 0, stop: int | None = None, *, size: int = BLOCK_BYTES
) -> Iterator[bytes]:
    """Cut bytes ``[start, stop)`` into whole lines of about `size` bytes together.

    A line that is longer is a block of its own.
    """
    stop = len(data) if stop is None else stop
    while start < stop:
        end = stop
        if stop - start > size:
            feed = data.rfind(b"\n", start, start + size)
            if feed < 0:
                feed = data.find(b"\n", start + size, stop)
            end = feed + 1 or stop
        yield data[start:end]
        start = end


def _check_utf8(body: bytes) -> None:
    """Raise where a line failed because the body is not text; looked at only then, as each line is checked."""
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput("invalid_ndjson", "body must be UTF-8") from error
