"""Patterns of whole strings: `*` stands for any characters, `?` for one, a backslash takes the next as it is.

All strings are compared at once, one step for each character of the pattern, with numbers as long as the strings:
each character has a lane of bits in them. So there is nothing to go back to, and no pattern that takes long.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import methodcaller

_ONE, _RUN = -1, -2
_WILD = {"?": _ONE, "*": _RUN}


class Lanes:
    """Strings side by side in one number: a lane for each character, and one with all its bits behind each string.

    In the other numbers the highest bit of a lane stands for it: `characters` and `ends` are the lanes of the two
    sorts, `starts` those where a string begins. `filled` has all bits of all characters.
    """

    __slots__ = ("_highs", "_low", "_ones", "_text", "characters", "ends", "filled", "starts", "width")

    def __init__(self, strings: Sequence[str]) -> None:
        narrow = all(map(str.isascii, strings))
        self.width = 8 if narrow else 32
        spelled = map(methodcaller("encode", "ascii" if narrow else "utf-32-le"), strings)
        size = self.width // 8
        end = b"\xff" * size
        raw = b"".join(piece + end for piece in spelled)
        self._text = int.from_bytes(raw, "little")
        self._ones = int.from_bytes((b"\x01" + bytes(size - 1)) * (len(raw) // size), "little")
        self._highs = self._ones << self.width - 1
        self._low = self._highs - self._ones
        self.ends = self._text & self._highs
        self.characters = self._highs ^ self.ends
        self.filled = (self.characters << 1) - (self.characters >> self.width - 1)
        self.starts = (self.ends << self.width | 1 << self.width - 1) & self._highs

    def equal(self, code: int) -> int:
        """The lanes of one character."""
        if code >> self.width - 1:
            return 0
        differs = self._text ^ self._ones * code
        # A lane is 0 where neither its highest bit is set nor a carry into it comes from one of the others.
        return self._highs ^ ((differs & self._low) + self._low | differs) & self._highs


@dataclass(frozen=True, slots=True)
class Glob:
    """A pattern, taken apart."""

    pattern: str
    _steps: tuple[int, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        steps: list[int] = []
        characters = iter(self.pattern)
        for character in characters:
            if character == "\\":
                steps.append(ord(next(characters, "\\")))
            elif steps[-1:] != [_RUN] or character != "*":
                steps.append(_WILD.get(character, ord(character)))
        object.__setattr__(self, "_steps", tuple(steps))

    @property
    def pieces(self) -> list[str]:
        """The runs of characters that every string of the pattern holds, in order."""
        runs = groupby(self._steps, key=lambda step: step >= 0)
        return ["".join(map(chr, run)) for plain, run in runs if plain]

    @property
    def beginning(self) -> str:
        """How every string of the pattern begins."""
        return self.pieces[0] if self._steps and self._steps[0] >= 0 else ""

    def is_of_any(self, lanes: Lanes) -> bool:
        """Whether one of the strings is as the pattern says, from its beginning to its end."""
        width = lanes.width
        reached = lanes.starts
        for step in self._steps:
            if step == _RUN:
                # Added to a row of ones, a bit runs through to its end: what has changed lies behind it.
                behind = lanes.filled + (reached >> width - 1) ^ lanes.filled
                reached |= behind & lanes.characters | behind << width - 1 & lanes.ends
            elif reached:
                reached = (reached & (lanes.characters if step == _ONE else lanes.equal(step))) << width
        return bool(reached & lanes.ends)
