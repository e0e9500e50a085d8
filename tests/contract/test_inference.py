"""The port to Bedrock, over the fake in memory and over the SDK, which asks the same fake over HTTP."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from shoal.errors import ModelBusy, ModelDenied, ModelFailed
from shoal.storage.aws_clients import bedrock_runtime_client
from shoal.storage.aws_inference import AwsInference
from shoal.storage.memory import MemoryInference
from shoal.storage.model_ports import Inference
from tests.contract.bedrock_server import served
from tests.contract.stores import ENVIRONMENT

TITAN = "amazon.titan-embed-text-v2:0"
ENGLISH = "cohere.embed-english-v3"
PROFILE = "eu.cohere.embed-v4:0"


@pytest.fixture
def bedrock() -> MemoryInference:
    """What answers in the end."""
    return MemoryInference(marker="refuse me")


@pytest.fixture(params=["memory", "wire"])
def inference(
    request: pytest.FixtureRequest, bedrock: MemoryInference, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Inference]:
    """The port."""
    if request.param == "memory":
        yield bedrock
        return
    with served(bedrock) as url:
        for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": url}.items():
            monkeypatch.setenv(name, value)
        client: Any = bedrock_runtime_client()
        yield AwsInference(client)
        client.close()


def test_titan(inference: Inference) -> None:
    asked = {"inputText": "some words", "dimensions": 256, "normalize": True}
    answer = inference.invoke(TITAN, json.dumps(asked).encode())
    found = json.loads(answer.body)
    assert answer.status == 200
    assert len(found["embedding"]) == 256
    assert found["inputTextTokenCount"] == 3
    assert answer.headers["x-amzn-bedrock-input-token-count"] == "3"
    assert answer.headers["content-type"] == "application/json"
    assert found["embeddingsByType"]["float"] == found["embedding"]


def test_cohere(inference: Inference) -> None:
    asked = {"texts": ["é漢🙂", "b"], "input_type": "search_document", "truncate": "END"}
    found = json.loads(inference.invoke(ENGLISH, json.dumps(asked).encode()).body)
    assert [len(row) for row in found["embeddings"]] == [1024, 1024]
    assert found["response_type"] == "embeddings_floats"
    assert found["texts"] == ["é漢🙂", "b"]


def test_cohere_by_a_profile(inference: Inference) -> None:
    asked = {
        "texts": ["a"],
        "input_type": "search_query",
        "embedding_types": ["float"],
        "output_dimension": 512,
    }
    found = json.loads(inference.invoke(PROFILE, json.dumps(asked).encode()).body)
    assert [len(row) for row in found["embeddings"]["float"]] == [512]


def test_the_same_text_has_the_same_vector(inference: Inference) -> None:
    asked = json.dumps({"inputText": "some words"}).encode()
    assert inference.invoke(TITAN, asked) == inference.invoke(TITAN, asked)


def test_throttled_for_a_while(inference: Inference, bedrock: MemoryInference) -> None:
    bedrock.throttle(2)
    asked = json.dumps({"inputText": "some words"}).encode()
    for _ in range(2):
        with pytest.raises(ModelBusy, match="ThrottlingException"):
            inference.invoke(TITAN, asked)
    assert inference.invoke(TITAN, asked).status == 200
    assert len(bedrock.calls) == 3  # nobody below tries again


def test_without_access(inference: Inference, bedrock: MemoryInference) -> None:
    bedrock.denied.add(TITAN)
    with pytest.raises(ModelDenied, match="enable access"):
        inference.invoke(TITAN, b'{"inputText": "a"}')


def test_no_such_model(inference: Inference) -> None:
    with pytest.raises(ModelDenied):
        inference.invoke("cohere.embed-english-v9", b'{"texts": ["a"]}')


@pytest.mark.parametrize(
    ("model", "asked", "message"),
    [
        (TITAN, {"inputText": "please refuse me"}, "refused"),
        (TITAN, {"inputText": ""}, "minLength: 1, actual: 0"),
        (TITAN, {"inputText": "x" * 50_001}, "maxLength: 50000, actual: 50001"),
        (TITAN, {"inputText": "a " * 9000}, "request input token count: 9000"),
        (TITAN, {"inputText": "a", "dimensions": 128}, "enum"),
        (TITAN, {"inputText": "a", "truncate": "END"}, "extraneous key"),
        (TITAN, {"texts": ["a"]}, "extraneous key"),
        (ENGLISH, {"texts": ["a"] * 97, "input_type": "search_query"}, "maximum item count: 96"),
        (
            ENGLISH,
            {"texts": ["a" * 2049], "input_type": "search_query", "truncate": "END"},
            "maxLength: 2048",
        ),
        (ENGLISH, {"texts": ["a " * 600], "input_type": "search_query"}, "too long"),
        (ENGLISH, {"texts": ["a"]}, "input_type"),
        (ENGLISH, {"texts": ["a"], "input_type": "search_query", "output_dimension": 512}, "extraneous key"),
        (ENGLISH, {"texts": ["a"], "input_type": "search_query", "truncate": "RIGHT"}, "truncate"),
        (PROFILE, {"texts": ["a"], "input_type": "search_query", "truncate": "END"}, "truncate"),
        (PROFILE, {"texts": ["a"], "input_type": "search_query", "output_dimension": 100}, "enum"),
        (PROFILE, {"texts": [], "input_type": "search_query"}, "texts"),
    ],
)
def test_requests_that_are_refused(
    inference: Inference, model: str, asked: dict[str, object], message: str
) -> None:
    with pytest.raises(ModelFailed, match=message):
        inference.invoke(model, json.dumps(asked).encode())
