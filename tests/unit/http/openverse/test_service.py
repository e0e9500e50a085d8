"""What the server has beside tasks, and what it answers to what it does not know."""

from typing import Any

import pytest

from shoal.errors import StorageBusy
from shoal.model.tenants import Scope
from tests.unit.http.api import event
from tests.unit.http.openverse.client import JSON, Openverse, absent


def test_health_needs_no_key(api: Openverse) -> None:
    for query in (None, {"check_deps": "true"}, {"check_deps": "false"}, {"check_deps": ""}):
        answer = api.call("GET", "/", key=None, query=query)
        assert (answer.status, answer.json) == (200, {"status": "200 OK"})
    answer = api.call("GET", "/", key=None, query={"check_deps": "perhaps"})
    assert (answer.status, answer.json["title"]) == (400, "Invalid parameter")


class Down:
    """A store that does not answer."""

    def __getattr__(self, name: str) -> object:
        raise StorageBusy(f"no {name}")


def test_health_with_what_it_stands_on(api: Openverse) -> None:
    object.__setattr__(api.ports, "objects", Down())
    object.__setattr__(api.ports, "table", Down())
    assert api.call("GET", "/", key=None).json == {"status": "200 OK"}
    answer = api.call("GET", "/", key=None, query={"check_deps": "true"})
    assert answer.status == 503
    assert answer.json == {
        "status": "503 Service Unavailable",
        "dependencies": {
            "es": ["The storage of indexes could not be reached"],
            "db": ["The table could not be reached"],
        },
    }


def test_what_names_stand_for(api: Openverse) -> None:
    api.records()
    assert api.stat("image") == absent(), "the dataset of records is no index"
    api.index("image-1")
    assert api.stat("image-1") == (True, False, [])
    api.point("image", "image-1")
    api.point("main", "image-1")
    assert api.stat("image-1") == (True, False, ["image", "main"])
    assert api.stat("image") == (True, True, "image-1")
    api.unfinished("image-2")
    assert api.stat("image-2") == absent()
    for nothing in ("image-3", "Image", "*", "a b", "x" * 300):
        assert api.stat(nothing) == absent()


def test_sensitive_terms_as_a_file(api: Openverse) -> None:
    path = "/static/mock_sensitive_terms.txt"
    assert (api.call("GET", path).status, api.call("GET", path).text) == (200, "")
    put = api.call(
        "PUT", "/v1/term-lists/sensitive", "Running\n\nwater fowl\n", headers={"content-type": "text/plain"}
    )
    assert put.status == 200
    answer = api.call("GET", path)
    assert answer.text == "running\nwater fowl\n"
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert api.call("GET", path, key=api.stranger()).text == ""
    for other in ("other.txt", "mock_sensitive_terms.txt/", "../settings.py"):
        answer = api.call("GET", f"/static/{other}")
        assert (answer.status, answer.json) == (404, {"title": "404 Not Found"})


def test_workers_of_the_original(api: Openverse) -> None:
    answer = api.call("POST", "/worker_finished", {"error": False}, headers=JSON)
    assert (answer.status, answer.json["title"]) == (500, "500 Internal Server Error")
    api.records()
    before = api.task("REINDEX")
    for error in (False, True):
        answer = api.call("POST", "/worker_finished", {"error": error}, headers=JSON)
        assert (answer.status, answer.text) == (200, "")
    status = api.status(before)
    assert (status["active"], status["error"]) == (True, False), "their word changes nothing"
    without: list[Any] = [{}, [], "null"]
    for body in without:
        answer = api.call("POST", "/worker_finished", body, headers=JSON)
        assert (answer.status, answer.json["description"]) == (400, "'error' is a required property")
    answer = api.call("DELETE", "/state")
    assert (answer.status, answer.text) == (200, "")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/task", "GET, OPTIONS, POST"),
        ("DELETE", "/task", "GET, OPTIONS, POST"),
        ("POST", "/task/1", "GET, OPTIONS"),
        ("DELETE", "/task/1", "GET, OPTIONS"),
        ("POST", "/stat/image", "GET, OPTIONS"),
        ("GET", "/worker_finished", "OPTIONS, POST"),
        ("GET", "/state", "DELETE, OPTIONS"),
        ("POST", "/", "GET, OPTIONS"),
        ("PATCH", "/static/mock_sensitive_terms.txt", "GET, OPTIONS"),
    ],
)
def test_wrong_methods_and_which_there_are(api: Openverse, method: str, path: str, allow: str) -> None:
    answer = api.call(method, path, key=None)
    assert (answer.status, answer.json) == (405, {"title": "405 Method Not Allowed"})
    assert answer.headers["allow"] == allow
    answer = api.call("OPTIONS", path, key=None)
    assert (answer.status, answer.text, answer.headers["allow"]) == (200, "", allow)


@pytest.mark.parametrize(
    "path",
    ["/task/", "/task/1/2", "/stat", "/stat/", "/stat/a/b", "/static", "/state/1", "/worker_finished/"],
)
def test_unknown_paths(api: Openverse, path: str) -> None:
    for method in ("GET", "POST", "DELETE", "OPTIONS"):
        answer = api.call(method, path, key=None)
        assert (answer.status, answer.json) == (404, {"title": "404 Not Found"})


def test_head_is_get_without_a_body(api: Openverse) -> None:
    answer = api.call("HEAD", "/task")
    assert (answer.status, answer.text) == (200, "")


CALLS = [
    ("POST", "/task", Scope.WRITE),
    ("GET", "/task", Scope.READ),
    ("GET", "/task/1", Scope.READ),
    ("GET", "/stat/image", Scope.READ),
    ("POST", "/worker_finished", Scope.WRITE),
    ("DELETE", "/state", Scope.WRITE),
    ("GET", "/static/mock_sensitive_terms.txt", Scope.READ),
]


@pytest.mark.parametrize(("method", "path", "scope"), CALLS)
def test_everything_else_needs_a_key_of_its_scope(
    api: Openverse, method: str, path: str, scope: Scope
) -> None:
    for key in (None, "shl_nobody"):
        answer = api.call(method, path, key=key)
        assert (answer.status, answer.json["title"], answer.json["code"]) == (
            401,
            "401 Unauthorized",
            "unauthorized",
        )
        assert answer.headers["www-authenticate"] == "Bearer"
    other = api.new_key(*({Scope.READ, Scope.WRITE} - {scope}))
    answer = api.call(method, path, key=other)
    assert (answer.status, answer.json["title"]) == (403, "403 Forbidden")
    assert api.call(method, path, key=api.new_key(scope)).status not in (401, 403)


def test_tenants_do_not_meet(api: Openverse) -> None:
    api.records()
    task = api.task("REINDEX", index_suffix="1").json["task_id"]
    api.index("image-2")
    stranger = api.stranger()
    answer = api.call("GET", f"/task/{task}", key=stranger)
    assert (answer.status, answer.json) == (404, {"message": f"No task found with id {task}."})
    assert api.call("GET", "/task", key=stranger).json == []
    assert api.call("GET", "/stat/image-2", key=stranger).json["exists"] is False
    body = {"model": "image", "action": "DELETE_INDEX", "index_suffix": "2"}
    assert api.call("POST", "/task", body, key=stranger).status == 202
    assert api.stat("image-2") == (True, False, [])


def test_storage_that_is_busy_and_what_nobody_expected(api: Openverse) -> None:
    api.records()
    api.call("GET", "/task")  # from here on the key is known
    object.__setattr__(api.ports, "table", Down())
    answer = api.send(event("GET", "/task", headers={"authorization": f"Bearer {api.key}"}))
    assert (answer.status, answer.json["title"]) == (503, "503 Service Unavailable")
    assert answer.headers["retry-after"] == "1"
    object.__setattr__(api.ports, "table", None)
    answer = api.send(event("GET", "/task", headers={"authorization": f"Bearer {api.key}"}))
    assert (answer.status, answer.json) == (500, {"title": "500 Internal Server Error"})
