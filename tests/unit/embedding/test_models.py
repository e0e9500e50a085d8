"""Models are opened by id, and kept."""

import pytest

from shoal.embedding.bedrock import BedrockTextModel
from shoal.embedding.http_model import HttpTextModel
from shoal.embedding.models import Models
from shoal.embedding.static_text import StaticTextModel
from shoal.errors import ModelBusy, NotFound
from shoal.model.bedrock_models import BEDROCK_MODELS
from shoal.model.datasets import Metric
from shoal.model.embedding_models import STATIC_MODELS, EmbeddingModel, Endpoint, ModelRegistry, Provider
from shoal.storage.memory import MemoryInference
from shoal.storage.memory.outbound import MemoryOutbound

ENDPOINT = EmbeddingModel(
    model_id="http:own",
    provider=Provider.HTTP,
    dimension=3,
    metric=Metric.DOT,
    max_tokens=512,
    batch_size=8,
    concurrency=2,
    price=0.0,
    texts_per_second=10.0,
    endpoint=Endpoint("https://models.example/v1/embeddings", "own"),
)
REGISTRY = ModelRegistry([*STATIC_MODELS, *BEDROCK_MODELS, ENDPOINT])


def models(inference: MemoryInference | None = None, pauses: list[float] | None = None) -> Models:
    waited = pauses if pauses is not None else []
    return Models(
        REGISTRY, inference=inference or MemoryInference(), outbound=MemoryOutbound(), pause=waited.append
    )


def test_each_id_opens_its_model_once() -> None:
    opened = models()
    kinds: dict[Provider, type[object]] = {
        Provider.STATIC: StaticTextModel,
        Provider.BEDROCK: BedrockTextModel,
        Provider.HTTP: HttpTextModel,
    }
    for model_id, spec in REGISTRY.items():
        model = opened.open(model_id)
        assert isinstance(model, kinds[spec.provider])
        assert model.spec == spec
        assert opened.open(model_id) is model


def test_unknown_ids_are_not_found() -> None:
    with pytest.raises(NotFound, match="static-256"):
        models().open("static-512")


def test_a_busy_model_waits_as_it_was_told_to() -> None:
    inference, pauses = MemoryInference(), list[float]()
    inference.throttle()
    with pytest.raises(ModelBusy, match=r"bedrock:amazon\.titan-embed-text-v2:0: .*later"):
        models(inference, pauses).open("bedrock:amazon.titan-embed-text-v2:0").embed(["a"], purpose="query")
    assert len(pauses) == len(inference.calls) - 1 > 0
