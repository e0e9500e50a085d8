"""A process that has bad luck with its storage."""

from typing import Any

from shoal.storage.memory import MemoryObjects, MemoryQueue, MemoryTable
from shoal.storage.memory.faults import Faults, Schedule, first_of
from shoal.storage.memory.faulty import FaultyObjects, FaultyQueue, FaultyTable
from shoal.storage.ports import ObjectStore, Queue, Table
from tests.unit.storage.clock import ManualClock


class World:
    """Stores, and a process that has bad luck with them."""

    def __init__(self, *schedules: Schedule) -> None:
        self.clock = ManualClock()
        self.stored = MemoryTable(self.clock)
        self.bucket = MemoryObjects(self.clock)
        self.sent = MemoryQueue(self.clock)
        self.start(*schedules)

    def start(self, *schedules: Schedule) -> None:
        self.faults = Faults(first_of(*schedules), late_seconds=60, stale_writes=1)
        self.table: Table = FaultyTable(self.stored, self.faults)
        self.objects: ObjectStore = FaultyObjects(self.bucket, self.faults)
        self.queue: Queue = FaultyQueue(self.sent, self.faults)

    def state(self) -> Any:
        return self.stored.items(), [head.key for head in self.bucket.list("")], len(self.sent)


def world(*schedules: Schedule) -> World:
    """One with an item in the index and an object."""
    made = World(*schedules)
    made.stored.put({"pk": "p", "sk": "a", "n": 1, "gsi1pk": "G", "gsi1sk": "1"})
    made.bucket.put("o", b"body")
    return made
