"""The smallest parts of an expression: names, numbers, strings and symbols, each with its place."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from shoal.model.groq.source import Source

_SYMBOLS = (
    *("...", "..", "->", "=>", "==", "!=", "<=", ">=", "&&", "||", "**", "::"),
    *"<>!()[]{},:.*|@^$+-/%~=&",
)
"""Longer ones first."""
_BLANK = re.compile(r"(?:[\t\n\v\f\r \x85\xa0]|//[^\n]*\n)*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_EXPONENT = re.compile(r"[eE][+-]?[0-9]+")
_PLAIN = {'"': re.compile(r'[^"\\]*'), "'": re.compile(r"[^'\\]*")}
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", **{same: same for same in "'\"\\/"}}
_HEX = re.compile(r"u(?:\{([0-9A-Fa-f]{1,6})\}|([0-9A-Fa-f]{4}))")
_EXACT = 2**53


class Kind(Enum):
    """What a token is."""

    NAME = auto()
    NUMBER = auto()
    STRING = auto()
    SYMBOL = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """A part of the text: how it is written, where, and the value of a number or a string."""

    kind: Kind
    text: str
    at: int
    value: str | int | float | None = None

    @property
    def end(self) -> int:
        """Where what follows begins."""
        return self.at + len(self.text)

    def is_symbol(self, *texts: str) -> bool:
        """Whether it is one of these symbols."""
        return self.kind is Kind.SYMBOL and self.text in texts


def tokens(source: Source) -> Iterator[Token]:
    """The tokens of a text, one END behind them; each is read only when it is asked for.

    Raises:
        InvalidInput: code `invalid_groq`.
    """
    text = source.text
    at = _behind(_BLANK, text, 0)
    while at < len(text):
        token = _token(source, at)
        yield token
        at = _behind(_BLANK, text, token.end)
    yield Token(Kind.END, "", at)


def _token(source: Source, at: int) -> Token:
    text = source.text
    if found := _NAME.match(text, at):
        return Token(Kind.NAME, found[0], at)
    if found := _NUMBER.match(text, at):
        return _number(source, at, found.end())
    if text[at] in _PLAIN:
        return _string(source, at)
    if text.startswith("//", at):
        raise source.wrong(at, "this comment does not end: put a line break behind it")
    for symbol in _SYMBOLS:
        if text.startswith(symbol, at):
            return Token(Kind.SYMBOL, symbol, at)
    raise source.wrong(at, f"unexpected character {text[at]!r}")


def _behind(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


def _number(source: Source, at: int, end: int) -> Token:
    text = source.text
    if text[end : end + 1] in ("e", "E"):
        exponent = _EXPONENT.match(text, end)
        if exponent is None:
            raise source.wrong(end, "the exponent of this number has no digits")
        end = exponent.end()
    value = float(text[at:end])
    if value == float("inf"):
        raise source.unsupported(at, "numbers beyond 1.8e308", text[at:end])
    # Numbers of GROQ are doubles; a whole one is written as such again.
    whole = value.is_integer() and value <= _EXACT
    return Token(Kind.NUMBER, text[at:end], at, int(value) if whole else value)


def _string(source: Source, at: int) -> Token:
    text = source.text
    quote = text[at]
    pieces: list[str] = []
    place = at + 1
    while True:
        end = _behind(_PLAIN[quote], text, place)
        pieces.append(text[place:end])
        if end == len(text):
            raise source.wrong(at, "this string does not end")
        if text[end] == quote:
            return Token(Kind.STRING, text[at : end + 1], at, _joined(source, at, pieces))
        piece, place = _escape(source, end)
        pieces.append(piece)


def _escape(source: Source, at: int) -> tuple[str, int]:
    """What the backslash here and what follows mean, and where that ends."""
    text = source.text
    if (plain := _ESCAPES.get(text[at + 1 : at + 2])) is not None:
        return plain, at + 2
    found = _HEX.match(text, at + 1)
    if found is None or (code := int(found[1] or found[2], 16)) > 0x10FFFF:
        raise source.wrong(at, f"there is no escape {text[at : at + 2]}")
    return chr(code), found.end()


def _joined(source: Source, at: int, pieces: list[str]) -> str:
    """The pieces as one string; two halves of a surrogate pair become the character that they mean."""
    joined = "".join(pieces)
    try:
        return joined.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise source.wrong(at, "this string has half of a surrogate pair") from None
