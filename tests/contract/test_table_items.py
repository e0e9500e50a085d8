"""Single items: what goes in comes out, and what must not go in is refused."""

import math
from collections.abc import Callable
from enum import IntEnum, StrEnum
from typing import Any

import pytest

from shoal.storage.ports import Action, Add, Assign, AssignIfAbsent, Drop, Key, Table

A = Key("p", "a")


class Color(StrEnum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


def put_value(table: Table, value: Any) -> Any:
    table.put({"pk": "p", "sk": "a", "value": value})
    found = table.get(A)
    assert found is not None
    assert set(found) == {"pk", "sk", "value"}
    return found["value"]


@pytest.mark.parametrize(
    "value",
    [
        "",
        "text",
        "Grüße, 世界, 🐟, \x00\x1f, e\u0301",
        0,
        -1,
        2**63,
        10**37 + 1,
        -(10**38) + 1,
        12 * 10**100,
        0.1,
        -2.5,
        1 / 3,
        math.pi * 1e-9,
        2.5e-129,
        True,
        False,
        None,
        b"",
        bytes(range(256)),
        [],
        {},
        [1, "a", None, [True, b"x", {"deep": [0.5]}]],
        {"a.b": {"#c": ":v0"}, "size": [{}]},
    ],
    ids=repr,
)
def test_a_value_comes_back_as_it_was(table: Table, value: Any) -> None:
    found = put_value(table, value)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (2.0, 2),
        (-0.0, 0),
        (1e22, 10**22),
        (1e23, int(1e23)),
        (2.0**60 + 2.0**10, 2**60 + 2**10),
        (1.7976e120, 17976 * 10**116),
        (Color.RED, "red"),
        (Level.HIGH, 3),
        ([1.0], [1]),
    ],
)
def test_a_value_that_the_table_normalises(table: Table, value: Any, read: Any) -> None:
    found = put_value(table, value)
    assert found == read
    assert type(found) is type(read)


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, -math.inf, 1e300, 1e-200, 10**38 + 1, 10**126, "\ud800", ["\ud800"]],
    ids=repr,
)
def test_a_value_that_no_table_holds(table: Table, value: Any) -> None:
    with pytest.raises(ValueError):
        table.put({"pk": "p", "sk": "a", "value": value})
    with pytest.raises(ValueError):
        table.update(A, [Assign("value", value)])
    assert table.get(A) is None


@pytest.mark.parametrize("value", [(1,), {1}, object(), 1j, {1: "a"}, bytearray(b"x")], ids=repr)
def test_a_type_that_no_table_holds(table: Table, value: Any) -> None:
    with pytest.raises(TypeError):
        table.put({"pk": "p", "sk": "a", "value": value})


def test_depth(table: Table) -> None:
    deep: Any = 1
    for _ in range(31):
        deep = [deep]
    assert put_value(table, deep) == deep
    with pytest.raises(ValueError):
        put_value(table, [[deep]])


def test_absent(table: Table) -> None:
    assert table.get(A) is None
    assert table.get(A, consistent=False) is None
    table.delete(A)


def test_put_replaces_the_whole_item(table: Table) -> None:
    table.put({"pk": "p", "sk": "a", "old": 1})
    table.put({"pk": "p", "sk": "a", "new": 2})
    assert table.get(A) == {"pk": "p", "sk": "a", "new": 2}
    table.delete(A)
    assert table.get(A) is None


def test_nothing_is_shared_with_the_caller(table: Table) -> None:
    item: dict[str, Any] = {"pk": "p", "sk": "a", "inner": {"list": [1]}}
    table.put(item)
    item["inner"]["list"].append(2)
    found = table.get(A)
    assert found is not None
    found["inner"]["list"].append(3)
    assert table.get(A) == {"pk": "p", "sk": "a", "inner": {"list": [1]}}
    value = [1]
    updated = table.update(A, [Assign("inner", value)])
    value.append(2)
    updated["inner"].append(3)
    assert table.query("p").items[0]["inner"] == [1]


@pytest.mark.parametrize(
    "item",
    [
        {},
        {"pk": "p"},
        {"pk": "", "sk": "a"},
        {"pk": "p", "sk": ""},
        {"pk": 1, "sk": "a"},
        {"pk": "p", "sk": b"a"},
        {"pk": "p" * 2049, "sk": "a"},
        {"pk": "p", "sk": "é" * 513},
        {"pk": "p", "sk": "a", "gsi1pk": ""},
        {"pk": "p", "sk": "a", "gsi1sk": 1},
    ],
    ids=lambda item: repr(item)[:40],
)
def test_a_bad_key(table: Table, item: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        table.put(item)
    with pytest.raises(ValueError):
        table.batch_put([item])


def test_the_longest_keys(table: Table) -> None:
    key = Key("p" * 2048, "é" * 512)
    table.put({"pk": key.pk, "sk": key.sk})
    assert table.get(key) == {"pk": key.pk, "sk": key.sk}


def test_the_largest_item(table: Table, moto_cannot: Callable[[str], None]) -> None:
    moto_cannot("moto puts the limit at 405,000 bytes")
    room = 400 * 1024 - len("pkp" + "ska" + "value")
    table.put({"pk": "p", "sk": "a", "value": "x" * room})
    with pytest.raises(ValueError):
        table.put({"pk": "p", "sk": "a", "value": "x" * (room + 1)})


def test_an_item_that_outgrows_the_limit_by_an_update(table: Table) -> None:
    table.put({"pk": "p", "sk": "a", "value": b"x" * 400_000})
    with pytest.raises(ValueError):
        table.update(A, [Assign("more", b"x" * 20_000)])
    found = table.get(A)
    assert found is not None
    assert "more" not in found


def test_update_creates_and_answers_with_the_whole_item(table: Table) -> None:
    actions: list[Action] = [Assign("s", "x"), AssignIfAbsent("t", 1.5), Add("n", 2), Drop("nothing")]
    made = {"pk": "p", "sk": "a", "s": "x", "t": 1.5, "n": 2}
    assert table.update(A, actions) == made
    assert table.get(A) == made
    again = table.update(A, [Drop("s"), AssignIfAbsent("t", 9), Add("n", -5), Assign("u", [None])])
    assert again == {"pk": "p", "sk": "a", "t": 1.5, "n": -3, "u": [None]}


def test_update_that_only_drops_creates_the_item_too(table: Table) -> None:
    assert table.update(A, [Drop("x")]) == {"pk": "p", "sk": "a"}


def test_reserved_and_odd_attribute_names(table: Table) -> None:
    names = ["name", "size", "a.b", "#n0", ":v0", "with space", "ключ", "0"]
    found = table.update(A, [Assign(name, name) for name in names])
    assert {name: found[name] for name in names} == {name: name for name in names}
    assert set(table.update(A, [Drop(name) for name in names])) == {"pk", "sk"}


def test_sums_are_of_decimals(table: Table) -> None:
    table.put({"pk": "p", "sk": "a", "value": 0.1})
    assert table.update(A, [Add("value", 3)])["value"] == 3.1
    table.put({"pk": "p", "sk": "a", "value": 10**30})
    assert table.update(A, [Add("value", -1)])["value"] == 10**30 - 1


@pytest.mark.parametrize("stored", ["text", None, [1], True], ids=repr)
def test_add_to_what_is_no_number(table: Table, stored: Any) -> None:
    table.put({"pk": "p", "sk": "a", "value": stored})
    with pytest.raises(ValueError):
        table.update(A, [Add("value", 1)])


@pytest.mark.parametrize(
    "actions",
    [
        [],
        [Assign("a", 1), Drop("a")],
        [Assign("pk", "q")],
        [Drop("sk")],
        [Assign("gsi1pk", "")],
        [AssignIfAbsent("gsi1sk", 1)],
        [Add("gsi1sk", 1)],
    ],
    ids=repr,
)
def test_a_bad_update(table: Table, actions: list[Any]) -> None:
    with pytest.raises(ValueError):
        table.update(A, actions)


@pytest.mark.parametrize("amount", [0.5, True, "1", None], ids=repr)
def test_only_ints_are_added(table: Table, amount: Any) -> None:
    with pytest.raises(TypeError):
        table.update(A, [Add("value", amount)])
