"""Storage in memory, for tests and experiments: the ports of `shoal.storage.ports` without AWS.

`shoal.storage.memory.faults` wraps them (or any other adapter) to do what AWS does on a bad day.
"""

from shoal.storage.memory.objects import MemoryObjects
from shoal.storage.memory.queue import MemoryQueue, Received
from shoal.storage.memory.table import MemoryTable

__all__ = ["MemoryObjects", "MemoryQueue", "MemoryTable", "Received"]
