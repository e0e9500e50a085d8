"""Cursors: where a list goes on, sealed so that nobody can make one up or use it for another dataset.

A cursor names the version that its first page was read from, so that pages fit together whatever is written
meanwhile. It is a message with a code over it (keyed BLAKE2b), not a secret: what it says may be known.
"""

import base64
import hmac
from dataclasses import asdict, dataclass
from hashlib import blake2b

import orjson

from shoal.errors import InvalidInput
from shoal.model.datasets import Dataset

_CODE_BYTES = 16
_PURPOSE = b"shoal list"
_LONGEST = 2048


@dataclass(frozen=True, slots=True)
class Position:
    """Where a list goes on: at row `row` of source number `source` of a version.

    `manifest` and `sha256` name the version, which was found current at `pinned_at` (epoch seconds). Sources are
    the version's shards and then the cells of each import, counted from 0.
    """

    manifest: str
    sha256: str
    pinned_at: float
    source: int
    row: int


def seal(dataset: Dataset, asked: bytes, position: Position) -> str:
    """A cursor in URL-safe characters; `asked` is what was asked for, which the next page must repeat."""
    message = orjson.dumps(asdict(position))
    return base64.urlsafe_b64encode(_code(dataset, asked, message) + message).decode().rstrip("=")


def unseal(dataset: Dataset, asked: bytes, cursor: str) -> Position:
    """The position in a cursor.

    Raises:
        InvalidInput: `invalid_cursor`: not one of ours, of another dataset, or of another request.
    """
    message = _sealed(dataset, asked, cursor) if len(cursor) <= _LONGEST else None
    if message is None:
        raise invalid_cursor()
    return Position(**orjson.loads(message))


def invalid_cursor() -> InvalidInput:
    """The error of a cursor that the dataset has not handed out."""
    return InvalidInput(
        "invalid_cursor",
        "cursor: not one that this dataset has handed out for this filter, prefix and namespace; "
        "start without one",
    )


def _sealed(dataset: Dataset, asked: bytes, cursor: str) -> bytes | None:
    """The message in a cursor, if it is sealed as ours are."""
    try:
        data = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except ValueError:  # of which the module's own error is one
        return None
    code, message = data[:_CODE_BYTES], data[_CODE_BYTES:]
    return message if hmac.compare_digest(code, _code(dataset, asked, message)) else None


def _code(dataset: Dataset, asked: bytes, message: bytes) -> bytes:
    digest = blake2b(digest_size=_CODE_BYTES, key=dataset.hash_key, person=_PURPOSE)
    # Clones share their hash key: the dataset itself goes in, too.
    for piece in (dataset.dataset_id.encode(), asked, message):
        digest.update(len(piece).to_bytes(8, "little") + piece)
    return digest.digest()
