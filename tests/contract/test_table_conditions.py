"""Conditions on single writes: each operator on what is there, on another type and on what is not there."""

from collections.abc import Callable
from typing import Any

import pytest

from shoal.errors import ConditionFailed
from shoal.storage.ports import Absent, Add, AllOf, AnyOf, Assign, Compare, Condition, Exists, Key, Table

A = Key("p", "a")
ITEM: dict[str, Any] = {
    "pk": "p",
    "sk": "a",
    "n": 5,
    "f": 0.5,
    "s": "über",
    "b": b"\x80",
    "yes": True,
    "nothing": None,
    "list": [1],
}

TRUE: list[Condition] = [
    Exists("pk"),
    Exists("nothing"),
    Absent("missing"),
    Compare("n", "=", 5),
    Compare("n", "=", 5.0),
    Compare("n", "<>", 6),
    Compare("n", "<", 5.5),
    Compare("n", "<=", 5),
    Compare("n", ">", -(10**30)),
    Compare("n", ">=", 5),
    Compare("f", "=", 0.5),
    Compare("f", ">", 0),
    Compare("s", "=", "über"),
    Compare("s", "<>", "uber"),
    Compare("s", ">", "z"),  # by bytes, not by alphabet
    Compare("s", "<", "\uffff"),
    Compare("s", "<=", "über"),
    Compare("s", ">=", ""),
    Compare("b", "=", b"\x80"),
    Compare("b", ">", b"\x7f\xff"),
    Compare("b", "<", b"\x80\x00"),
    Compare("yes", "=", True),
    Compare("yes", "<>", False),
    Compare("n", "<>", "5"),  # another type is another value
    Compare("nothing", "<>", 0),
    Compare("list", "<>", 1),
    AllOf((Exists("n"), Absent("missing"), Compare("n", ">", 4))),
    AnyOf((Absent("n"), Compare("n", "=", 5))),
    AllOf((AnyOf((Compare("n", "<>", 6),)),)),  # DynamoDB refuses redundant parentheses
    AllOf((AnyOf((Exists("missing"), Exists("n"))), AnyOf((Exists("s"), Exists("missing"))))),
    AnyOf((AllOf((Exists("missing"), Exists("n"))), Compare("missing", "=", 1), Exists("pk"))),
]
FALSE: list[Condition] = [
    Absent("pk"),
    Absent("nothing"),
    Exists("missing"),
    Compare("n", "=", 6),
    Compare("n", "<>", 5.0),
    Compare("n", "<", 5),
    Compare("n", "<=", 4.999),
    Compare("n", ">", 5),
    Compare("n", ">=", 6),
    Compare("n", "=", "5"),
    Compare("nothing", "=", ""),
    Compare("b", "=", "\x80"),
    AllOf((Exists("n"), Exists("missing"))),
    AnyOf((Absent("n"), Compare("n", "=", 6))),
]
OF_OTHER_TYPES: list[Condition] = [
    Compare("n", ">", "4"),
    Compare("n", "<", b"6"),
    Compare("s", "<", 1),
    Compare("yes", "=", 1),
]
OF_ABSENT_ATTRIBUTES: list[Condition] = [
    Compare("missing", op, value) for op in ("=", "<>", "<", "<=", ">", ">=") for value in (0, "", b"")
]


@pytest.mark.parametrize("condition", TRUE, ids=repr)
def test_a_condition_that_is_true(table: Table, condition: Condition) -> None:
    table.put(ITEM)
    table.put(ITEM, condition=condition)
    assert table.update(A, [Assign("seen", 1)], condition=condition)["seen"] == 1
    table.delete(A, condition=condition)
    assert table.get(A) is None


@pytest.mark.parametrize("condition", FALSE + OF_ABSENT_ATTRIBUTES, ids=repr)
def test_a_condition_that_is_false_changes_nothing_and_shows_the_item(
    table: Table, condition: Condition
) -> None:
    table.put(ITEM)
    with pytest.raises(ConditionFailed) as put:
        table.put({"pk": "p", "sk": "a"}, condition=condition)
    with pytest.raises(ConditionFailed) as update:
        table.update(A, [Add("n", 1)], condition=condition)
    with pytest.raises(ConditionFailed) as delete:
        table.delete(A, condition=condition)
    assert [put.value.item, update.value.item, delete.value.item] == [ITEM, ITEM, ITEM]
    assert table.get(A) == ITEM


@pytest.mark.parametrize("condition", OF_OTHER_TYPES, ids=repr)
def test_values_of_two_types_have_no_order(
    table: Table, condition: Condition, moto_cannot: Callable[[str], None]
) -> None:
    moto_cannot("moto compares as Python does: True is 1, and a number beside a text is a TypeError")
    table.put(ITEM)
    with pytest.raises(ConditionFailed):
        table.put({"pk": "p", "sk": "a"}, condition=condition)


def test_true_is_not_one(table: Table, moto_cannot: Callable[[str], None]) -> None:
    moto_cannot("moto compares as Python does: True is 1")
    table.put(ITEM)
    table.put(ITEM, condition=Compare("yes", "<>", 1))


@pytest.mark.parametrize("condition", [Exists("pk"), *OF_ABSENT_ATTRIBUTES], ids=repr)
def test_a_condition_on_an_item_that_is_not_there(table: Table, condition: Condition) -> None:
    with pytest.raises(ConditionFailed) as put:
        table.put(ITEM, condition=condition)
    with pytest.raises(ConditionFailed) as update:
        table.update(A, [Add("n", 1)], condition=condition)
    with pytest.raises(ConditionFailed) as delete:
        table.delete(A, condition=condition)
    assert [put.value.item, update.value.item, delete.value.item] == [None, None, None]
    assert table.get(A) is None


def test_the_first_put_wins(table: Table) -> None:
    table.put({"pk": "p", "sk": "a", "by": "one"}, condition=Absent("pk"))
    with pytest.raises(ConditionFailed) as lost:
        table.put({"pk": "p", "sk": "a", "by": "two"}, condition=Absent("pk"))
    assert lost.value.item == {"pk": "p", "sk": "a", "by": "one"}


def test_the_item_of_a_failure_is_a_copy(table: Table) -> None:
    table.put(ITEM)
    with pytest.raises(ConditionFailed) as lost:
        table.delete(A, condition=Absent("pk"))
    assert lost.value.item is not None
    lost.value.item["list"].append(2)
    assert table.get(A) == ITEM


@pytest.mark.parametrize(
    "condition",
    [
        Compare("n", "==", 1),
        Compare("n", "!=", 1),
        Compare("yes", "<", True),
        Compare("n", "=", float("nan")),
        AllOf(()),
        AnyOf((AllOf(()),)),
    ],
    ids=repr,
)
def test_a_condition_that_cannot_be_evaluated(table: Table, condition: Condition) -> None:
    with pytest.raises(ValueError):
        table.put(ITEM, condition=condition)
    with pytest.raises(ValueError):
        table.update(A, [Add("n", 1)], condition=condition)
    with pytest.raises(ValueError):
        table.delete(A, condition=condition)


@pytest.mark.parametrize("value", [None, [1], {}], ids=repr)
def test_a_value_that_cannot_be_compared(table: Table, value: Any) -> None:
    with pytest.raises(TypeError):
        table.put(ITEM, condition=Compare("n", "=", value))
