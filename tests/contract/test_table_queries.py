"""Queries: order, ranges, pages and the index."""

from typing import Any

import pytest

from shoal.storage.ports import Assign, Drop, Item, Key, Table

NAMES = ["A", "JOB#0", "JOB#01", "JOB#1", "JOC", "a", "z", "é", "世", "🐟"]


def sks(items: tuple[Item, ...]) -> list[str]:
    return [item["sk"] for item in items]


def all_pages(table: Table, pk: str, **how: Any) -> list[tuple[Item, ...]]:
    """The items of every page, until there is no cursor."""
    pages = []
    after = None
    while True:
        page = table.query(pk, after=after, **how)
        pages.append(page.items)
        if page.after is None:
            return pages
        after = page.after


@pytest.fixture
def named(table: Table) -> Table:
    """A table with the names above in one partition, and neighbours in others."""
    table.batch_put([{"pk": "p", "sk": name, "n": n} for n, name in reversed(list(enumerate(NAMES)))])
    table.batch_put([{"pk": pk, "sk": "JOB#0"} for pk in ("o", "p#", "q")])
    return table


def test_order_is_by_bytes(named: Table) -> None:
    found = named.query("p")
    assert found.after is None
    assert sks(found.items) == NAMES
    assert [item["n"] for item in found.items] == list(range(len(NAMES)))
    assert sks(named.query("p", ascending=False).items) == NAMES[::-1]


def test_an_empty_partition(named: Table) -> None:
    page = named.query("nobody")
    assert (page.items, page.after) == ((), None)


def test_prefix(named: Table) -> None:
    assert sks(named.query("p", prefix="JOB#").items) == ["JOB#0", "JOB#01", "JOB#1"]
    assert sks(named.query("p", prefix="JOB#", ascending=False).items) == ["JOB#1", "JOB#01", "JOB#0"]
    assert sks(named.query("p", prefix="").items) == NAMES
    assert sks(named.query("p", prefix="世").items) == ["世"]
    assert sks(named.query("p", prefix="B").items) == []


def test_start_and_stop_are_both_inside(named: Table) -> None:
    assert sks(named.query("p", start="JOB#0", stop="JOB#1").items) == ["JOB#0", "JOB#01", "JOB#1"]
    assert sks(named.query("p", start="JOB#00", stop="a").items) == ["JOB#01", "JOB#1", "JOC", "a"]
    assert sks(named.query("p", start="a", stop="a").items) == ["a"]
    assert sks(named.query("p", start="b", stop="c").items) == []
    assert sks(named.query("p", start="z", stop="🐟", ascending=False).items) == ["🐟", "世", "é", "z"]


@pytest.mark.parametrize("limit", [1, 2, 3, len(NAMES), 100])
@pytest.mark.parametrize("ascending", [True, False])
def test_pages_together_are_the_whole(named: Table, limit: int, ascending: bool) -> None:
    pages = all_pages(named, "p", limit=limit, ascending=ascending)
    assert [name for page in pages for name in sks(page)] == NAMES[:: 1 if ascending else -1]
    assert all(len(page) <= limit for page in pages)


@pytest.mark.parametrize("how", [{"prefix": "JOB#"}, {"start": "JOB#0", "stop": "a"}], ids=repr)
@pytest.mark.parametrize("ascending", [True, False])
def test_pages_of_a_range(named: Table, how: dict[str, str], ascending: bool) -> None:
    whole = sks(named.query("p", ascending=ascending, **how).items)  # type: ignore[arg-type] # only str here
    assert [
        name for page in all_pages(named, "p", limit=1, ascending=ascending, **how) for name in sks(page)
    ] == whole


def test_a_cursor_outlives_the_item_that_it_names(named: Table) -> None:
    page = named.query("p", limit=3)
    named.delete(Key("p", "JOB#01"))
    named.put({"pk": "p", "sk": "JOB#00"})
    assert sks(named.query("p", after=page.after).items) == NAMES[3:]


def test_a_thousand_items(table: Table) -> None:
    items = [{"pk": "p", "sk": f"JOB#{n:016x}", "n": n} for n in range(1000)]
    table.batch_put(items)
    assert list(table.query("p").items) == items
    assert [len(page) for page in all_pages(table, "p", limit=333)][:4] == [333, 333, 333, 1]
    after = {"pk": "p", "sk": items[899]["sk"]}
    assert list(table.query("p", prefix="JOB#", after=after).items) == items[900:]


def test_a_page_holds_at_most_a_megabyte(table: Table) -> None:
    table.batch_put([{"pk": "p", "sk": f"{n:02}", "value": "x" * 300_000} for n in range(10)])
    pages = all_pages(table, "p")
    assert [name for page in pages for name in sks(page)] == [f"{n:02}" for n in range(10)]
    assert max(map(len, pages)) == 3


@pytest.mark.parametrize(
    "how",
    [
        {"start": "a"},
        {"stop": "a"},
        {"start": "b", "stop": "a"},
        {"start": "", "stop": "a"},
        {"prefix": "a", "start": "a", "stop": "b"},
        {"limit": 0},
        {"limit": -1},
        {"index": "gsi2"},
        {"after": {}},
        {"after": {"pk": "p"}},
        {"after": {"pk": "q", "sk": "a"}},
        {"after": {"pk": "p", "sk": ""}},
        {"after": {"pk": "p", "sk": 1}},
        {"after": {"pk": "p", "sk": "a", "gsi1pk": "G", "gsi1sk": "x"}},
        {"after": {"pk": "p", "sk": "a"}, "prefix": "b"},
        {"after": {"pk": "p", "sk": "a"}, "start": "b", "stop": "c"},
        {"after": {"pk": "p", "sk": "a"}, "index": "gsi1"},
        {"after": {"pk": "p", "sk": "a", "gsi1pk": "other", "gsi1sk": "x"}, "index": "gsi1"},
    ],
    ids=repr,
)
def test_a_query_that_cannot_run(table: Table, how: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        table.query("p", **how)


def test_an_empty_partition_name(table: Table) -> None:
    with pytest.raises(ValueError):
        table.query("")


# --- the index ---------------------------------------------------------------------------------------------


def test_the_index_holds_what_has_both_of_its_keys(table: Table) -> None:
    table.put({"pk": "d1", "sk": "SEQ", "gsi1pk": "PENDING", "gsi1sk": "2", "more": [1]})
    table.put({"pk": "d2", "sk": "SEQ", "gsi1pk": "PENDING", "gsi1sk": "1"})
    table.put({"pk": "d3", "sk": "SEQ", "gsi1pk": "PENDING"})
    table.put({"pk": "d4", "sk": "SEQ", "gsi1sk": "1"})
    table.put({"pk": "d5", "sk": "SEQ", "gsi1pk": "TENANTS", "gsi1sk": "1"})
    found = table.query("PENDING", index="gsi1")
    assert [item["pk"] for item in found.items] == ["d2", "d1"]
    assert found.items[1] == {"pk": "d1", "sk": "SEQ", "gsi1pk": "PENDING", "gsi1sk": "2"}, "keys only"
    assert [item["pk"] for item in table.query("PENDING", index="gsi1", ascending=False).items] == [
        "d1",
        "d2",
    ]
    assert [item["pk"] for item in table.query("PENDING", index="gsi1", prefix="2").items] == ["d1"]
    assert [item["pk"] for item in table.query("PENDING", index="gsi1", start="0", stop="1").items] == ["d2"]


def test_an_item_enters_and_leaves_the_index(table: Table) -> None:
    key = Key("d1", "SEQ")
    table.put({"pk": "d1", "sk": "SEQ"})
    assert table.query("PENDING", index="gsi1").items == ()
    table.update(key, [Assign("gsi1pk", "PENDING"), Assign("gsi1sk", "d1")])
    assert len(table.query("PENDING", index="gsi1").items) == 1
    table.update(key, [Drop("gsi1pk")])
    assert table.query("PENDING", index="gsi1").items == ()
    table.update(key, [Assign("gsi1pk", "PENDING")])
    table.put({"pk": "d1", "sk": "SEQ"})
    assert table.query("PENDING", index="gsi1").items == ()
    table.put({"pk": "d1", "sk": "SEQ", "gsi1pk": "PENDING", "gsi1sk": "d1"})
    table.delete(key)
    assert table.query("PENDING", index="gsi1").items == ()


def test_pages_of_the_index_with_equal_sort_keys(table: Table) -> None:
    items = [{"pk": f"d{n}", "sk": "SEQ", "gsi1pk": "PENDING", "gsi1sk": str(n // 4)} for n in range(12)]
    table.batch_put(items)
    pages = all_pages(table, "PENDING", index="gsi1", limit=3)
    found = [item for page in pages for item in page]
    assert sorted(item["pk"] for item in found) == sorted(str(item["pk"]) for item in items)
    assert [item["gsi1sk"] for item in found] == sorted(str(item["gsi1sk"]) for item in items)
