"""Keys: how they are presented, who is refused, and that tenants never meet."""

from base64 import b64encode
from typing import Any

import pytest

from shoal.http.native.routes import ROUTES
from shoal.http.router import Route
from shoal.model.tenants import Scope
from shoal.services.api_keys import list_keys, revoke_key
from tests.unit.http.api import START, Api, event

WITH_KEY = [route for route in ROUTES if route.scope is not None]


def route_id(route: Route) -> str:
    return f"{route.method} {route.template}"


def path_of(route: Route, *, job_id: str = "job_" + "0" * 32, key_id: str = "0" * 16) -> str:
    parts = {
        "{name}": "products",
        "{id+}": "doc-1",
        "{job_id}": job_id,
        "{key_id}": key_id,
        "{import_id}": "imp_" + "0" * 32,
        "{export_id}": "exp_" + "0" * 32,
        "{snapshot}": "monday",
        "{alias+}": "theirs/ours",
        "{alias}": "live",
        "{list}": "theirs",
        "{derivation_id}": "drv_" + "0" * 32,
        "{webhook_id}": "A" * 16,
    }
    path = route.template
    for parameter, value in parts.items():
        path = path.replace(parameter, value)
    assert "{" not in path, "give the new parameter a value here"
    return path


BODIES: dict[str, Any] = {
    "POST /v1/datasets": {"name": "new", "dimension": 4},
    "POST /v1/datasets/{name}/vectors": '{"id":"doc-2","values":[1,2,3,4]}',
    "POST /v1/datasets/{name}/vectors/fetch": {"ids": ["doc-1"]},
    "POST /v1/datasets/{name}/vectors/list": {},
    "POST /v1/datasets/{name}/vectors/delete": {"ids": ["doc-1"]},
    "POST /v1/datasets/{name}/vectors/patch": '{"id":"doc-1","metadata":{}}',
    "PATCH /v1/datasets/{name}/vectors/{id+}": {"metadata": {}},
    "POST /v1/query": {"dataset": "products", "vector": [1, 2, 3, 4]},
    "POST /v1/fetch": {"dataset": "products", "ids": ["doc-1"]},
    "POST /v1/list": {"dataset": "products"},
    "POST /v1/count": {"dataset": "products"},
    "POST /v1/stats": {"dataset": "products"},
    "POST /v1/datasets/{name}/query": {"vector": [1, 2, 3, 4]},
    "POST /v1/datasets/{name}/imports": {"format": "ndjson"},
    "POST /v1/datasets/{name}/snapshots": {"name": "new"},
    "POST /v1/datasets/{name}/restore": {"snapshot": "monday"},
    "POST /v1/datasets/{name}/clone": {"name": "new"},
    "POST /v1/datasets/{name}/derive": {"name": "new"},
    "PUT /v1/model-aliases/{alias+}": {"embedding_model_id": "static-128"},
    "PUT /v1/aliases/{alias}": {"dataset": "products"},
    "PUT /v1/term-lists/{list}": {"terms": ["mine"]},
    "PUT /v1/sanity/project": {"project_id": "theirs"},
    "POST /v1/keys": {"name": "new"},
    "POST /auth/keys": {"name": "new"},
}


@pytest.mark.parametrize("route", WITH_KEY, ids=route_id)
def test_every_route_asks_for_a_key_first(api: Api, route: Route) -> None:
    for key in (None, "nonsense", "shl_" + "0" * 16 + "_" + "A" * 43):
        answer = api.call(route.method, path_of(route), b"\xff{", key=key)
        assert answer.status == 401
        assert answer.json["error"] == {"code": "unauthorized", "message": "a valid API key is required"}
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("route", WITH_KEY, ids=route_id)
def test_every_route_asks_for_its_scope(api: Api, route: Route) -> None:
    assert route.scope is not None
    others = {Scope.READ, Scope.WRITE} - {route.scope}
    answer = api.call(route.method, path_of(route), b"{", key=api.new_key(*others))
    assert (answer.status, answer.code) == (403, "forbidden")
    assert answer.message == f"the API key lacks the scope {route.scope.value}"
    for good in (route.scope, Scope.ADMIN):
        answer = api.call(route.method, path_of(route), BODIES.get(route_id(route)), key=api.new_key(good))
        assert answer.status not in {401, 403, 500}


@pytest.mark.parametrize("route", WITH_KEY, ids=route_id)
def test_no_route_reaches_another_tenants_things(api: Api, route: Route) -> None:
    api.dataset()
    job_id = api.indexed({"id": "doc-1", "values": [1, 2, 3, 4], "metadata": {"secret": "planted"}})
    key_id = list_keys(api.ports, api.tenant_id)[0].key_id
    api.call("PUT", "/v1/model-aliases/theirs/ours", {"embedding_model_id": "static-256"})
    api.call("PUT", "/v1/aliases/live", {"dataset": "products"})
    api.call("PUT", "/v1/term-lists/theirs", {"terms": ["planted"]})
    before = ours(api, job_id)

    answer = api.call(
        route.method,
        path_of(route, job_id=job_id, key_id=key_id),
        BODIES.get(route_id(route)),
        key=api.stranger(),
    )
    assert "planted" not in answer.text
    assert answer.status not in {403, 500}
    if "{" in route.template or (route.scope is Scope.READ and route.request):
        if route.template == "/v1/query/status/{job_id}":
            assert answer.json == {"ready": False}
        elif route.method == "PUT" and "dataset" not in BODIES[route_id(route)]:  # a name of its own
            assert answer.status == 200
        else:
            assert answer.status == 404
    else:
        assert answer.status in {200, 201}
        assert key_id not in answer.text
        assert "products" not in answer.text
    assert ours(api, job_id) == before


def ours(api: Api, job_id: str) -> list[Any]:
    calls = [
        ("GET", "/v1/datasets"),
        ("GET", f"/v1/jobs/{job_id}"),
        ("GET", "/v1/keys"),
        ("GET", "/v1/usage"),
        ("GET", "/v1/model-aliases"),
        ("GET", "/v1/aliases/live"),
        ("GET", "/v1/term-lists/theirs"),
        ("GET", "/v1/datasets/products/vectors/doc-1"),
    ]
    return [(answer.status, answer.json) for answer in (api.call(*call) for call in calls)]


def test_three_ways_to_present_a_key(api: Api) -> None:
    basic = b64encode(f"anybody:{api.key}".encode()).decode()
    for headers in (
        {"Authorization": f"Bearer {api.key}"},
        {"authorization": f"bearer   {api.key} "},
        {"Authorization": f"Basic {basic}"},
        {"X-Auth-Key": api.key},
        {"authorization": "Digest x", "x-auth-key": api.key},
    ):
        assert api.send(event("GET", "/v1/datasets", headers=headers)).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer  "},
        {"authorization": "Basic"},
        {"authorization": "Basic !!!"},
        {"authorization": "Basic " + b64encode(b"no colon").decode()},
        {"authorization": "Basic " + b64encode(b"\xff\xfe").decode()},
        {"authorization": "Bearer é"},
        {"x-auth-key": ""},
        {"x-auth-key": "a" * 10_000},
    ],
)
def test_what_is_no_key(api: Api, headers: dict[str, str]) -> None:
    assert api.send(event("GET", "/v1/datasets", headers=headers)).status == 401


def test_a_wrong_secret_and_a_key_in_the_query_string(api: Api) -> None:
    wrong = api.key[:-1] + ("A" if api.key[-1] != "A" else "B")
    assert api.call("GET", "/v1/datasets", key=wrong).status == 401
    assert api.call("GET", "/v1/datasets", key=None, query={"key": api.key}).status == 401


def test_an_expired_key_is_refused_at_once_even_from_the_cache(api: Api) -> None:
    key = api.new_key(Scope.READ, expires_at=START + 10)
    assert api.call("GET", "/v1/datasets", key=key).status == 200
    api.clock.now += 10
    assert api.call("GET", "/v1/datasets", key=key).status == 401


def test_a_revoked_key_is_refused_within_60_seconds(api: Api) -> None:
    key = api.new_key(Scope.READ)
    assert api.call("GET", "/v1/datasets", key=key).status == 200
    revoke_key(api.ports, api.tenant_id, key.split("_")[1])
    api.clock.now += 60
    assert api.call("GET", "/v1/datasets", key=key).status == 401


@pytest.mark.parametrize("prefix", ["/v1", "/auth"])
def test_management_of_keys(api: Api, prefix: str) -> None:
    made = api.call("POST", f"{prefix}/keys", {"name": " ingest ", "expires_at": "2026-06-01T00:00:00Z"})
    assert made.status == 201
    assert made.json == {
        "id": made.json["id"],
        "key": made.json["key"],
        "name": "ingest",
        "scopes": ["read", "write"],
        "created_at": "2026-05-28T20:26:40Z",
        "expires_at": "2026-06-01T00:00:00Z",
        "last_used_at": None,
        "revoked_at": None,
    }
    assert api.call("GET", "/v1/datasets", key=made.json["key"]).status == 200
    assert api.call("GET", f"{prefix}/keys", key=made.json["key"]).status == 403
    api.clock.now += 1
    gone = api.call("DELETE", f"{prefix}/keys/{made.json['id']}")
    assert (gone.status, gone.text) == (204, "")
    listed = api.call("GET", f"{prefix}/keys").json["keys"]
    assert {entry["revoked_at"] for entry in listed} == {None, "2026-05-28T20:26:41Z"}
    assert made.json["key"] not in api.call("GET", f"{prefix}/keys").text
    assert all("key" not in entry for entry in listed)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        [],
        {},
        {"name": ""},
        {"name": "  "},
        {"name": "x" * 101},
        {"name": 5},
        {"name": "x", "scopes": []},
        {"name": "x", "scopes": ["root"]},
        {"name": "x", "scopes": "read"},
        {"name": "x", "expires_at": "tomorrow"},
        {"name": "x", "expires_at": "2026-02-30T00:00:00Z"},
        {"name": "x", "expires_at": "2026-05-28T20:26:40Z"},
        {"name": "x", "expires_at": 1},
    ],
)
def test_bad_keys_to_be(api: Api, body: Any) -> None:
    answer = api.call("POST", "/v1/keys", body)
    assert (answer.status, answer.code) == (400, "invalid_request")


@pytest.mark.parametrize("key_id", ["0" * 16, "nonsense", "a b", "#"])
def test_revoking_a_key_that_is_not_there(api: Api, key_id: str) -> None:
    answer = api.call("DELETE", f"/v1/keys/{key_id}")
    assert (answer.status, answer.code) == (404, "not_found")
