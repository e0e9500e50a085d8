"""What a task that updates an index remembers between its steps: the versions, the place, and what was counted."""

from collections import Counter
from dataclasses import dataclass, replace
from enum import Enum, auto

from shoal.model.openverse import OpenverseTask

UPDATED_ON = "updated_on"
"""The metadata that says when a record changed."""


class Kind(Enum):
    """What a row is to an update."""

    UNDATED = auto()
    UNCHANGED = auto()
    LEFT_OUT = auto()
    CHANGED = auto()


@dataclass(frozen=True, slots=True)
class Update:
    """How far an update is, as the task remembers it.

    `source_id` and `index_id` are the datasets of these names when it began. `newest`: the place in the dataset's
    log up to which it has to be applied. `manifest` and `sha256` name the version that is read then; None of a
    dataset without one. The next rows to look at are those of its piece `source`, from the live row `row` on.
    `seen`, `copied`, `left_out` and `undated` are counts of rows, `last` the place in the index's log up to which
    that has to be applied in the end.
    """

    source_id: str = ""
    index_id: str = ""
    newest: int | None = None
    taken: bool = False
    manifest: str | None = None
    sha256: str | None = None
    source: int = 0
    row: int = 0
    seen: int = 0
    copied: int = 0
    left_out: int = 0
    undated: int = 0
    last: int | None = None

    @classmethod
    def of(cls, task: OpenverseTask) -> "Update":
        """What a task remembers."""
        return cls(**task.work)

    def further(self, source: int, row: int, counts: Counter[Kind]) -> "Update":
        """As it is when more rows were looked at, and which are the next."""
        return replace(
            self,
            source=source,
            row=row,
            seen=self.seen + counts.total(),
            copied=self.copied + counts[Kind.CHANGED],
            left_out=self.left_out + counts[Kind.LEFT_OUT],
            undated=self.undated + counts[Kind.UNDATED],
        )

    @property
    def told(self) -> str:
        """What was done, in words."""
        parts = [f"{self.copied} of {self.seen} records have changed, and are in the index"]
        if self.left_out:
            parts.append(f"{self.left_out} more are of those that the index leaves out")
        if self.undated:
            parts.append(
                f"{self.undated} have no {UPDATED_ON}, or none that is a timestamp, and were passed over"
            )
        return "; ".join(parts)
