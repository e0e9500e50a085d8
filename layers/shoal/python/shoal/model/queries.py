"""Queries and their answers: what decides an answer, and what it says of itself."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shoal.model.filters import Filter
from shoal.model.selection import Selection


@dataclass(frozen=True, slots=True)
class QueryRequest:
    """A query vector (float32, shape (dimension,)) with what else decides the answer.

    `ef` is the beam width of the graph search, `nprobe` the number of cells to open of each import (None: as
    calibrated; with a filter only cells that hold a match count, where that is known beforehand).
    `include_values` and `include_document` return these too, `explain` what the query did. `namespace` None looks
    into all of them. `allow_partial` prefers some answer to none: cells that are damaged are left out, and so is
    what the budget does not allow to be looked at for a filter that no index covers.
    """

    vector: NDArray[np.float32]
    top_k: int = 10
    filter: Filter | None = None
    ef: int | None = None
    nprobe: int | None = None
    include_values: bool = False
    explain: bool = False
    namespace: str | None = None
    allow_partial: bool = False
    include_document: bool = False

    @property
    def selection(self) -> Selection | None:
        """The records that may answer; None: all."""
        chosen = Selection(namespace=self.namespace, filter=self.filter)
        return None if chosen.everything else chosen


@dataclass(frozen=True, slots=True)
class Match:
    """A record that answers: `metadata` is compact JSON, `values` float32 of shape (dimension,) or None.

    `namespace` is "" and `document` b"" where the record has none.
    """

    id: str
    score: float
    metadata: bytes
    values: NDArray[np.float32] | None = None
    namespace: str = ""
    document: bytes = b""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What one query did.

    `cells_opened` of `cells_total` cells were searched, and `candidates` rows compared with the query (of a graph:
    those that its walk keeps). `storage_bytes` came from the object store with `storage_requests`, `disk_bytes`
    from the container's disk, and `memory_hits` parts were in memory. `milliseconds` are by stage.

    Of a query with a filter or a namespace: `decided` is "exact" where every row that matches was compared, else
    "probed", and `matches` how many live rows match (None: nobody had to find out).
    """

    cells_opened: int
    cells_total: int
    candidates: int
    storage_bytes: int
    storage_requests: int
    disk_bytes: int
    memory_hits: int
    decided: str | None = None
    matches: int | None = None
    milliseconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class QueryAnswer:
    """The best matches, best first, of one version.

    `mode` is `hot` (all from the container's cache), `cold` (something was read from storage) or `ephemeral`
    (nothing has been indexed yet; `job_id` is the write to wait for). `partial`: the budget of bytes, or a damaged
    cell, ended the search before all was looked at that the query asks for. `embedding_model` is that of the
    dataset, where it has one.
    """

    matches: tuple[Match, ...]
    mode: str
    version: int
    job_id: str | None = None
    partial: bool = False
    explanation: Explanation | None = None
    embedding_model: str | None = None
