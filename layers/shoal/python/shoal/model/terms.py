"""Lists of terms, and which of them a text holds: whole words, also several in a row."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from shoal.errors import InvalidInput, TooLarge
from shoal.model.words import words_of

SENSITIVE = "sensitive"
"""The list that a filtered index leaves out. Every tenant has it; it is empty until it is set."""
MAX_LISTS = 20
"""Of a tenant."""
MAX_TERMS = 10_000
MAX_TERM_CHARACTERS = 256
MAX_LIST_BYTES = 256 * 1024
"""UTF-8 bytes of a list, a term a line: one item of the table holds it."""
_NAME = re.compile(r"[a-z0-9_-]{1,64}")


def check_list_name(name: str) -> str:
    """A name that a list may have.

    Raises:
        InvalidInput: code `invalid_name`.
    """
    if not _NAME.fullmatch(name):
        raise InvalidInput("invalid_name", "the name of a list must be 1-64 characters of [a-z0-9_-]")
    return name


def normalised(term: str) -> str:
    """The term without the difference of capital letters, and with one space where it has white space."""
    return " ".join(_composed(term.casefold()).split())


def _composed(text: str) -> str:
    """The text with one way of writing each letter: é is one character, or an e with a mark behind it."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _words(text: str) -> list[str]:
    # Composed at last: without capital letters what was composed may not be any more.
    return words_of(_composed(text.casefold()))


def check_terms(given: Iterable[str]) -> tuple[str, ...]:
    """The terms of a list, normalised, each once, in their order; blank ones are left out.

    Raises:
        InvalidInput: `invalid_terms`: one is too long, or nothing that a word could be; `too_many_terms`.
        TooLarge: code `term_list_too_large`.
    """
    terms: dict[str, None] = {}
    for number, each in enumerate(given, 1):
        term = normalised(each)
        if not term:
            continue
        if len(term) > MAX_TERM_CHARACTERS:
            raise _invalid(number, f"is longer than {MAX_TERM_CHARACTERS} characters")
        if not words_of(term):
            raise _invalid(number, "has neither letters nor digits, so that no text could hold it")
        terms[term] = None
    if len(terms) > MAX_TERMS:
        raise InvalidInput("too_many_terms", f"a list has at most {MAX_TERMS} terms", {"limit": MAX_TERMS})
    if sum(len(term.encode()) + 1 for term in terms) > MAX_LIST_BYTES:
        raise TooLarge("term_list_too_large", f"a list has at most {MAX_LIST_BYTES} bytes, a term a line")
    return tuple(terms)


def _invalid(number: int, what: str) -> InvalidInput:
    return InvalidInput("invalid_terms", f"term {number} {what}", {"term": number})


@dataclass(slots=True)
class _Node:
    """Where some first words of terms lead: to those that end there, and on by their next words."""

    ending: list[str] = field(default_factory=list)
    following: dict[str, "_Node"] = field(default_factory=dict)


class TermMatcher:
    """Finds the terms that texts hold as whole words, in any case of letters.

    The terms are a tree of their words, so that each word of a text is looked up once, and those after it only
    where a term begins with it. The terms may be many, and any number of them may begin alike.
    """

    def __init__(self, terms: Iterable[str]) -> None:
        self._root = _Node()
        for term in terms:
            words = _words(term)
            node = self._root
            for word in words:
                node = node.following.setdefault(word, _Node())
            if words:
                node.ending.append(term)

    def found(self, texts: Iterable[str]) -> set[str]:
        """The terms that at least one of the texts holds; none reaches from one text into another."""
        found: set[str] = set()
        for text in texts:
            words = _words(text)
            if not self._root.following.keys().isdisjoint(words):
                _collect(self._root.following, words, found)
        return found


def _collect(beginning: Mapping[str, _Node], words: Sequence[str], found: set[str]) -> None:
    for start, word in enumerate(words):
        node = beginning.get(word)
        at = start + 1
        while node is not None:
            found.update(node.ending)
            node = node.following.get(words[at]) if at < len(words) else None
            at += 1
