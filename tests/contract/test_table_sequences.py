"""Any sequence of operations has the same outcomes in memory and over the AWS adapter."""

import itertools
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.errors import ConditionFailed, TransactionCancelled
from shoal.storage.memory import MemoryTable
from shoal.storage.ports import (
    Absent,
    Action,
    Add,
    AllOf,
    AnyOf,
    Assign,
    AssignIfAbsent,
    CheckItem,
    Compare,
    Condition,
    DeleteItem,
    Drop,
    Exists,
    Key,
    Page,
    PutItem,
    Table,
    UpdateItem,
)
from tests.contract.stores import Aws, pretended_aws

type Step = tuple[str, tuple[Any, ...], dict[str, Any]]
"""A method of `Table`, its arguments and its keyword arguments."""

SORTS = ["A", "JOB#1", "JOB#2", "z"]
# Numbers and texts stay on attributes of their own: moto cannot compare across types (test_table_conditions).
numbers = st.sampled_from([0, 1, -1, 3, 10**20, 0.5, -1.25])
texts = st.sampled_from(["", "a", "b", "é", "🐟"])
any_value = st.one_of(
    numbers, texts, st.booleans(), st.none(), st.binary(max_size=3), st.lists(numbers, max_size=2)
)
keys = st.builds(Key, st.sampled_from(["p", "q"]), st.sampled_from(SORTS))
index_names = st.fixed_dictionaries(
    {}, optional={"gsi1pk": st.sampled_from(["G", "H"]), "gsi1sk": st.sampled_from(["1", "2"])}
)
items = st.builds(
    lambda key, n, s, more, index: {"pk": key.pk, "sk": key.sk} | n | s | more | index,
    keys,
    st.fixed_dictionaries({}, optional={"n": numbers}),
    st.fixed_dictionaries({}, optional={"s": texts}),
    st.fixed_dictionaries({}, optional={"more": any_value}),
    index_names,
)
attributes = st.sampled_from(["n", "s", "more", "pk", "missing"])
simple: st.SearchStrategy[Condition] = st.one_of(
    st.builds(Exists, attributes),
    st.builds(Absent, attributes),
    st.builds(Compare, st.just("n"), st.sampled_from(["=", "<>", "<", "<=", ">", ">="]), numbers),
    st.builds(Compare, st.just("s"), st.sampled_from(["=", "<>", "<", "<=", ">", ">="]), texts),
)
conditions: st.SearchStrategy[Condition] = st.recursive(
    simple,
    lambda inner: st.one_of(
        st.builds(AllOf, st.lists(inner, min_size=1, max_size=3).map(tuple)),
        st.builds(AnyOf, st.lists(inner, min_size=1, max_size=3).map(tuple)),
    ),
    max_leaves=4,
)
maybe = st.one_of(st.none(), conditions)
actions: st.SearchStrategy[tuple[Action, ...]] = st.lists(
    st.one_of(
        st.builds(Assign, st.just("n"), numbers),
        st.builds(AssignIfAbsent, st.just("n"), numbers),
        st.builds(Add, st.just("n"), st.integers(-5, 5)),
        st.builds(Assign, st.just("s"), texts),
        st.builds(AssignIfAbsent, st.just("more"), any_value),
        st.builds(Drop, st.sampled_from(["n", "s", "more", "gsi1pk"])),
        st.builds(Assign, st.just("gsi1pk"), st.sampled_from(["G", "H"])),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda action: action.attribute,
).map(tuple)
writes = st.lists(
    st.one_of(
        st.builds(PutItem, items, maybe),
        st.builds(UpdateItem, keys, actions, maybe),
        st.builds(DeleteItem, keys, maybe),
        st.builds(CheckItem, keys, conditions),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda write: (
        write.key if not isinstance(write, PutItem) else Key(write.item["pk"], write.item["sk"])
    ),
)


def step(
    name: str, *arguments: st.SearchStrategy[Any], **named: st.SearchStrategy[Any]
) -> st.SearchStrategy[Step]:
    return st.tuples(st.just(name), st.tuples(*arguments), st.fixed_dictionaries(named))


steps = st.one_of(
    step("put", items, condition=maybe),
    step("update", keys, actions, condition=maybe),
    step("delete", keys, condition=maybe),
    step("transact", writes),
    step("batch_put", st.lists(items, max_size=4, unique_by=lambda item: (item["pk"], item["sk"]))),
    step("get", keys),
    step("batch_get", st.lists(keys, unique=True)),
    step(
        "query",
        st.sampled_from(["p", "q"]),
        prefix=st.sampled_from([None, "JOB#", "z"]),
        ascending=st.booleans(),
    ),
    step("query", st.sampled_from(["p", "q"]), start=st.just("B"), stop=st.sampled_from(["JOB#1", "z"])),
    step("query", st.sampled_from(["G", "H"]), index=st.just("gsi1"), ascending=st.booleans()),
)
tokens = (f"token-{n}" for n in itertools.count())


@pytest.fixture(scope="module")
def stores() -> Iterator[Aws]:
    with pretended_aws() as aws:
        yield aws


def outcome(table: Table, one: Step, token: str) -> Any:
    """What a step returns or raises, in a form that compares."""
    name, arguments, named = one
    if name == "transact":
        named = named | {"token": token}
    try:
        found = getattr(table, name)(*arguments, **named)
    except ConditionFailed as lost:
        return "condition", lost.item
    except TransactionCancelled as lost:
        return "cancelled", lost.failed, lost.items
    except ValueError:
        return "refused"
    if isinstance(found, Page):  # the index has no order between equal sort keys
        sort = "gsi1sk" if "index" in named else "sk"
        order = [item[sort] for item in found.items]
        return order, in_order(found.items), found.after
    return in_order(found) if isinstance(found, list) else found


def in_order(found: Any) -> list[Any]:
    return sorted(found, key=lambda item: (item["pk"], item["sk"]))


@settings(max_examples=40, deadline=None)
@given(sequence=st.lists(steps, min_size=1, max_size=25))
def test_memory_and_aws_agree(stores: Aws, sequence: list[Step]) -> None:
    memory, aws = MemoryTable(time.time), stores.table()
    for one in sequence:
        token = next(tokens)
        assert outcome(memory, one, token) == outcome(aws, one, token), one
    for pk in ("p", "q"):
        assert memory.query(pk) == aws.query(pk)
