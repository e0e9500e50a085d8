"""Who may call what: no route without a key and its scope, but the webhook, which has a signature."""

import pytest

from shoal.http.router import Route
from shoal.http.sanity.errors import sanity_error
from shoal.http.sanity.routes import ROUTES
from shoal.model.tenants import Scope
from tests.unit.http.api import Api
from tests.unit.http.sanity.client import problem

WITH_KEY = [route for route in ROUTES if route.scope is not None]


def route_id(route: Route) -> str:
    return f"{route.method} {route.template}"


def path_of(route: Route) -> str:
    parts = {
        "{version}": "vX",
        "{dataset}": "movies",
        "{index_name}": "all",
        "{import_id}": "imp_" + "0" * 32,
        "{webhook_id}": "A" * 16,
    }
    path = route.template
    for parameter, value in parts.items():
        path = path.replace(parameter, value)
    assert "{" not in path, "give the new parameter a value here"
    return path


def test_the_webhook_alone_needs_no_key() -> None:
    assert [route.template for route in ROUTES if route.scope is None] == ["/webhooks/sanity/{webhook_id}"]


@pytest.mark.parametrize("route", ROUTES, ids=route_id)
def test_all_are_of_one_function_and_one_shape(route: Route) -> None:
    assert route.function == "content"
    assert route.answer_error is sanity_error


@pytest.mark.parametrize("route", WITH_KEY, ids=route_id)
def test_every_route_asks_for_a_key_first(api: Api, route: Route) -> None:
    for key in (None, "nonsense", "shl_" + "0" * 16 + "_" + "A" * 43):
        answer = api.call(route.method, path_of(route), b"\xff{", key=key)
        assert problem(answer) == (401, "unauthorized")


@pytest.mark.parametrize("route", WITH_KEY, ids=route_id)
def test_every_route_asks_for_its_scope(api: Api, route: Route) -> None:
    assert route.scope is not None
    others = {Scope.READ, Scope.WRITE} - {route.scope}
    answer = api.call(route.method, path_of(route), b"{", key=api.new_key(*others))
    assert problem(answer) == (403, "forbidden")
    answer = api.call(route.method, path_of(route), key=api.new_key(route.scope))
    assert answer.status not in {401, 403, 500}


@pytest.mark.parametrize("route", WITH_KEY, ids=route_id)
def test_every_route_asks_for_its_project(api: Api, route: Route) -> None:
    answer = api.call(route.method, path_of(route), query={"projectId": "another"})
    assert problem(answer) == (401, "unauthorized")
    assert answer.json["message"].startswith("Session does not match project host")


@pytest.mark.parametrize("route", WITH_KEY, ids=route_id)
def test_every_route_looks_at_its_version(api: Api, route: Route) -> None:
    answer = api.call(route.method, path_of(route).replace("/vX/", "/v2/"))
    assert problem(answer) == (404, "version_not_found")
