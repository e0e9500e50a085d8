"""Bodies of snapshots, restores and clones. They refuse fields that they do not know: a misspelt one must not make
a restore go back to something else than was meant.
"""

from typing import Literal

from pydantic import ConfigDict

from shoal.http.native.types import Body, Timestamp

_STRICT = ConfigDict(extra="forbid")
_JOB = "job_3f1c9a7e5b2d46810000000000000007"


class CreateSnapshot(Body):
    """The name that the current version gets: 1 to 64 of a-z, 0-9, _ and -."""

    model_config = _STRICT | ConfigDict(json_schema_extra={"examples": [{"name": "before-migration"}]})

    name: str


class SnapshotOut(Body):
    """A version of a dataset that has a name, and is kept for as long as it does. Nothing is copied.

    `row_count` is the exact number of live ids in it; writes that were not indexed by then are not.
    """

    name: str
    dataset: str
    version: int
    row_count: int
    created_at: Timestamp


class SnapshotList(Body):
    """All snapshots of a dataset, by name."""

    snapshots: list[SnapshotOut]


class RestoreIn(Body):
    """Where to go back to: a snapshot of this dataset, or of `dataset`, its clone or what it was cloned from."""

    model_config = _STRICT | ConfigDict(
        json_schema_extra={
            "examples": [{"snapshot": "before-migration"}, {"snapshot": "tried", "dataset": "products-trial"}]
        }
    )

    snapshot: str
    dataset: str | None = None


class RestoreAccepted(Body):
    """An accepted restore: writes accepted before it are undone, those after it come on top.

    What follows `job_id` is only there where it was waited for: `pending` after the time-out (it goes on by
    itself), `indexed`, or `failed` with the reason, and then nothing has changed.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"dataset": "products", "snapshot": "before-migration", "job_id": _JOB}]
        }
    )

    dataset: str
    snapshot: str
    job_id: str
    status: Literal["pending", "indexed", "failed"] | None = None
    error_message: str | None = None


class CloneIn(Body):
    """The name of the clone, and the snapshot that it begins as; without one, as the current version."""

    model_config = _STRICT | ConfigDict(
        json_schema_extra={"examples": [{"name": "products-trial", "snapshot": "before-migration"}]}
    )

    name: str
    snapshot: str | None = None
