"""Errors of this dialect: the three members that clients read, and our code beside them."""

import json

import pytest

from shoal.errors import (
    Conflict,
    CorruptObject,
    InvalidInput,
    LimitReached,
    ModelBusy,
    NotFound,
    TooLarge,
    TryAgain,
    Unauthenticated,
)
from shoal.http.sanity.errors import sanity_error
from tests.unit.http.api import Api
from tests.unit.http.sanity.client import Client, problem


@pytest.mark.parametrize(
    ("error", "status", "phrase", "code"),
    [
        (InvalidInput("invalid_groq", "why"), 400, "Bad Request", "invalid_groq"),
        (Unauthenticated("unauthorized", "why"), 401, "Unauthorized", "unauthorized"),
        (Unauthenticated("forbidden", "why"), 403, "Forbidden", "forbidden"),
        (NotFound("index_not_found", "why"), 404, "Not Found", "index_not_found"),
        (Conflict("index_exists", "why"), 409, "Conflict", "index_exists"),
        (TooLarge("document_too_large", "why"), 413, "Content Too Large", "document_too_large"),
        (LimitReached("backlog_full", "why", retry_after=3), 429, "Too Many Requests", "backlog_full"),
        (ModelBusy("static-256", "why"), 503, "Service Unavailable", "model_busy"),
        (TryAgain("why"), 503, "Service Unavailable", "try_again"),
    ],
)
def test_what_a_client_reads(error: Exception, status: int, phrase: str, code: str) -> None:
    answer = sanity_error(error, request_id="req-1")
    body = json.loads(answer.body)
    assert answer.status == status
    assert body.pop("message").endswith("why")
    body.pop("details", None)
    assert body == {"statusCode": status, "error": phrase, "code": code}
    if isinstance(error, LimitReached):
        assert answer.headers["retry-after"] == "3"


def test_details_come_along() -> None:
    answer = sanity_error(InvalidInput("invalid_groq", "why", {"position": 7}), request_id="req-1")
    assert json.loads(answer.body)["details"] == {"position": 7}


@pytest.mark.parametrize("error", [RuntimeError("secret"), CorruptObject("t/x is damaged")])
def test_what_is_our_doing_names_the_request(error: Exception) -> None:
    answer = sanity_error(error, request_id="req-1")
    body = json.loads(answer.body)
    assert body["message"].endswith("(request req-1)")
    assert "secret" not in body["message"]
    assert answer.status == body["statusCode"] >= 500


@pytest.mark.parametrize("key", [None, "nonsense", "shl_" + "0" * 16 + "_" + "A" * 43])
def test_without_a_good_key(client: Client, key: str | None) -> None:
    answer = client.list_all(key=key)
    assert problem(answer) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("body", ["", "{", "[]", '"text"', "\x00", "null"])
def test_a_body_that_is_no_object(client: Client, body: str) -> None:
    assert problem(client.call("POST", "embeddings-index/movies", body)) == (400, "invalid_request")
    assert problem(client.query(body)) == (400, "invalid_request")


def test_another_method(client: Client) -> None:
    answer = client.call("PUT", "embeddings-index/movies")
    assert problem(answer) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD, POST"
    assert "GET, HEAD, POST" in answer.json["message"]


@pytest.mark.parametrize(
    "path", ["data/query/movies", "data/doc/movies/movie-1", "embeddings-index", "embeddings-index/a/b/c"]
)
def test_what_the_original_has_and_this_has_not(client: Client, path: str) -> None:
    answer = client.call("GET", path)
    assert problem(answer) == (404, "route_not_found")
    assert "data/mutate" in answer.json["message"]


def test_an_empty_body_of_a_get_with_a_json_type_is_fine(api: Api, client: Client) -> None:
    assert client.create().status == 200
    headers = {"content-type": "application/json", "accept": "application/json", "content-length": "0"}
    assert client.list_all(headers=headers).status == 200
    assert client.call("GET", "embeddings-index/movies", "", headers=headers).status == 200
    assert client.get(headers=headers).status == 200
    assert client.delete(headers=headers).status == 200
