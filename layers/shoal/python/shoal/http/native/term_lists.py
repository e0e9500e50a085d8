"""Lists of terms: what a filtered index leaves out, for one."""

from typing import Any

from shoal.errors import InvalidInput
from shoal.http.context import Context
from shoal.http.native.common import optional_timestamp, parse_body
from shoal.http.native.term_list_types import TermListOut, TermLists, TermListSummary, TermsIn
from shoal.http.response import Response, json_response
from shoal.http.router import Answer, Route
from shoal.model.tenants import Scope
from shoal.services import term_lists
from shoal.services.term_lists import TermList


def list_all(context: Context) -> Response:
    """List the lists."""
    found = term_lists.list_term_lists(context.ports, context.principal.tenant_id)
    return json_response(200, {"term_lists": [_summary(each) for each in found]})


def get(context: Context) -> Response:
    """Show a list with its terms."""
    found = term_lists.get_terms(context.ports, context.principal.tenant_id, context.parameters["list"])
    return json_response(200, {**_summary(found), "terms": found.terms})


def put(context: Context) -> Response:
    """Set a list, whatever it was before."""
    made = term_lists.put_terms(
        context.ports, context.principal.tenant_id, context.parameters["list"], _terms(context)
    )
    return json_response(200, _summary(made))


def drop(context: Context) -> Response:
    """Forget a list; what was made with it stays as it is."""
    term_lists.drop_terms(context.ports, context.principal.tenant_id, context.parameters["list"])
    return Response(204)


def _terms(context: Context) -> list[str]:
    """The terms of a body: JSON where it says or looks so, else a term a line.

    Raises:
        InvalidInput: code `invalid_request`.
    """
    body, kind = context.body(), context.request.headers.get("content-type", "").lower()
    if "json" in kind or (body.lstrip()[:1] == b"{" and not kind.startswith("text/")):
        return parse_body(TermsIn, body).terms
    try:
        return body.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise InvalidInput("invalid_request", "body must be UTF-8, a term a line") from None


def _summary(found: TermList) -> dict[str, Any]:
    return {
        "name": found.name,
        "count": len(found.terms),
        "updated_at": optional_timestamp(found.updated_at),
    }


_PATH = "/v1/term-lists/{list}"
_UNKNOWN = "term_list_not_found"

ROUTES = (
    Route(
        "GET",
        "/v1/term-lists",
        list_all,
        Scope.READ,
        "List lists of terms",
        "term lists",
        answers={200: Answer("The lists that were set, by name.", TermLists)},
    ),
    Route(
        "GET",
        _PATH,
        get,
        Scope.READ,
        "Show a list of terms",
        "term lists",
        answers={200: Answer("The list; `sensitive` is empty until it is set.", TermListOut)},
        errors={404: _UNKNOWN},
    ),
    Route(
        "PUT",
        _PATH,
        put,
        Scope.WRITE,
        "Set a list of terms",
        "term lists",
        answers={200: Answer("Set, in place of what it was.", TermListSummary)},
        errors={
            400: "invalid_name, invalid_terms, too_many_terms, invalid_request",
            409: "too_many_term_lists",
            413: "term_list_too_large, payload_too_large",
        },
        request=TermsIn,
    ),
    Route(
        "DELETE",
        _PATH,
        drop,
        Scope.WRITE,
        "Forget a list of terms",
        "term lists",
        answers={204: Answer("Forgotten; what was made with it stays as it is.")},
        errors={404: _UNKNOWN},
    ),
)
