"""Bodies of objects that are written with their vectors, or deleted."""

from typing import Annotated, Any, Literal

from pydantic import Field

from shoal.http.studio.payloads import Info, Payload
from shoal.http.studio.types import CollectionIn, ObjectId, StudioBody
from shoal.model.bindings import MAX_PARTS, MAX_TASK_OBJECTS
from shoal.model.limits import MAX_DIMENSION, MAX_ID_CHARACTERS

type Name = Annotated[str, Field(min_length=1, max_length=MAX_ID_CHARACTERS)]


class PartToWrite(StudioBody):
    """A part of an object. Its vector has the dimension of the collection's model."""

    vector: Annotated[list[float], Field(min_length=1, max_length=MAX_DIMENSION)]
    part_id: Name | None = None
    is_average: bool = False


class ObjectToWrite(StudioBody):
    """An object with the vectors of its parts. `storage_meta` and the ids are kept, and answered, as they are."""

    object_id: ObjectId
    payload: Payload | None = None
    storage_meta: Info
    user_id: Name | None = None
    session_id: Name | None = None
    original_id: ObjectId | None = None
    parts: Annotated[list[PartToWrite], Field(min_length=1, max_length=MAX_PARTS)]


class ObjectsToWrite(CollectionIn):
    """Objects to store in a collection. One that is there is left alone by an insert, and replaced with all its
    parts by an upsert: `shrink_parts` cannot be otherwise.
    """

    objects: Annotated[list[ObjectToWrite], Field(min_length=1, max_length=MAX_TASK_OBJECTS)]
    shrink_parts: Literal[True] | None = True

    def plain(self) -> list[dict[str, Any]]:
        """What is to be stored."""
        return [each.model_dump(exclude_none=True) for each in self.objects]


class ObjectsToDelete(CollectionIn):
    """Objects to delete from a collection; those that are not there are fine."""

    object_ids: Annotated[list[ObjectId], Field(min_length=1, max_length=MAX_TASK_OBJECTS)]
