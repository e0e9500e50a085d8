"""A process that has bad luck with its storage."""

from typing import Any

from shoal.storage.memory import MemoryObjects, MemoryQueue, MemoryTable, MemoryUploads, MemoryWorkflows
from shoal.storage.memory.faults import Faults, Schedule, first_of
from shoal.storage.memory.faulty import FaultyObjects, FaultyQueue, FaultyTable
from shoal.storage.memory.faulty_steering import FaultyUploads, FaultyWorkflows
from shoal.storage.ports import ObjectStore, Queue, Table, Uploads, Workflows
from tests.unit.storage.clock import ManualClock


class World:
    """Stores, and a process that has bad luck with them."""

    def __init__(self, *schedules: Schedule) -> None:
        self.clock = ManualClock()
        self.stored = MemoryTable(self.clock)
        self.bucket = MemoryObjects(self.clock)
        self.sent = MemoryQueue(self.clock)
        self.uploading = MemoryUploads(self.bucket, self.clock)
        self.running = MemoryWorkflows()
        self.start(*schedules)

    def start(self, *schedules: Schedule) -> None:
        self.faults = Faults(first_of(*schedules), late_seconds=60, stale_writes=1)
        self.table: Table = FaultyTable(self.stored, self.faults)
        self.objects: ObjectStore = FaultyObjects(self.bucket, self.faults)
        self.queue: Queue = FaultyQueue(self.sent, self.faults)
        self.uploads: Uploads = FaultyUploads(self.uploading, self.faults)
        self.workflows: Workflows = FaultyWorkflows(self.running, self.faults)

    def state(self) -> Any:
        objects = [head.key for head in self.bucket.list("")]
        return (
            self.stored.items(),
            objects,
            len(self.sent),
            dict(self.running.statuses),
            self.uploading.started,
        )


def world(*schedules: Schedule) -> World:
    """One with an item in the index and an object."""
    made = World(*schedules)
    made.stored.put({"pk": "p", "sk": "a", "n": 1, "gsi1pk": "G", "gsi1sk": "1"})
    made.bucket.put("o", b"body")
    made.running.start("old", {})
    return made
