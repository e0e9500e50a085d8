"""GROQ filters and projections: what they mean."""

from typing import Any

import pytest

from shoal.model.groq.filters import parse_filter
from shoal.model.groq.projections import parse_projection
from tests.unit.model.groq.examples import DOCUMENT, PROJECTIONS, VALUES


@pytest.mark.parametrize(("text", "value"), VALUES)
def test_values(text: str, value: Any) -> None:
    assert parse_projection(f'{{"it": {text}}}').project(DOCUMENT) == {"it": value}


@pytest.mark.parametrize(("text", "value"), [pair for pair in VALUES if isinstance(pair[1], bool | None)])
def test_a_filter_selects_what_it_is_true_for(text: str, value: bool | None) -> None:
    assert parse_filter(text).matches(DOCUMENT) is (value is True)


@pytest.mark.parametrize(("text", "taken"), PROJECTIONS)
def test_projections(text: str, taken: dict[str, Any]) -> None:
    assert parse_projection(text).project(DOCUMENT) == taken


@pytest.mark.parametrize("text", ["", "  \n\t", "// everything\n"])
def test_nothing_is_everything(text: str) -> None:
    assert parse_filter(text).matches({})
    assert parse_projection(text).project(DOCUMENT) == DOCUMENT


def test_a_projection_is_a_new_object() -> None:
    document = {"a": 1}
    for text in ("", "{...}", "{a}"):
        parse_projection(text).project(document)["b"] = 2
    assert document == {"a": 1}


def test_whole_numbers_stay_whole() -> None:
    taken = parse_projection('{"a": 1.0, "b": 15e-1, "c": -0, "d": n}').project({"n": 2**60 + 1})
    assert [repr(value) for value in taken.values()] == ["1", "1.5", "0", "1152921504606846977"]


def test_numbers_beyond_doubles_are_infinite() -> None:
    assert parse_filter("n > 1e308").matches({"n": 10**400})
    assert parse_filter("n < 0").matches({"n": -(10**400)})


def test_strings_are_ordered_by_code_point() -> None:
    assert parse_filter('"\uffee" < "🚀"').matches({})


def test_half_a_surrogate_pair_is_no_word() -> None:
    assert not parse_filter('a match "a*"').matches({"a": "\ud83d"})


def test_filters_of_one_text_are_one_value() -> None:
    assert parse_filter("a == 1") == parse_filter("a == 1")
    assert parse_filter("a == 1") != parse_filter("a == true")
    assert len({parse_projection("{a}"), parse_projection("{a}")}) == 1
