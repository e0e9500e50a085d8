"""What the API answers, as frozen types."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

type Json = Mapping[str, Any]
type Values = Sequence[float] | NDArray[float32]
"""A vector: a list as answers give it, or an array as models make it."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record to store, or as stored. What was not asked for is None, as is a document that is not there."""

    id: str
    values: Values | None
    metadata: Json
    namespace: str = ""
    document: str | None = None

    @classmethod
    def of(cls, body: Json) -> "Record":
        """Read the API's object: uploads say `values`, answers `embedding` (the contract's words)."""
        values = body.get("embedding", body.get("values"))
        namespace, document = body.get("namespace") or "", body.get("document")
        return cls(body["id"], values, body.get("metadata") or {}, namespace, document)


@dataclass(frozen=True, slots=True)
class Recall:
    """Recall@10 as calibration measured it against exact search; `probes` are cells, `ef` is a graph's."""

    target: float
    measured: float
    probes: int | None
    ef: int | None
    sampled_at: str | None

    @classmethod
    def of(cls, body: Json) -> "Recall":
        """Read the API's object."""
        return cls(
            body["target"], body["measured"], body.get("probes"), body.get("ef"), body.get("sampled_at")
        )

    def __str__(self) -> str:
        means = [f"{self.probes} cells probed" if self.probes else "", f"ef {self.ef}" if self.ef else ""]
        return (
            f"{self.measured:.3f} measured ({', '.join([f'target {self.target:.2f}', *filter(None, means)])})"
        )


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """A dataset as the API describes it. Times are ISO 8601 in UTC."""

    name: str
    dimension: int
    metric: str
    status: str
    row_count: int
    created_at: str | None
    last_indexed_at: str | None
    error_message: str | None
    recall: Recall | None = None
    embedding_model: str | None = None
    """What makes vectors of texts; None where it is queried by vector only."""
    aliases: tuple[str, ...] = ()
    """What points at it."""

    @classmethod
    def of(cls, body: Json) -> "DatasetInfo":
        """Read the API's object."""
        return cls(
            name=body["name"],
            dimension=body["dimension"],
            metric=body.get("metric", "l2"),
            status=body["status"],
            row_count=body["row_count"],
            created_at=body.get("created_at"),
            last_indexed_at=body.get("last_indexed_at"),
            error_message=body.get("error_message"),
            recall=Recall.of(body["recall"]) if body.get("recall") else None,
            embedding_model=body.get("embedding_model"),
            aliases=tuple(body.get("aliases") or ()),
        )


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that the API did not take. `position` counts the records of the whole upsert from 0."""

    position: int
    reason: str


@dataclass(frozen=True, slots=True)
class UpsertReport:
    """What became of an upsert: one job a request. `seconds` adds up the requests' round trips."""

    accepted: int
    rejected: tuple[Rejected, ...]
    job_ids: tuple[str, ...]
    bytes_unpacked: int
    bytes_sent: int
    seconds: float

    @property
    def requests(self) -> int:
        """How many requests it took."""
        return len(self.job_ids)


@dataclass(frozen=True, slots=True)
class Match:
    """One answer to a query."""

    id: str
    score: float
    metadata: Json


@dataclass(frozen=True, slots=True)
class QueryResult:
    """A query's answers, best first. `latency_ms` is the server's own figure, `round_trip_ms` this side's.

    `explain` tells what the query did, where that was asked for.
    """

    matches: tuple[Match, ...]
    mode: str
    latency_ms: float
    round_trip_ms: float
    job_id: str | None
    explain: Json | None = None
    embedding_model: str | None = None

    @classmethod
    def of(cls, body: Json, round_trip_ms: float) -> "QueryResult":
        """Read the API's object."""
        matches = tuple(Match(m["id"], m["score"], m.get("metadata") or {}) for m in body["matches"])
        return cls(
            matches,
            body["mode"],
            body["latency_ms"],
            round_trip_ms,
            body.get("job_id"),
            body.get("explain"),
            body.get("embedding_model"),
        )


@dataclass(frozen=True, slots=True)
class Fetched:
    """Records by id, in no order, and the ids that name none."""

    records: tuple[Record, ...]
    missing_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class JobInfo:
    """A job and how far it is: `pending`, `indexed` or `failed`."""

    job_id: str
    status: str
    dataset: str | None
    error: str | None
    result: Json | None = None
    """What it did, in records; known once it is indexed."""

    @classmethod
    def of(cls, body: Json) -> "JobInfo":
        """Read the API's object."""
        error = body.get("error") or body.get("error_message")
        return cls(
            job_id=body.get("job_id") or body["id"],
            status=body["status"],
            dataset=body.get("dataset"),
            error=error["message"] if isinstance(error, Mapping) else error,
            result=body.get("result"),
        )

    @property
    def done(self) -> bool:
        """Terminal: it will not change any more."""
        return self.status in ("indexed", "failed")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a tenant uses. A quota of None is unlimited."""

    vectors_used: int
    vector_quota: int | None
    queries_today: int
    daily_query_quota: int | None
    queries_reset_at: str | None

    @classmethod
    def of(cls, body: Json) -> "Usage":
        """Read the API's object."""
        return cls(
            vectors_used=body.get("vectors_used", 0),
            vector_quota=body.get("vector_quota"),
            queries_today=body.get("queries_today", 0),
            daily_query_quota=body.get("daily_query_quota"),
            queries_reset_at=body.get("queries_reset_at"),
        )


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """An API key without its secret. `key` is the whole key, only in the answer that made it."""

    id: str
    name: str
    scopes: tuple[str, ...]
    created_at: str | None
    expires_at: str | None
    last_used_at: str | None
    revoked_at: str | None
    key: str | None = None

    @classmethod
    def of(cls, body: Json) -> "KeyInfo":
        """Read the API's object."""
        return cls(
            id=body["id"],
            name=body["name"],
            scopes=tuple(body.get("scopes") or ()),
            created_at=body.get("created_at"),
            expires_at=body.get("expires_at"),
            last_used_at=body.get("last_used_at"),
            revoked_at=body.get("revoked_at"),
            key=body.get("key"),
        )


@dataclass(frozen=True, slots=True)
class LocalStack:
    """The running local stack: exactly what `shoal local status --json` prints."""

    api_url: str
    api_key: str
    tenant_id: str
    aws_endpoint_url: str
    pid: int
