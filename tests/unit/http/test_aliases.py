"""Aliases of datasets over HTTP: made, moved, moved back; every call that takes a dataset's name takes theirs."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from shoal.http.following import following
from shoal.http.native.routes import ROUTES
from shoal.model.tenants import Scope
from shoal.storage.memory.faults import Call, Fault, Faults
from tests.unit.http.api import Api
from tests.unit.services.alias_world import TornTable

ALIAS = "/v1/aliases/live"
NOON = "2026-05-28T20:26:40Z"


@pytest.fixture(autouse=True)
def _datasets(api: Api) -> None:
    for name in ("one", "two"):
        api.dataset(name)
        api.indexed({"id": "a", "values": [1, 2, 3, 4], "metadata": {"of": name}}, name=name)


def point(api: Api, dataset: str, **more: Any) -> None:
    answer = api.call("PUT", ALIAS, {"dataset": dataset, **more})
    assert answer.status in {200, 201}, answer.text


def shown(dataset: str, moves: int) -> dict[str, Any]:
    return {"alias": "live", "dataset": dataset, "moves": moves, "created_at": NOON, "moved_at": NOON}


def test_an_alias_is_made_moved_shown_and_dropped(api: Api) -> None:
    answer = api.call("PUT", ALIAS, {"dataset": "one"})
    assert (answer.status, answer.json) == (201, shown("one", 1))
    answer = api.call("PUT", ALIAS, {"dataset": "one"})
    assert (answer.status, answer.json) == (200, shown("one", 1))
    answer = api.call("PUT", ALIAS, {"dataset": "two", "if_dataset": "one"})
    assert (answer.status, answer.json) == (200, shown("two", 2))
    reader = api.new_key(Scope.READ)
    assert api.call("GET", "/v1/aliases", key=reader).json == {"aliases": [shown("two", 2)]}
    assert api.call("GET", ALIAS, key=reader).json == {
        **shown("two", 2),
        "history": [
            {"at": NOON, "from_dataset": "one", "to_dataset": "two"},
            {"at": NOON, "from_dataset": None, "to_dataset": "one"},
        ],
    }
    for method, path in (("PUT", ALIAS), ("DELETE", ALIAS), ("POST", f"{ALIAS}/rollback")):
        assert api.call(method, path, {"dataset": "one"}, key=reader).status == 403
    answer = api.call("DELETE", ALIAS)
    assert (answer.status, answer.text) == (204, "")
    assert api.call("GET", "/v1/aliases").json == {"aliases": []}
    for method, path in (("GET", ALIAS), ("DELETE", ALIAS), ("POST", f"{ALIAS}/rollback")):
        answer = api.call(method, path)
        assert (answer.status, answer.code) == (404, "alias_not_found")


def test_one_call_goes_back(api: Api) -> None:
    point(api, "one")
    answer = api.call("POST", f"{ALIAS}/rollback")
    assert (answer.status, answer.code) == (409, "nothing_to_roll_back")
    point(api, "two")
    answer = api.call("POST", f"{ALIAS}/rollback", {"if_dataset": "two"})
    assert (answer.status, answer.json) == (200, shown("one", 3))
    answer = api.call("POST", f"{ALIAS}/rollback", {"if_dataset": "two"})
    assert (answer.status, answer.code) == (409, "alias_moved")
    assert answer.json["error"]["details"] == {"expected": "two", "dataset": "one"}
    assert api.call("DELETE", "/v1/datasets/two").status == 204
    answer = api.call("POST", f"{ALIAS}/rollback")
    assert (answer.status, answer.code) == (409, "rollback_target_gone")
    bad: tuple[Any, ...] = (b"{", [], {"dataset": "one"}, {"if_dataset": 5})
    for body in bad:
        answer = api.call("POST", f"{ALIAS}/rollback", body)
        assert (answer.status, answer.code) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("alias", "body", "status", "code"),
    [
        ("new", {"dataset": "none"}, 404, "dataset_not_found"),
        ("new", {"dataset": "No Name"}, 404, "dataset_not_found"),
        ("new", {"dataset": "live"}, 409, "is_alias"),
        ("two", {"dataset": "one"}, 409, "name_taken"),
        ("live", {"dataset": "two", "if_dataset": "two-old"}, 409, "alias_moved"),
        ("new", {"dataset": "two", "if_dataset": "one"}, 409, "alias_moved"),
        ("New", {"dataset": "one"}, 400, "invalid_name"),
        ("x" * 65, {"dataset": "one"}, 400, "invalid_name"),
        ("a b", {"dataset": "one"}, 400, "invalid_name"),
        ("new", {}, 400, "invalid_request"),
        ("new", {"dataset": 5}, 400, "invalid_request"),
        ("new", {"dataset": "one", "if_datasets": "two"}, 400, "invalid_request"),
        ("new", b"{", 400, "invalid_request"),
        ("new", None, 400, "invalid_request"),
    ],
)
def test_what_cannot_be(api: Api, alias: str, body: Any, status: int, code: str) -> None:
    point(api, "one")
    answer = api.call("PUT", f"/v1/aliases/{alias}", body)
    assert (answer.status, answer.code) == (status, code)
    assert api.call("GET", "/v1/aliases").json == {"aliases": [shown("one", 1)]}


def test_names_that_no_alias_can_have(api: Api) -> None:
    for name in ("Live", "a b", "ä", "x" * 2000):
        for method, rest in (("GET", ""), ("DELETE", ""), ("POST", "/rollback")):
            answer = api.call(method, f"/v1/aliases/{name}{rest}")
            assert (answer.status, answer.code) == (404, "alias_not_found")


def test_a_dataset_shows_its_aliases_and_is_not_deleted_under_them(api: Api) -> None:
    point(api, "one")
    api.call("PUT", "/v1/aliases/also", {"dataset": "one"})
    assert api.call("GET", "/v1/datasets/one").json["aliases"] == ["also", "live"]
    assert api.call("GET", "/v1/datasets/live").json == api.call("GET", "/v1/datasets/one").json
    listed = api.call("GET", "/v1/datasets").json["datasets"]
    assert [(each["name"], each["aliases"]) for each in listed] == [("one", ["also", "live"]), ("two", [])]
    answer = api.call("DELETE", "/v1/datasets/one")
    assert (answer.status, answer.code) == (409, "alias_target")
    assert answer.json["error"]["details"] == {"aliases": ["also", "live"]}
    for query in ({}, {"force": "true"}):
        answer = api.call("DELETE", "/v1/datasets/live", query=query)
        assert (answer.status, answer.code) == (409, "is_alias")
    writer = api.new_key(Scope.WRITE)
    answer = api.call("DELETE", "/v1/datasets/one", query={"force": "true"}, key=writer)
    assert (answer.status, answer.code) == (403, "forbidden")
    answer = api.call("DELETE", "/v1/datasets/one", query={"force": "perhaps"})
    assert (answer.status, answer.code) == (400, "invalid_request")
    assert api.call("DELETE", "/v1/datasets/one", query={"force": "true"}).status == 204
    assert api.call("GET", "/v1/aliases").json == {"aliases": []}
    assert api.call("GET", "/v1/datasets/live").code == "dataset_not_found"
    assert api.call("DELETE", "/v1/datasets/two", query={"force": "true"}).status == 204


def test_a_name_that_an_alias_has_is_taken(api: Api) -> None:
    point(api, "one")
    for path, body in (
        ("/v1/datasets", {"name": "live", "dimension": 4}),
        ("/v1/datasets/two/clone", {"name": "live"}),
    ):
        answer = api.call("POST", path, body)
        assert (answer.status, answer.code) == (409, "dataset_exists")
        assert "it is an alias of the dataset one" in answer.message
        assert answer.json["error"]["details"] == {"alias_of": "one"}


# --- the name of an alias in place of a dataset's


CALLS: dict[str, Any] = {
    "GET /v1/datasets/{name}": None,
    "POST /v1/datasets/{name}/query": {"vector": [1, 2, 3, 4]},
    "POST /v1/datasets/{name}/vectors": '{"id":"b","values":[1,2,3,4]}',
    "POST /v1/datasets/{name}/vectors/fetch": {"ids": ["a"]},
    "GET /v1/datasets/{name}/vectors": None,
    "POST /v1/datasets/{name}/vectors/list": {},
    "GET /v1/datasets/{name}/vectors/{id+}": None,
    "GET /v1/datasets/{name}/count": None,
    "POST /v1/datasets/{name}/count": {},
    "GET /v1/datasets/{name}/stats": None,
    "POST /v1/query": {"dataset": "live", "vector": [1, 2, 3, 4], "min_version": 1},
    "POST /v1/fetch": {"dataset": "live", "ids": ["a"]},
    "POST /v1/list": {"dataset": "live"},
    "POST /v1/count": {"dataset": "live"},
    "POST /v1/stats": {"dataset": "live"},
    "DELETE /v1/datasets/{name}/vectors/{id+}": None,
    "POST /v1/datasets/{name}/vectors/delete": {"ids": ["a"]},
    "PATCH /v1/datasets/{name}/vectors/{id+}": {"metadata": {"more": 1}},
    "POST /v1/datasets/{name}/vectors/patch": '{"id":"a","metadata":{"more":1}}',
    "POST /v1/datasets/{name}/imports": {"format": "ndjson"},
    "GET /v1/datasets/{name}/imports": None,
    "POST /v1/datasets/{name}/exports": None,
    "GET /v1/datasets/{name}/exports": None,
    "POST /v1/datasets/{name}/compact": None,
    "POST /v1/datasets/{name}/snapshots": {"name": "monday"},
    "GET /v1/datasets/{name}/snapshots": None,
    "GET /v1/datasets/{name}/snapshots/{snapshot}": None,
    "POST /v1/datasets/{name}/restore": {"snapshot": "first"},
    "POST /v1/datasets/{name}/clone": {"name": "copy"},
    "POST /v1/datasets/{name}/derive": {"name": "part"},
    "GET /v1/datasets/{name}/derivation": None,
    "DELETE /v1/datasets/{name}/snapshots/{snapshot}": None,
}
"""Calls that succeed on a dataset with one record and a snapshot `first`, by method and path, with their body."""
OTHERWISE = {
    "DELETE /v1/datasets/{name}": "409 is_alias",
    "GET /v1/datasets/{name}/compaction": "404 compaction_not_found",
    "POST /v1/datasets/{name}/derivation/rebuild": "409 not_derived",
    "GET /v1/datasets/{name}/imports/{import_id}": "404 import_not_found",
    "POST /v1/datasets/{name}/imports/{import_id}/complete": "404 import_not_found",
    "POST /v1/datasets/{name}/imports/{import_id}/cancel": "404 import_not_found",
    "GET /v1/datasets/{name}/exports/{export_id}": "404 export_not_found",
}
"""What the others answer: they found the dataset, and in it not what else they name."""


def called(api: Api, call: str, name: str = "live") -> Any:
    method, _, path = call.partition(" ")
    for parameter, value in {
        "{name}": name,
        "{id+}": "a",
        "{snapshot}": "first",
        "{import_id}": "imp_" + "0" * 32,
        "{export_id}": "exp_" + "0" * 32,
    }.items():
        path = path.replace(parameter, value)
    return api.call(method, path, CALLS.get(call))


def test_each_call_is_looked_at() -> None:
    named = {
        f"{route.method} {route.template}"
        for route in ROUTES
        if "/datasets/{name}" in route.template
        or (route.scope is Scope.READ and route.request and "dataset" in route.request.model_fields)
    }
    assert named == CALLS.keys() | OTHERWISE.keys()
    followed = [route for route, plain in zip(following(ROUTES), ROUTES, strict=True) if route is not plain]
    assert {f"{route.method} {route.template}" for route in followed} == named


@pytest.mark.parametrize("call", [*CALLS, *OTHERWISE])
def test_an_alias_in_place_of_the_name(api: Api, call: str) -> None:
    point(api, "one")
    api.call("POST", "/v1/datasets/one/snapshots", {"name": "first"})
    answer = called(api, call)
    if call in OTHERWISE:
        assert f"{answer.status} {answer.code}" == OTHERWISE[call]
    else:
        assert answer.status in {200, 201, 202, 204}, answer.text
        assert '"live"' not in answer.text.replace('"aliases":["live"]', ""), "it tells of the dataset"


def test_an_alias_in_the_body_of_a_query(api: Api) -> None:
    for name in ("one", "two"):
        point(api, name)
        answer = api.call("POST", "/v1/query", {"dataset": "live", "vector": [1, 2, 3, 4]})
        assert [match["metadata"] for match in answer.json["matches"]] == [{"of": name}]


def test_an_alias_in_the_other_dialect_of_the_scope(api: Api) -> None:
    point(api, "one")
    prefix = f"/client/v4/accounts/{api.tenant_id.removeprefix('ten_')}/vectorize/v2/indexes"
    assert api.call("GET", f"{prefix}/live").json["result"]["name"] == "one"
    assert api.call("GET", f"{prefix}/live/info").json["result"]["vectorCount"] == 1
    answer = api.call("POST", f"{prefix}/live/query", {"vector": [1, 2, 3, 4]})
    assert answer.json["result"]["count"] == 1
    for name in ("live", "one"):
        answer = api.call("DELETE", f"{prefix}/{name}")
        assert answer.status == 409
    body = {"name": "live", "config": {"dimensions": 32, "metric": "cosine"}}
    assert api.call("POST", prefix, body).json["errors"][0]["code"] == 3002


def test_another_dataset_that_is_missing_is_told_at_once(api: Api) -> None:
    point(api, "one")
    answer = api.call("POST", "/v1/datasets/live/restore", {"snapshot": "x", "dataset": "none"})
    assert (answer.status, answer.code) == (404, "dataset_not_found")


# --- moved while it is asked for


class Moving:
    """Before the call of storage with that many before it: moves the alias to `two`, and deletes `one`."""

    def __init__(self, act: Callable[[], None]) -> None:
        self.calls_left = -1
        self.done = False
        self._act = act

    def __call__(self, _: Call) -> Fault | None:
        if self.calls_left == 0:
            self.done = True
            self._act()
        self.calls_left -= 1
        return None


def every_moment(call: str) -> Iterator[tuple[Api, Any]]:
    """The answers to a call, for each call of the table that it makes: `one` becomes `two` and goes before it."""
    at_call = 0
    while True:
        api, aside = Api(), Api()
        for name in ("one", "two"):
            api.dataset(name)
            api.indexed({"id": "a", "values": [1, 2, 3, 4], "metadata": {"of": name}}, name=name)
            api.call("POST", f"/v1/datasets/{name}/snapshots", {"name": "first"})
        point(api, "one")
        aside.use(api.ports)

        def act(api: Api = api, aside: Api = aside) -> None:
            for method, path, body in (
                ("PUT", ALIAS, {"dataset": "two"}),
                ("DELETE", "/v1/datasets/one", None),
            ):
                assert aside.call(method, path, body, key=api.key).status in {200, 204}

        moving = Moving(act)
        api.use(replace(api.ports, table=TornTable(api.ports.table, Faults(moving))))
        api.call("GET", "/v1/usage")  # the key is known from here on
        moving.calls_left = at_call
        answer = called(api, call)
        yield api, answer
        if not moving.done:
            break
        at_call += 1
    assert at_call >= 1


@pytest.mark.parametrize("call", CALLS)
def test_no_call_fails_because_the_alias_is_moved_and_the_old_target_deleted(call: str) -> None:
    for _, answer in every_moment(call):
        assert answer.status in {200, 201, 202, 204}, answer.text
        assert not ('"one"' in answer.text and '"two"' in answer.text)
