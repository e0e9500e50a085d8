"""Bodies of the native dialect, requests and answers. The OpenAPI document is made from these.

Requests are parsed with the strict ones; fields that a client sends beyond these are ignored, so that clients of
the original API with more of them keep working.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from shoal.model.limits import (
    MAX_DIMENSION,
    MAX_FETCH_IDS,
    MAX_ID_CHARACTERS,
    MAX_NAME_CHARACTERS,
    MAX_NAMESPACE_CHARACTERS,
)
from shoal.model.tenants import MAX_LABEL_CHARACTERS

type Timestamp = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]
type RecordId = Annotated[str, Field(min_length=1, max_length=MAX_ID_CHARACTERS)]
type Values = Annotated[list[float], Field(max_length=MAX_DIMENSION)]


class Body(BaseModel):
    """Base of all: strict, numbers finite, unknown fields ignored."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False, extra="ignore")


def shown_as(*examples: dict[str, Any]) -> ConfigDict:
    """Configuration of a body of which the documentation shows these examples, the first one on its page."""
    return ConfigDict(json_schema_extra={"examples": list(examples)})


class Health(Body):
    """The service answers."""

    status: Literal["ok"]
    service: Literal["control_plane"]


class Problem(Body):
    """What went wrong: `code` for programs, `message` for people."""

    code: str
    message: str
    details: dict[str, Any] | None = None
    request_id: str | None = None


class ErrorBody(Body):
    """The envelope of every error."""

    error: Problem


class CreateDataset(Body):
    """A dataset to be.

    With an `embedding_model` (its id, or an alias of the tenant's) it can be queried by text; dimension and metric
    are then those of the model, unless another metric is named.
    """

    model_config = shown_as(
        {"name": "products", "dimension": 768, "metric": "cosine"},
        {"name": "manuals", "embedding_model": "static-256"},
    )

    name: str = Field(pattern=rf"^[a-z0-9_-]{{1,{MAX_NAME_CHARACTERS}}}$")
    dimension: int | None = Field(default=None, ge=1, le=MAX_DIMENSION)
    """Required without an `embedding_model`."""
    metric: Literal["l2", "cosine", "dot"] | None = None
    """`l2` without an `embedding_model`."""
    embedding_model: str | None = None


class RecallOut(Body):
    """Recall@10 as calibration measured it, against exact search; `probes` are cells, `ef` is a graph's."""

    target: float
    measured: float
    probes: int | None
    ef: int | None
    sampled_at: Timestamp


class DatasetOut(Body):
    """A dataset. `row_count` is the exact number of live ids; without `recall`, search is exact so far; without
    `embedding_model` it is queried by vector only. `aliases` point at it.
    """

    name: str
    dimension: int
    metric: Literal["l2", "cosine", "dot"]
    status: Literal["empty", "validating", "indexing", "indexed", "error"]
    row_count: int
    created_at: Timestamp
    last_indexed_at: Timestamp | None
    error_message: str | None
    recall: RecallOut | None
    embedding_model: str | None
    aliases: list[str]


class DatasetList(Body):
    """All datasets, by name."""

    datasets: list[DatasetOut]


class UploadRecord(Body):
    """One line of an upload. A `document` has at most 256 KiB of UTF-8, a `namespace` no control characters."""

    id: RecordId
    values: Values
    metadata: dict[str, Any] | None = None
    namespace: Annotated[str, Field(max_length=MAX_NAMESPACE_CHARACTERS)] | None = None
    document: str | None = None


class RejectedLine(Body):
    """A line that was not accepted; lines are counted from 1, blank ones too."""

    line: int
    reason: str


class RecordOut(Body):
    """A record; `embedding` only where it was asked for, bit for bit the float32 values that are stored.

    `namespace` is there only where the record is in one, `document` only where it has one and that was asked for.
    """

    id: str
    metadata: dict[str, Any]
    namespace: str | None = None
    document: str | None = None
    embedding: list[float] | None = None


class FetchIn(Body):
    """Ids to read."""

    ids: list[RecordId] = Field(min_length=1, max_length=MAX_FETCH_IDS)
    include_values: bool = False
    include_document: bool = False


class FetchNamed(FetchIn):
    """Ids to read of a named dataset, or of `openverse/<index>`."""

    dataset: str


class FetchResult(Body):
    """Records in the order asked for. `unprocessed_ids` did not fit any more: ask for them again."""

    vectors: list[RecordOut]
    missing_ids: list[str]
    unprocessed_ids: list[str]


class Ready(Body):
    """Whether what the job wrote can be queried."""

    ready: bool


class CreateKey(Body):
    """A key to be. Without scopes it may read and write; `admin` implies both and manages keys."""

    name: str = Field(min_length=1, max_length=MAX_LABEL_CHARACTERS)
    scopes: list[Literal["read", "write", "admin"]] | None = Field(default=None, min_length=1)
    expires_at: Timestamp | None = None


class KeyOut(Body):
    """A key without its secret."""

    id: str
    name: str
    scopes: list[Literal["admin", "read", "write"]]
    created_at: Timestamp
    expires_at: Timestamp | None
    last_used_at: Timestamp | None
    revoked_at: Timestamp | None


class NewKeyOut(KeyOut):
    """A new key: `key` is shown this once."""

    key: str


class KeyList(Body):
    """All keys, oldest first, revoked ones too."""

    keys: list[KeyOut]


class UsageOut(Body):
    """What is used of the quotas; null is unlimited. `queries_reset_at` is a UTC date."""

    vectors_used: int
    vector_quota: int | None
    queries_today: int
    daily_query_quota: int | None
    queries_reset_at: str
