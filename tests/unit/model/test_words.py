"""Text as words."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.model.words import words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" \t\n.,;", []),
        ("An Ergonomic, office-chair!", ["an", "ergonomic", "office", "chair"]),
        ("snake_case and 3.14", ["snake_case", "and", "3", "14"]),
        ("don't", ["don", "t"]),
        ("ÉTÉ été", ["été", "été"]),
        ("e\u0301te\u0301", ["e\u0301te\u0301"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("Straße ΟΔΟΣ", ["strasse", "οδοσ"]),
        ("日本語のテスト", ["日", "本", "語", "の", "テスト"]),
        ("a\x00b\u200bc\u00a0d", ["a", "b", "c", "d"]),
        ("🙂ok👍", ["ok"]),
        ("\U00020000\U00020001x", ["\U00020000", "\U00020001", "x"]),
        ("x²", ["x²"]),
    ],
)
def test_by_example(text: str, words: list[str]) -> None:
    assert words_of(text) == words


@given(st.text())
def test_words_are_all_that_is_letters_and_digits(text: str) -> None:
    kept = [
        character
        for character in text.casefold()
        if character.isalnum() or character == "_" or unicodedata.category(character)[0] == "M"
    ]
    assert "".join(words_of(text)) == "".join(kept)
    assert words_of(text) == words_of(" ".join(words_of(text)))
