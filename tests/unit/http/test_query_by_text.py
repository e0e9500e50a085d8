"""Datasets with an embedding model: made, shown, cloned, and queried by text."""

from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest

from shoal.embedding.models import Models
from shoal.errors import ModelBusy, ModelDenied, ModelError, ModelFailed, NotFound
from shoal.http.app import App
from shoal.http.context import Deps, Limits
from shoal.http.routes import service_router
from shoal.model.embedding_models import STATIC_MODELS, ModelRegistry
from shoal.model.records import Vectors
from shoal.services.embedding import Embedder
from shoal.services.search import Searcher
from tests.unit.http.api import Answer, Api

TEXTS = {
    "chair": "an ergonomic office chair with a breathable back",
    "desk": "a standing desk of walnut, height adjustable",
    "song": "a sad song about rain in the mountains",
}


@pytest.fixture(params=["/v1/query", "/v1/datasets/docs/query"])
def path(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def made(api: Api, name: str = "docs", **more: Any) -> Answer:
    return api.call("POST", "/v1/datasets", {"name": name, "embedding_model": "static-256", **more})


def with_texts(api: Api, name: str = "docs") -> None:
    assert made(api, name).status == 201
    vectors = api.embedder.documents(api.tenant_id, "static-256", list(TEXTS.values())).vectors
    lines = [
        {"id": key, "values": row, "metadata": {"n": place}}
        for place, (key, row) in enumerate(zip(TEXTS, vectors.tolist(), strict=True))
    ]
    api.indexed(*lines, name=name)


def ask(api: Api, path: str, /, **fields: Any) -> Answer:
    return api.call("POST", path, {"dataset": "docs", **fields})


class Refusing:
    """An embedder whose models fail in one way."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def query(self, _tenant_id: str, _model_id: str, _text: str) -> Vectors:
        raise self.error


def anew(api: Api, embedder: Any, registry: ModelRegistry | None = None) -> None:
    """A new container, with these models."""
    searcher = Searcher(api.ports, cache_bytes=10**8)
    deps = Deps(api.ports, searcher, embedder=embedder, registry=registry or ModelRegistry())
    api.app = App(service_router(), deps)


class TestMade:
    """POST /v1/datasets with `embedding_model`."""

    def test_dimension_and_metric_are_those_of_the_model(self, api: Api) -> None:
        answer = made(api)
        assert answer.status == 201
        shown = {key: answer.json[key] for key in ("dimension", "metric", "embedding_model")}
        assert shown == {"dimension": 256, "metric": "cosine", "embedding_model": "static-256"}
        assert api.call("GET", "/v1/datasets/docs").json == answer.json
        assert api.call("GET", "/v1/datasets").json["datasets"] == [answer.json]
        assert api.call("POST", "/v1/datasets", {"name": "b", "dimension": 4}).json["embedding_model"] is None

    def test_what_is_said_beside_the_model(self, api: Api) -> None:
        answer = made(api, dimension=256, metric="dot")
        assert (answer.json["dimension"], answer.json["metric"]) == (256, "dot")
        assert made(api, "nulls", dimension=None, metric=None).json["metric"] == "cosine"
        bad = made(api, "bad", dimension=128)
        assert (bad.status, bad.code) == (400, "invalid_dimension")
        assert "256" in bad.message
        assert "static-256" in bad.message
        assert made(api, "bad", dimension="256").code == "invalid_dimension"
        assert made(api, "bad", metric="L2").code == "invalid_metric"
        assert made(api, "BAD").code == "invalid_name"
        assert api.call("GET", "/v1/datasets/bad").status == 404

    def test_by_a_name_of_the_tenants_own(self, api: Api) -> None:
        api.call("PUT", "/v1/model-aliases/ada", {"embedding_model_id": "static-128"})
        answer = made(api, embedding_model="ada")
        assert (answer.json["dimension"], answer.json["embedding_model"]) == (128, "static-128")
        theirs = api.call(
            "POST", "/v1/datasets", {"name": "docs", "embedding_model": "ada"}, key=api.stranger()
        )
        assert (theirs.status, theirs.code) == (404, "model_not_found")

    @pytest.mark.parametrize("model", ["no-such", "", "static-256 ", "blue"])
    def test_unknown_models(self, api: Api, model: str) -> None:
        answer = made(api, embedding_model=model)
        assert (answer.status, answer.code) == (404, "model_not_found")
        assert "static-256" in answer.message

    @pytest.mark.parametrize("model", [5, True, ["static-256"], {}])
    def test_models_that_are_no_strings(self, api: Api, model: Any) -> None:
        assert made(api, embedding_model=model).code == "invalid_request"

    def test_a_clone_and_a_snapshot_keep_it(self, api: Api) -> None:
        with_texts(api)
        clone = api.call("POST", "/v1/datasets/docs/clone", {"name": "copy"})
        assert clone.json["embedding_model"] == "static-256"
        answer = api.call("POST", "/v1/datasets/copy/query", {"text": "office chair", "top_k": 1})
        assert [match["id"] for match in answer.json["matches"]] == ["chair"]


class TestAsked:
    """Queries by text."""

    def test_the_nearest_texts_come_first(self, api: Api, path: str) -> None:
        with_texts(api)
        answer = ask(api, path, text="where can I sit at work?", top_k=2)
        assert answer.status == 200
        assert answer.json["embedding_model"] == "static-256"
        assert [match["id"] for match in answer.json["matches"]] == ["chair", "desk"]
        assert ask(api, path, text="music", top_k=1).json["matches"][0]["id"] == "song"

    def test_it_is_the_query_by_the_vector_of_the_text(self, api: Api, path: str) -> None:
        with_texts(api)
        text = "a table to stand at"
        vector = api.embedder.query(api.tenant_id, "static-256", text)
        by_text, by_vector = ask(api, path, text=text), ask(api, path, vector=vector.tolist())
        assert by_text.json["matches"] == by_vector.json["matches"]
        assert by_vector.json["embedding_model"] == "static-256"
        found = ask(api, path, text=text, filter={"n": {"$gt": 0}}, explain=True)
        assert [match["id"] for match in found.json["matches"]] == ["desk", "song"]
        assert found.json["explain"]["milliseconds"]["embed"] > 0

    def test_a_dataset_without_a_version_is_asked_too(self, api: Api, path: str) -> None:
        made(api)
        answer = ask(api, path, text="chair")
        assert (answer.json["mode"], answer.json["embedding_model"]) == ("ephemeral", "static-256")

    @pytest.mark.parametrize(
        ("fields", "says"),
        [
            ({}, "vector: field required"),
            ({"vector": None, "text": None}, "vector: field required"),
            ({"vector": [1.0] * 256, "text": "x"}, "text: is asked in place of a vector"),
            ({"text": 5}, "text: "),
            ({"text": ["x"]}, "text: "),
        ],
    )
    def test_exactly_one_of_vector_and_text(
        self, api: Api, path: str, fields: dict[str, Any], says: str
    ) -> None:
        made(api)
        answer = ask(api, path, **fields)
        assert (answer.status, answer.code) == (400, "invalid_request")
        assert answer.message.startswith(says)

    def test_a_dataset_without_a_model_says_how_to_get_one(self, api: Api, path: str) -> None:
        api.dataset("docs")
        answer = ask(api, path, text="x")
        assert (answer.status, answer.code) == (400, "no_embedding_model")
        assert "embedding_model" in answer.message
        assert "by vector" in answer.message

    def test_a_vector_of_another_dimension_hears_of_the_model(self, api: Api, path: str) -> None:
        made(api)
        answer = ask(api, path, vector=[1.0] * 128)
        assert (answer.status, answer.code) == (400, "dimension_mismatch")
        assert answer.message.startswith("dimension mismatch: got 128 expected 256")
        assert "static-256" in answer.message
        assert answer.json["error"]["details"] == {
            "expected": 256,
            "got": 128,
            "embedding_model": "static-256",
        }

    @pytest.mark.parametrize(("text", "code"), [("", "text_without_tokens"), ("x" * 40_000, "text_too_long")])
    def test_texts_that_cannot_be_asked(self, api: Api, path: str, text: str, code: str) -> None:
        made(api)
        answer = ask(api, path, text=text)
        assert (answer.status, answer.code) == (400, code)


class TestModels:
    """What a model may do to a query."""

    @pytest.mark.parametrize(
        ("error", "status", "code"),
        [
            (ModelBusy("m", "throttled"), 503, "model_busy"),
            (ModelDenied("m", "access denied"), 409, "model_access_denied"),
            (ModelFailed("m", "answered nonsense"), 502, "model_failed"),
        ],
    )
    def test_it_fails(self, api: Api, path: str, error: ModelError, status: int, code: str) -> None:
        made(api)
        anew(api, Refusing(error))
        answer = ask(api, path, text="x")
        assert (answer.status, answer.code, answer.message) == (status, code, error.message)
        assert answer.json["error"]["details"] == {"embedding_model": "m"}
        assert answer.headers.get("retry-after") == ("5" if status == 503 else None)

    def test_queries_that_it_failed_are_not_counted(self) -> None:
        api = Api(Limits(query_quota=1))
        made(api)
        searcher = Searcher(api.ports, cache_bytes=10**8)
        counting = Deps(api.ports, searcher, Limits(query_quota=1))
        for error in (ModelBusy("m", "throttled"), NotFound("model_not_found", "gone")):
            api.app = App(service_router(), replace(counting, embedder=cast("Embedder", Refusing(error))))
            assert ask(api, "/v1/query", text="x").status in {503, 404}
        api.use(api.ports, Limits(query_quota=1))
        assert [ask(api, "/v1/query", text="x").status for _ in range(2)] == [200, 429]

    def test_it_has_changed_since_the_dataset_was_made(self, api: Api, path: str) -> None:
        made(api)

        class Shorter(Refusing):
            def query(self, _tenant_id: str, _model_id: str, _text: str) -> Vectors:
                return np.ones(128, np.float32)

        anew(api, Shorter(ValueError()))
        answer = ask(api, path, text="x")
        assert (answer.status, answer.code) == (502, "model_failed")
        assert answer.message == "static-256: it makes vectors of 128 where the dataset has 256"

    def test_the_deployment_no_longer_has_it(self, api: Api, path: str) -> None:
        with_texts(api)
        registry = ModelRegistry([STATIC_MODELS[1]], default="static-128")
        models = Models(registry, inference=api.ports.inference, outbound=api.ports.outbound)
        anew(api, Embedder(api.ports, models), registry)
        answer = ask(api, path, text="x")
        assert (answer.status, answer.code) == (404, "model_not_found")
        assert ask(api, path, vector=[1.0] * 256).json["embedding_model"] == "static-256"
