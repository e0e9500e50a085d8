"""Looks into the collection of any model: objects by id, and what is near to a vector or a text."""

from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from shoal.errors import NotFound
from shoal.http.context import Context
from shoal.http.response import Response
from shoal.http.studio.answering import check_reach, counted, faults_at_fields, listed, storage_meta
from shoal.http.studio.common import read_body, without_nulls
from shoal.http.studio.errors import fault, invalid
from shoal.http.studio.models import model_of
from shoal.http.studio.search_types import FindByIds, FindSimilar
from shoal.model.bindings import Family, Field
from shoal.services.collections.opening import OpenCollection, open_collection
from shoal.services.collections.pages import EMPTY_PAGE, FoundObject, Wanted
from shoal.services.collections.reading import StoredObject, read_objects
from shoal.services.collections.search import check_vector, find_nearest, parts_found

_BESIDE = (Field.USER, Field.SESSION, Field.ORIGINAL)


def find_by_ids(context: Context, family: Family) -> Response:
    """Show objects whole, by their ids; those that do not exist are left out."""
    asked = read_body(FindByIds, context)
    collection = _named(context, family, asked.embedding_model_id)
    with faults_at_fields("object_ids"):
        found = read_objects(context.searcher, collection, asked.object_ids)
        return listed(
            [_stored(each) for each in found],
            lambda objects: {"objects": objects},
            collection.version,
            name="object_ids",
        )


def find_similar(context: Context, family: Family) -> Response:
    """Find the objects nearest to a vector, or to a text."""
    asked = read_body(FindSimilar, context)
    if (asked.query_vector is None) == (asked.text is None):
        message = "either query_vector or text is needed, and only one of them"
        raise invalid([fault("one_of_two", ["body", "query_vector"], message)])
    offset = asked.offset or 0
    check_reach(offset, asked.limit)
    with counted(context), faults_at_fields("text"):
        collection = _named(context, family, asked.embedding_model_id)
        vector = _vector(context, collection, asked)
        page = EMPTY_PAGE
        if vector is not None:
            wanted = Wanted(asked.limit, offset, asked.max_distance)
            page = find_nearest(context.searcher, collection, vector, wanted)
        parts: dict[str, int] = {}
        if vector is not None:
            parts = parts_found(
                context.searcher, collection, vector, page.objects, max_distance=asked.max_distance
            )

        def body(objects: list[orjson.Fragment]) -> dict[str, Any]:
            shown = {
                "found_objects": objects,
                "next_offset": page.next_offset,
                "total_count": page.total,
                "meta_info": None,
            }
            return shown | ({"partial": True} if page.partial else {})

        return listed([_found(each, parts) for each in page.objects], body, collection.version)


def _named(context: Context, family: Family, name: str) -> OpenCollection:
    model_id = model_of(context, name)
    try:
        return open_collection(context.searcher, context.principal.tenant_id, family, model_id)
    except NotFound as error:
        raise NotFound(error.code, f"Collection with id={name} does not exist") from error


def _vector(context: Context, collection: OpenCollection, asked: FindSimilar) -> NDArray[np.float32] | None:
    """What to search for; None: nothing is indexed yet, and a text need not be embedded for that."""
    if asked.query_vector is not None:
        with np.errstate(over="ignore"):  # 1e39 becomes infinite, and is refused below
            vector = np.array(asked.query_vector, dtype=np.float32)
        if not np.isfinite(vector).all():
            message = "values must be finite and within float4 range"
            raise invalid([fault("out_of_range", ["body", "query_vector"], message)])
        check_vector(collection, vector)
        return vector
    if collection.snapshot is None or asked.text is None:
        return None
    tenant_id, model_id = context.principal.tenant_id, collection.binding.model_id
    return context.embedder.query(tenant_id, model_id, asked.text)


def _stored(found: StoredObject) -> dict[str, Any]:
    parts = [
        {
            "vector": part.vector,
            "part_id": part.part_id or f"{found.object_id}:{number}",
            "is_average": part.is_average,
        }
        for number, part in enumerate(found.parts)
    ]
    beside = {name: found.metadata.get(name) for name in (Field.PAYLOAD, *_BESIDE)}
    shown = {"object_id": found.object_id, "storage_meta": storage_meta(found.metadata) or {}}
    return shown | without_nulls(beside) | {"parts": parts}


def _found(found: FoundObject, parts: dict[str, int]) -> dict[str, Any]:
    return {
        "object_id": found.place.object_id,
        "parts_found": parts[found.place.object_id],
        "payload": found.metadata.get(Field.PAYLOAD),
        "storage_meta": storage_meta(found.metadata) or {},
        "distance": found.place.distance,
    }
