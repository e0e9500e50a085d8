"""Bodies that the modules of this dialect share. The OpenAPI document is made from these.

Fields that a request does not know are ignored, as by the original server.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from shoal.model.bindings import MAX_OBJECT_ID_CHARACTERS

type ObjectId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_OBJECT_ID_CHARACTERS,
        pattern=r"^[^\x00-\x1f\x7f]*$",
        description="No control characters.",
        examples=["product-12345"],
    ),
]
type ModelId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        description="The id of an embedding model, or the tenant's own name of one.",
        examples=["static-256"],
    ),
]
type Time = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")]


class StudioBody(BaseModel):
    """Base of all: strict, numbers finite, unknown fields ignored."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False, extra="ignore")


class Fault(StudioBody):
    """One thing that is wrong with a request, and where: `["body", "items", 3, "object_id"]`."""

    type: str
    loc: list[str | int]
    msg: str
    input: Any = None


class InvalidBody(StudioBody):
    """Everything that is wrong with a request."""

    detail: list[Fault]


class DetailBody(StudioBody):
    """Any other error: a sentence for people, a word for programs."""

    detail: str
    code: str


class Pong(StudioBody):
    """Nothing: the service answers."""


class CollectionIn(StudioBody):
    """A collection, named by its model."""

    embedding_model_id: ModelId
