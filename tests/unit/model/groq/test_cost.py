"""What hostile expressions and documents cost: so much for each path and byte, whatever they are like.

Seconds are those of the processor, and the bound is far above what is measured (0 to 3 s on a slow machine): what
grows with the square of a document, or worse, takes minutes.
"""

import sys
import time
from typing import Any

import pytest

from shoal.model.groq.filters import parse_filter
from shoal.model.groq.limits import MAX_PATHS, MAX_SEARCHES, MAX_WILDCARDS
from shoal.model.groq.projections import parse_projection

MANY = 50_000
MOST_SECONDS = 20


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def any_of(condition: str, times: int) -> str:
    return " || ".join([condition] * times)


HOSTILE: dict[str, tuple[str, dict[str, Any]]] = {
    "numbers of an array": (any_of("-1 in a", MAX_PATHS), {"a": list(range(MANY))}),
    "truth values like numbers": (any_of("1 in a", MAX_PATHS), {"a": [True] * MANY}),
    "arrays in arrays": (any_of("a in [a]", MAX_PATHS // 2), {"a": [[1]] * MANY}),
    "attributes of scalars": (any_of("a[].b.c.d.e.f", MAX_PATHS), {"a": [1] * MANY}),
    "joined arrays": (any_of("a[].b[].c[]", MAX_PATHS // 4), {"a": [{"b": [{"c": [1, 2]}]}] * (MANY // 4)}),
    "steps": ("a" + "[]" * 60, {"a": [[1]] * MANY}),
    "references nowhere": (any_of("references('x')", MAX_SEARCHES), {"a": [{"b": 1}] * MANY}),
    "references to many": (
        any_of("references(a)", MAX_SEARCHES),
        {"a": [str(number) for number in range(MANY)]},
    ),
    "a deep document": ("references('x') || a in [a] || a == a || [a] match 'x'", {"a": deep(MANY)}),
    "stars in a word": (f"a match '{'*a' * 500}b*'", {"a": "a" * MANY * 4}),
    "words with stars": (
        f"a match '{' '.join(f'*{number}*x' for number in range(MAX_WILDCARDS))}'",
        {"a": " ".join(map(str, range(MANY)))},
    ),
    "words read again": (any_of("a match 'x'", MAX_SEARCHES), {"a": "ü " * MANY}),
    "dots": ("a match 'x'", {"a": "." * MANY * 20}),
    "dots between": ("a match 'x'", {"a": "!.." * MANY * 4}),
    "a long word": ("a match 'x*'", {"a": "é" * MANY * 20}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_filters(name: str) -> None:
    text, document = HOSTILE[name]
    condition = parse_filter(text)
    began = time.process_time()
    assert not condition.matches(document)
    assert time.process_time() - began < MOST_SECONDS


def test_projections() -> None:
    text = "{" + ", ".join(f'"x{number}": a[]{{b, c, d}}' for number in range(MAX_PATHS // 4)) + "}"
    projection = parse_projection(text)
    began = time.process_time()
    assert len(projection.project({"a": [{"b": 1}] * (MANY // 5)})) == MAX_PATHS // 4
    assert time.process_time() - began < MOST_SECONDS


def test_the_deepest_expression_needs_no_deep_stack() -> None:
    # Functions are called from somewhere: half of what Python has to give must do.
    def inside(depth: int, text: str, document: dict[str, Any]) -> bool:
        if depth:
            return inside(depth - 1, text, document)
        return parse_filter(text).matches(document)

    room = sys.getrecursionlimit() // 2 - 100
    assert inside(room, "(" * 63 + "a" + ")" * 63, {"a": True})
    assert inside(room, "!" * 62 + "a", {"a": True})
    assert not inside(room, "a" + "[].a" * 31, {"a": [{"a": [{"a": 1}]}]})
