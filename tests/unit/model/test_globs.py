"""Patterns of whole strings, against regular expressions."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.model.globs import Glob, Lanes
from tests.unit.model.filter_oracle import as_expression

ALPHABETS = ("ab", "aé", "a\U0001f642", "a\x00\x7f\x80\xff")


@settings(max_examples=500)
@given(st.data(), st.sampled_from(ALPHABETS))
def test_it_finds_what_a_regular_expression_does(data: st.DataObject, alphabet: str) -> None:
    strings = data.draw(st.lists(st.text(alphabet, max_size=8), max_size=5))
    pattern = data.draw(st.text(f"{alphabet}**??\\", max_size=8))
    expected = any(re.fullmatch(as_expression(pattern), each, re.DOTALL) for each in strings)
    glob = Glob(pattern)
    assert glob.is_of_any(Lanes(strings)) == expected if strings else not expected
    for each in strings:
        if glob.is_of_any(Lanes([each])):
            assert each.startswith(glob.beginning)
            assert all(piece in each for piece in glob.pieces)


@pytest.mark.parametrize(
    ("pattern", "pieces", "beginning"),
    [
        ("", [], ""),
        ("abc", ["abc"], "abc"),
        ("ab*c?d", ["ab", "c", "d"], "ab"),
        ("*?**ab", ["ab"], ""),
        ("a\\*b\\", ["a*b\\"], "a*b\\"),
    ],
)
def test_what_every_string_of_it_holds(pattern: str, pieces: list[str], beginning: str) -> None:
    assert (Glob(pattern).pieces, Glob(pattern).beginning) == (pieces, beginning)


def test_equal_patterns_are_equal() -> None:
    assert Glob("a*") == Glob("a*")
    assert hash(Glob("a*")) == hash(Glob("a*"))
    assert Glob("a*") != Glob("a?")
    assert repr(Glob("a*")) != repr(Glob("a?"))
