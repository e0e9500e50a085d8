"""How many tokens a text has, where only its provider knows."""

import math
from collections.abc import Sequence

CHARACTERS_A_TOKEN = 4
"""Of English; what providers give as a rule of thumb."""


def estimate_tokens(text: str) -> int:
    """About as many as a provider will count: a token for four ASCII characters, and one for each other character
    (a Chinese character has about one, an accented letter costs a word at most one more).
    """
    plain = len(text) if text.isascii() else len(text.encode("ascii", "ignore"))
    return math.ceil(plain / CHARACTERS_A_TOKEN) + len(text) - plain


def estimate_each(texts: Sequence[str]) -> list[int]:
    """The estimate of each text."""
    return [estimate_tokens(text) for text in texts]
