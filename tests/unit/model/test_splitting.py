"""Splitting: nothing is lost or added, parts fit, and they end where a reader would."""

import math
import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.model.bindings import MAX_PARTS
from shoal.model.splitting import Split, split


def words(texts: Sequence[str]) -> list[int]:
    return [len(text.split()) for text in texts]


def characters(texts: Sequence[str]) -> list[int]:
    return [len(text) for text in texts]


def quarters(texts: Sequence[str]) -> list[int]:
    return [math.ceil(len(text) / 4) for text in texts]


def more_together(texts: Sequence[str]) -> list[int]:
    """A whole has more tokens than its words together."""
    return [len(text.split()) + len(text) // 20 for text in texts]


prose = st.lists(
    st.sampled_from(
        ["one", "two", "three", "a-very-long-word-without-end", "stop.", "really?", "\n\n", "\n", "界。"]
    ),
    max_size=120,
).map(" ".join)
texts = prose | st.text(max_size=300)
counts = st.sampled_from([words, characters, quarters])


@given(text=texts, most=st.integers(1, 40), count=counts)
def test_parts_are_the_text_and_fit(text: str, most: int, count: object) -> None:
    assert callable(count)
    found = split(text, max_tokens=most, count=count)
    joined = "".join(found.parts)
    assert len(found.parts) <= MAX_PARTS
    assert text.startswith(joined)
    assert found.truncated == (joined != text)
    assert not found.truncated or len(found.parts) == MAX_PARTS
    assert all(found.parts)
    assert max(count(found.parts), default=0) <= most


@given(text=prose, most=st.integers(4, 40))
def test_words_are_whole_where_they_fit(text: str, most: int) -> None:
    found = split(text, max_tokens=most, count=words)
    for part in found.parts[:-1]:
        assert part[-1].isspace()


@given(text=prose, most=st.integers(10, 40))
def test_parts_fit_where_a_whole_has_more_tokens_than_its_pieces(text: str, most: int) -> None:
    found = split(text, max_tokens=most, count=more_together)
    assert max(more_together(found.parts), default=0) <= most


def test_short_text_is_one_part_and_no_text_is_none() -> None:
    assert split("a b c", max_tokens=3, count=words) == Split(["a b c"], truncated=False)
    assert split("", max_tokens=3, count=words) == Split([], truncated=False)


def test_a_part_ends_with_a_paragraph_then_a_sentence_then_a_word() -> None:
    text = "One two three.\n\nFour five six. Seven eight nine ten eleven twelve thirteen fourteen."
    assert split(text, max_tokens=5, count=words).parts == [
        "One two three.\n\n",
        "Four five six. ",
        "Seven eight nine ten eleven ",
        "twelve thirteen fourteen.",
    ]


def test_a_paragraph_in_the_first_half_of_a_part_ends_none() -> None:
    text = "Title\n\nOne two three. Four five six. Seven eight nine. Ten."
    assert split(text, max_tokens=7, count=words).parts == [
        "Title\n\nOne two three. Four five six. ",
        "Seven eight nine. Ten.",
    ]


def test_a_word_that_is_longer_than_a_part_is_cut() -> None:
    found = split("x" * 25 + " end", max_tokens=10, count=characters)
    assert [len(part) for part in found.parts] == [10, 10, 9]
    assert "".join(found.parts) == "x" * 25 + " end"


def test_a_character_with_more_tokens_than_fit_is_a_part() -> None:
    found = split("ab", max_tokens=1, count=lambda some: [3 * len(text) for text in some])
    assert found.parts == ["a", "b"]


def test_what_is_beyond_the_last_part_is_left_out() -> None:
    text = " ".join(f"w{number}" for number in range(200))
    found = split(text, max_tokens=5, count=words)
    assert found.truncated
    assert words(found.parts) == [5] * MAX_PARTS


def test_of_a_very_long_text_only_the_beginning_is_counted() -> None:
    counted = 0

    def count(some: Sequence[str]) -> list[int]:
        nonlocal counted
        counted += sum(map(len, some))
        return words(some)

    text = "Some words make a sentence. " * 40_000
    found = split(text, max_tokens=50, count=count)
    assert (len(text) > 1_000_000, len(found.parts), found.truncated) == (True, MAX_PARTS, True)
    assert counted < 100_000


@pytest.mark.parametrize(
    "text", ["x" * 1_000_000, " " * 1_000_000, "\n" * 1_000_000, "." * 1_000_000, "ab " * 333_333]
)
def test_a_document_of_a_megabyte_takes_no_time(text: str) -> None:
    found = split(text, max_tokens=512, count=quarters)
    assert len(found.parts) <= MAX_PARTS
    assert text.startswith("".join(found.parts))


def test_no_tokens_are_no_length() -> None:
    with pytest.raises(ValueError, match="max_tokens is 0"):
        split("a", max_tokens=0, count=words)
    assert re.fullmatch(r"a b ", split("a b c", max_tokens=2, count=words).parts[0])
