"""Storage in memory, for tests and experiments: the ports of `shoal.storage.ports` without AWS.

`shoal.storage.memory.faults` decides what goes wrong, and `shoal.storage.memory.faulty` wraps any adapter to let
it happen: what AWS does on a bad day.
"""

from shoal.storage.memory.inference import MemoryInference
from shoal.storage.memory.objects import MemoryObjects
from shoal.storage.memory.outbound import MemoryOutbound
from shoal.storage.memory.queue import MemoryQueue, Received
from shoal.storage.memory.secrets import MemorySecrets
from shoal.storage.memory.table import MemoryTable
from shoal.storage.memory.uploads import MemoryUploads
from shoal.storage.memory.upstream import MemoryUpstream
from shoal.storage.memory.workflows import MemoryWorkflows

__all__ = [
    "MemoryInference",
    "MemoryObjects",
    "MemoryOutbound",
    "MemoryQueue",
    "MemorySecrets",
    "MemoryTable",
    "MemoryUploads",
    "MemoryUpstream",
    "MemoryWorkflows",
    "Received",
]
