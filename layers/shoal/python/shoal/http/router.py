"""Routes as data, and the search for the one that a request means.

Our own because ids hold slashes and the gateway has decoded them already: a template's last parameter may be
greedy (`{id+}`, one or more characters of anything), which path routers of frameworks treat as a file path.
Routes are also what the OpenAPI document and the tests of tenants' walls are made from.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel

from shoal.http.context import Context
from shoal.http.errors import native_error
from shoal.http.response import Response
from shoal.model.tenants import Scope

type Handler = Callable[[Context], Response]
type ErrorAnswer = Callable[..., Response]
"""An error as a dialect answers it: called with the exception and `request_id`, as `native_error` is."""

_PARAMETER = re.compile(r"\{(\w+)(\+?)\}")


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter, for the OpenAPI document."""

    name: str
    description: str
    kind: str = "string"


@dataclass(frozen=True, slots=True)
class Answer:
    """One documented answer: what it means, and the type of its body (None: no body)."""

    meaning: str
    body: type[BaseModel] | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """One call. `scope` None means that no key is asked for; `function` is the Lambda function that serves it."""

    method: str
    template: str
    handler: Handler
    scope: Scope | None
    summary: str
    tag: str
    answers: Mapping[int, Answer]
    errors: Mapping[int, str] = field(default_factory=dict)
    request: type[BaseModel] | None = None
    request_type: str = "application/json"
    request_required: bool = True
    parameters: tuple[Parameter, ...] = ()
    function: str = "api"
    rate_limited: bool = True
    answer_error: ErrorAnswer = native_error
    listed: bool = True
    """Whether the OpenAPI document shows it (aliases and the document itself are left out)."""


@dataclass(frozen=True, slots=True)
class Match:
    """The route of a request and the parameters found in its path."""

    route: Route
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class NoMatch:
    """No route; `allowed` are the methods that the path knows (empty: an unknown path)."""

    allowed: tuple[str, ...]


class Router:
    """Finds routes. Earlier routes win, so a fixed path stands before the greedy one that would swallow it."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = tuple(routes)
        self._patterns = [(re.compile(_pattern(route.template), re.DOTALL), route) for route in routes]

    def find(self, method: str, path: str) -> Match | NoMatch:
        """The route of a method and a decoded path. HEAD finds what GET finds."""
        wanted = "GET" if method == "HEAD" else method
        allowed: list[str] = []
        for pattern, route in self._patterns:
            match = pattern.fullmatch(path)
            if match is None:
                continue
            if route.method == wanted:
                return Match(route, match.groupdict())
            allowed.append(route.method)
        if "GET" in allowed:
            allowed.append("HEAD")
        return NoMatch(tuple(sorted(set(allowed))))


def _pattern(template: str) -> str:
    pattern = ""
    end = 0
    for parameter in _PARAMETER.finditer(template):
        pattern += re.escape(template[end : parameter.start()])
        pattern += f"(?P<{parameter[1]}>{'.+' if parameter[2] else '[^/]+'})"
        end = parameter.end()
    return pattern + re.escape(template[end:])
