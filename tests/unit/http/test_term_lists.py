"""Lists of terms over HTTP, as text or as JSON."""

from typing import Any

import pytest

from shoal.model.tenants import Scope
from shoal.model.terms import MAX_LISTS
from tests.unit.http.api import Api

SENSITIVE = "/v1/term-lists/sensitive"
NOON = "2026-05-28T20:26:40Z"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("Running\r\n\n  Hot \t Dog\nrunning\n", "text/plain"),
        (b"\xef\xbb\xbfRunning\nhot dog", "text/plain; charset=utf-8"),
        ("running\nhot dog", None),
        ("running\nhot dog", "application/x-www-form-urlencoded"),
        ({"terms": ["Running", "HOT  DOG", ""]}, "application/json"),
        ({"terms": ["running", "hot dog"]}, None),
    ],
)
def test_a_list_is_set_shown_and_forgotten(api: Api, body: Any, kind: str | None) -> None:
    headers = {"content-type": kind} if kind else {}
    answer = api.call("PUT", SENSITIVE, body, headers=headers)
    summary = {"name": "sensitive", "count": 2, "updated_at": NOON}
    assert (answer.status, answer.json) == (200, summary)
    reader = api.new_key(Scope.READ)
    assert api.call("GET", SENSITIVE, key=reader).json == {**summary, "terms": ["running", "hot dog"]}
    assert api.call("GET", "/v1/term-lists", key=reader).json == {"term_lists": [summary]}
    assert api.call("GET", SENSITIVE, key=api.stranger()).json["terms"] == []
    answer = api.call("DELETE", SENSITIVE)
    assert (answer.status, answer.text) == (204, "")
    assert api.call("GET", "/v1/term-lists").json == {"term_lists": []}


def test_text_may_begin_like_json(api: Api) -> None:
    answer = api.call("PUT", SENSITIVE, "{curly}\nb", headers={"content-type": "text/plain"})
    assert (answer.status, answer.json["count"]) == (200, 2)


def test_the_sensitive_list_is_empty_until_it_is_set_and_others_are_not_there(api: Api) -> None:
    empty = {"name": "sensitive", "count": 0, "updated_at": None, "terms": []}
    assert api.call("GET", SENSITIVE).json == empty
    assert api.call("DELETE", SENSITIVE).status == 204
    for name in ("other", "Sensitive", "ä", "x" * 2000):
        for method in ("GET", "DELETE"):
            answer = api.call(method, f"/v1/term-lists/{name}")
            assert (answer.status, answer.code) == (404, "term_list_not_found")
    assert api.call("PUT", "/v1/term-lists/other", "").json["count"] == 0
    assert api.call("GET", "/v1/term-lists/other").json["terms"] == []
    assert api.call("DELETE", "/v1/term-lists/other").status == 204


@pytest.mark.parametrize(
    ("name", "body", "kind", "status", "code"),
    [
        ("No Name", "a", "text/plain", 400, "invalid_name"),
        ("x" * 65, "a", "text/plain", 400, "invalid_name"),
        ("x", b"\xff", "text/plain", 400, "invalid_request"),
        ("x", "{", "application/json", 400, "invalid_request"),
        ("x", "[]", "application/json", 400, "invalid_request"),
        ("x", {"terms": "a"}, "application/json", 400, "invalid_request"),
        ("x", {"terms": [5]}, "application/json", 400, "invalid_request"),
        ("x", {"terms": ["\ud800"]}, "application/json", 400, "invalid_request"),
        ("x", {"terms": [], "term": []}, "application/json", 400, "invalid_request"),
        ("x", {}, None, 400, "invalid_request"),
        ("x", "good\n!?", "text/plain", 400, "invalid_terms"),
        ("x", "y" * 257, "text/plain", 400, "invalid_terms"),
        ("x", "\n".join(map(str, range(10_001))), "text/plain", 400, "too_many_terms"),
        (
            "x",
            "\n".join(f"{n:04}" + "z" * 250 for n in range(1100)),
            "text/plain",
            413,
            "term_list_too_large",
        ),
    ],
)
def test_bad_lists(api: Api, name: str, body: Any, kind: str | None, status: int, code: str) -> None:
    answer = api.call("PUT", f"/v1/term-lists/{name}", body, headers={"content-type": kind} if kind else {})
    assert (answer.status, answer.code) == (status, code)
    assert api.call("GET", "/v1/term-lists").json == {"term_lists": []}


def test_the_largest_list_is_stored_and_shown(api: Api) -> None:
    terms = [f"{n:04} " + "ä" * 11 for n in range(10_000)]
    assert api.call("PUT", SENSITIVE, {"terms": terms}).status == 413
    terms = terms[: 256 * 1024 // 28]
    answer = api.call("PUT", SENSITIVE, {"terms": terms})
    assert (answer.status, answer.json["count"]) == (200, len(terms))
    assert api.call("GET", SENSITIVE).json["terms"] == terms


def test_a_tenant_has_only_so_many(api: Api) -> None:
    for number in range(MAX_LISTS):
        assert api.call("PUT", f"/v1/term-lists/l{number}", "a").status == 200
    answer = api.call("PUT", "/v1/term-lists/more", "a")
    assert (answer.status, answer.code) == (409, "too_many_term_lists")
    assert api.call("PUT", "/v1/term-lists/l0", "b").status == 200


def test_writing_needs_the_scope_write(api: Api) -> None:
    reader = api.new_key(Scope.READ)
    for method in ("PUT", "DELETE"):
        assert api.call(method, SENSITIVE, "a", key=reader).status == 403
