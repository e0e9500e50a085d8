"""What `match` does: a text and a pattern as words, and which words of the text are as the pattern says."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from shoal.model.globs import Glob, Lanes
from shoal.model.groq.values import Json

_SPACE = r"\t\n\v\f\r \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
_BETWEEN = rf"!@#$%^&(),\\/?\";:{{}}|\[\]+<>{_SPACE}\-"
_WORD = re.compile(rf"[^{_BETWEEN}*]+")
_TERM = re.compile(rf"[^{_BETWEEN}]+")
_DOTS = re.compile(r"\.+")
_MAX_TERM = 1024
"""Characters of a word in a pattern; the rest of a longer one is not looked at."""
_KEPT_CODES = 0x10000


class _Capitals(dict[int, int]):
    """By code point, the one for it and its other case, as regular expressions of ECMAScript have it."""

    def __missing__(self, code: int) -> int:
        found = self._capital(code)
        if code < _KEPT_CODES:
            self[code] = found
        return found

    @staticmethod
    def _capital(code: int) -> int:
        if code >= 0x10000:
            return code
        if 0xD800 <= code < 0xE000:
            return 0xFFFD
        capital = chr(code).upper()
        if len(capital) != 1 or (code >= 0x80 and ord(capital) < 0x80):
            return code
        return ord(capital)


_CAPITALS = _Capitals()


@dataclass(frozen=True, slots=True)
class Pattern:
    """The words that a text must have: some as they stand, some with a `*` (or a lone dot, for one character).

    Words are in capital letters.
    """

    words: frozenset[str]
    globs: tuple[Glob, ...]

    def is_in(self, text: Json) -> bool:
        """Whether a string, or the strings of an array together, have them all; without a word it is in none."""
        if not self.words and not self.globs:
            return False
        found = {word for part in (text if isinstance(text, list) else [text]) for word in _words(part)}
        if not found or not self.words <= found:
            return False
        if not self.globs:
            return True
        lanes = Lanes(list(found))
        return all(glob.is_of_any(lanes) for glob in self.globs)


def pattern(texts: list[str]) -> Pattern:
    """A pattern of one or more texts."""
    terms = {term for text in texts for term in _terms(text)}
    wild = {term for term in terms if "*" in term or "." in term}
    return Pattern(
        words=frozenset(terms - wild),
        globs=tuple(Glob(term.replace(".", "?")) for term in sorted(wild)),
    )


def _words(text: Json) -> list[str]:
    return _WORD.findall(_tidy(text).translate(_CAPITALS)) if isinstance(text, str) else []


def _terms(text: str) -> Iterator[str]:
    for term in _TERM.findall(_tidy(text)):
        yield term[:_MAX_TERM].translate(_CAPITALS)


def _tidy(text: str) -> str:
    """Without the dots before or behind a letter, digit or underscore of ASCII: `example.com` is one word."""

    def kept(found: re.Match[str]) -> str:
        before, behind = text[found.start() - 1 : found.start()], text[found.end() : found.end() + 1]
        return "" if _is_of_a_word(before) or _is_of_a_word(behind) else found[0]

    return _DOTS.sub(kept, text)


def _is_of_a_word(character: str) -> bool:
    return character.isascii() and (character.isalnum() or character == "_")
