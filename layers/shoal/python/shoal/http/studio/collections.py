"""Collections: make, look, delete, and say which one is active (blue)."""

from shoal.errors import Conflict, NotFound
from shoal.http.context import Context
from shoal.http.response import Response, json_response
from shoal.http.studio.collection_state import state_info
from shoal.http.studio.collection_types import CreateCollection
from shoal.http.studio.common import NULL, parse_fields, read_body
from shoal.http.studio.models import model_of
from shoal.http.studio.types import CollectionIn
from shoal.model.bindings import Aggregation, Family
from shoal.model.datasets import Dataset
from shoal.services.collections import blue, catalog
from shoal.services.heads import keys_of, read_head
from shoal.services.model_aliases import resolve_model

NO_BLUE = {
    Family.ITEMS: "Blue collection not found",
    Family.CATEGORIES: "Blue category collection not found",
}


def create(context: Context, family: Family) -> Response:
    """Make an empty collection."""
    wanted = read_body(CreateCollection, context)
    tenant_id, name = context.principal.tenant_id, wanted.embedding_model_id
    try:
        model = resolve_model(context.ports, context.deps.registry, tenant_id, name)
    except NotFound as error:
        raise NotFound(error.code, f"Fine tuning iteration with ID[{name}] does not exist.") from error
    made = catalog.create_collection(
        context.ports,
        tenant_id,
        family,
        model,
        template=wanted.template,
        aggregation=Aggregation(wanted.metric_aggregation_type or Aggregation.MIN),
    )
    return _state(context, made.dataset, family, active=False)


def create_index(context: Context, family: Family) -> Response:
    """Nothing but look whether the collection is there: it is indexed without being asked to."""
    named(context, family, read_body(CollectionIn, context))
    return NULL


def delete(context: Context, family: Family) -> Response:
    """Delete a collection that is not the active one."""
    wanted = read_body(CollectionIn, context)
    model_id = model_of(context, wanted.embedding_model_id)
    try:
        catalog.delete_collection(context.ports, context.principal.tenant_id, family, model_id)
    except NotFound as error:
        raise no_collection(wanted.embedding_model_id) from error
    except Conflict as error:
        if error.code != "collection_is_blue":
            raise
        raise Conflict(error.code, "Blue collection can't be deleted") from error
    return NULL


def list_all(context: Context, family: Family) -> Response:
    """List the collections of a family."""
    found = catalog.list_collections(context.ports, context.principal.tenant_id, family)
    infos = [state_info(each.view.dataset, each.view.head, family, active=each.blue) for each in found]
    return json_response(200, {"collections": infos})


def list_queries(_: Context) -> Response:
    """List the collections of queries: there are none, as no query is kept."""
    return json_response(200, {"collections": []})


def get(context: Context, family: Family) -> Response:
    """Show one collection, named by the query string or in a body."""
    name = context.request.first("embedding_model_id")
    if name is not None:
        wanted = parse_fields(CollectionIn, {"embedding_model_id": name}, where="query")
    else:
        wanted = read_body(CollectionIn, context)
    dataset = named(context, family, wanted)
    active = blue.blue_of(context.ports, context.principal.tenant_id, family)
    return _state(
        context, dataset, family, active=active is not None and active.dataset_id == dataset.dataset_id
    )


def set_blue(context: Context, family: Family) -> Response:
    """Make a collection the active one."""
    wanted = read_body(CollectionIn, context)
    model_id = model_of(context, wanted.embedding_model_id)
    try:
        dataset = blue.set_blue(context.ports, context.principal.tenant_id, family, model_id)
    except NotFound as error:
        raise NotFound(error.code, "Collection is not found") from error
    return _state(context, dataset, family, active=True)


def get_blue(context: Context, family: Family) -> Response:
    """Show the active collection."""
    dataset = blue.blue_of(context.ports, context.principal.tenant_id, family)
    if dataset is None:
        raise NotFound("collection_not_found", NO_BLUE[family])
    return _state(context, dataset, family, active=True)


def get_blue_query(_: Context) -> Response:
    """Show the active collection of queries: there is none, as no query is kept."""
    raise NotFound("collection_not_found", NO_BLUE[Family.ITEMS])


def no_collection(name: str) -> NotFound:
    """What is answered where a collection is not there; `name` is what the request called its model."""
    return NotFound("collection_not_found", f"Collection with id={name} does not exist")


def named(context: Context, family: Family, wanted: CollectionIn) -> Dataset:
    """The collection that a request names.

    Raises:
        NotFound: `collection_not_found`.
    """
    model_id = model_of(context, wanted.embedding_model_id)
    try:
        return catalog.find_collection(context.ports, context.principal.tenant_id, family, model_id)
    except NotFound as error:
        raise no_collection(wanted.embedding_model_id) from error


def _state(context: Context, dataset: Dataset, family: Family, *, active: bool) -> Response:
    head = read_head(context.ports, keys_of(dataset))
    return json_response(200, state_info(dataset, head, family, active=active))
