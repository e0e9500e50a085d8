"""What an object store refuses whatever it holds: both adapters ask here first."""

MAX_KEY_BYTES = 1024


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
