"""Bodies of queries and of their answers."""

from typing import Annotated, Any, Literal

from pydantic import Field

from shoal.http.native.types import Body, shown_as
from shoal.model.limits import MAX_EF, MAX_NAMESPACE_CHARACTERS, MAX_NPROBE, MAX_TOP_K

_VECTOR = [0.1, 0.2, 0.3, 0.4]


class QueryByPath(Body):
    """A query, by a vector or by a text; the path names the dataset."""

    model_config = shown_as({"vector": _VECTOR}, {"text": "a chair for the office"})

    vector: list[float] | None = None
    """What is near to this one? Exactly one of `vector` and `text` is given."""
    text: str | None = None
    """What is near to this text? Only of a dataset with an `embedding_model`, which makes a vector of it."""
    top_k: int | None = Field(default=10, ge=1, le=MAX_TOP_K)
    filter: dict[str, Any] | None = None
    nprobe: int | None = Field(default=None, ge=1, le=MAX_NPROBE)
    """Cells to open of each import, in place of as many as calibration found to be enough."""
    probes: int | None = Field(default=None, ge=1, le=MAX_NPROBE)
    """Another name of `nprobe`."""
    ef: int | None = Field(default=None, ge=1, le=MAX_EF)
    """Beam width of the walk through a graph, in place of the calibrated one."""
    explain: bool = False
    """Whether to say what the query did."""
    allow_partial: bool = False
    """Whether part of the answer is better than none: where a cell is damaged, and where a filter on what is not
    indexed would need more than one query may read. Without it the one is an error of ours, the other a 400
    `filter_not_indexed` that names the paths."""
    namespace: Annotated[str, Field(max_length=MAX_NAMESPACE_CHARACTERS)] | None = None
    """Look only into this namespace ("": at the records in none)."""
    include_document: bool = False
    job_id: str | None = None
    """A write of this dataset that the answer must know of; it is waited for, up to 10 seconds."""
    min_version: int | None = Field(default=None, ge=0)
    """The least version (`x-shoal-version`) to answer from; it is waited for, up to 10 seconds."""


class QueryIn(QueryByPath):
    """A query of a named dataset, or of `openverse/<index>`."""

    model_config = shown_as(
        {"dataset": "products", "vector": _VECTOR},
        {"dataset": "products", "text": "a chair for the office"},
    )

    dataset: str


class MatchOut(Body):
    """A match. Under `l2` the score is the squared distance (lower is better), else the similarity.

    `namespace` is there only where the record is in one, `document` only where it has one and that was asked for.
    """

    id: str
    score: float
    metadata: dict[str, Any]
    namespace: str | None = None
    document: str | None = None


class BytesRead(Body):
    """Bytes that a query read, by where they came from."""

    storage: int
    disk: int


class StageTimes(Body):
    """Milliseconds of a query: name and version; making a vector of the text; which rows match; choosing cells;
    loading; searching; records of the winners.
    """

    open: float
    embed: float
    filter: float
    route: float
    load: float
    score: float
    records: float


class ExplainOut(Body):
    """What a query did. `candidates` were compared with it (of a graph: kept while walking it).

    Only with a filter or a namespace: `decided` is `exact` where every record that matches was compared, else
    `probed`; `matches` says how many records match, where that had to be found out.
    """

    cells_opened: int
    cells_total: int
    candidates: int
    bytes_read: BytesRead
    storage_requests: int
    memory_hits: int
    milliseconds: StageTimes
    decided: Literal["exact", "probed"] | None = None
    matches: int | None = None


class QueryResult(Body):
    """The matches, best first. `mode` is `ephemeral`, with the job to wait for, before anything is indexed.

    `partial` is only there when true: the budget of bytes, or a damaged cell that the query allowed to be left
    out, ended the search before all was looked at. `explain` is only there when asked for, `embedding_model` where
    the dataset has one.
    """

    matches: list[MatchOut]
    latency_ms: float
    mode: Literal["hot", "cold", "ephemeral"]
    job_id: str | None = None
    partial: Literal[True] | None = None
    explain: ExplainOut | None = None
    embedding_model: str | None = None
