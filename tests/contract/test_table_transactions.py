"""Transactions: all or nothing, once per token, and a reason for each write."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from shoal.errors import ConditionFailed, StorageBusy, TransactionCancelled
from shoal.storage.ports import (
    Absent,
    Add,
    Assign,
    CheckItem,
    Compare,
    DeleteItem,
    Drop,
    Exists,
    Key,
    PutItem,
    Table,
    UpdateItem,
    Write,
)

A, B, C, D = (Key("p", name) for name in "abcd")


def test_all_kinds_of_writes_at_once(table: Table) -> None:
    table.put({"pk": "p", "sk": "b", "n": 1, "old": True})
    table.put({"pk": "p", "sk": "c"})
    table.put({"pk": "p", "sk": "d"})
    writes: list[Write] = [
        PutItem({"pk": "p", "sk": "a", "v": [0.5, b"x"]}, Absent("pk")),
        UpdateItem(B, (Add("n", 1), Drop("old"), Assign("v", None)), Compare("n", "=", 1)),
        DeleteItem(C, Exists("pk")),
        CheckItem(D, Exists("pk")),
        PutItem({"pk": "other", "sk": "a", "gsi1pk": "G", "gsi1sk": "x"}),
        UpdateItem(Key("other", "new"), (Add("n", 7),)),
    ]
    table.transact(writes, token="one")
    assert list(table.query("p").items) == [
        {"pk": "p", "sk": "a", "v": [0.5, b"x"]},
        {"pk": "p", "sk": "b", "n": 2, "v": None},
        {"pk": "p", "sk": "d"},
    ]
    assert table.get(Key("other", "new")) == {"pk": "other", "sk": "new", "n": 7}
    assert len(table.query("G", index="gsi1").items) == 1


def test_one_false_condition_stops_everything_and_is_named(table: Table) -> None:
    kept = {"pk": "p", "sk": "b", "n": 1, "list": [1]}
    table.put(kept)
    writes: list[Write] = [
        PutItem({"pk": "p", "sk": "a"}),
        UpdateItem(B, (Add("n", 1),), Compare("n", "=", 2)),
        DeleteItem(C),
        CheckItem(D, Exists("pk")),
    ]
    with pytest.raises(TransactionCancelled) as lost:
        table.transact(writes, token="one")
    assert lost.value.failed == (False, True, False, True)
    assert lost.value.items == (None, kept, None, None)
    assert list(table.query("p").items) == [kept]


@pytest.mark.parametrize(
    "write",
    [
        PutItem({"pk": "p", "sk": "a"}, Absent("pk")),
        UpdateItem(A, (Add("n", 1),), Absent("pk")),
        DeleteItem(A, Absent("pk")),
        CheckItem(A, Absent("pk")),
    ],
    ids=lambda write: type(write).__name__,
)
def test_every_kind_shows_the_item_in_its_way(table: Table, write: Write) -> None:
    there = {"pk": "p", "sk": "a", "n": 1}
    table.put(there)
    with pytest.raises(TransactionCancelled) as lost:
        table.transact([write], token="one")
    assert (lost.value.failed, lost.value.items) == ((True,), (there,))
    assert table.get(A) == there


def test_a_token_works_once(table: Table, moto_cannot: Callable[[str], None]) -> None:
    moto_cannot("moto ignores ClientRequestToken")
    for _ in range(3):
        table.transact([UpdateItem(A, (Add("n", 1),))], token="one")
    assert table.get(A) == {"pk": "p", "sk": "a", "n": 1}
    table.transact([UpdateItem(A, (Add("n", 1),))], token="two")
    assert table.get(A) == {"pk": "p", "sk": "a", "n": 2}


def test_a_token_is_for_one_transaction(table: Table, moto_cannot: Callable[[str], None]) -> None:
    moto_cannot("moto ignores ClientRequestToken")
    table.transact([UpdateItem(A, (Add("n", 1),))], token="one")
    with pytest.raises(ValueError):
        table.transact([UpdateItem(A, (Add("n", 2),))], token="one")
    assert table.get(A) == {"pk": "p", "sk": "a", "n": 1}


def test_a_cancelled_transaction_may_be_repeated(table: Table) -> None:
    writes = [UpdateItem(A, (Add("n", 1),), Exists("pk"))]
    with pytest.raises(TransactionCancelled):
        table.transact(writes, token="one")
    table.put({"pk": "p", "sk": "a"})
    table.transact(writes, token="one")
    assert table.get(A) == {"pk": "p", "sk": "a", "n": 1}


def test_a_hundred_writes(table: Table) -> None:
    writes = [PutItem({"pk": "p", "sk": f"{n:03}", "n": n}) for n in range(100)]
    table.transact(writes, token="x" * 36)
    assert [item["n"] for item in table.query("p").items] == list(range(100))


@pytest.mark.parametrize(
    ("writes", "token"),
    [
        ([], "one"),
        ([PutItem({"pk": "p", "sk": str(n)}) for n in range(101)], "one"),
        ([PutItem({"pk": "p", "sk": "a"}), DeleteItem(A)], "one"),
        ([CheckItem(A, Exists("pk")), UpdateItem(A, (Add("n", 1),))], "one"),
        ([DeleteItem(A)], ""),
        ([DeleteItem(A)], "x" * 37),
        ([UpdateItem(A, ())], "one"),
        ([UpdateItem(A, (Assign("sk", "b"),))], "one"),
        ([PutItem({"pk": "p"})], "one"),
        ([DeleteItem(Key("", "a"))], "one"),
        ([DeleteItem(A, Compare("n", "!=", 1))], "one"),
        ([PutItem({"pk": "p", "sk": str(n), "v": "x" * 400_000}) for n in range(11)], "one"),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_a_transaction_that_cannot_be(table: Table, writes: list[Any], token: str) -> None:
    with pytest.raises(ValueError):
        table.transact(writes, token=token)
    assert table.query("p").items == ()


def test_a_sum_that_cannot_be_stops_everything(table: Table) -> None:
    table.put({"pk": "p", "sk": "a", "n": "text"})
    with pytest.raises(ValueError):
        table.transact([PutItem({"pk": "p", "sk": "b"}), UpdateItem(A, (Add("n", 1),))], token="one")
    assert table.get(B) is None


def test_threads_that_count_together(table: Table) -> None:
    def count(name: str) -> None:
        for n in range(20):
            while True:
                old = table.get(A) or {"n": 0}
                condition = Compare("n", "=", old["n"]) if "pk" in old else Absent("pk")
                new = {"pk": "p", "sk": "a", "n": old["n"] + 1}
                try:
                    if n % 2:
                        table.put(new, condition=condition)
                    else:
                        table.transact([PutItem(new, condition)], token=f"{name}-{new['n']}")
                    break
                except (ConditionFailed, TransactionCancelled, StorageBusy):
                    continue

    threads = [threading.Thread(target=count, args=(name,)) for name in "xyz"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert table.get(A) == {"pk": "p", "sk": "a", "n": 60}
