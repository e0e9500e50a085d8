"""Templates: the text of a payload, and what is wrong with a template."""

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.errors import InvalidInput
from shoal.model.templates import (
    MAX_DEPTH,
    MAX_TEMPLATE_CHARACTERS,
    MAX_TEMPLATE_FIELDS,
    check_template,
    text_of,
)

CHAIR = {
    "title": "Ergonomic Office Chair",
    "description": "Adjustable height.",
    "price": 299.99,
    "tags": ["office", "chair"],
    "attributes": {"color": "black", "material": "mesh", "weight": None},
    "variants": [{"name": "small"}, {"name": "large", "ids": [1, 2]}],
    "in_stock": True,
}
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)
payloads = st.dictionaries(st.text(max_size=4), values, max_size=4)


def test_without_a_template_all_strings_are_taken_in_the_order_of_their_keys() -> None:
    assert text_of(CHAIR, None) == (
        "black\nmesh\nAdjustable height.\noffice, chair\nErgonomic Office Chair\nsmall, large"
    )


@pytest.mark.parametrize("nothing", [{}, {"a": ""}, {"n": 3, "t": True, "x": None, "l": [[], {}]}])
def test_nothing_to_embed(nothing: Any) -> None:
    assert text_of(nothing, None) == ""


def strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for one in inner for text in strings(one)]


@given(payload=payloads, seed=st.integers(0, 9))
def test_the_text_does_not_depend_on_who_wrote_the_json(payload: dict[str, Any], seed: int) -> None:
    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            pairs = list(value.items())
            random.Random(seed).shuffle(pairs)
            return {name: shuffled(inner) for name, inner in pairs}
        return [shuffled(inner) for inner in value] if isinstance(value, list) else value

    text = text_of(payload, None)
    assert text_of(json.loads(json.dumps(shuffled(payload))), None) == text
    assert all(one in text for one in strings(payload))


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{title}: {description}", "Ergonomic Office Chair: Adjustable height."),
        ("{attributes.color} {missing}{attributes.missing.more}", "black "),
        ("{price} {in_stock} {tags}", "299.99 true office, chair"),
        ("{attributes}", "black\nmesh"),
        ("{variants}", "small, large"),
        ("{{{title}}}", "{Ergonomic Office Chair}"),
        ("{ title }", "Ergonomic Office Chair"),
        ("only {missing}", ""),
    ],
)
def test_a_template_takes_the_fields_that_it_names(template: str, text: str) -> None:
    assert check_template(template) == template
    assert text_of(CHAIR, template) == text


def test_a_key_with_a_dot_in_it_is_tried_first() -> None:
    assert text_of({"a.b": "whole", "a": {"b": "parts"}}, "{a.b}") == "whole"
    assert text_of({"a": {"b": "parts"}}, "{a.b}") == "parts"


@pytest.mark.parametrize(
    ("template", "position"),
    [
        ("{title", 1),
        ("ab {title", 4),
        ("title}", 6),
        ("{title} } {x}", 9),
        ("{}", 1),
        ("x {a..b}", 3),
        ("{a.}", 1),
        ("{a{b}", 1),
        ("{" + ".".join("a" * 17) + "}", 1),
    ],
)
def test_what_is_wrong_with_a_template_is_told_by_its_place(template: str, position: int) -> None:
    with pytest.raises(InvalidInput, match=f"^template, character {position}: ") as wrong:
        check_template(template)
    assert (wrong.value.code, wrong.value.details) == ("invalid_template", {"position": position})


@pytest.mark.parametrize(
    "template",
    [
        "",
        "no field",
        "{{a}}",
        7,
        None,
        "x" * MAX_TEMPLATE_CHARACTERS + "{a}",
        "{a}" * (MAX_TEMPLATE_FIELDS + 1),
    ],
)
def test_a_template_has_limits_and_a_field(template: Any) -> None:
    with pytest.raises(InvalidInput) as wrong:
        check_template(template)
    assert wrong.value.code == "invalid_template"


@given(template=st.text(alphabet="{}ab. ", max_size=12), payload=payloads)
def test_any_template_is_refused_or_works(template: str, payload: dict[str, Any]) -> None:
    try:
        check_template(template)
    except InvalidInput:
        return
    assert isinstance(text_of(payload, template), str)


def nested(levels: int, *, lists: bool) -> Any:
    value: Any = "bottom"
    for _ in range(levels):
        value = [value] if lists else {"deeper": value}
    return value


@pytest.mark.parametrize("lists", [False, True])
@pytest.mark.parametrize("template", [None, "{title}"])
def test_a_payload_that_nests_too_deeply_is_refused(template: str | None, lists: bool) -> None:
    deep = {"title": "words", "deep": nested(MAX_DEPTH - 1, lists=lists)}
    assert "words" in text_of(deep, template)
    for levels in (MAX_DEPTH, 900):
        with pytest.raises(InvalidInput) as refused:
            text_of({"title": "words", "deep": nested(levels, lists=lists)}, template)
        assert refused.value.code == "payload_too_deep"


def test_a_payload_without_end_is_refused() -> None:
    endless: dict[str, Any] = {"title": "words"}
    endless["again"] = endless
    for template in (None, "{title}"):
        with pytest.raises(InvalidInput):
            text_of(endless, template)
