"""Conditions on text: words that a string holds, words one behind the other, and patterns of the whole string."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from shoal.model.conditions import Path, raw_needle
from shoal.model.filter_rows import Row, Texts
from shoal.model.globs import Glob
from shoal.model.words import words_of


def texts_at(path: Path, metadata: Mapping[str, Any]) -> Texts:
    """The strings at a path: the one that is there, or those of an array."""
    found = path.value(metadata)
    if isinstance(metadata, Row):
        return metadata.texts(path.key, found)
    return Texts.of(found)


@dataclass(frozen=True, slots=True)
class HasWords:
    """A string that holds all words, in any order. No words are in no string."""

    path: Path
    words: tuple[str, ...]
    _set: frozenset[str] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_set", frozenset(self.words))

    def matches(self, metadata: Mapping[str, Any]) -> bool:
        """Whether metadata (parsed JSON) passes."""
        return self.holds(texts_at(self.path, metadata))

    def holds(self, texts: Texts) -> bool:
        """Whether one of the strings is such a one."""
        return bool(self._set) and texts.hold_words(self._set)

    def needles(self) -> frozenset[bytes]:
        """The path: a word has many spellings."""
        return self.path.needles()


@dataclass(frozen=True, slots=True)
class HasPhrase:
    """A string that holds words one behind the other, with no other between them. No words are in no string."""

    path: Path
    words: tuple[str, ...]

    def matches(self, metadata: Mapping[str, Any]) -> bool:
        """Whether metadata (parsed JSON) passes."""
        return self.holds(texts_at(self.path, metadata))

    def holds(self, texts: Texts) -> bool:
        """Whether one of the strings is such a one."""
        return bool(self.words) and texts.hold_phrase(self.words)

    def needles(self) -> frozenset[bytes]:
        """The path: a word has many spellings."""
        return self.path.needles()


@dataclass(frozen=True, slots=True)
class Wildcard:
    """A string that is as a pattern says, from its beginning to its end."""

    path: Path
    glob: Glob

    def matches(self, metadata: Mapping[str, Any]) -> bool:
        """Whether metadata (parsed JSON) passes."""
        return self.holds(texts_at(self.path, metadata))

    def holds(self, texts: Texts) -> bool:
        """Whether one of the strings is such a one."""
        return texts.fit(self.glob)

    def needles(self) -> frozenset[bytes]:
        """The path, and what the string holds in any case."""
        spelled = (raw_needle(orjson.dumps(piece)[1:-1]) for piece in self.glob.pieces)
        return self.path.needles().union(*spelled)


@dataclass(frozen=True, slots=True)
class Like:
    """A string that is, or holds a word that is, as a pattern says once capital letters are gone.

    The pattern has none.
    """

    path: Path
    glob: Glob

    def matches(self, metadata: Mapping[str, Any]) -> bool:
        """Whether metadata (parsed JSON) passes."""
        return self.holds(texts_at(self.path, metadata))

    def holds(self, texts: Texts) -> bool:
        """Whether one of the strings is such a one."""
        return texts.are_like(self.glob)

    def needles(self) -> frozenset[bytes]:
        """The path: a word has many spellings."""
        return self.path.needles()


type TextCondition = HasWords | HasPhrase | Wildcard | Like


def has_words(path: Path, text: str) -> HasWords:
    """The condition that a string holds all words of a text."""
    return HasWords(path, tuple(sorted(set(words_of(text)))))


def has_phrase(path: Path, text: str) -> HasPhrase:
    """The condition that a string holds the words of a text as they stand there."""
    return HasPhrase(path, tuple(words_of(text)))


def is_like(path: Path, pattern: str) -> Like:
    """The condition that a word of a string, or the string, is as a pattern says."""
    return Like(path, Glob(pattern.casefold()))
