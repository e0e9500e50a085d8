"""What the adapters try again themselves: unprocessed parts of batches, and bodies that break off."""

from collections.abc import Callable
from typing import Any, Self, cast

import pytest
from botocore.exceptions import ResponseStreamingError

from shoal.errors import StorageBusy, StorageError
from shoal.storage.aws_objects import READ_TRIES, AwsObjects
from shoal.storage.aws_table import BATCH_TRIES, LONGEST_PAUSE, AwsTable
from shoal.storage.aws_values import item_to_wire
from shoal.storage.ports import Key


class StingyDynamo:
    """A DynamoDB client that processes at most `at_once` items of a batch."""

    def __init__(self, at_once: Callable[[int], int]) -> None:
        self.at_once = at_once
        self.calls: list[int] = []
        self.stored: list[Any] = []

    def batch_write_item(self, RequestItems: dict[str, list[Any]]) -> dict[str, Any]:  # noqa: N803 - AWS's name
        ((name, requests),) = RequestItems.items()
        done = self._done(requests)
        self.stored += [request["PutRequest"]["Item"] for request in requests[:done]]
        left = requests[done:]
        return {"UnprocessedItems": {name: left} if left else {}}

    def batch_get_item(self, RequestItems: dict[str, Any]) -> dict[str, Any]:  # noqa: N803 - AWS's name
        ((name, request),) = RequestItems.items()
        assert request["ConsistentRead"] is True
        done = self._done(request["Keys"])
        left = request["Keys"][done:]
        unprocessed = {name: {"Keys": left, "ConsistentRead": True}} if left else {}
        return {"Responses": {name: request["Keys"][:done]}, "UnprocessedKeys": unprocessed}

    def _done(self, wanted: list[Any]) -> int:
        self.calls.append(len(wanted))
        return self.at_once(len(self.calls))


def stingy(at_once: Callable[[int], int]) -> tuple[AwsTable, StingyDynamo, list[float]]:
    client, pauses = StingyDynamo(at_once), list[float]()
    return AwsTable(cast("Any", client), "table", sleep=pauses.append), client, pauses


def test_what_is_left_unprocessed_is_asked_for_again() -> None:
    items = [{"pk": "p", "sk": f"{n:03}"} for n in range(30)]
    table, client, pauses = stingy(lambda _call: 10)
    table.batch_put(items)
    assert client.stored == [item_to_wire(item) for item in items]
    assert client.calls == [25, 15, 5, 5]
    assert len(pauses) == 2
    table, client, pauses = stingy(lambda _call: 60)
    found = table.batch_get([Key("p", f"{n:03}") for n in range(130)])
    assert len({item["sk"] for item in found}) == 130
    assert client.calls == [100, 40, 30]
    assert len(pauses) == 1


def test_after_several_tries_it_is_busy() -> None:
    table, client, pauses = stingy(lambda call: 1 if call == 1 else 0)
    with pytest.raises(StorageBusy):
        table.batch_put([{"pk": "p", "sk": str(n)} for n in range(3)])
    assert client.calls == [3] + [2] * (BATCH_TRIES - 1)
    assert len(pauses) == BATCH_TRIES - 1
    assert all(0 <= pause <= LONGEST_PAUSE for pause in pauses)
    table, client, _ = stingy(lambda _call: 0)
    with pytest.raises(StorageBusy):
        table.batch_get([Key("p", "a")])
    assert len(client.calls) == BATCH_TRIES


class Body:
    """A body that breaks off, or not."""

    def __init__(self, content: bytes | None) -> None:
        self.content = content
        self.closed = False

    def read(self) -> bytes:
        if self.content is None:
            raise ResponseStreamingError(error="connection reset")
        return self.content

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.closed = True


class FlakyS3:
    """An S3 client whose bodies are given, and whose deletes fail with given codes."""

    def __init__(self, *bodies: bytes | None, codes: tuple[str, ...] = ()) -> None:
        self.bodies = [Body(content) for content in bodies]
        self.codes = codes
        self.requests: list[dict[str, Any]] = []

    def get_object(self, **request: Any) -> dict[str, Any]:
        self.requests.append(request)
        return {"Body": self.bodies[len(self.requests) - 1]}

    def delete_objects(self, **_request: Any) -> dict[str, Any]:
        return {"Errors": [{"Key": "a", "Code": code} for code in self.codes]}


def test_a_body_that_breaks_off_is_read_again() -> None:
    client = FlakyS3(None, None, b"whole")
    assert AwsObjects(cast("Any", client), "bucket").get("a", byte_range=(5, 10), version_id="v1") == b"whole"
    assert client.requests == [{"Bucket": "bucket", "Key": "a", "VersionId": "v1", "Range": "bytes=5-9"}] * 3
    assert all(body.closed for body in client.bodies)


def test_a_body_that_always_breaks_off_is_busy() -> None:
    client = FlakyS3(*[None] * 10)
    with pytest.raises(StorageBusy):
        AwsObjects(cast("Any", client), "bucket").get("a")
    assert len(client.requests) == READ_TRIES


@pytest.mark.parametrize(
    ("codes", "kind"),
    [
        (("SlowDown", "InternalError"), StorageBusy),
        (("AccessDenied",), StorageError),
        (("SlowDown", "New"), StorageError),
    ],
)
def test_a_delete_that_fails_in_part(codes: tuple[str, ...], kind: type[Exception]) -> None:
    with pytest.raises(StorageError) as found:
        AwsObjects(cast("Any", FlakyS3(codes=codes)), "bucket").delete(["a", "b"])
    assert type(found.value) is kind
