"""Conditions, paths into metadata, progress, and the choice between masking and writing anew."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.model.derivations import (
    EVERYTHING,
    Condition,
    DerivationStatus,
    check_condition,
    most_frequent,
    progress_at,
    strategy_for,
    texts_at,
)


@pytest.mark.parametrize(
    ("path", "metadata", "texts"),
    [
        ("title", {"title": "a"}, ["a"]),
        ("title", {"title": ["a", "b", 3]}, ["a", "b"]),
        ("title", {"title": {"title": "a"}}, []),
        ("title", {}, []),
        ("author.name", {"author": {"name": "a"}}, ["a"]),
        ("author.name", {"author": "a"}, []),
        ("tags[].name", {"tags": [{"name": "a"}, {"name": "b"}, {}, "c", None]}, ["a", "b"]),
        ("tags.name", {"tags": [{"name": "a"}]}, ["a"]),
        ("tags[].name", {"tags": {"name": "a"}}, ["a"]),
        ("tags[].name", {"tags": [[{"name": "a"}]]}, ["a"]),
        ("a[].b[].c", {"a": [{"b": [{"c": "x"}, {"c": "y"}]}, {"b": {"c": "z"}}]}, ["x", "y", "z"]),
    ],
)
def test_texts_at_a_path(path: str, metadata: dict[str, Any], texts: list[str]) -> None:
    assert list(texts_at(metadata, path)) == texts


def test_what_leaves_nothing_out() -> None:
    assert EVERYTHING.everything
    assert Condition(terms=(), term_fields=("title",)).everything
    assert not Condition(filter={}).everything
    assert not Condition(terms=("a",), term_fields=("title",)).everything
    assert check_condition(Condition(terms=(), term_fields=("title",))) is not None


def test_progress_rises_from_stage_to_stage() -> None:
    steps = [
        progress_at("waiting"),
        progress_at("planning"),
        progress_at("masking", done=0, total=10),
        progress_at("masking", done=5, total=10),
        progress_at("masking", done=10, total=10),
        progress_at("publishing"),
    ]
    assert steps == [0, 0, 5, 45, 85, 85]
    assert progress_at("masking", done=20, total=10) == 85
    assert progress_at("masking") == 5


@given(st.dictionaries(st.text(max_size=3), st.integers(0, 5)))
def test_the_most_frequent_come_first(counts: dict[str, int]) -> None:
    told = most_frequent(counts, 3)
    assert len(told) == min(3, sum(count > 0 for count in counts.values()))
    assert list(told) == sorted(told, key=lambda one: (-one[1], one[0]))
    rest = [count for term, count in counts.items() if count and term not in dict(told)]
    assert all(count <= told[-1][1] for count in rest)


@pytest.mark.parametrize(
    ("rows", "dead", "row_bytes", "follows", "strategy"),
    [
        (0, 0, 400, False, "mask"),
        (1_000_000, 200_000, 400, False, "mask"),
        (1_000_000, 200_001, 400, False, "rewrite"),
        (1_000_000, 999_999, 400, True, "mask"),
        (100, 99, 400, False, "mask"),
    ],
)
def test_much_that_is_left_out_is_written_anew(
    rows: int, dead: int, row_bytes: int, follows: bool, strategy: str
) -> None:
    assert strategy_for(rows=rows, dead=dead, row_bytes=row_bytes, follows=follows) == strategy


def test_all_but_running_are_terminal() -> None:
    assert [status.terminal for status in DerivationStatus] == [False, True, True, True]
