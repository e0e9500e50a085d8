"""The same upload in seven shapes: NDJSON as it is, or as a part of a multipart body, whatever the header says.

The contract lists what clients send. The document's own curl line sends multipart bytes under an NDJSON header,
with a part that calls itself an `attachment`: parsers of multipart refuse that, so it is taken apart here.
"""

import re

from shoal.http.vectorize.envelope import BAD_BODY, Fault

_BOUNDARY = re.compile(rb"--([0-9A-Za-z'()+_,./:=? -]{1,70})\r?\n")
_NAME = re.compile(rb'name="([^"\r\n]*)"', re.IGNORECASE)
_WANTED = (b"vectors", b"body")
"""The part with the vectors, as wrangler and the document call it; any other is taken where it is alone."""


def ndjson_of(body: bytes) -> bytes:
    """The NDJSON in a body.

    Raises:
        Fault: 40026: a multipart body that ends too soon, or without a part that can be meant.
    """
    opening = _BOUNDARY.match(body)
    if opening is None:  # no line of NDJSON begins with two dashes
        return body
    parts = dict(_parts(body, b"--" + opening[1].rstrip(b" ")))
    for name in _WANTED:
        if name in parts:
            return parts[name]
    if len(parts) == 1:
        return next(iter(parts.values()))
    raise Fault(400, BAD_BODY, "the multipart body has no part named vectors or body")


def _parts(body: bytes, delimiter: bytes) -> list[tuple[bytes, bytes]]:
    """Name and content of each part."""
    pieces = re.split(rb"(?:\A|\r?\n)" + re.escape(delimiter), body)
    # Before the first delimiter there is nothing; after the last one, which ends in two dashes, nothing counts.
    closing = next((place for place, piece in enumerate(pieces) if place and piece.startswith(b"--")), None)
    if closing is None:
        raise Fault(400, BAD_BODY, "the multipart body ends before its last boundary; send it again")
    found = []
    for piece in pieces[1:closing]:
        headers, blank, content = _split(piece)
        name = _NAME.search(headers)
        if not blank:
            raise Fault(400, BAD_BODY, "a part of the multipart body has no end of its headers")
        found.append((name[1] if name else b"", content))
    return found


def _split(piece: bytes) -> tuple[bytes, bytes, bytes]:
    """Headers, the blank line after them, and what follows."""
    ends = re.search(rb"\r?\n\r?\n", piece)
    if ends is None:
        return piece, b"", b""
    return piece[: ends.start()], ends[0], piece[ends.end() :]
