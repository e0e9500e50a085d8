"""Batches of any length, whatever DynamoDB takes at once."""

import pytest

from shoal.storage.ports import Item, Key, Table


def by_key(items: list[Item]) -> list[Item]:
    return sorted(items, key=lambda item: (item["pk"], item["sk"]))


def test_empty_batches(table: Table) -> None:
    table.batch_put([])
    assert table.batch_get([]) == []


@pytest.mark.parametrize("count", [1, 25, 26, 100, 101, 330])
def test_what_was_put_is_got(table: Table, count: int) -> None:
    items = [{"pk": f"p{n % 7}", "sk": f"{n:04}", "v": [n, 0.5, b"\x00", "ü"]} for n in range(count)]
    table.batch_put(items)
    keys = [Key(f"p{n % 7}", f"{n:04}") for n in range(count)]
    assert by_key(table.batch_get(keys[::-1])) == by_key(list(items))


def test_only_what_exists_is_got(table: Table) -> None:
    table.batch_put([{"pk": "p", "sk": str(n)} for n in range(0, 10, 2)])
    found = table.batch_get([Key("p", str(n)) for n in range(10)])
    assert sorted(item["sk"] for item in found) == ["0", "2", "4", "6", "8"]


def test_batch_put_replaces(table: Table) -> None:
    table.put({"pk": "p", "sk": "a", "old": 1})
    table.batch_put([{"pk": "p", "sk": "a", "new": 1}])
    assert table.get(Key("p", "a")) == {"pk": "p", "sk": "a", "new": 1}


def test_the_same_item_twice_is_refused(table: Table) -> None:
    with pytest.raises(ValueError):
        table.batch_get([Key("p", "a"), Key("p", "b"), Key("p", "a")])
    with pytest.raises(ValueError):
        table.batch_put([{"pk": "p", "sk": "a"}] * 2)
    with pytest.raises(ValueError):
        table.batch_get([Key("p", "")])
    assert table.get(Key("p", "a")) is None


def test_got_items_are_copies(table: Table) -> None:
    table.put({"pk": "p", "sk": "a", "v": [1]})
    table.batch_get([Key("p", "a")])[0]["v"].append(2)
    assert table.get(Key("p", "a")) == {"pk": "p", "sk": "a", "v": [1]}


def test_large_items(table: Table) -> None:
    items = [{"pk": "p", "sk": f"{n:02}", "v": "x" * 390_000} for n in range(30)]
    table.batch_put(items)
    assert by_key(table.batch_get([Key("p", f"{n:02}") for n in range(30)])) == items
