"""Checksums of stored objects: nothing is parsed before its own matches."""

import hashlib

from shoal.errors import CorruptObject

type Buffer = bytes | bytearray | memoryview
"""Contiguous bytes that are only read."""


def sha256_hex(data: Buffer) -> str:
    """The SHA-256 of `data` as manifests keep it: 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def verify(data: Buffer, *, sha256: str, size: int, name: str) -> None:
    """Compare an object with what its manifest says of it.

    Args:
        data: the bytes as read, from S3 or again from a local copy.
        sha256: expected digest, 64 hexadecimal digits.
        size: expected length in bytes.
        name: how the error calls the object, usually its key.

    Raises:
        CorruptObject: the length or the digest differs.
    """
    found = memoryview(data).nbytes
    if found != size:
        raise CorruptObject(f"{name}: {found} bytes where {size} were written")
    if sha256_hex(data) != sha256:
        raise CorruptObject(f"{name}: checksum does not match")


def digest128(data: Buffer) -> bytes:
    """16 bytes that guard a part of an object which can be read without the rest of it."""
    return hashlib.blake2b(data, digest_size=16).digest()
