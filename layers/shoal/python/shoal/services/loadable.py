"""What can be loaded: an object, or a piece of one, with what verifies its bytes and makes a value of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shoal.errors import CorruptObject
from shoal.index.checksums import digest128, verify


@dataclass(frozen=True, slots=True)
class Part[T]:
    """An object to load: what names it, and how its verified bytes become a value.

    `size` is None where only the checksum is known. `weight` is what the value takes in memory, in bytes, for the
    cache; the object's size where there is none. `on_bytes`: the value lies on the bytes that it was decoded from
    (arrays do, databases do not), so that they cost nothing to keep for the disk.
    """

    key: str
    size: int | None
    sha256: str
    decode: Callable[[bytes], T]
    weight: Callable[[T], int] | None = None
    on_bytes: bool = False

    @property
    def name(self) -> str:
        """What the cache calls it."""
        return self.key

    def parse(self, data: bytes) -> T:
        """Verify, then decode.

        Raises:
            CorruptObject: not the bytes that were named.
        """
        size = len(data) if self.size is None else self.size
        verify(data, sha256=self.sha256, size=size, name=self.key)
        return self.decode(data)


@dataclass(frozen=True, slots=True)
class Piece[T]:
    """Bytes `start` to `stop` of an object, with a digest of their own (`digest128`).

    The value lies on its bytes, and weighs as much as they do and `extra` bytes more.
    """

    key: str
    start: int
    stop: int
    digest: bytes
    decode: Callable[[bytes], T]
    extra: int = 0

    @property
    def name(self) -> str:
        """What the cache calls it."""
        return f"{self.key}#{self.start}"

    def parse(self, data: bytes) -> T:
        """Verify, then decode.

        Raises:
            CorruptObject: not the bytes that were named.
        """
        if len(data) != self.stop - self.start or digest128(data) != self.digest:
            raise CorruptObject(f"{self.key}: bytes from {self.start} on do not match their checksum")
        return self.decode(data)


type Loadable = Part[Any] | Piece[Any]
