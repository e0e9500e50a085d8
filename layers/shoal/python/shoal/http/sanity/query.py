"""Queries of embeddings indexes: a text in, documents out."""

from shoal.errors import NotFound
from shoal.http.context import Context
from shoal.http.native.common import json_object
from shoal.http.response import Response, json_response
from shoal.http.sanity.project import dataset_name, project_of
from shoal.http.studio.answering import counted
from shoal.model.content_indexes import check_query
from shoal.services.content.querying import query_index

STRICT_HEADER = "x-shoal-strict"
"""With `1`, a query that finds nothing is answered as the documentation has it: with a 404."""


def query(context: Context) -> Response:
    """Find the documents nearest to a text."""
    project_of(context)
    name, index_name = dataset_name(context), context.parameters["index_name"]
    body = json_object(context.body())
    wanted = check_query(body.get("query"), body.get("maxResults"), body.get("filter"))
    with counted(context):
        found = query_index(
            context.ports,
            context.searcher,
            context.embedder,
            context.principal.tenant_id,
            dataset_name=name,
            name=index_name,
            query=wanted,
        )
    if not found and context.request.headers.get(STRICT_HEADER, "").strip() == "1":
        raise NotFound("no_matches", f"no document of index {index_name:.80} matches the query")
    return json_response(
        200,
        [
            {"score": each.score, "value": {"documentId": each.document_id, "type": each.type}}
            for each in found
        ],
    )
