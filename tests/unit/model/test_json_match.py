"""Paths into documents, and what setting and unsetting at them does: as `@sanity/mutator` does it."""

from typing import Any

import pytest

from shoal.errors import InvalidInput
from shoal.model.json_match import Element, Matching, Member, parse_path, with_value, without


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("a", (Member("a"),)),
        ("a.b_1", (Member("a"), Member("b_1"))),
        ("a[0]", (Member("a"), Element(0))),
        ("a[ -1 ].b", (Member("a"), Element(-1), Member("b"))),
        ('a[_key=="x y"].b', (Member("a"), Matching("_key", "x y"), Member("b"))),
        (r'a[_key == "x\"y"]', (Member("a"), Matching("_key", 'x"y'))),
        ("a[_key=='x']", (Member("a"), Matching("_key", "x"))),
        ("a[n==2][0]", (Member("a"), Matching("n", 2), Element(0))),
        ("['a b'].c", (Member("a b"), Member("c"))),
        ("x['b.c']", (Member("x"), Member("b.c"))),
    ],
)
def test_paths(text: str, steps: tuple[object, ...]) -> None:
    assert parse_path(text, where="set") == steps


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("a..b", 2),
        (".a", 1),
        ("a.", 2),
        ("a[*]", 2),
        ("a[]", 2),
        ("a[1:2]", 2),
        ("a[0,1]", 2),
        ("a b", 2),
        ("a-b", 2),
        ("9a", 1),
        ("a[0]b", 5),
        ("a[_key==x]", 2),
        ("a[_key==", 2),
    ],
)
def test_what_is_no_path_is_refused_by_position(text: str, position: int) -> None:
    with pytest.raises(InvalidInput, match="mutations") as refused:
        parse_path(text, where="mutations[0].patch.set")
    assert refused.value.details == {"position": position}


@pytest.mark.parametrize("text", ["", "a" * 1025, ".".join("a" * 33)])
def test_paths_are_bounded(text: str) -> None:
    with pytest.raises(InvalidInput, match="a path has"):
        parse_path(text, where="set")


@pytest.mark.parametrize(
    ("before", "path", "value", "after"),
    [
        ({}, "a.b", 1, {"a": {"b": 1}}),
        ({"a": 1}, "a.b", 1, {"a": {"b": 1}}),
        ({"a": None}, "a.b", 1, {"a": {"b": 1}}),
        ({"a": [1]}, "a.b", 1, {"a": [1]}),
        ({"a": []}, "a[0]", 1, {"a": [1]}),
        ({"a": [1]}, "a[1]", 2, {"a": [1, 2]}),
        ({"a": [1]}, "a[3]", 2, {"a": [1, None, None, 2]}),
        ({"a": [1]}, "a[-1]", 2, {"a": [2]}),
        ({"a": [1, 2]}, "a[-3]", 9, {"a": [1, 2]}),
        ({"a": [{"_key": "k", "v": 1}]}, 'a[_key=="k"]', {"z": 1}, {"a": [{"z": 1}]}),
        (
            {"a": [{"_key": "k"}, {"_key": "j"}]},
            'a[_key=="k"].v',
            5,
            {"a": [{"_key": "k", "v": 5}, {"_key": "j"}]},
        ),
        ({"a": [{"_key": "k"}]}, 'a[_key=="x"].v', 5, {"a": [{"_key": "k"}]}),
        ({"a": [{"_key": "k"}]}, "a[0].w.z", 5, {"a": [{"_key": "k", "w": {"z": 5}}]}),
        ({"a": [{"n": 1}, {"n": True}]}, "a[n==1].w", 5, {"a": [{"n": 1, "w": 5}, {"n": True}]}),
        ({"a": 1, "x": {}}, "x['b.c']", 1, {"a": 1, "x": {"b.c": 1}}),
        ({"a": {}}, "a[0]", 5, {"a": {}}),
        ({}, "a[0]", 5, {}),
        ({"a": None}, "a[0]", 5, {"a": None}),
        ({}, "a.b[0].c", 5, {}),
        ({}, 'a[_key=="x"].v', 5, {}),
        ({}, "a.b", None, {"a": {"b": None}}),
        ({"a": "text"}, "a[0]", 5, {"a": "text"}),
    ],
)
def test_set(before: Any, path: str, value: Any, after: Any) -> None:
    given = repr(before)
    assert with_value(before, parse_path(path, where="set"), value) == after
    assert repr(before) == given


@pytest.mark.parametrize(
    ("before", "path", "after"),
    [
        ({"a": {"b": 1, "c": 2}}, "a.b", {"a": {"c": 2}}),
        ({"a": [1, 2, 3]}, "a[0]", {"a": [2, 3]}),
        ({"a": [1, 2, 3]}, "a[-1]", {"a": [1, 2]}),
        ({"a": [1, 2, 3]}, "a[7]", {"a": [1, 2, 3]}),
        ({"a": [{"_key": "k", "v": 1}, {"_key": "j"}]}, 'a[_key=="k"]', {"a": [{"_key": "j"}]}),
        ({"a": [{"_key": "k", "v": 1}, 7]}, 'a[_key=="k"].v', {"a": [{"_key": "k"}, 7]}),
        ({"a": 1}, "a", {}),
        ({"a": 1}, "q.b", {"a": 1}),
        ({"a": 1}, "a[0]", {"a": 1}),
        ({"a": 1}, "a.b", {"a": 1}),
    ],
)
def test_unset(before: Any, path: str, after: Any) -> None:
    given = repr(before)
    assert without(before, parse_path(path, where="unset")) == after
    assert repr(before) == given


def test_an_array_does_not_grow_without_bound() -> None:
    with pytest.raises(InvalidInput, match="far behind the end"):
        with_value({"a": []}, parse_path("a[999999999]", where="set"), 1)
