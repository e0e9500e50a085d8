"""Damage to stored objects: a bit that is another, an end that is missing, an object that is gone."""

import re
from collections.abc import Callable, Mapping
from typing import Final

from shoal.storage.memory import MemoryObjects

type Damage = Callable[[bytes], bytes | None]
"""What becomes of an object's bytes; None: the object is gone."""


def flipped(data: bytes) -> bytes:
    """One bit in the middle is another."""
    other = bytearray(data)
    other[len(other) // 2] ^= 1
    return bytes(other)


def scrambled(data: bytes) -> bytes:
    """In every eighth byte one bit is another."""
    return bytes(byte ^ (place % 8 == 0) for place, byte in enumerate(data))


def cut(data: bytes) -> bytes:
    """The last third is missing."""
    return data[: len(data) * 2 // 3]


def gone(_: bytes) -> None:
    """All of it."""
    return


DAMAGES: Final[Mapping[str, Damage]] = {
    "flipped": flipped,
    "scrambled": scrambled,
    "cut": cut,
    "gone": gone,
}

_NAMES: Final = (
    (re.compile(r"\b(ten|imp|cmp|exp)_[0-9a-f]{32}\b"), r"\1"),
    (re.compile(r"[0-9a-f]{32,64}"), "*"),
    (re.compile(r"/[0-9a-f]{16}(?=[/.-])"), "/#"),
    (re.compile(r"/\d{13,}-\*"), "/*"),
    (re.compile(r"\d{3,}"), "N"),
)


def kind_of(key: str) -> str:
    """The kind of object that a key names: the key without ids, numbers and unique names."""
    for pattern, instead in _NAMES:
        key = pattern.sub(instead, key)
    return key


def damage(objects: MemoryObjects, key: str, how: Damage) -> None:
    """Damage a stored object where it lies."""
    data = how(objects.get(key))
    if data is None:
        objects.delete([key])
    else:
        objects.put(key, data)
