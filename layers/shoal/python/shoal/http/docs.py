"""The OpenAPI document at /openapi.json and a page that shows it at /docs; both can be switched off.

The page is plain files of ours under a policy that allows nothing else: no script, style or request of another
origin, nothing inline.
"""

from pathlib import Path

from shoal.http.context import Context
from shoal.http.response import Response, json_response
from shoal.http.router import Route

_STATIC = Path(__file__).parent / "static"
_POLICY = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def openapi(context: Context) -> Response:
    """The OpenAPI document of all listed routes."""
    if not context.deps.docs_enabled:
        return _switched_off()
    from shoal.http.openapi import document

    return json_response(200, document())


def page(context: Context) -> Response:
    """The page."""
    return _file(context, "docs.html", "text/html; charset=utf-8")


def script(context: Context) -> Response:
    """What the page runs."""
    return _file(context, "app.js", "text/javascript; charset=utf-8")


def style(context: Context) -> Response:
    """How the page looks."""
    return _file(context, "style.css", "text/css; charset=utf-8")


def _file(context: Context, name: str, content_type: str) -> Response:
    if not context.deps.docs_enabled:
        return _switched_off()
    headers = {"content-security-policy": _POLICY, "referrer-policy": "no-referrer"}
    return Response(200, (_STATIC / name).read_bytes(), content_type, headers)


def _switched_off() -> Response:
    return json_response(404, {"detail": "Not Found"})


ROUTES = tuple(
    Route("GET", path, handler, None, summary, "docs", answers={}, listed=False)
    for path, handler, summary in (
        ("/openapi.json", openapi, "The OpenAPI document"),
        ("/docs", page, "The API in a browser"),
        ("/docs/app.js", script, "Script of the page"),
        ("/docs/style.css", style, "Style of the page"),
    )
)
