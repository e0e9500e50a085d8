"""Embedding models over HTTP, and the tenant's own names of them."""

from typing import Any

import pytest

from shoal.model.tenants import Scope
from tests.unit.http.api import Api

MODEL = {
    "provider": "static",
    "metric": "cosine",
    "max_tokens": 512,
    "price": 0.0,
}


def test_models_of_the_deployment(api: Api) -> None:
    assert api.call("GET", "/v1/models", key=api.new_key(Scope.READ)).json == {
        "models": [
            {**MODEL, "embedding_model_id": "static-256", "dimension": 256, "default": True},
            {**MODEL, "embedding_model_id": "static-128", "dimension": 128, "default": False},
        ]
    }


def test_names_of_models_are_set_changed_and_forgotten(api: Api) -> None:
    assert api.call("GET", "/v1/model-aliases").json == {"aliases": {}}
    for alias in ("text-embedding-ada-002", "org/some model", "ä"):
        answer = api.call("PUT", f"/v1/model-aliases/{alias}", {"embedding_model_id": "static-256"})
        assert (answer.status, answer.json) == (200, {"alias": alias, "embedding_model_id": "static-256"})
    api.call("PUT", "/v1/model-aliases/ä", {"embedding_model_id": "static-128"})
    reader = api.new_key(Scope.READ)
    assert api.call("GET", "/v1/model-aliases", key=reader).json == {
        "aliases": {
            "org/some model": "static-256",
            "text-embedding-ada-002": "static-256",
            "ä": "static-128",
        }
    }
    assert api.call("GET", "/v1/model-aliases", key=api.stranger()).json == {"aliases": {}}
    assert api.call("DELETE", "/v1/model-aliases/org/some model").status == 204
    again = api.call("DELETE", "/v1/model-aliases/org/some model")
    assert (again.status, again.code) == (404, "alias_not_found")
    assert list(api.call("GET", "/v1/model-aliases").json["aliases"]) == ["text-embedding-ada-002", "ä"]


@pytest.mark.parametrize(
    ("alias", "body", "status", "code"),
    [
        ("mine", {"embedding_model_id": "no-such"}, 404, "model_not_found"),
        ("mine", {"embedding_model_id": "other"}, 404, "model_not_found"),
        ("mine", {"embedding_model_id": ""}, 400, "invalid_request"),
        ("mine", {"embedding_model_id": 5}, 400, "invalid_request"),
        ("mine", {}, 400, "invalid_request"),
        ("mine", [], 400, "invalid_request"),
        ("static-256", {"embedding_model_id": "static-128"}, 400, "invalid_alias"),
        ("bedrock:later", {"embedding_model_id": "static-128"}, 400, "invalid_alias"),
        ("blue", {"embedding_model_id": "static-128"}, 400, "invalid_alias"),
        ("x" * 129, {"embedding_model_id": "static-128"}, 400, "invalid_alias"),
        ("a\x00b", {"embedding_model_id": "static-128"}, 400, "invalid_alias"),
    ],
)
def test_names_that_cannot_be(api: Api, alias: str, body: Any, status: int, code: str) -> None:
    api.call("PUT", "/v1/model-aliases/other", {"embedding_model_id": "static-256"})
    answer = api.call("PUT", f"/v1/model-aliases/{alias}", body)
    assert (answer.status, answer.code) == (status, code)
    assert api.call("GET", "/v1/model-aliases").json == {"aliases": {"other": "static-256"}}


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_changing_names_needs_the_scope_admin(api: Api, method: str) -> None:
    key = api.new_key(Scope.READ, Scope.WRITE)
    answer = api.call(method, "/v1/model-aliases/x", {"embedding_model_id": "static-128"}, key=key)
    assert (answer.status, answer.code) == (403, "forbidden")
