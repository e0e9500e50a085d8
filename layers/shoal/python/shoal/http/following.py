"""Requests that name an alias while it is moved: they are answered from where it points then.

Between the look at a name and the work on what it names, an alias may be moved and its old target deleted.
Whoever notices answers that there is no such dataset, and has done nothing; but an alias always points at one that
is there.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import wraps

from shoal.errors import InvalidInput, NotFound, TryAgain
from shoal.http.context import Context
from shoal.http.response import Response
from shoal.http.router import Handler, Route
from shoal.model.datasets import NATIVE_SCOPE, check_name
from shoal.services.aliases import pointed_at

_TRIES = 8
_NAMED_BY = {"/datasets/{name}": "name", "/indexes/{index_name}": "index_name"}
"""What stands for the name of a dataset in the paths of the dialects that share the native scope."""


def following(routes: Sequence[Route]) -> tuple[Route, ...]:
    """The routes, those below the name of a dataset with handlers that follow an alias."""
    return tuple(map(_following, routes))


def _following(route: Route) -> Route:
    parameter = next((name for part, name in _NAMED_BY.items() if part in route.template), None)
    return route if parameter is None else replace(route, handler=_with_tries(route.handler, parameter))


def _with_tries(handler: Handler, parameter: str) -> Handler:
    @wraps(handler)
    def follow(context: Context) -> Response:
        seen = None
        for _ in range(_TRIES):
            try:
                return handler(context)
            except NotFound as missing:
                target = _target(context, parameter) if missing.code == "dataset_not_found" else None
                if target is None or target == seen:  # no alias, or it is something else that is missing
                    raise
                seen = target
        raise TryAgain("the alias is being moved all the time; send the request again")

    return follow


def _target(context: Context, parameter: str) -> str | None:
    """The id of the dataset that the name in the path points at, where that is an alias."""
    try:
        name = check_name(context.parameters[parameter])
    except InvalidInput:
        return None
    return pointed_at(context.ports, context.principal.tenant_id, scope=NATIVE_SCOPE, name=name)
