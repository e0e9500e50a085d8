"""Documents that an index selects and could not embed: ours, the original only counts them."""

from shoal.errors import InvalidInput
from shoal.http.context import Context
from shoal.http.response import Response, json_response
from shoal.http.sanity.index_types import failure_body
from shoal.http.sanity.project import dataset_name, project_of
from shoal.model.limits import MAX_LIST
from shoal.services.content.indexes import failures_of, get_index

_DEFAULT_LIMIT = 100


def failures(context: Context) -> Response:
    """List the documents that failed, with the reason of each."""
    project_of(context)
    name = dataset_name(context)
    limit = _limit(context)
    index = get_index(
        context.ports, context.principal.tenant_id, dataset_name=name, name=context.parameters["index_name"]
    )
    found, after = failures_of(context.ports, index, limit=limit, after=context.request.first("after") or "")
    return json_response(200, {"failures": [failure_body(each) for each in found], "next": after})


def _limit(context: Context) -> int:
    text = context.request.first("limit")
    if text is None:
        return _DEFAULT_LIMIT
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:10]) <= MAX_LIST):
        raise InvalidInput("invalid_request", f"limit must be an integer from 1 to {MAX_LIST}")
    return int(text)
