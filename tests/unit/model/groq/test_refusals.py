"""GROQ filters and projections: what is refused, with which words, and at which place."""

from collections.abc import Callable
from typing import Any

import pytest

from shoal.errors import InvalidInput
from shoal.model.groq.filters import parse_filter
from shoal.model.groq.projections import parse_projection

FUNCTIONS = "functions other than defined() and references() are not supported"
DRAFTS = "drafts and versions are never indexed, so no filter has to leave them out"
INSIDE = 'write only what stands inside of *[ ], as in _type == "movie"'


def refusal(kind: str, text: str) -> InvalidInput:
    with pytest.raises(InvalidInput) as refused:
        parse_filter(text) if kind == "filter" else parse_projection(text)
    assert refused.value.code == "invalid_groq"
    return refused.value


@pytest.mark.parametrize(
    ("text", "place", "told"),
    [
        ('*[_type == "movie"]', 1, 'sub-queries are not supported: *[_type == "movie"]'),
        ("count(*[references(^._id)]) > 0", 1, f"{FUNCTIONS}: count(*[references(^._id"),
        ('a in *[_type == "b"]._id', 6, 'sub-queries are not supported: *[_type == "b"]._id'),
        ('pt::text(body) match "x"', 1, f'{FUNCTIONS}: pt::text(body) match "x"'),
        ("now() > a", 1, f"{FUNCTIONS}: now() > a"),
        (
            '!(_id in path("drafts.**"))',
            10,
            f'{FUNCTIONS}: path("drafts.**")); {DRAFTS}',
        ),
        ("_type == $type", 10, "parameters are not supported: $type; write the value out"),
        ("~production", 1, "dataset aliases are not supported: ~production"),
        (
            "author->name == 'x'",
            7,
            "dereferences are not supported: ->name == 'x'; documents are taken one by one",
        ),
        ("a | order(b)", 3, "pipes are not supported: | order(b)"),
        ("a == @", 6, "uses of @ are not supported: @"),
        ("^.a == 1", 1, "uses of ^ are not supported: ^.a == 1"),
        ("year in 1990..2000", 13, "ranges are not supported: ..2000; compare with >= and <="),
        ("year in (1990...2000)", 14, "ranges are not supported: ...2000); compare with >= and <"),
        ("tags[0..2]", 5, "slices are not supported: [0..2]"),
        ("cast[name == 'a']", 5, "filters inside of brackets are not supported: [name == 'a']"),
        ("tags[a..b]", 5, "slices are not supported: [a..b]"),
        ("a + 1 == 2", 3, "arithmetic operators are not supported: + 1 == 2"),
        ("a * 2", 3, "arithmetic operators are not supported: * 2"),
        ("-a == 2", 1, "arithmetic operators are not supported: -a == 2"),
        ("a ** 2", 3, "arithmetic operators are not supported: ** 2"),
        ("(a, b)", 1, "tuples are not supported: (a, b)"),
        ("a == {}", 6, "objects are not supported: {}"),
        ("a{b} == 1", 2, "projections inside of a filter are not supported: {b} == 1"),
        ("[...tags]", 2, "spreads are not supported: ...tags]"),
        ("a => b", 3, "conditions of projections are not supported: => b"),
        (
            "fn ns::f($a) = $a{b}; a",
            1,
            "declarations of functions are not supported: fn ns::f($a) = $a{b}; a",
        ),
        (
            "title match other",
            13,
            'patterns that are no string are not supported: other; write them out, as in match ["two", "word*"]',
        ),
        ("title match ['a', 1]", 13, None),
        ("a in (b)[0]", 9, "accesses right behind the parentheses of in are not supported: [0]"),
        ("1e999 > a", 1, "numbers beyond 1.8e308 are not supported: 1e999"),
        (
            '["movie"]',
            1,
            f'filters that are no condition are not supported: ["movie"]; {INSIDE}',
        ),
        ('"movie"', 1, None),
        (" 5", 2, None),
    ],
)
def test_what_groq_has_and_we_do_not(text: str, place: int, told: str | None) -> None:
    error = refusal("filter", text)
    assert error.details is not None
    assert error.details["position"] == place
    assert error.details["construct"] in error.message
    if told is not None:
        assert error.message == f"filter, character {place}: {told}"


@pytest.mark.parametrize(
    ("text", "place", "told"),
    [
        ("a ==", 5, "expected a value, but the filter ends here"),
        ("a == == b", 6, "expected a value, found =="),
        ("a && ", 6, "expected a value, but the filter ends here"),
        ("a b", 3, "expected an operator or the end of the filter, found b"),
        ("a)", 2, "expected an operator or the end of the filter, found )"),
        ("(a", 3, 'expected ")", but the filter ends here'),
        ("[a", 3, "expected a comma or ], but the filter ends here"),
        ("[,]", 2, "expected a value, found ,"),
        ("defined(a", 10, "expected a comma or ), but the filter ends here"),
        ("defined()", 1, "defined() takes one value, not 0"),
        ("defined(a, b)", 1, "defined() takes one value, not 2"),
        ("references()", 1, "references() takes at least one value"),
        ("defined (a)", 9, "expected an operator or the end of the filter, found ("),
        ("a.", 3, "expected a name, but the filter ends here"),
        ("a.5", 3, "expected a name, found 5"),
        ("a[", 3, 'expected "]", but the filter ends here'),
        ("a[1", 4, 'expected "]", but the filter ends here'),
        ("a[1.5]", 3, "the place of an element is a whole number"),
        ("a = 1", 3, "GROQ writes == for ="),
        ("a == 1 and b == 2", 8, "GROQ writes && for and"),
        ("a == 1 & b == 2", 8, "GROQ writes && for &"),
        ("a == 1 OR b == 2", 8, "GROQ writes || for OR"),
        ("a == b == c", 8, "comparisons do not chain: join them with &&, or put one in parentheses"),
        ("1 < a <= 2", 7, "comparisons do not chain: join them with &&, or put one in parentheses"),
        ("a in (b || c)", 9, 'expected ")", found ||'),
        ('"movie', 1, "this string does not end"),
        ('a == "b\\q"', 8, "there is no escape \\q"),
        ('a == "\\u12"', 7, "there is no escape \\u"),
        ('a == "\\u{110000}"', 7, "there is no escape \\u"),
        ('a == "\\ud83d"', 6, "this string has half of a surrogate pair"),
        ("a == 1e", 7, "the exponent of this number has no digits"),
        ("a // b", 3, "this comment does not end: put a line break behind it"),
        ("größe == 1", 3, "unexpected character 'ö'"),
        ("a == `b`", 6, "unexpected character '`'"),
    ],
)
def test_what_is_not_groq(text: str, place: int, told: str) -> None:
    error = refusal("filter", text)
    assert error.message == f"filter, character {place}: {told}"
    assert error.details == {"position": place, "line": 1, "column": place}


@pytest.mark.parametrize(
    ("text", "place", "told"),
    [
        ("title", 1, "projections without braces are not supported: title; write {title, body}"),
        ("{title}[0]", 8, "operators behind a projection are not supported: [0]"),
        ("{title} | order(a)", 9, "pipes are not supported: | order(a)"),
        (
            '{"a": author->name}',
            13,
            "dereferences are not supported: ->name}; documents are taken one by one",
        ),
        ("{...author}", 2, "spreads of anything but the whole document are not supported: ...author}"),
        ("{a, defined(b) => {c}}", 16, "conditions of projections are not supported: => {c}}"),
        ('{"a": select(b => 1)}', 7, f"{FUNCTIONS}: select(b => 1)}}"),
        ('{"n": *[a == 1]}', 7, "sub-queries are not supported: *[a == 1]}"),
        ('{"a": {"b": c}}', 7, 'objects are not supported: {"b": c}}'),
        ("{title: name}", 2, 'a name in front of a colon stands in quotes: "title": …'),
        ("{author.name}", 2, 'this needs a name in front of it, as in "name": …'),
        ("{a, b == c}", 5, 'this needs a name in front of it, as in "name": …'),
        ('{"title"}', 2, 'this needs a name in front of it, as in "name": …'),
        ("{a.b{c}}", 2, 'this needs a name in front of it, as in "name": …'),
        ("{a b}", 4, "expected a comma or }, found b"),
        ("{a", 3, "expected a comma or }, but the projection ends here"),
        ("{a, ", 5, "expected a value, but the projection ends here"),
        ("{a}}", 4, "expected the end of the projection, found }"),
        ('{"a" b}', 6, None),
    ],
)
def test_projections(text: str, place: int, told: str | None) -> None:
    message = refusal("projection", text).message
    if told is not None:
        assert message == f"projection, character {place}: {told}"


def test_lines_and_columns() -> None:
    error = refusal("filter", '_type == "movie"\n  && count(a) > 1')
    assert error.message.startswith("filter, line 2, column 6: functions other than")
    assert error.details is not None
    assert error.details["position"] == 23
    assert refusal("projection", "{\n  title,\r\n  body->\n}").message.startswith(
        "projection, line 3, column 7: "
    )
    assert refusal("filter", "\na =\n").message.startswith("filter, character 4: ")


@pytest.mark.parametrize(
    ("text", "place", "word"),
    [
        ("_type==movie", 8, "movie"),
        ("movie == _type", 1, "movie"),
        ("_type != movie && a", 10, "movie"),
        ("a || !(_type == blog-post)", 17, "blog"),
        ("_type == sanity.imageAsset", 10, "sanity.imageAsset"),
        ("_type in [movie, show]", 11, "movie"),
        ('_type in ["movie", show]', 20, "show"),
        ("_type in movie", 10, "movie"),
        ("_type match movie", 13, "movie"),
    ],
)
def test_a_type_whose_quotes_the_shell_ate(text: str, place: int, word: str) -> None:
    assert refusal("filter", text).message == (
        f'filter, character {place}: _type is compared with {word}, which has no quotes: write "{word}". '
        f"A shell takes the quotes away inside of '…'; in JSON, \\\"{word}\\\" gets through"
    )


@pytest.mark.parametrize(
    "text", ["_type == null", "_type == _id", "a._type == b", "_type == a[0]", "kind == movie"]
)
def test_other_comparisons_are_meant(text: str) -> None:
    parse_filter(text)


def words(number: int) -> str:
    return " ".join(f"w{word}*" for word in range(number))


def nested(before: str, inside: str, behind: str, times: int) -> str:
    return before * times + inside + behind * times


DEEP = "this is more than 64 levels deep"
SEARCHES = "more than 16 of match and references() do not fit"
SIZE = "at most 8192 bytes fit, and this has 8193"
LIMITS: list[tuple[Callable[[int], str], str, int, str]] = [
    # An expression by its size, which size fits just so, and what the next one is told.
    (lambda n: nested("(", "a", ")", n), "filter", 63, DEEP),
    (lambda n: nested("!", "a", "", n), "filter", 63, DEEP),
    (lambda n: nested("[", "a", "]", n) + " == 1", "filter", 63, DEEP),
    (lambda n: nested("defined(", "a", ")", n), "filter", 63, DEEP),
    (lambda n: nested("a in ((", "b", "))", n), "filter", 31, DEEP),
    (lambda n: "a" + ".a" * n, "filter", 63, DEEP),
    (lambda n: "a" + "[]" * n, "filter", 63, DEEP),
    (lambda n: nested("{a", "{a}", "}", n), "projection", 31, DEEP),
    (lambda n: " && ".join(["a"] * n), "filter", 128, "more than 128 paths do not fit"),
    (lambda n: "{" + ",".join(["a"] * n) + "}", "projection", 128, "more than 128 paths do not fit"),
    (lambda n: "||".join(["references('a')"] * n), "filter", 16, SEARCHES),
    (lambda n: "||".join(["a match 'b'"] * n), "filter", 16, SEARCHES),
    (lambda n: f"a match '{words(n)}'", "filter", 32, "more than 32 words with wildcards do not fit"),
    (lambda n: "a == '" + "x" * (n - 7) + "'", "filter", 8192, SIZE),
    (lambda n: "{a" + " " * (n - 3) + "}", "projection", 8192, SIZE),
    (lambda n: "a // " + "ü" * n + "\n", "filter", 4093, "at most 8192 bytes fit, and this has 8194"),
]


@pytest.mark.parametrize(("make", "kind", "most", "told"), LIMITS)
def test_limits(make: Callable[[int], str], kind: str, most: int, told: str) -> None:
    document: dict[str, Any] = {"a": [[["x"]]]}
    if kind == "filter":
        assert parse_filter(make(most)).matches(document) in (True, False)
    else:
        parse_projection(make(most)).project(document)
    assert told in refusal(kind, make(most + 1)).message


@pytest.mark.parametrize(
    "symbol", ["(", "[", "!", "{a", "-", "a.", "a[", "defined(", "'", "//", "\\", "((a)==", "a{"]
)
def test_much_of_anything_is_refused(symbol: str) -> None:
    for kind in ("filter", "projection"):
        refusal(kind, symbol * (8192 // len(symbol)))
        refusal(kind, symbol * 100_000)
