"""Embedding models that work in a test: a vector for each text, failures where the text asks for them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

import numpy as np

from shoal.embedding.models import Models
from shoal.embedding.text_models import Embedded, Purpose, TextModel
from shoal.errors import ModelError
from shoal.model.datasets import Metric
from shoal.model.embedding_models import EmbeddingModel, ModelRegistry, Provider
from shoal.model.records import Vectors
from shoal.storage.memory import MemoryInference, MemoryOutbound

MAX_TOKENS = 8
CANNOT = "cannot"
"""A text with this word in it fails, where a model is told to."""


def spec(
    model_id: str, dimension: int, *, provider: Provider = Provider.HTTP, rate: float = 100.0
) -> EmbeddingModel:
    """A model. What it makes of a text has whole numbers for values."""
    return EmbeddingModel(
        model_id=model_id,
        provider=provider,
        dimension=dimension,
        metric=Metric.L2,
        max_tokens=MAX_TOKENS,
        batch_size=16,
        concurrency=1,
        price=2.0,
        texts_per_second=rate,
        normalised=False,
    )


OLD = spec("old", 3, provider=Provider.STATIC)
NEW = spec("new", 4)
THIRD = spec("third", 5)
FOURTH, FIFTH, SIXTH = spec("fourth", 2), spec("fifth", 2), spec("sixth", 2)


def vector_of(model: EmbeddingModel, text: str) -> tuple[float, ...]:
    """What a model makes of a text."""
    digest = sha256(f"{model.model_id} {text}".encode()).digest()
    return tuple(float(byte % 32 + 1) for byte in digest[: model.dimension])


@dataclass
class Told:
    """What a test tells all models: `problem` is raised by a call that it says so of; `asked` counts texts. Those
    that `cannot` fail with texts that say so.
    """

    cannot: frozenset[str] = frozenset()
    problem: Callable[[EmbeddingModel], ModelError | None] = lambda _: None
    asked: dict[str, int] = field(default_factory=dict)


class FakeModel(TextModel):
    """A model of `spec`. A token is a word."""

    def __init__(self, model: EmbeddingModel, told: Told) -> None:
        self._spec = model
        self._told = told

    @property
    def spec(self) -> EmbeddingModel:
        return self._spec

    def embed(self, texts: Sequence[str], *, purpose: Purpose) -> Embedded:
        problem = self._told.problem(self._spec)
        if problem is not None:
            raise problem
        asked = self._told.asked
        asked[self._spec.model_id] = asked.get(self._spec.model_id, 0) + len(texts)
        words = [text.split() for text in texts]
        read = [" ".join(some[:MAX_TOKENS]) for some in words]
        vectors: Vectors = np.array([vector_of(self._spec, text) for text in read], dtype=np.float32)
        failed = {}
        if self._spec.model_id in self._told.cannot:
            failed = {place: "this model cannot" for place, some in enumerate(words) if CANNOT in some}
        return Embedded(
            vectors=vectors.reshape(len(texts), self._spec.dimension),
            tokens=sum(min(len(some), MAX_TOKENS) for some in words),
            failed=failed,
            truncated=frozenset(place for place, some in enumerate(words) if len(some) > MAX_TOKENS),
        )

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]


class FakeModels(Models):
    """The models of a test."""

    def __init__(self, *models: EmbeddingModel) -> None:
        registry = ModelRegistry(models or (OLD, NEW, THIRD, FOURTH, FIFTH, SIXTH), default=OLD.model_id)
        super().__init__(registry, inference=MemoryInference(), outbound=MemoryOutbound())
        self.told = Told()

    def open(self, model_id: str) -> TextModel:
        """A model."""
        return FakeModel(self.registry.find(model_id), self.told)
