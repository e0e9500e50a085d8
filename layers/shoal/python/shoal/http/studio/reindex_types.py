"""Bodies of reindexes, requests and answers."""

from typing import Annotated, Literal

from pydantic import Field

from shoal.http.studio.task_types import FailedItem, TaskIn, TaskOut
from shoal.http.studio.types import ModelId, StudioBody


class ReindexEnd(StudioBody):
    """A collection that a reindex reads or fills; its family is that of the reindex, if it tells none."""

    embedding_model_id: ModelId
    family: Literal["items", "categories"] | None = None


class ReindexIn(TaskIn):
    """A collection to be filled from another: `dest` is made where it is not there.

    `deploy_as_blue` makes it the active one at the end, `wait_on_conflict` waits for another reindex of either
    instead of being refused. `replace` first deletes the collection that is `dest`. Up to `max_failed_share` of
    the objects may fail (left out: as the deployment says, 0.05 by default). `dry_run` starts nothing, and tells
    what it would take.
    """

    source: ReindexEnd
    dest: ReindexEnd
    deploy_as_blue: bool | None = False
    wait_on_conflict: bool | None = False
    family: Literal["items", "categories"] | None = None
    dry_run: bool | None = False
    replace: bool | None = False
    max_failed_share: Annotated[float, Field(ge=0, le=1)] | None = None


class ReindexEndOut(StudioBody):
    """A collection, by what the request called its model."""

    embedding_model_id: str


class ReindexOut(TaskOut):
    """A reindex: `count` of `total` objects are embedded, by the sub-tasks `children`.

    `truncated` counts those that had more text than a model is given.
    """

    source: ReindexEndOut
    dest: ReindexEndOut
    deploy_as_blue: bool
    wait_on_conflict: bool
    progress: float
    count: int
    total: int | None = None
    truncated: int | None = None
    stage: str | None = None
    children: list[str]
    failed_items: list[FailedItem]


class EstimateOut(StudioBody):
    """What a reindex would take: texts to embed, tokens of them, US dollars for the model, minutes."""

    dry_run: Literal[True]
    source: ReindexEndOut
    dest: ReindexEndOut
    documents: int
    tokens: int
    dollars: float
    minutes: float
