"""An SQS queue in memory, with the receiving side that Lambda plays on AWS."""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace

from shoal.storage.messages import message_text
from shoal.storage.ports import Clock

MAX_BATCH = 10


@dataclass(frozen=True, slots=True)
class Received:
    """A message as received once; `receipt` is valid until the message is received again."""

    message_id: str
    receipt: str
    message: Mapping[str, str]
    group: str
    receive_count: int
    sent_at: float


@dataclass(slots=True)
class _Waiting:
    received: Received
    visible_at: float


class MemoryQueue:
    """A `Queue` in memory. Safe to use from threads.

    A message received and not deleted is visible again after `visibility_seconds`; one that was received
    `max_receive_count` times goes to `dead` instead of being received again.
    """

    def __init__(self, clock: Clock, *, visibility_seconds: float = 120, max_receive_count: int = 5) -> None:
        self._clock = clock
        self._visibility = visibility_seconds
        self._max_receive_count = max_receive_count
        self._lock = threading.RLock()
        self._waiting: dict[str, _Waiting] = {}
        self._dead: list[Received] = []
        self._count = 0

    def send(self, message: Mapping[str, str], *, group: str, delay_seconds: int = 0) -> None:
        """Send one message."""
        text = message_text(message, group=group, delay_seconds=delay_seconds)
        with self._lock:
            self._count += 1
            message_id, now = f"m{self._count:08}", self._clock()
            received = Received(message_id, "", json.loads(text), group, 0, now)
            self._waiting[message_id] = _Waiting(received, now + delay_seconds)

    def receive(self, max_messages: int = MAX_BATCH) -> list[Received]:
        """Take visible messages, in the order of becoming visible."""
        if not 1 <= max_messages <= MAX_BATCH:
            raise ValueError(f"1 to {MAX_BATCH} messages at a time, not {max_messages}")
        taken: list[Received] = []
        with self._lock:
            now = self._clock()
            for waiting in sorted(self._waiting.values(), key=lambda waiting: waiting.visible_at):
                if waiting.visible_at > now or len(taken) == max_messages:
                    break
                old = waiting.received
                if old.receive_count >= self._max_receive_count:
                    self._dead.append(old)
                    del self._waiting[old.message_id]
                    continue
                count = old.receive_count + 1
                waiting.received = replace(old, receipt=f"{old.message_id}/{count}", receive_count=count)
                waiting.visible_at = now + self._visibility
                taken.append(waiting.received)
        return taken

    def delete(self, receipt: str) -> None:
        """Delete a received message; a receipt that a later delivery has replaced deletes nothing."""
        with self._lock:
            waiting = self._find(receipt)
            if waiting:
                del self._waiting[waiting.received.message_id]

    def release(self, receipt: str) -> None:
        """Make a received message visible at once, as a failed batch item with visibility 0."""
        with self._lock:
            waiting = self._find(receipt)
            if waiting:
                waiting.visible_at = self._clock()

    @property
    def dead(self) -> tuple[Received, ...]:
        """Messages given up: the dead-letter queue."""
        with self._lock:
            return tuple(self._dead)

    def __len__(self) -> int:
        """How many messages there are, visible or not."""
        with self._lock:
            return len(self._waiting)

    def _find(self, receipt: str) -> _Waiting | None:
        waiting = self._waiting.get(receipt.partition("/")[0])
        return waiting if waiting and waiting.received.receipt == receipt else None
