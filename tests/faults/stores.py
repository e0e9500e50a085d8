"""What outlives every process: the stores in memory, watched, and the processes that are let loose on them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from shoal.model.datasets import Dataset
from shoal.services.search import Searcher
from shoal.storage.memory import MemoryObjects, MemoryQueue, MemoryTable, MemoryUploads, MemoryWorkflows
from shoal.storage.memory.faults import Faults
from shoal.storage.memory.faulty import FaultyObjects, FaultyQueue, FaultyTable
from shoal.storage.memory.faulty_steering import FaultyUploads, FaultyWorkflows
from shoal.storage.ports import Clock as Now
from shoal.storage.ports import Key, ObjectHead, Ports
from tests.unit.services.world import Clock


class WatchedTable(MemoryTable):
    """A table that sees every change of every HEAD, and notes those that must never be.

    `versions` holds the watermark of each version of each dataset, by the partition of its items.
    """

    def __init__(self, clock: Now) -> None:
        super().__init__(clock)
        self.versions: dict[str, dict[int, int]] = {}
        self.wrong: list[str] = []

    def _store(self, key: Key, new: dict[str, Any] | None) -> None:
        old = self._items.get(key)
        super()._store(key, new)
        if key.sk == "HEAD" and new is not None:
            self.versions.setdefault(key.pk, {0: 0})[int(new["version"])] = int(new["watermark"])
            if old is not None:
                self.wrong += [f"HEAD: {what}" for what in _wrong_steps(old, new)]


def _wrong_steps(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    """What is wrong with a change of HEAD (invariant 4)."""
    swapped = old.get("manifest") != new.get("manifest")
    if swapped and new["version"] != old["version"] + 1:
        yield f"version {old['version']} was followed by version {new['version']}"
    if not swapped and any(old[name] != new[name] for name in ("version", "watermark", "row_count")):
        yield "HEAD changed without a new manifest"
    if new["watermark"] < old["watermark"]:
        yield f"the watermark went back from {old['watermark']} to {new['watermark']}"
    if new["fence"] < old["fence"]:
        yield f"the fence went back from {old['fence']} to {new['fence']}"
    if (old["state"], new["state"]) == ("deleted", "live"):
        yield "a deleted dataset came back"


class NotedObjects:
    """The objects as one process sees them, noting each write's data that it stores."""

    def __init__(self, objects: MemoryObjects, log_keys: list[str]) -> None:
        self._objects = objects
        self._log_keys = log_keys

    def __getattr__(self, name: str) -> Any:
        return getattr(self._objects, name)

    def put(self, key: str, body: bytes | memoryview, *, if_none_match: bool = False) -> ObjectHead:
        """Store an object."""
        stored = self._objects.put(key, body, if_none_match=if_none_match)
        if "/log/" in key:
            self._log_keys.append(key)
        return stored


@dataclass(frozen=True, slots=True)
class Process:
    """One process: its ports, its luck, and the data of writes that it stored."""

    ports: Ports
    faults: Faults
    log_keys: list[str]


@dataclass
class Stores:
    """All stores of one world."""

    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.objects = MemoryObjects(self.clock)
        self.table = WatchedTable(self.clock)
        self.wakeups = MemoryQueue(self.clock, max_receive_count=1000)
        self.builds = MemoryQueue(self.clock, max_receive_count=1000)
        self.uploads = MemoryUploads(self.objects, self.clock)
        self.workflows = {name: MemoryWorkflows() for name in ("imports", "compactions", "exports")}
        self.ports = self.process(Faults()).ports
        self.tenant_id = ""
        self.searcher = self.new_searcher()

    def process(self, faults: Faults) -> Process:
        """A process that has this luck."""
        log_keys: list[str] = []
        ports = Ports(
            objects=FaultyObjects(NotedObjects(self.objects, log_keys), faults),
            table=FaultyTable(self.table, faults),
            wakeups=FaultyQueue(self.wakeups, faults),
            builds=FaultyQueue(self.builds, faults),
            clock=self.clock,
            uploads=FaultyUploads(self.uploads, faults),
            imports=FaultyWorkflows(self.workflows["imports"], faults),
            compactions=FaultyWorkflows(self.workflows["compactions"], faults),
            exports=FaultyWorkflows(self.workflows["exports"], faults),
        )
        return Process(ports, faults, log_keys)

    def new_searcher(self) -> Searcher:
        """A container that has just started, with nothing in its caches."""
        return Searcher(self.ports, cache_bytes=1 << 26)

    def versions_of(self, dataset: Dataset) -> dict[int, int]:
        """The watermark of each version of a dataset."""
        return self.table.versions[f"D#{dataset.tenant_id}#{dataset.dataset_id}"]

    def jobs(self, dataset: Dataset) -> list[dict[str, Any]]:
        """The log of a dataset as it is stored, by place."""
        keys = f"D#{dataset.tenant_id}#{dataset.dataset_id}"
        page = self.table.query(keys, prefix="JOB#")
        assert page.after is None
        return [dict(item) for item in page.items]
