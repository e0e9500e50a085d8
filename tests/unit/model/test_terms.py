"""Lists of terms: what they may hold, and which terms a text holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.errors import InvalidInput, TooLarge
from shoal.model.terms import (
    MAX_LIST_BYTES,
    MAX_TERM_CHARACTERS,
    MAX_TERMS,
    TermMatcher,
    check_list_name,
    check_terms,
)
from shoal.model.words import words_of


def found(terms: list[str], *texts: str) -> set[str]:
    return TermMatcher(check_terms(terms)).found(texts)


@pytest.mark.parametrize(
    ("terms", "texts", "expected"),
    [
        ([], ["anything"], set()),
        (["water"], [], set()),
        (["water"], ["Water, and more water"], {"water"}),
        (["water"], ["waterfall underwater"], set()),
        (["RUNNING"], ["a running dog"], {"running"}),
        (["hot dog"], ["two Hot-Dogs", "a HOT\tDOG!"], {"hot dog"}),
        (["hot dog"], ["hot", "dog"], set()),
        (["hot dog"], ["dog hot", "hot big dog"], set()),
        (["hot", "hot dog", "hot dog stand"], ["a hot dog stand"], {"hot", "hot dog", "hot dog stand"}),
        (["hot dog stand", "dog"], ["hot dog"], {"dog"}),
        (["a a b"], ["a a a b"], {"a a b"}),
        (["hot-dog", "hot dog"], ["hot dog"], {"hot-dog", "hot dog"}),
        (["STRASSE"], ["Straße"], {"strasse"}),
        (["日本"], ["日本語"], {"日本"}),
        (["été"], ["L'ÉTÉ indien"], {"été"}),
        (["c++"], ["c", "c++"], {"c++"}),
        (["\u00e9t\u00e9"], ["L'E\u0301TE\u0301"], {"\u00e9t\u00e9"}),
        (["e\u0301te\u0301"], ["\u00e9t\u00e9"], {"\u00e9t\u00e9"}),
    ],
)
def test_by_example(terms: list[str], texts: list[str], expected: set[str]) -> None:
    assert found(terms, *texts) == expected


_WORDS = st.lists(st.sampled_from(["a", "b", "c", "B", "ab"]), min_size=1, max_size=4)
_SPACE = st.sampled_from([" ", "-", ", ", "\n", "  "])


@st.composite
def _phrases(draw: st.DrawFn, words: st.SearchStrategy[list[str]]) -> str:
    return draw(_SPACE).join(draw(words))


@given(
    st.lists(_phrases(_WORDS), max_size=8),
    st.lists(_phrases(st.lists(st.sampled_from("abcABC"), max_size=12)), max_size=4),
)
def test_as_the_naive_matcher(given_terms: list[str], texts: list[str]) -> None:
    terms = check_terms(given_terms)

    def holds(term: str) -> bool:
        wanted = words_of(term)
        return any(
            words[start : start + len(wanted)] == wanted
            for words in map(words_of, texts)
            for start in range(len(words))
        )

    assert TermMatcher(terms).found(texts) == {term for term in terms if holds(term)}


def test_terms_that_all_begin_alike_are_no_slower_than_their_longest() -> None:
    terms = [f"a {number}" for number in range(MAX_TERMS)]
    text = "a " * 20_000 + "a 77"
    assert TermMatcher(terms).found([text]) == {"a 77"}


def test_terms_are_normalised_and_kept_once() -> None:
    given_terms = ["  Hot \t DOG ", "", "   ", "hot dog", "Running", "ß"]
    assert check_terms(given_terms) == ("hot dog", "running", "ss")
    assert check_terms([]) == ()


@given(st.lists(st.text(max_size=12)))
def test_what_is_normalised_stays_as_it_is(given_terms: list[str]) -> None:
    terms = check_terms([each for each in given_terms if words_of(each)])
    assert check_terms(terms) == terms
    assert all("\n" not in term and words_of(term) for term in terms)
    assert TermMatcher(terms).found(terms) == set(terms)


@pytest.mark.parametrize(
    ("bad", "words"),
    [("x" * (MAX_TERM_CHARACTERS + 1), "longer than 256"), ("!?", "neither letters nor digits")],
)
def test_bad_terms_are_named_by_their_place(bad: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as caught:
        check_terms(["good", "", bad])
    assert (caught.value.code, caught.value.details) == ("invalid_terms", {"term": 3})
    assert bad not in caught.value.message


def test_limits() -> None:
    assert len(check_terms([str(number) for number in range(MAX_TERMS)] * 2)) == MAX_TERMS
    with pytest.raises(InvalidInput) as caught:
        check_terms(str(number) for number in range(MAX_TERMS + 1))
    assert caught.value.code == "too_many_terms"
    long = [f"{number:04}" + "ä" * 126 for number in range(MAX_LIST_BYTES // 257)]
    assert len(check_terms(long)) == len(long)
    with pytest.raises(TooLarge):
        check_terms([*long, "ä" * 126, "ö" * 126])


@pytest.mark.parametrize("name", ["", "Sensitive", "a b", "x" * 65, "a/b", "ä"])
def test_names_that_no_list_can_have(name: str) -> None:
    with pytest.raises(InvalidInput):
        check_list_name(name)
