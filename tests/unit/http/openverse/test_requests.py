"""Bodies: of either kind, and what is wrong with them, in the words of the original server."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.unit.http.openverse.client import FORM, HOST, JSON, SCHEDULED, Openverse

ACTIONS = (
    "['REINDEX', 'POINT_ALIAS', 'INGEST_UPSTREAM', 'PROMOTE', 'UPDATE_INDEX', 'DELETE_INDEX', "
    "'CREATE_AND_POPULATE_FILTERED_INDEX']"
)
BOTH = (
    "{'action': 'DELETE_INDEX', 'model': 'audio', 'alias': 'a', 'index_suffix': '', 'more': 1.5} is valid under "
    "each of {'required': ['index_suffix']}, {'required': ['alias']}"
)
DELETE: dict[str, Any] = {"model": "image", "action": "DELETE_INDEX"}


def refusal(api: Openverse, body: Any, headers: dict[str, str] = JSON) -> tuple[str, str]:
    """Title and description of a 400."""
    sent = body if body is None or isinstance(body, bytes) else json.dumps(body)
    answer = api.call("POST", "/task", sent, headers=HOST | headers)
    assert answer.status == 400, answer.text
    assert list(answer.json) == ["title", "description"]
    return answer.json["title"], answer.json["description"]


@pytest.mark.parametrize(
    ("body", "description"),
    [
        ({}, "'index_suffix' is a required property"),
        ({"model": "image"}, "'index_suffix' is a required property"),
        ({"action": "REINDEX"}, "'model' is a required property"),
        ({"model": "video", "action": "REINDEX"}, "'video' is not one of ['audio', 'image', 'model_3d']"),
        ({"model": "image", "action": "BOGUS"}, f"'BOGUS' is not one of {ACTIONS}"),
        ({"model": "image", "action": "reindex"}, f"'reindex' is not one of {ACTIONS}"),
        (
            {"model": "image", "action": "POINT_ALIAS", "index_suffix": "1"},
            "'alias' is a required property",
        ),
        (
            {"model": "image", "action": "UPDATE_INDEX", "index_suffix": "1"},
            "'since_date' is a required property",
        ),
        (DELETE, "{'model': 'image', 'action': 'DELETE_INDEX'} is not valid under any of the given schemas"),
        (
            {"action": "DELETE_INDEX", "model": "audio", "alias": "a", "index_suffix": "", "more": 1.50},
            BOTH,
        ),
        ({"model": "image", "action": "REINDEX", "index_suffix": 5}, "5 is not of type 'string'"),
        ({"model": "image", "action": "REINDEX", "index_suffix": None}, "None is not of type 'string'"),
        ([], "[] is not of type 'object'"),
        (None, "None is not of type 'object'"),
    ],
)
def test_the_table_of_the_contract(api: Openverse, body: Any, description: str) -> None:
    sent = b"null" if body is None else body
    assert refusal(api, sent) == ("Request data failed validation", description)
    assert api.call("GET", "/task").json == [], "nothing was accepted"


def test_broken_and_empty_bodies(api: Openverse) -> None:
    expected = "Could not parse JSON body - Expecting value: line 1 column 1 (char 0)"
    assert refusal(api, b"nonsense") == ("Invalid JSON", expected)
    assert refusal(api, b"") == ("Invalid JSON", "Could not parse an empty JSON body")
    assert refusal(api, None, {}) == ("Invalid JSON", "Could not parse an empty JSON body")
    title, description = refusal(api, b'{"model": "\xff"}')
    assert (title, description[:34]) == ("Invalid JSON", "Could not parse JSON body - 'utf-8")
    title, description = refusal(api, b"[" * 30_000)
    assert (title, description) == ("Invalid JSON", "Could not parse JSON body - it is nested too deeply")
    title, description = refusal(api, "é".encode(), FORM)
    assert (title, description[:41]) == ("Invalid URL-encoded", "Could not parse URL-encoded body - 'ascii")


def test_a_body_that_does_not_say_what_it_is_is_json(api: Openverse) -> None:
    api.records()
    body = json.dumps({"model": "image", "action": "REINDEX"})
    for kind in (None, "", "*/*", "application/json", "Application/JSON; charset=utf-8"):
        answer = api.call("POST", "/task", body, headers={} if kind is None else {"content-type": kind})
        assert answer.json["message"] == SCHEDULED


@pytest.mark.parametrize("kind", ["text/plain", "application/xml; charset=utf-8", "multipart/form-data"])
def test_other_media_types(api: Openverse, kind: str) -> None:
    answer = api.call("POST", "/task", '{"model": "image"}', headers={"content-type": kind})
    assert answer.status == 415
    assert answer.json == {
        "title": "415 Unsupported Media Type",
        "description": f"{kind} is an unsupported media type.",
    }


def test_forms(api: Openverse) -> None:
    api.records()
    api.index("image-1")
    assert api.task("REINDEX", index_suffix="2", form=True).json["message"] == SCHEDULED
    assert api.task("POINT_ALIAS", index_suffix="1", alias="image", form=True).status == 202
    assert api.stat("image") == (True, True, "image-1")
    assert refusal(api, b"", FORM)[1] == "'index_suffix' is a required property"
    forced = "model=image&action=DELETE_INDEX&alias=image&force_delete=true"
    assert refusal(api, forced.encode(), FORM)[1] == "'true' is not of type 'boolean'"
    twice = b"model=image&action=REINDEX&index_suffix=a&index_suffix=b&index_suffix=c"
    assert refusal(api, twice, FORM)[1] == "['a', 'b', 'c'] is not of type 'string'"
    assert refusal(api, b"&".join([b"a=b"] * 101), FORM)[0] == "Invalid URL-encoded"
    blank = b"model=image&action=REINDEX&index_suffix="
    assert api.call("POST", "/task", blank, headers=FORM).json["message"] == SCHEDULED


@pytest.mark.parametrize(
    "suffix", ["2023 11", "2023/11", "20231106A", "a.b", "a*", "..", "é", "-" * 59, "a\nb", "a\n", "\ud800"]
)
def test_suffixes_with_other_characters(api: Openverse, suffix: str) -> None:
    api.records()
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("REINDEX", "index_suffix", {}),
        ("INGEST_UPSTREAM", "index_suffix", {}),
        ("POINT_ALIAS", "index_suffix", {"alias": "image"}),
        ("PROMOTE", "index_suffix", {"alias": "image"}),
        ("DELETE_INDEX", "index_suffix", {}),
        ("UPDATE_INDEX", "index_suffix", {"since_date": "2023-11-06"}),
        ("CREATE_AND_POPULATE_FILTERED_INDEX", "origin_index_suffix", {}),
        ("CREATE_AND_POPULATE_FILTERED_INDEX", "destination_index_suffix", {}),
    ]
    for action, field, more in calls:
        fields: dict[str, Any] = {field: suffix, **more}
        answer = api.task(action, **fields)
        assert answer.status == 400
        assert answer.json["title"] == "Request data failed validation"
        assert answer.json["description"].startswith(f"{suffix!r} does not match '^[a-z0-9_-]{{1,")
        assert answer.json["detail"].startswith(f"{field} must be 1-")
    assert api.call("GET", "/task").json == []


def test_names_have_the_length_of_all_names(api: Openverse) -> None:
    api.records()
    answer = api.task("REINDEX", index_suffix="x" * 58)
    assert api.stored(answer).index == "image-" + "x" * 58
    assert api.task("REINDEX", index_suffix="x" * 59).status == 400
    filtered = "CREATE_AND_POPULATE_FILTERED_INDEX"
    api.index("image-1")
    longest = api.task(filtered, origin_index_suffix="1", destination_index_suffix="x" * 49)
    assert api.stored(longest).index == "image-" + "x" * 49 + "-filtered"
    assert api.task(filtered, origin_index_suffix="1", destination_index_suffix="x" * 50).status == 400
    for alias in ("", "Image", "a" * 65):
        answer = api.task("POINT_ALIAS", index_suffix="1", alias=alias)
        assert (answer.status, answer.json["detail"][:5]) == (400, "alias")


def test_fields_that_an_action_does_not_use_are_not_looked_at(api: Openverse) -> None:
    api.records()
    answer = api.task("REINDEX", alias="A B", since_date="\ud800", origin_index_suffix="", more={"a": 1})
    assert answer.status == 202
    assert api.stored(answer).request == {}


def test_only_filtered_indexes_are_called_so(api: Openverse) -> None:
    api.records()
    for action in ("REINDEX", "INGEST_UPSTREAM"):
        answer = api.task(action, index_suffix="20231106-filtered")
        assert answer.status == 400
        assert "CREATE_AND_POPULATE_FILTERED_INDEX" in answer.json["detail"]


def test_a_body_that_is_too_large(api: Openverse) -> None:
    answer = api.task("REINDEX", callback_url="http://x/" + quote("ä" * 20_000))
    assert answer.status == 413
    assert answer.json["code"] == "payload_too_large"
    assert answer.json["title"].startswith("413 ")
    answer = api.call("POST", "/task", b"x", headers=JSON | {"content-encoding": "br"})
    assert (answer.status, answer.json["title"], answer.json["code"]) == (
        400,
        "400 Bad Request",
        "invalid_encoding",
    )
