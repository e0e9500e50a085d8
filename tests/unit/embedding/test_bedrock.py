"""What Titan and Cohere are asked, and what is read of their answers."""

from typing import Any

import numpy as np
import orjson
import pytest

from shoal.embedding.bedrock import CALL_BYTES, BedrockTextModel
from shoal.embedding.estimates import estimate_each
from shoal.errors import ModelDenied, ModelFailed
from shoal.model.bedrock_models import BEDROCK_MODELS, granted
from shoal.storage.memory import MemoryInference
from shoal.storage.model_ports import Answer, Inference

TITAN = "bedrock:amazon.titan-embed-text-v2:0"
ENGLISH = "bedrock:cohere.embed-english-v3"
COHERE_V4 = "bedrock:cohere.embed-v4:0"


def opened(model_id: str, inference: Inference) -> BedrockTextModel:
    [spec] = granted([model_id])
    return BedrockTextModel(spec, inference, pause=lambda seconds: None)


class Says(Inference):
    """Answers always the same."""

    def __init__(self, body: Any, headers: dict[str, str] | None = None) -> None:
        self.body = body if isinstance(body, bytes) else orjson.dumps(body)
        self.headers = headers or {}

    def invoke(self, model: str, body: bytes) -> Answer:
        return Answer(200, self.body, self.headers)


def test_titan_is_asked_text_by_text() -> None:
    inference = MemoryInference()
    opened(f"{TITAN}@512", inference).embed(["one", "two"], purpose="document")
    assert sorted((call.model, call.body["inputText"]) for call in inference.calls) == [
        ("amazon.titan-embed-text-v2:0", "one"),
        ("amazon.titan-embed-text-v2:0", "two"),
    ]
    assert all(
        dict(call.body) == {"inputText": call.body["inputText"], "dimensions": 512, "normalize": True}
        for call in inference.calls
    )


@pytest.mark.parametrize("purpose", ["document", "query"])
def test_cohere_v3_is_asked_in_batches_and_told_what_for(purpose: Any) -> None:
    inference = MemoryInference()
    opened(ENGLISH, inference).embed([f"text {n}" for n in range(100)], purpose=purpose)
    assert sorted(len(call.texts) for call in inference.calls) == [4, 96]
    for call in inference.calls:
        assert call.model == "cohere.embed-english-v3"
        assert set(call.body) == {"texts", "input_type", "truncate"}
        assert (call.body["input_type"], call.body["truncate"]) == (f"search_{purpose}", "END")


def test_cohere_v4_is_asked_by_its_profile_for_its_dimension() -> None:
    inference = MemoryInference()
    found = opened("bedrock:eu.cohere.embed-v4:0@256", inference).embed(["one"], purpose="query")
    assert found.vectors.shape == (1, 256)
    [call] = inference.calls
    assert call.model == "eu.cohere.embed-v4:0"
    assert dict(call.body) == {
        "texts": ["one"],
        "input_type": "search_query",
        "embedding_types": ["float"],
        "output_dimension": 256,
        "max_tokens": 8192,
        "truncate": "RIGHT",
    }


def test_tokens_are_those_that_titan_counts() -> None:
    found = opened(TITAN, MemoryInference()).embed(["four five six", "seventeen"], purpose="document")
    assert found.tokens == 3 + 3  # "seve", "ntee", "n"


def test_tokens_are_those_of_the_header_or_an_estimate() -> None:
    texts = ["four five six", "seventeen"]
    assert opened(ENGLISH, MemoryInference()).embed(texts, purpose="document").tokens == 6
    rows = {"embeddings": [[1.0] * 1024] * 2}
    for headers in ({}, {"x-amzn-bedrock-input-token-count": "many"}):
        found = opened(ENGLISH, Says(rows, headers)).embed(texts, purpose="document")
        assert found.tokens == sum(estimate_each(texts))


@pytest.mark.parametrize("shape", [lambda rows: rows, lambda rows: {"float": rows}])
@pytest.mark.parametrize("model_id", [ENGLISH, COHERE_V4])
def test_both_shapes_of_cohere_are_read(shape: Any, model_id: str) -> None:
    dimension = granted([model_id])[0].dimension
    found = opened(model_id, Says({"embeddings": shape([[0.5] * dimension])})).embed(["a"], purpose="query")
    assert found.vectors.tolist() == [[0.5] * dimension]


def test_titan_cuts_a_long_text_until_it_is_taken() -> None:
    """50,000 characters are the most of a request, and have more than 8,192 tokens here."""
    inference = MemoryInference()
    text = "word " * 30_000
    found = opened(TITAN, inference).embed([text, "short"], purpose="document")
    assert found.truncated == {0}
    assert not found.failed
    sent = [call.texts[0] for call in inference.calls if call.texts[0].startswith("word")]
    assert len(sent[0]) == 50_000
    assert 7000 * 5 < len(sent[1]) < 8192 * 5
    assert len(sent) == 2
    assert all(text.startswith(shorter) for shorter in sent)


def test_dense_texts_of_few_characters_are_cut_too() -> None:
    found = opened(TITAN, MemoryInference()).embed(["漢" * 9000], purpose="document")
    assert found.truncated == {0}
    assert 7000 < found.tokens <= 8192


def test_a_text_that_stays_too_long_fails() -> None:
    class Never(MemoryInference):
        def invoke(self, model: str, body: bytes) -> Answer:
            text = orjson.loads(body)["inputText"]
            if text.startswith("x"):
                said = "Too many input tokens. Max input tokens: 8192, request input token count: 8193"
                raise ModelFailed(model, said)
            return super().invoke(model, body)

    found = opened(TITAN, Never()).embed(["x" * 100, "fine"], purpose="document")
    assert list(found.failed) == [0]
    assert "Too many input tokens" in found.failed[0]


def test_cohere_v3_is_sent_no_more_characters_than_it_takes() -> None:
    inference = MemoryInference()
    found = opened(ENGLISH, inference).embed(["a " * 2000, "b", "é" * 600], purpose="document")
    assert [len(text) for text in inference.calls[0].texts] == [2048, 1, 600]
    assert found.truncated == {0, 2}  # of the last, 512 tokens are read
    assert not found.failed


def test_cohere_v4_cuts_by_itself() -> None:
    inference = MemoryInference()
    found = opened(COHERE_V4, inference).embed(["word " * 9000, "b", "c" * 100_000], purpose="document")
    assert [len(text) for text in inference.calls[0].texts] == [45_000, 1, 8192 * 8]
    assert found.truncated == {0, 2}
    assert found.tokens == 8192 + 1 + 8192


def test_calls_do_not_grow_without_end() -> None:
    inference = MemoryInference()
    opened(COHERE_V4, inference).embed(["x" * 100_000] * 5, purpose="document")
    assert sorted(len(call.texts) for call in inference.calls) == [1, 2, 2]
    assert max(sum(map(len, call.texts)) for call in inference.calls) <= CALL_BYTES


def test_meaning_survives_the_way() -> None:
    """Of a word in common and none."""
    for model_id in (f"{TITAN}@256", ENGLISH):
        model = opened(model_id, MemoryInference())
        asked = model.embed(["red apple"], purpose="query").vectors[0]
        near, far = model.embed(["a green apple", "some blue car"], purpose="document").vectors
        assert asked @ near > 0.3 > abs(asked @ far)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"not json", "not a JSON object"),
        (b"[]", "not a JSON object"),
        ({}, "holds no vectors"),
        ({"results": [{"outputText": "hello"}], "inputTextTokenCount": 1}, "holds no vectors"),
        ({"embedding": [1.0] * 3}, "of 3 dimensions, it is set up with 1024"),
        ({"embedding": "abc"}, "lists of numbers"),
        ({"embedding": [[1.0] * 1024]}, "lists of numbers"),
    ],
)
def test_other_answers_of_titan_fail(body: Any, message: str) -> None:
    with pytest.raises(ModelFailed, match=message) as caught:
        opened(TITAN, Says(body)).embed(["a"], purpose="query")
    assert caught.value.model_id == TITAN


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"embeddings": {"int8": [[1]]}},
        {"embeddings": [[1.0] * 1024] * 3},
        {"generations": [{"text": "hello"}]},
    ],
)
def test_other_answers_of_cohere_fail(body: Any) -> None:
    with pytest.raises(ModelFailed):
        opened(ENGLISH, Says(body)).embed(["a", "b"], purpose="document")


def test_infinite_numbers_fail_alone() -> None:
    rows = orjson.dumps({"embeddings": [[1e39] * 1024, [1.0] * 1024]})
    found = opened(ENGLISH, Says(rows)).embed(["a", "b"], purpose="document")
    assert list(found.failed) == [0]
    assert np.isfinite(found.vectors).all()


def test_errors_bear_the_name_that_users_know() -> None:
    inference = MemoryInference(denied={"amazon.titan-embed-text-v2:0"})
    with pytest.raises(ModelDenied) as caught:
        opened(f"{TITAN}@256", inference).embed(["a"], purpose="query")
    assert caught.value.model_id == f"{TITAN}@256"
    assert caught.value.message.startswith(f"{TITAN}@256: ")


def test_every_model_that_is_known_answers() -> None:
    for spec in BEDROCK_MODELS:
        found = BedrockTextModel(spec, MemoryInference()).embed(["some words"], purpose="query")
        assert found.vectors.shape == (1, spec.dimension)
        assert np.linalg.norm(found.vectors[0]) == pytest.approx(1, abs=1e-4)


def test_a_model_without_an_id_at_bedrock_is_a_mistake() -> None:
    from shoal.model.embedding_models import STATIC_MODELS

    with pytest.raises(ValueError, match="static-256"):
        BedrockTextModel(STATIC_MODELS[0], MemoryInference())
