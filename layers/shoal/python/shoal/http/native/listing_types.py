"""Bodies of lists, counts and figures of a dataset. Requests refuse fields that they do not know: who misspells a
filter, and is about to delete by it, must not be told the number of all records.
"""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from shoal.http.native.types import Body, RecallOut, RecordOut, Timestamp
from shoal.model.limits import MAX_ID_CHARACTERS, MAX_NAMESPACE_CHARACTERS

type Prefix = Annotated[str, Field(max_length=MAX_ID_CHARACTERS)]
type Namespace = Annotated[str, Field(max_length=MAX_NAMESPACE_CHARACTERS)]


class SelectionIn(Body):
    """Which records: those that pass the filter, whose id begins so, in the namespace ("": in none)."""

    model_config = ConfigDict(extra="forbid")

    filter: dict[str, Any] | None = None
    prefix: Prefix | None = None
    namespace: Namespace | None = None


class ListIn(SelectionIn):
    """A page of records: up to `limit` of them (at most 1,000), from `cursor` on."""

    limit: int = 100
    cursor: str | None = None
    include_values: bool = False
    include_document: bool = False


class ListNamed(ListIn):
    """A page of records of a named dataset, or of `openverse/<index>`."""

    dataset: str


class SelectionNamed(SelectionIn):
    """Which records of a named dataset, or of `openverse/<index>`."""

    dataset: str


class DatasetNamed(Body):
    """A dataset by its name, or `openverse/<index>`."""

    model_config = ConfigDict(extra="forbid")

    dataset: str


class ListResult(Body):
    """A page of one version. Ask again with `next_cursor`; where it is null, this was the last page."""

    vectors: list[RecordOut]
    next_cursor: str | None
    version: int


class CountResult(Body):
    """The exact number of records that were meant, in one version."""

    count: int
    version: int


class StatsOut(Body):
    """A dataset in figures.

    `stored_rows` are `row_count` live ones and dead ones that still take room (`dead_share` of them). Queries look
    into all `shards` and into the nearest of the `cells`. `bytes` is the size of all that the version names.
    `tail_writes` are accepted and not applied yet.
    """

    name: str
    status: Literal["empty", "validating", "indexing", "indexed", "error"]
    version: int
    row_count: int
    stored_rows: int
    dead_share: float
    shards: int
    deltas: int
    cell_sets: int
    cell_shards: int
    cells: int
    id_index_runs: int
    bytes: int
    vector_bytes: int
    tail_writes: int
    tail_bytes: int
    last_compacted_at: Timestamp | None
    last_indexed_at: Timestamp | None
    recall: RecallOut | None
