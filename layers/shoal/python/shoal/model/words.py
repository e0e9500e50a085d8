"""Text as words: how conditions on text take strings apart."""

import unicodedata

_KEPT_CODES = 0x10000
"""What becomes of a character is remembered for those below: at most 8 MB, whatever text comes by."""
_ALONE = ("CJK UNIFIED IDEOGRAPH", "CJK COMPATIBILITY IDEOGRAPH", "HIRAGANA LETTER")
"""Beginnings of the names of characters that are a word each: what is written with them has no spaces."""


def words_of(text: str) -> list[str]:
    """The words of a text in their order, without the difference of capital letters.

    A word is as many letters, digits, marks of them and underscores as stand together; an ideograph is one alone.
    """
    return text.casefold().translate(_TABLE).split()


class _Table(dict[int, int | str]):
    """By code point, what `str.translate` puts in a character's place."""

    def __missing__(self, code: int) -> int | str:
        character = chr(code)
        found: int | str = " "
        if character.isalnum():
            alone = unicodedata.name(character, "").startswith(_ALONE)
            found = f" {character} " if alone else code
        elif character == "_" or unicodedata.category(character).startswith("M"):
            found = code
        if code < _KEPT_CODES:
            self[code] = found
        return found


_TABLE = _Table()
