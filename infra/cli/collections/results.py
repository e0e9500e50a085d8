"""What the API answers of models, collections and tasks, as frozen types."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

type Json = Mapping[str, Any]


class Family(StrEnum):
    """What sort of objects a collection holds."""

    ITEMS = "items"
    CATEGORIES = "categories"


class TaskKind(StrEnum):
    """What a task does."""

    UPSERTION = "upsertion"
    DELETION = "deletion"
    INTERNAL_UPSERTION = "internal-upsertion"
    INTERNAL_DELETION = "internal-deletion"
    REINDEX = "reindex"


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """An embedding model of the deployment. `price` is US dollars for a million tokens."""

    embedding_model_id: str
    provider: str
    dimension: int
    metric: str
    max_tokens: int | None
    price: float | None
    default: bool

    @classmethod
    def of(cls, body: Json) -> "ModelInfo":
        """Read the API's object."""
        return cls(
            embedding_model_id=body["embedding_model_id"],
            provider=body["provider"],
            dimension=body["dimension"],
            metric=body["metric"],
            max_tokens=body.get("max_tokens"),
            price=body.get("price"),
            default=bool(body.get("default")),
        )


@dataclass(frozen=True, slots=True)
class CollectionInfo:
    """A collection: the objects of a family, embedded by one model. The blue one answers searches.

    `vectors` counts one for each part of an object; most have one part.
    """

    embedding_model_id: str
    collection_id: str
    family: str
    dimension: int
    metric: str
    aggregation: str
    blue: bool
    vectors: int
    created_at: str | None

    @classmethod
    def of(cls, body: Json, family: str) -> "CollectionInfo":
        """Read the API's object."""
        model = body["embedding_model"]
        return cls(
            embedding_model_id=model["id"],
            collection_id=body["collection_id"],
            family=family,
            dimension=model["dimensions"],
            metric=model["metric_type"],
            aggregation=model["metric_aggregation_type"],
            blue=body["work_state"] == "blue",
            vectors=body["row_count"],
            created_at=body.get("created_at"),
        )


@dataclass(frozen=True, slots=True)
class FailedItem:
    """An object that a task could not do, and why."""

    object_id: str
    detail: str
    failure_stage: str | None = None


@dataclass(frozen=True, slots=True)
class TaskInfo:
    """A task as the API describes it. Times are ISO 8601 in UTC.

    `count` of `total` objects are done, `failed` of them as failures, `truncated` had too much text;
    a reindex has a `stage` and `children`, the pieces that it is done in.
    """

    task_id: str
    kind: str
    status: str
    created_at: str
    updated_at: str
    detail: str | None
    embedding_model_id: str | None
    count: int
    total: int | None
    failed: int
    failed_items: tuple[FailedItem, ...]
    stage: str | None = None
    children: tuple[str, ...] = ()
    source: str | None = None
    dest: str | None = None
    deploy_as_blue: bool = False
    wait_on_conflict: bool = False
    truncated: int = 0

    @classmethod
    def of(cls, body: Json, kind: str) -> "TaskInfo":
        """Read the API's object. An object of a deletion fails under another name than one of an upsertion."""
        told = body.get("failed_items") or body.get("failed_item_ids") or ()
        items = tuple(
            FailedItem(each["object_id"], each["detail"], each.get("failure_stage")) for each in told
        )
        return cls(
            task_id=body.get("task_id") or body["id"],
            kind=kind,
            status=body["status"],
            created_at=body["created_at"],
            updated_at=body["updated_at"],
            detail=body.get("detail"),
            embedding_model_id=body.get("embedding_model_id"),
            count=body.get("count") or body.get("processed_count") or 0,
            total=body.get("total"),
            failed=body.get("failed") or len(items),
            failed_items=items,
            stage=body.get("stage"),
            children=tuple(body.get("children") or ()),
            source=(body.get("source") or {}).get("embedding_model_id"),
            dest=(body.get("dest") or {}).get("embedding_model_id"),
            deploy_as_blue=bool(body.get("deploy_as_blue")),
            wait_on_conflict=bool(body.get("wait_on_conflict")),
            truncated=body.get("truncated") or 0,
        )

    @property
    def over(self) -> bool:
        """Terminal: it will not change any more, but by a restart."""
        return self.status not in ("pending", "processing")

    @property
    def shown(self) -> object:
        """What makes a state another one."""
        return self.status, self.stage, self.count, self.total, self.failed, len(self.children), self.detail


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a reindex would take. `dollars` are those of the model's provider."""

    documents: int
    tokens: int
    dollars: float
    minutes: float

    @classmethod
    def of(cls, body: Json) -> "Estimate":
        """Read the API's object."""
        return cls(body["documents"], body["tokens"], body["dollars"], body["minutes"])


@dataclass(frozen=True, slots=True)
class Hit:
    """An object that a search found; a smaller distance is nearer."""

    object_id: str
    distance: float
    payload: Json


@dataclass(frozen=True, slots=True)
class Found:
    """A search's answer, nearest first. `round_trip_ms` is as this side saw it."""

    hits: tuple[Hit, ...]
    round_trip_ms: float

    @classmethod
    def of(cls, body: Json, round_trip_ms: float) -> "Found":
        """Read the API's object."""
        hits = tuple(
            Hit(each["object_id"], each["distance"], each.get("payload") or {})
            for each in body["search_results"]
        )
        return cls(hits, round_trip_ms)
