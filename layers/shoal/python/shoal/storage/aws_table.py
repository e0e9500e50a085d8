"""The table port over DynamoDB."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from shoal.errors import StorageBusy
from shoal.storage import checks
from shoal.storage.aws_errors import translated
from shoal.storage.aws_expressions import Expressions
from shoal.storage.aws_values import from_wire, item_from_wire, item_to_wire, key_to_wire, to_wire
from shoal.storage.ports import (
    Action,
    CheckItem,
    Condition,
    DeleteItem,
    Item,
    Key,
    Page,
    PutItem,
    UpdateItem,
    Write,
)
from shoal.storage.values import plain_item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

GET_BATCH = 100
PUT_BATCH = 25
BATCH_TRIES = 8
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0
"""Seconds between tries of what a batch left unprocessed: doubled each time, drawn from 0 to that."""


class AwsTable:
    """A `Table` over one DynamoDB table; the client may be shared between threads."""

    def __init__(
        self, client: "DynamoDBClient", table_name: str, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._client = client
        self._name = table_name
        self._sleep = sleep

    def get(self, key: Key, *, consistent: bool = True) -> Item | None:
        """One item, or None."""
        checks.check_key(key)
        with translated("get item", f"{key.pk} {key.sk}"):
            answer = self._client.get_item(
                TableName=self._name, Key=key_to_wire(key), ConsistentRead=consistent
            )
        found = answer.get("Item")
        return item_from_wire(found) if found else None

    def batch_get(self, keys: Sequence[Key]) -> list[Item]:
        """The items that exist among any number of distinct keys; consistent."""
        for key in keys:
            checks.check_key(key)
        checks.check_distinct(keys)
        found: list[Item] = []

        def read(wanted: list[Any]) -> list[Any]:
            request: dict[str, Any] = {self._name: {"Keys": wanted, "ConsistentRead": True}}
            answer = self._client.batch_get_item(RequestItems=request)
            found.extend(item_from_wire(item) for item in answer["Responses"].get(self._name, []))
            left: Mapping[str, Any] = answer.get("UnprocessedKeys", {})
            return list(left[self._name]["Keys"]) if left else []

        self._in_batches("batch get", [key_to_wire(key) for key in keys], GET_BATCH, read)
        return found

    def put(self, item: Item, *, condition: Condition | None = None) -> None:
        """Store a whole item."""
        request = self._put(item, condition)
        with translated("put item", f"{item['pk']} {item['sk']}"):
            self._client.put_item(**request)

    def update(self, key: Key, actions: Sequence[Action], *, condition: Condition | None = None) -> Item:
        """Change attributes (creating the item when absent) and return the new item."""
        request = self._update(key, actions, condition) | {"ReturnValues": "ALL_NEW"}
        with translated("update item", f"{key.pk} {key.sk}"):
            answer = self._client.update_item(**request)
        return item_from_wire(answer["Attributes"])

    def delete(self, key: Key, *, condition: Condition | None = None) -> None:
        """Delete an item; an absent one is fine."""
        request = self._keyed(key, condition)
        with translated("delete item", f"{key.pk} {key.sk}"):
            self._client.delete_item(**request)

    def query(
        self,
        pk: str,
        *,
        prefix: str | None = None,
        start: str | None = None,
        stop: str | None = None,
        index: str | None = None,
        limit: int | None = None,
        ascending: bool = True,
        after: Mapping[str, Any] | None = None,
    ) -> Page:
        """Items of one partition in sort-key order."""
        checks.check_query(pk, prefix=prefix, start=start, stop=stop, index=index, limit=limit, after=after)
        partition, sort = ("pk", "sk") if index is None else ("gsi1pk", "gsi1sk")
        bounds = (start, stop) if start is not None and stop is not None else None
        request: dict[str, Any] = {"TableName": self._name, "ScanIndexForward": ascending}
        request |= Expressions().key_range(partition, sort, pk, prefix, bounds).parameters()
        request |= {"ConsistentRead": True} if index is None else {"IndexName": index}
        if limit is not None:
            request["Limit"] = limit
        if after is not None:
            request["ExclusiveStartKey"] = {name: to_wire(value) for name, value in after.items()}
        with translated("query", f"{index or 'table'} {pk}"):
            answer = self._client.query(**request)
        last = answer.get("LastEvaluatedKey")
        cursor = {name: from_wire(value) for name, value in last.items()} if last else None
        return Page(tuple(map(item_from_wire, answer["Items"])), cursor)

    def transact(self, writes: Sequence[Write], *, token: str) -> None:
        """Up to 100 writes on distinct items, all or none."""
        checks.check_transaction(writes, token)
        request: list[Any] = [self._write(write) for write in writes]
        with translated("transact", f"{len(writes)} writes, token {token}"):
            self._client.transact_write_items(TransactItems=request, ClientRequestToken=token)

    def batch_put(self, items: Sequence[Item]) -> None:
        """Store any number of whole items without conditions; not atomic."""
        plain_items = [plain_item(item) for item in items]
        checks.check_distinct([Key(item["pk"], item["sk"]) for item in plain_items])
        requests = [{"PutRequest": {"Item": item_to_wire(item)}} for item in plain_items]

        def write(wanted: list[Any]) -> list[Any]:
            answer = self._client.batch_write_item(RequestItems={self._name: wanted})
            return list(answer.get("UnprocessedItems", {}).get(self._name, []))

        self._in_batches("batch put", requests, PUT_BATCH, write)

    # --- requests ------------------------------------------------------------------------------------------

    def _write(self, write: Write) -> dict[str, Any]:
        """One write of a transaction."""
        match write:
            case PutItem(item, condition):
                return {"Put": self._put(item, condition)}
            case UpdateItem(key, actions, condition):
                return {"Update": self._update(key, actions, condition)}
            case DeleteItem(key, condition):
                return {"Delete": self._keyed(key, condition)}
            case CheckItem(key, condition):
                return {"ConditionCheck": self._keyed(key, condition)}

    def _put(self, item: Item, condition: Condition | None) -> dict[str, Any]:
        wire = item_to_wire(plain_item(item))
        checks.check_condition(condition)
        return {"Item": wire} | self._conditional(Expressions().condition(condition))

    def _update(self, key: Key, actions: Sequence[Action], condition: Condition | None) -> dict[str, Any]:
        checks.check_key(key)
        checks.check_actions(actions)
        checks.check_condition(condition)
        expressions = Expressions().update(actions).condition(condition)
        return {"Key": key_to_wire(key)} | self._conditional(expressions)

    def _keyed(self, key: Key, condition: Condition | None) -> dict[str, Any]:
        checks.check_key(key)
        checks.check_condition(condition)
        return {"Key": key_to_wire(key)} | self._conditional(Expressions().condition(condition))

    def _conditional(self, expressions: Expressions) -> dict[str, Any]:
        """What every write says: where, on what condition, and to show the item that was in its way."""
        return {
            "TableName": self._name,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            **expressions.parameters(),
        }

    def _in_batches(
        self, operation: str, wanted: list[Any], size: int, call: Callable[[list[Any]], list[Any]]
    ) -> None:
        """Make a call for all that is wanted, and again for what it leaves unprocessed."""
        for first in range(0, len(wanted), size):
            left = wanted[first : first + size]
            for attempt in range(BATCH_TRIES):
                if attempt:
                    longest = min(FIRST_PAUSE * 2 ** (attempt - 1), LONGEST_PAUSE)
                    self._sleep(longest * random.random())  # noqa: S311 - jitter, no secret
                with translated(operation, f"{len(left)} items"):
                    left = call(left)
                if not left:
                    break
            else:
                raise StorageBusy(f"{operation}: {len(left)} items unprocessed after {BATCH_TRIES} tries")
