"""Bodies of collections, requests and answers."""

from typing import Annotated, Literal

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from shoal.errors import InvalidInput
from shoal.http.studio.types import CollectionIn, StudioBody, Time
from shoal.model.templates import check_template


def _template(value: str) -> str:
    try:
        return check_template(value)
    except InvalidInput as error:
        # Braces are what templates are about: as a value they are not taken for a place to fill.
        raise PydanticCustomError("invalid_template", "{why}", {"why": error.message}) from None


type Template = Annotated[str, AfterValidator(_template)]


class CreateCollection(CollectionIn):
    """A collection to be: objects become texts by `template` (default: all strings of the payload).

    Of objects with several parts the nearest one counts (`min`), or the middle of all of them (`avg`).
    """

    template: Template | None = None
    metric_aggregation_type: Literal["min", "avg"] | None = None


class HnswOut(StudioBody):
    """How graphs are built, where there are any: small collections are searched exactly."""

    m: int
    ef_construction: int


class EmbeddingModelOut(StudioBody):
    """What a collection's vectors are made with."""

    id: str
    name: str
    dimensions: int
    metric_type: Literal["euclid", "cosine", "dot"]
    metric_aggregation_type: Literal["min", "avg"]
    hnsw: HnswOut


class CollectionStateInfo(StudioBody):
    """A collection; `blue` is the active one of its family. The index needs no call to be made.

    `row_count` counts vectors: an object has one for each of its parts.
    """

    collection_id: str
    embedding_model: EmbeddingModelOut
    created_at: Time
    index_created: bool
    work_state: Literal["green", "blue"]
    applied_optimizations: list[str]
    family: Literal["items", "categories"]
    row_count: int


class Collections(StudioBody):
    """All collections of a family, by model."""

    collections: list[CollectionStateInfo]
