"""What a table refuses whatever it holds: both adapters ask here first, so that both refuse the same."""

from collections.abc import Mapping, Sequence
from typing import Any

from shoal.storage import keys
from shoal.storage.ports import (
    Absent,
    Action,
    Add,
    AllOf,
    AnyOf,
    CheckItem,
    Compare,
    Condition,
    Drop,
    Exists,
    Key,
    PutItem,
    UpdateItem,
    Write,
)
from shoal.storage.values import KEY_BYTES, check_key_value, item_size, plain, plain_item

MAX_WRITES = 100
MAX_TRANSACTION_BYTES = 4 * 1024 * 1024
MAX_TOKEN = 36
_ORDERED = ("<", "<=", ">", ">=")


def check_key(key: Key) -> None:
    """Refuse a key that no table can hold.

    Raises:
        ValueError: a part is empty, too long or no string.
    """
    check_key_value("pk", key.pk)
    check_key_value("sk", key.sk)


def check_distinct(found: Sequence[Key]) -> None:
    """Refuse keys of which two are the same.

    Raises:
        ValueError: two are.
    """
    if len(set(found)) < len(found):
        raise ValueError("the same item twice in one call")


def check_condition(condition: Condition | None) -> None:
    """Refuse a condition that DynamoDB cannot evaluate.

    Raises:
        ValueError: an unknown operator, an order between booleans, or an AllOf or AnyOf of nothing.
        TypeError: a value of another type than can be compared.
    """
    match condition:
        case None | Exists() | Absent():
            return
        case Compare(attribute, op, value):
            if op not in ("=", "<>", *_ORDERED):
                raise ValueError(f"unknown comparison: {op!r}")
            if not isinstance(value, str | int | float | bytes):
                raise TypeError(f"{attribute} cannot be compared with {type(value).__name__}")
            if isinstance(value, bool) and op in _ORDERED:
                raise ValueError(f"{attribute}: booleans have no order")
            plain(value)
        case AllOf(parts) | AnyOf(parts):
            if not parts:
                raise ValueError("a condition of no conditions")
            for part in parts:
                check_condition(part)


def check_actions(actions: Sequence[Action]) -> None:
    """Refuse changes that DynamoDB cannot apply to any item.

    Raises:
        ValueError: no action, two for one attribute, a change of a key, or a bad value of an index key.
        TypeError: a value that a table does not hold.
    """
    if not actions:
        raise ValueError("an update without actions")
    names = [action.attribute for action in actions]
    if len(set(names)) < len(names):
        raise ValueError(f"two actions on one attribute: {names}")
    for action in actions:
        if action.attribute in ("pk", "sk"):
            raise ValueError("an update cannot change the key")
        if isinstance(action, Drop):
            continue
        value = plain(action.amount if isinstance(action, Add) else action.value)
        if isinstance(action, Add) and (isinstance(value, bool) or not isinstance(value, int)):
            raise TypeError(f"{action.attribute}: only an int can be added")
        if action.attribute in KEY_BYTES:
            check_key_value(action.attribute, value)


def key_of(write: Write) -> Key:
    """The key of the item that a write of a transaction concerns."""
    return Key(write.item["pk"], write.item["sk"]) if isinstance(write, PutItem) else write.key


def check_transaction(writes: Sequence[Write], token: str) -> None:
    """Refuse a transaction that DynamoDB would not look at.

    Raises:
        ValueError: none or over 100 writes, two on one item, over 4 MB, or a token of a bad length.
        TypeError: a value that a table does not hold.
    """
    if not 1 <= len(token) <= MAX_TOKEN:
        raise ValueError(f"a token has 1 to {MAX_TOKEN} characters: {token!r}")
    if not 1 <= len(writes) <= MAX_WRITES:
        raise ValueError(f"a transaction has 1 to {MAX_WRITES} writes, not {len(writes)}")
    size = 0
    for write in writes:
        check_condition(write.condition)
        if isinstance(write, PutItem):
            size += item_size(plain_item(write.item))
        else:
            check_key(write.key)
        if isinstance(write, UpdateItem):
            check_actions(write.actions)
        if isinstance(write, CheckItem) and write.condition is None:
            raise ValueError("a check without a condition")
    if size > MAX_TRANSACTION_BYTES:
        raise ValueError(f"a transaction of {size} bytes, over {MAX_TRANSACTION_BYTES}")
    check_distinct([key_of(write) for write in writes])


def check_query(
    pk: str,
    *,
    prefix: str | None,
    start: str | None,
    stop: str | None,
    index: str | None,
    limit: int | None,
    after: Mapping[str, Any] | None,
) -> None:
    """Refuse a query that DynamoDB would not run.

    Raises:
        ValueError: unknown index, bounds that contradict, a limit below 1, or a cursor of another query.
    """
    if index not in (None, keys.GSI):
        raise ValueError(f"no such index: {index!r}")
    check_key_value("pk", pk)
    if (start is None) != (stop is None):
        raise ValueError("start and stop go together")
    if prefix is not None and start is not None:
        raise ValueError("prefix or start and stop, not both")
    for bound in (start, stop):
        if bound is not None:
            check_key_value("sk", bound)
    if start is not None and stop is not None and start > stop:
        raise ValueError(f"start after stop: {start!r} > {stop!r}")
    if limit is not None and limit < 1:
        raise ValueError(f"a limit below 1: {limit}")
    if after is None:
        return
    names = ("pk", "sk") if index is None else ("pk", "sk", "gsi1pk", "gsi1sk")
    if set(after) != set(names):
        raise ValueError("not a cursor of this query")
    for name in names:
        check_key_value(name, after[name])
    partition, sort = ("pk", "sk") if index is None else ("gsi1pk", "gsi1sk")
    inside = start is None or stop is None or start <= after[sort] <= stop
    if after[partition] != pk or not after[sort].startswith(prefix or "") or not inside:
        raise ValueError("a cursor outside of the query")
