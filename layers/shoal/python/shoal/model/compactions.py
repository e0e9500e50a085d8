"""Compactions: flat rows and cell sets of a dataset become one cell set, or one resident shard."""

from dataclasses import dataclass
from enum import StrEnum


class CompactionStatus(StrEnum):
    """How far a compaction is; all but `running` are terminal."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"
    """What it was made of is not there any more, or not as it was: nothing has changed, and nothing is wrong."""

    @property
    def terminal(self) -> bool:
        """Whether nothing will change any more."""
        return self is not CompactionStatus.RUNNING


@dataclass(frozen=True, slots=True)
class Compaction:
    """A compaction as stored.

    It reads the version that `manifest` (of `manifest_sha256`) holds: all flat shards of it, and the cell sets of
    the keys in `cell_sets`. `watermark` is that version's. `total` and `done` count the pieces of the stage at
    hand. `rows` are those that were alive when it began.
    """

    run_id: str
    tenant_id: str
    dataset_id: str
    dataset_name: str
    manifest: str
    manifest_sha256: str
    version: int
    watermark: int
    cell_sets: tuple[str, ...]
    created_at: float
    status: CompactionStatus = CompactionStatus.RUNNING
    stage: str = ""
    total: int = 0
    done: int = 0
    rows: int = 0
    error_message: str | None = None
    completed_at: float | None = None
