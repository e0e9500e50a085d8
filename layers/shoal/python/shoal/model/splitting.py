"""Splitting: a long text becomes parts that a model takes, cut where paragraphs, sentences or words end."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from shoal.model.bindings import MAX_PARTS

type Count = Callable[[Sequence[str]], list[int]]
"""How many tokens each of some texts has."""

_SENTENCE_END = re.compile(r"[.!?]['\")\]]{0,4}\s+|[。！？]\s*|\n\s*")
_WORD_END = re.compile(r"\s+")
_COUNTED_AT_ONCE = 256
_TRIES = 4
_WORD, _SENTENCE, _PARAGRAPH = range(3)


@dataclass(frozen=True, slots=True)
class Split:
    """Parts in order: joined they are the text, or its beginning where it is `truncated`."""

    parts: list[str]
    truncated: bool


@dataclass(frozen=True, slots=True)
class _Piece:
    """A run of the text that is not cut, its tokens, and what ends with it."""

    text: str
    tokens: int
    ends: int


def split(text: str, *, max_tokens: int, count: Count) -> Split:
    """Split a text into at most `MAX_PARTS` parts of at most `max_tokens` tokens; what is beyond them is left out.

    A part ends with a paragraph if one ends in its second half, else with a sentence, else with a word; only a
    word that is longer than a part is cut. A single character may have more tokens than that, and then is a part.
    An empty text has no parts.
    """
    if max_tokens < 1:
        raise ValueError(f"max_tokens is {max_tokens}")
    budget = max_tokens
    for _ in range(_TRIES):
        found = _filled(text, budget, count)
        worst = max(count(found.parts), default=0)
        if worst <= max_tokens or budget == 1:
            break
        # Tokens of a whole are not always the sum of those of its pieces.
        budget = max(1, min(budget - 1, budget * max_tokens // worst))
    return found


def _filled(text: str, budget: int, count: Count) -> Split:
    """Parts that are filled piece by piece, up to `budget` tokens by the sum of their pieces."""
    parts: list[str] = []
    waiting: list[_Piece] = []
    tokens = 0
    for piece in _pieces(text, budget, count):
        while waiting and tokens + piece.tokens > budget:
            taken = _taken(waiting, tokens)
            parts.append("".join(one.text for one in waiting[:taken]))
            waiting = waiting[taken:]
            tokens = sum(one.tokens for one in waiting)
            if len(parts) == MAX_PARTS:
                return Split(parts, truncated=True)
        waiting.append(piece)
        tokens += piece.tokens
    if waiting:
        parts.append("".join(one.text for one in waiting))
    return Split(parts, truncated=False)


def _taken(pieces: Sequence[_Piece], tokens: int) -> int:
    """How many pieces of a full part it keeps: up to the last that ends most, of those in its second half."""
    best, left = len(pieces), tokens
    most = -1
    for place in range(len(pieces) - 1, -1, -1):
        if left * 2 < tokens:
            break
        if pieces[place].ends > most:
            best, most = place + 1, pieces[place].ends
        left -= pieces[place].tokens
    return best


def _pieces(text: str, budget: int, count: Count) -> Iterator[_Piece]:
    """Sentences; the words of one that is too long; and pieces of a word that is. Counted as they are needed."""
    for sentence, tokens in _counted(_cut(text, _SENTENCE_END), count):
        ends = _PARAGRAPH if "\n" in sentence[len(sentence.rstrip()) :] else _SENTENCE
        if tokens <= budget:
            yield _Piece(sentence, tokens, ends)
            continue
        for word, of_word in _counted(_cut(sentence, _WORD_END), count):
            if of_word <= budget:
                yield _Piece(word, of_word, _WORD)
                continue
            for piece, of_piece in _counted(_chopped(word, budget, count), count):
                yield _Piece(piece, of_piece, _WORD)


def _cut(text: str, boundary: re.Pattern[str]) -> Iterator[str]:
    """The text in pieces that end where the boundary does."""
    start = 0
    for match in boundary.finditer(text):
        yield text[start : match.end()]
        start = match.end()
    if start < len(text):
        yield text[start:]


def _chopped(word: str, budget: int, count: Count) -> Iterator[str]:
    """A word in runs of characters, each as long as its tokens allow, give or take half."""
    start, size = 0, budget
    while start < len(word):
        size = min(size * 2, budget)
        piece = word[start : start + size]
        while size > 1 and count([piece])[0] > budget:
            size //= 2
            piece = word[start : start + size]
        yield piece
        start += len(piece)


def _counted(texts: Iterator[str], count: Count) -> Iterator[tuple[str, int]]:
    """Texts with their tokens; asked for in blocks, since most of a very long text is never looked at."""
    while True:
        block = [text for _, text in zip(range(_COUNTED_AT_ONCE), texts, strict=False)]
        if not block:
            return
        yield from zip(block, count(block), strict=True)
