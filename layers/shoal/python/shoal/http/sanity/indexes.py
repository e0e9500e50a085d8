"""Embeddings indexes of a dataset: made, listed, shown, deleted."""

from shoal.http.context import Context
from shoal.http.native.common import json_object
from shoal.http.response import Response, json_response
from shoal.http.sanity.index_types import index_body
from shoal.http.sanity.project import dataset_name, project_of
from shoal.model.content_indexes import check_index
from shoal.services.content.documents import ensure_documents
from shoal.services.content.indexes import create_index, delete_index, get_index, list_indexes
from shoal.services.content.webhooks import ensure_webhook

CREATED = "Index created. Documents enqueued for indexing."
COUNT_SECONDS = 8.0
"""How long its documents may be counted: those that were sent just now may first have to wait for an indexer that
starts."""


def create(context: Context) -> Response:
    """Make an index. A dataset that holds nothing yet comes into being with it."""
    project_id, name = project_of(context), dataset_name(context)
    body = json_object(context.body())
    spec = check_index(body.get("indexName"), body.get("filter"), body.get("projection"))
    documents = ensure_documents(context.ports, context.principal.tenant_id, name)
    ensure_webhook(context.ports, documents)
    made = create_index(
        context.ports,
        context.deps.registry,
        context.searcher.reader,
        documents,
        spec,
        vector_quota=context.principal.vector_quota,
        seconds=COUNT_SECONDS,
        pause=context.deps.pause,
    )
    shown = index_body(made, project_id=project_id)
    return json_response(200, {"status": "ok", "message": CREATED, "index": shown})


def list_all(context: Context) -> Response:
    """List the indexes of a dataset."""
    project_id, name = project_of(context), dataset_name(context)
    found = list_indexes(context.ports, context.principal.tenant_id, dataset_name=name)
    return json_response(200, [index_body(index, project_id=project_id) for index in found])


def get(context: Context) -> Response:
    """Show an index."""
    project_id, name = project_of(context), dataset_name(context)
    found = get_index(
        context.ports, context.principal.tenant_id, dataset_name=name, name=context.parameters["index_name"]
    )
    return json_response(200, index_body(found, project_id=project_id))


def delete(context: Context) -> Response:
    """Delete an index; the answer shows it as it was. Its documents stay."""
    project_id, name = project_of(context), dataset_name(context)
    found = delete_index(
        context.ports, context.principal.tenant_id, dataset_name=name, name=context.parameters["index_name"]
    )
    return json_response(200, index_body(found, project_id=project_id))


def status(context: Context) -> Response:
    """Say that there are embeddings indexes: what Studio asks before it shows any."""
    project_of(context)
    return json_response(200, {"enabled": True})
