"""groq-js makes of the examples what we say they mean; and where we differ on purpose, it still does otherwise."""

from typing import Any

from shoal.errors import InvalidInput
from shoal.model.groq.filters import parse_filter
from shoal.model.groq.projections import parse_projection
from tests.groq.json_values import same
from tests.groq.oracle import Oracle, Question
from tests.unit.model.groq.examples import DOCUMENT, PROJECTIONS, VALUES


def test_the_examples_are_those_of_groq_js(oracle: Oracle) -> None:
    examples = [*((f'{{"it": {text}}}', {"it": value}) for text, value in VALUES), *PROJECTIONS]
    answers = oracle.ask([Question("projection", text, (DOCUMENT,)) for text, _ in examples])
    wrong = [
        (text, expected, answer)
        for (text, expected), answer in zip(examples, answers, strict=True)
        if answer.rejected is not None or not same(expected, answer.values[0])
    ]
    assert wrong == []


DIFFERENCES: list[tuple[str, dict[str, Any], bool | None, bool | None]] = [
    # An expression, a document, what it is to us (None: refused), and what to groq-js.
    # Its strings are ordered by their UTF-16; the specification orders them by code point.
    (r'"\uffee" < a', {"a": "🚀"}, True, False),
    # Its code points end at FFFF.
    (r'a == "\u{1F680}"', {"a": "🚀"}, True, False),
    # Escapes that there are not are the word `undefined` to it.
    (r'a == "\q"', {"a": "undefined"}, None, True),
    # A lone dot in a pattern stands for one character, which a rocket is to us and two to it.
    ("a match 'é.é'", {"a": "é🚀é"}, True, False),
    ("a match 'é.é'", {"a": "éxé"}, True, True),
    # It takes what begins like `fn` for a declaration, and a colon for the parenthesis of a function.
    ("fnord == 1", {"fnord": 1}, True, None),
    ("defined:a)", {"a": 1}, None, True),
]


def test_where_we_differ(oracle: Oracle) -> None:
    answers = oracle.ask([Question("filter", text, (document,)) for text, document, _, _ in DIFFERENCES])
    found = []
    for (text, document, _, _), answer in zip(DIFFERENCES, answers, strict=True):
        theirs = None if answer.rejected is not None else answer.values[0]
        found.append((text, document, ours(text, document), theirs))
    assert found == DIFFERENCES


def ours(text: str, document: dict[str, Any]) -> bool | None:
    try:
        return parse_filter(text).matches(document)
    except InvalidInput:
        return None


def test_nothing_is_everything_to_us_alone(oracle: Oracle) -> None:
    (answer,) = oracle.ask([Question("filter", "", ({},))])
    assert answer.rejected is not None
    assert parse_filter("").matches({})
    assert parse_projection("").project({"a": 1}) == {"a": 1}
