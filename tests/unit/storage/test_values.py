"""Values: sizes, and the wire format as an exact inverse."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.storage.aws_values import from_wire, item_from_wire, item_to_wire, to_wire
from shoal.storage.values import MAX_ITEM_BYTES, check_size, duplicate, from_decimal, item_size, plain

numbers = st.one_of(
    st.integers(-(10**38) + 1, 10**38 - 1),
    st.floats(allow_nan=False, allow_infinity=False).filter(lambda f: f == 0 or 1e-130 <= abs(f) < 1e38),
    st.floats(-(2.0**100), 2.0**100, width=32),
)
leaves = st.one_of(numbers, st.none(), st.booleans(), st.binary(), st.text(st.characters(codec="utf-8")))
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text("ab#:.é", min_size=1), inner, max_size=4)
    ),
    max_leaves=12,
)


def exactly(value: Any) -> Any:
    """The value with its types, so that 1, 1.0 and True differ."""
    if isinstance(value, dict):
        return {name: exactly(element) for name, element in value.items()}
    if isinstance(value, list):
        return [exactly(element) for element in value]
    return type(value), value


@given(values)
def test_plain_values_stay_as_they_are(value: Any) -> None:
    once = plain(value)
    assert once == value
    assert exactly(plain(once)) == exactly(once)
    assert exactly(duplicate(once)) == exactly(once)


@given(values)
def test_the_wire_format_gives_back_what_it_got(value: Any) -> None:
    item = {"pk": "p", "value": plain(value)}
    assert exactly(item_from_wire(item_to_wire(item))) == exactly(item)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("-7", -7),
        ("1.50", 1.5),
        ("2.0", 2),
        ("1E+2", 100),
        ("1e-05", 1e-05),
        ("-0", 0),
        ("99999999999999999999999999999999999999", 10**38 - 1),
    ],
)
def test_numbers_as_dynamodb_writes_them(text: str, number: float) -> None:
    found = from_wire({"N": text})
    assert found == number
    assert type(found) is type(number)


@pytest.mark.parametrize("wire", [{"SS": ["a"]}, {"NS": ["1"]}, {"BS": [b""]}, {"X": 1}], ids=repr)
def test_a_stored_type_that_nothing_of_ours_writes(wire: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        from_wire(wire)


def test_only_plain_values_are_written() -> None:
    with pytest.raises(TypeError):
        to_wire((1, 2))


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1E+126", "1E-131", "1." + "1" * 38])
def test_decimals_that_no_table_holds(text: str) -> None:
    with pytest.raises(ValueError):
        from_decimal(Decimal(text))


@pytest.mark.parametrize(
    ("item", "size"),
    [
        ({}, 0),
        ({"é": "é"}, 4),
        ({"a": b"123"}, 4),
        ({"a": None}, 2),
        ({"a": True}, 2),
        ({"a": 12}, 3),
        ({"a": -123}, 5),
        ({"a": 100}, 3),
        ({"a": 0.25}, 3),
        ({"a": []}, 4),
        ({"a": ["x", "y"]}, 8),
        ({"a": {"b": "c"}}, 7),
    ],
    ids=repr,
)
def test_sizes(item: dict[str, Any], size: int) -> None:
    assert item_size(item) == size


def test_the_limit_is_inside() -> None:
    check_size({"a": "x" * (MAX_ITEM_BYTES - 1)})
    with pytest.raises(ValueError):
        check_size({"a": "x" * MAX_ITEM_BYTES})
