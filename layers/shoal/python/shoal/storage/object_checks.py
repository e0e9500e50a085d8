"""What an object store refuses whatever it holds: both adapters ask here first."""

from collections.abc import Sequence

from shoal.errors import InvalidInput

MAX_KEY_BYTES = 1024
MAX_PARTS = 10_000
MAX_URL_SECONDS = 3600
"""An address is signed by a role that was taken by a role, which AWS gives an hour (role chaining)."""


def check_object_key(key: str) -> None:
    """Refuse a key that S3 cannot hold.

    Raises:
        ValueError: empty or over 1,024 bytes.
    """
    if not 0 < len(key.encode()) <= MAX_KEY_BYTES:
        raise ValueError(f"an object key has 1 to {MAX_KEY_BYTES} bytes: {key!r:.80}")


def check_range(byte_range: tuple[int, int] | None) -> None:
    """Refuse a range that HTTP cannot express; an empty one is among them.

    Raises:
        ValueError: not 0 <= start < stop.
    """
    if byte_range is not None and not 0 <= byte_range[0] < byte_range[1]:
        raise ValueError(f"not a range of bytes: {byte_range}")


def check_parts(parts: Sequence[tuple[int, str]]) -> None:
    """Refuse a list of parts that nobody can join, whatever was uploaded.

    Raises:
        InvalidInput: `invalid_parts`.
    """
    numbers = [number for number, _ in parts]
    if not numbers or numbers != sorted(set(numbers)) or numbers[0] < 1 or numbers[-1] > MAX_PARTS:
        raise InvalidInput("invalid_parts", "parts must be numbered from 1, in rising order")


def check_url_seconds(seconds: int) -> None:
    """Refuse a time for which no address can be made to hold.

    Raises:
        ValueError: not 1 to 3,600.
    """
    if not 1 <= seconds <= MAX_URL_SECONDS:
        raise ValueError(f"an address holds 1 to {MAX_URL_SECONDS} seconds: {seconds}")
