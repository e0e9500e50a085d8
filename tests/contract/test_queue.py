"""The queue: a message arrives as it was sent, with its group, and not before its delay."""

from typing import Any

import pytest

from tests.contract.stores import QueueUnderTest

WAKE_UP = {"tenant_id": "ten_1", "dataset_id": "0123456789abcdef"}


def test_a_message_arrives(queue: QueueUnderTest) -> None:
    queue.queue.send(WAKE_UP, group="ten_1")
    assert queue.receive() == [(WAKE_UP, "ten_1")]
    assert queue.receive() == []  # it is somebody's, until its time is up


@pytest.mark.parametrize(
    "message", [{}, {"ü": "世 🐟 \x00 \"'"}, {"long": "x" * 200_000}], ids=lambda m: repr(m)[:20]
)
def test_messages(queue: QueueUnderTest, message: dict[str, str]) -> None:
    queue.queue.send(message, group="g")
    assert queue.receive() == [(message, "g")]


def test_a_delayed_message_is_not_there_yet(queue: QueueUnderTest) -> None:
    queue.queue.send(WAKE_UP, group="a", delay_seconds=900)
    queue.queue.send(WAKE_UP, group="b")
    assert [group for _, group in queue.receive()] == ["b"]


def test_messages_of_many_groups(queue: QueueUnderTest) -> None:
    for n in range(10):
        queue.queue.send({"n": str(n)}, group=f"ten_{n % 3}")
    found = [received for _ in range(10) for received in queue.receive()]
    assert sorted(found, key=lambda one: one[0]["n"]) == [({"n": str(n)}, f"ten_{n % 3}") for n in range(10)]


@pytest.mark.parametrize(
    ("message", "how"),
    [
        (WAKE_UP, {"group": ""}),
        (WAKE_UP, {"group": "x" * 129}),
        (WAKE_UP, {"group": "with space"}),
        (WAKE_UP, {"group": "ü"}),
        (WAKE_UP, {"group": "g", "delay_seconds": -1}),
        (WAKE_UP, {"group": "g", "delay_seconds": 901}),
        ({"long": "x" * 1024 * 1024}, {"group": "g"}),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_message_that_cannot_be_sent(
    queue: QueueUnderTest, message: dict[str, str], how: dict[str, Any]
) -> None:
    with pytest.raises(ValueError):
        queue.queue.send(message, **how)
    assert queue.receive() == []


@pytest.mark.parametrize("message", [{"n": 1}, {"n": None}, {1: "n"}], ids=repr)
def test_a_message_of_other_than_strings(queue: QueueUnderTest, message: Any) -> None:
    with pytest.raises(TypeError):
        queue.queue.send(message, group="g")
