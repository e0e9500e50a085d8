"""Requests that name an alias while it is moved: they are answered from where it points then.

Between the look at a name and the work on what it names, an alias may be moved and its old target deleted.
Whoever notices answers that there is no such dataset, and has done nothing; but an alias always points at one that
is there.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial, wraps

from shoal.errors import InvalidInput, NotFound, TryAgain
from shoal.http.context import Context
from shoal.http.native.common import existing_name, json_object
from shoal.http.native.places import Place, in_body
from shoal.http.response import Response
from shoal.http.router import Handler, Route
from shoal.model.datasets import NATIVE_SCOPE
from shoal.services.aliases import pointed_at

type _Look = Callable[[Context], Place]
"""Which name a request means.

Raises NotFound or InvalidInput where it means none.
"""

_TRIES = 8
_NAMED_BY = {"/datasets/{name}": "name", "/indexes/{index_name}": "index_name"}
"""What stands for the name of a dataset in the paths of the dialects that share the native scope."""
_NAMED_IN_BODY = frozenset({"/v1/query", "/v1/fetch", "/v1/list", "/v1/count", "/v1/stats"})
"""Paths of reads whose body names the dataset."""


def following(routes: Sequence[Route]) -> tuple[Route, ...]:
    """The routes, those that name a dataset with handlers that follow an alias."""
    return tuple(map(_following, routes))


def _following(route: Route) -> Route:
    if route.template in _NAMED_IN_BODY:
        return replace(route, handler=_with_tries(route.handler, _by_body))
    parameter = next((name for part, name in _NAMED_BY.items() if part in route.template), None)
    if parameter is None:
        return route
    return replace(route, handler=_with_tries(route.handler, partial(_by_path, parameter)))


def _with_tries(handler: Handler, look: _Look) -> Handler:
    @wraps(handler)
    def follow(context: Context) -> Response:
        seen = None
        for _ in range(_TRIES):
            try:
                return handler(context)
            except NotFound as missing:
                target = _target(context, look) if missing.code == "dataset_not_found" else None
                if target is None or target == seen:  # no alias, or it is something else that is missing
                    raise
                seen = target
        raise TryAgain("the alias is being moved all the time; send the request again")

    return follow


def _target(context: Context, look: _Look) -> str | None:
    """The id of the dataset that the name points at, where that is an alias."""
    try:
        place = look(context)
    except (InvalidInput, NotFound):
        return None
    return pointed_at(context.ports, context.principal.tenant_id, scope=place.scope, name=place.name)


def _by_path(parameter: str, context: Context) -> Place:
    return Place(NATIVE_SCOPE, existing_name(context.parameters[parameter]))


def _by_body(context: Context) -> Place:
    return in_body(json_object(context.body()))
