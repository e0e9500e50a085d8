"""Bodies of searches, requests and answers."""

from typing import Annotated, Any, Literal

from pydantic import Field

from shoal.http.studio.payloads import Info, at_most
from shoal.http.studio.types import ModelId, ObjectId, StudioBody
from shoal.model.bindings import MAX_PAGE, MAX_REACH
from shoal.model.limits import MAX_DIMENSION, MAX_FETCH_IDS

MAX_META_INFO_BYTES = 16 * 1024
"""Of what a request wants told again."""
type Limit = Annotated[int, Field(ge=1, le=MAX_PAGE)]
type Offset = Annotated[int, Field(ge=0, le=MAX_REACH)]
type PersonalId = Annotated[str, Field(min_length=1, max_length=200)]
type StudioFilter = Annotated[
    dict[str, Any],
    Field(
        description="A query over the fields of payloads: match, match_phrase, wildcard, term, terms, any, all, "
        "exists, range, and must, filter, should, must_not of these, with or without `bool` around them.",
        examples=[{"query": {"bool": {"must": [{"term": {"field": "category", "value": "furniture"}}]}}}],
    ),
]


class SortByIn(StudioBody):
    """A field of the payload to sort by. Objects without it come last, or first where the order is `desc`.

    `force_not_payload`: one beside the payload: `object_id`, `user_id`, `session_id` or `original_id`.
    """

    field: Annotated[str, Field(min_length=1, max_length=512)]
    order: Literal["asc", "desc"] = "asc"
    force_not_payload: bool = False


class PayloadSearch(StudioBody):
    """A search by payload alone: `search_query`, `max_distance`, `user_id` and `similarity_first` change nothing.

    `offset` and `limit` reach over 10,000 objects together.
    """

    limit: Limit
    search_query: Any = None
    offset: Offset | None = None
    max_distance: float | None = None
    filter: StudioFilter | None = None
    create_session: bool = False
    user_id: PersonalId | None = None
    session_id: PersonalId | None = None
    sort_by: SortByIn | None = None
    similarity_first: bool = False
    meta_info: Annotated[Any, at_most(MAX_META_INFO_BYTES)] = None


class SimilaritySearch(PayloadSearch):
    """A search for what is near to a text, or to an object that is made a text as those of the collection are.

    Null searches by payload alone, and finds nothing without a filter. `sort_by` sorts all that passes the filter
    and is near enough, which 10,000 objects may be; with `similarity_first` it is not looked at. `user_id` finds
    that user's own objects too, in place of those that they are copies of. Sessions are not kept: an id is told.
    """

    search_query: Any


class PayloadCount(StudioBody):
    """What to count: objects that pass the filter, or all of them."""

    search_query: Any = None
    filter: StudioFilter | None = None


class SearchResultOut(StudioBody):
    """An object that was found; `distance` is 1.0 where nothing was compared. `meta` is what was stored beside
    the payload.
    """

    object_id: str
    distance: float
    payload: dict[str, Any] | None = None
    meta: dict[str, Any] | None = None


class SearchOut(StudioBody):
    """A page. What is null is left out: without `next_page_offset` it is the last.

    `total_count` is there for searches by payload, and sorted ones. `partial` is only there when true: the budget
    of bytes ended the search before all was looked at.
    """

    search_results: list[SearchResultOut]
    next_page_offset: int | None = None
    session_id: str | None = None
    total_count: int | None = None
    meta_info: Any = None
    partial: Literal[True] | None = None


class CountOut(StudioBody):
    """The exact number of objects."""

    total_count: int


class FindByIds(StudioBody):
    """Ids to look up in the collection of a model."""

    embedding_model_id: ModelId
    object_ids: Annotated[list[ObjectId], Field(max_length=MAX_FETCH_IDS)]


class ObjectPartOut(StudioBody):
    """One vector of an object."""

    vector: list[float]
    part_id: str
    is_average: bool


class ObjectOut(StudioBody):
    """An object as it is stored."""

    object_id: str
    storage_meta: Info
    parts: list[ObjectPartOut]
    payload: dict[str, Any] | None = None
    user_id: str | None = None
    session_id: str | None = None
    original_id: str | None = None


class ObjectsOut(StudioBody):
    """The objects that there are, in the order asked for."""

    objects: list[ObjectOut]


class FindSimilar(StudioBody):
    """A vector of the collection's model, or a text that it embeds: one of the two."""

    embedding_model_id: ModelId
    query_vector: Annotated[list[float], Field(max_length=MAX_DIMENSION)] | None = None
    text: str | None = None
    limit: Limit
    offset: Offset | None = None
    max_distance: float | None = None


class FoundObjectOut(StudioBody):
    """An object near the query. `parts_found`: how many of its parts are near enough."""

    object_id: str
    parts_found: int
    payload: dict[str, Any] | None
    storage_meta: dict[str, Any]
    distance: float


class FoundObjectsOut(StudioBody):
    """A page; `next_offset` null: the last one. `total_count` and `meta_info` are null."""

    found_objects: list[FoundObjectOut]
    next_offset: int | None
    total_count: int | None
    meta_info: Any
    partial: Literal[True] | None = None
