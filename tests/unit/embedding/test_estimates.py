"""Estimates of tokens: never far below what a provider counts, and never less than is promised."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.embedding.estimates import estimate_each, estimate_tokens
from shoal.embedding.static_text import static_model


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("a", 1), ("four", 1), ("fives", 2), ("漢字", 2), ("naïve", 2), ("\ud800", 1)],
)
def test_tokens(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens


@given(st.text(), st.text())
def test_at_least_a_quarter_of_the_characters_and_never_less_for_more(text: str, more: str) -> None:
    assert len(text) / 4 <= estimate_tokens(text) <= len(text)
    assert estimate_tokens(text) <= estimate_tokens(text + more)


def test_english_has_about_as_many_as_a_tokenizer_counts() -> None:
    text = (
        "Creates a new bucket in the region that the request names, owned by the account that sends it. " * 20
    )
    counted = static_model().count_tokens([text])[0]
    assert 0.8 * counted <= estimate_each([text])[0] <= 1.5 * counted
