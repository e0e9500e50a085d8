"""Every sort of embedding model, with a provider behind it that a test can make fail."""

import hashlib
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from shoal.embedding.models import Models
from shoal.embedding.text_models import TextModel
from shoal.model.bedrock_models import BEDROCK_MODELS
from shoal.model.datasets import Metric
from shoal.model.embedding_models import STATIC_MODELS, EmbeddingModel, Endpoint, ModelRegistry, Provider
from shoal.storage.memory import MemoryInference
from shoal.storage.memory.outbound import MemoryOutbound
from shoal.storage.model_ports import Answer
from shoal.storage.outbound_messages import Request

REFUSED = "unspeakable"
"""A word for which remote models refuse a call."""
URL = "https://models.example/v1/embeddings"
HTTP = EmbeddingModel(
    model_id="http:own",
    provider=Provider.HTTP,
    dimension=12,
    metric=Metric.COSINE,
    max_tokens=100,
    batch_size=5,
    concurrency=3,
    price=0.0,
    texts_per_second=10.0,
    normalised=False,
    endpoint=Endpoint(URL, "own"),
)
REGISTRY = ModelRegistry([*STATIC_MODELS, *BEDROCK_MODELS, HTTP])
STATIC = ("static-256", "static-128")
REMOTE = (
    "bedrock:amazon.titan-embed-text-v2:0",
    "bedrock:amazon.titan-embed-text-v2:0@256",
    "bedrock:cohere.embed-english-v3",
    "bedrock:cohere.embed-multilingual-v3",
    "bedrock:eu.cohere.embed-v4:0@256",
    "http:own",
)


class Provided(Protocol):
    """What is behind a remote model."""

    def throttle(self, calls: float = ...) -> None:
        """Be busy for so many calls; for all of them where no number is given."""

    def deny(self) -> None:
        """Let nobody in any more."""

    def batches(self) -> list[list[str]]:
        """The texts of each call so far."""


@dataclass(slots=True)
class Bedrock:
    """Bedrock, in memory."""

    inference: MemoryInference = field(default_factory=lambda: MemoryInference(marker=REFUSED))

    def throttle(self, calls: float = float("inf")) -> None:
        """Be busy."""
        self.inference.throttle(calls)

    def deny(self) -> None:
        """No access to any model."""
        self.inference.denied.update(self.inference.models)

    def batches(self) -> list[list[str]]:
        """The texts of each call."""
        return [call.texts for call in self.inference.calls]


class Endpoints:
    """An endpoint as OpenAI's, in memory. It refuses texts of over 1,000 characters."""

    def __init__(self) -> None:
        self.outbound = MemoryOutbound()
        self.outbound.put(URL, self._answer)
        self._busy: float = 0
        self._denied = False
        self._lock = threading.Lock()

    def throttle(self, calls: float = float("inf")) -> None:
        """Answer 429."""
        self._busy = calls

    def deny(self) -> None:
        """Answer 401."""
        self._denied = True

    def batches(self) -> list[list[str]]:
        """The texts of each request."""
        return [json.loads(request.body)["input"] for request in self.outbound.sent]

    def _answer(self, request: Request) -> Answer:
        with self._lock:
            busy = self._busy > 0
            self._busy -= busy
        if busy:
            return Answer(429, b"{}")
        if self._denied:
            return Answer(401, b"{}")
        texts: Sequence[str] = json.loads(request.body)["input"]
        if any(REFUSED in text or len(text) > 1000 for text in texts):
            return Answer(400, b"{}")
        data = [{"index": place, "embedding": _hashed(text)} for place, text in enumerate(texts)]
        usage = {"prompt_tokens": sum(len(text.split()) for text in texts)}
        # In another order than asked, which the protocol allows.
        return Answer(200, json.dumps({"data": data[::-1], "usage": usage}).encode())


def _hashed(text: str) -> list[float]:
    return [byte - 127.5 for byte in hashlib.sha256(text.encode()).digest()[: HTTP.dimension]]


@dataclass(frozen=True, slots=True)
class UnderTest:
    """A model, what is behind it (None: nothing), and the pauses that it made."""

    model: TextModel
    provider: Provided | None
    pauses: list[float]

    @property
    def remote(self) -> Provided:
        """What is behind it; only of models that are remote."""
        assert self.provider is not None
        return self.provider


def opened(model_id: str, *, pause: Callable[[float], None] | None = None) -> UnderTest:
    """A model of `REGISTRY`."""
    bedrock, endpoints, pauses = Bedrock(), Endpoints(), list[float]()
    models = Models(
        REGISTRY, inference=bedrock.inference, outbound=endpoints.outbound, pause=pause or pauses.append
    )
    providers: dict[Provider, Provided | None] = {
        Provider.STATIC: None,
        Provider.BEDROCK: bedrock,
        Provider.HTTP: endpoints,
    }
    return UnderTest(models.open(model_id), providers[REGISTRY[model_id].provider], pauses)
