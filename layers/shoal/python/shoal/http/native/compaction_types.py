"""Bodies of compactions, as `shoal.http.native.types`, which holds those of all else."""

from typing import Literal

from shoal.http.native.types import Body, Timestamp


class CompactionProgress(Body):
    """The stage at hand, and how many of its pieces are done; `total` is 0 where nobody has counted them yet."""

    stage: str
    done: int
    total: int


class CompactionOut(Body):
    """The compaction of a dataset that began last.

    All but `running` are terminal; `stopped`: what it was made of has changed meanwhile, so that nothing came of
    it, and nothing is wrong. `rows` are those that were alive when it began. `progress` is null once it has ended.
    """

    compaction_id: str
    dataset: str
    status: Literal["running", "completed", "failed", "stopped"]
    rows: int
    error_message: str | None
    created_at: Timestamp
    completed_at: Timestamp | None
    progress: CompactionProgress | None


class CompactionRequested(Body):
    """Whether there is anything to compact is found out by who does it."""

    dataset: str
    status: Literal["requested"]
