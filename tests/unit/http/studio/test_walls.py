"""Who may call what: no route without a key and its scope, and no tenant sees what is another's."""

from base64 import b64encode
from typing import Any

import pytest

from shoal.http.router import Route
from shoal.http.studio.routes import ROUTES
from shoal.model.tenants import Scope
from tests.unit.http.api import Api, event

WITH_KEY = [route for route in ROUTES if route.scope is not None]
S128 = {"embedding_model_id": "static-128"}
VECTOR = [1.0] + [0.0] * 127
OBJECT = {"object_id": "a", "storage_meta": {}, "parts": [{"vector": VECTOR}]}
SEARCH = {"search_query": "planted", "limit": 5}
BODIES: list[tuple[str, dict[str, Any]]] = [
    ("upsertion-tasks/", {"items": [{"object_id": "new"}], **S128}),
    ("deletion-tasks/", {"object_ids": ["ours"], **S128}),
    ("reindex-tasks/", {"source": S128, "dest": {"embedding_model_id": "static-256"}}),
    (
        "objects/insert",
        S128 | {"objects": [OBJECT]},
    ),
    (
        "objects/upsert",
        S128 | {"objects": [OBJECT]},
    ),
    ("objects/", S128 | {"object_ids": ["ours"], "query_vector": VECTOR, "limit": 5}),
    ("vectordb/", S128),
    ("collections/blue", S128),
    ("-search", SEARCH),
    ("-count", SEARCH),
]


def route_id(route: Route) -> str:
    return f"{route.method} {route.template}"


def body_of(route: Route) -> Any:
    if route.method == "PUT" or (route.method == "GET" and not route.template.endswith("get-info")):
        return None
    return next(body for part, body in BODIES if part in route.template)


def call(api: Api, route: Route, key: str | None, body: Any = None) -> Any:
    path = route.template.replace("{task_id}", "ours")
    query = {"task_id": "ours"} if route.parameters and route.parameters[0].name == "task_id" else None
    return api.call(route.method, path, body, key=key, query=query)


@pytest.fixture
def planted(api: Api) -> Api:
    """A tenant with collections and tasks of every sort."""
    base = "/api/v1/internal"
    for family in ("", "/categories"):
        for model in ("static-128", "static-256"):
            named = {"embedding_model_id": model}
            assert api.call("POST", f"{base}/vectordb/collections{family}/create", named).status == 200
        api.call("POST", f"{base}/vectordb/collections{family}/set-blue", S128)
    item = {"object_id": "ours", "payload": {"title": "planted"}}
    for path in ("/api/v1/embeddings", base):
        upsert = {"task_id": "ours", "items": [item], **S128}
        assert api.call("POST", f"{path}/upsertion-tasks/run", upsert).status == 200
        delete = {"task_id": "ours", "object_ids": ["ours"], **S128}
        assert api.call("POST", f"{path}/deletion-tasks/run", delete).status == 200
    return api


def ours(api: Api) -> list[Any]:
    """What the tenant itself sees of all that."""
    base = "/api/v1/internal"
    paths = [
        *(f"{base}/vectordb/collections{family}/list" for family in ("", "/categories")),
        *(f"{base}/{sort}-tasks/list" for sort in ("upsertion", "deletion", "reindex")),
        *(f"/api/v1/embeddings/{sort}-tasks/list" for sort in ("upsertion", "deletion")),
    ]
    return [api.call("GET", path).json for path in paths]


@pytest.mark.parametrize("route", WITH_KEY, ids=route_id)
def test_every_route_asks_for_a_key_first(api: Api, route: Route) -> None:
    for key in (None, "nonsense", "shl_" + "0" * 16 + "_" + "A" * 43):
        answer = call(api, route, key, b"\xff{")
        assert answer.status == 401
        assert answer.json == {"detail": "a valid API key is required", "code": "unauthorized"}
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("route", WITH_KEY, ids=route_id)
def test_every_route_asks_for_its_scope(api: Api, route: Route) -> None:
    assert route.scope is not None
    assert (route.scope is Scope.ADMIN) == ("/internal/" in route.template)
    others = {Scope.READ, Scope.WRITE} - {route.scope}
    answer = call(api, route, api.new_key(*others), b"{")
    assert (answer.status, answer.json["code"]) == (403, "forbidden")
    assert answer.json["detail"] == f"the API key lacks the scope {route.scope.value}"
    answer = call(api, route, api.new_key(route.scope), b"{")
    assert answer.status not in {401, 403, 500}


@pytest.mark.parametrize("route", WITH_KEY, ids=route_id)
def test_no_route_reaches_another_tenants_things(planted: Api, route: Route) -> None:
    before = ours(planted)
    answer = call(planted, route, planted.stranger(), body_of(route))
    assert "planted" not in answer.text
    assert answer.status not in {403, 422, 500}
    path = route.template
    if "tasks" in path and "run" not in path and "list" not in path:
        assert (answer.status, answer.json["detail"]) == (404, "Task with ID `ours` not found")
    elif path.endswith("/list"):
        assert answer.json in ([], {"collections": []})
    elif path.endswith("/create"):
        assert answer.json["collection_id"] not in str(before)
    elif "/internal/" in path or "-search" in path or "-count" in path:
        assert answer.status == 404, "there is no such collection of theirs"
    assert ours(planted) == before


def test_the_key_may_be_in_the_address(api: Api) -> None:
    basic = b64encode(f":{api.key}".encode()).decode()
    sent = event(
        "GET", "/api/v1/embeddings/upsertion-tasks/list", headers={"Authorization": f"Basic {basic}"}
    )
    assert api.send(sent).status == 200
