"""Embedding models: what each one is, and which there are in a deployment."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from shoal.errors import NotFound
from shoal.model.datasets import Metric


class Provider(StrEnum):
    """Who computes the vectors."""

    STATIC = "static"
    """A bundled table of token vectors: no network, no price."""
    BEDROCK = "bedrock"
    """Amazon Bedrock, in the region of the stack."""
    HTTP = "http"
    """An endpoint of the operator's that answers as OpenAI's `/v1/embeddings` does."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a model of provider `http` answers. `key_parameter` names the SSM parameter with its key (None: no
    key); the key itself is never here.
    """

    url: str
    model: str
    key_parameter: str | None = None


@dataclass(frozen=True, slots=True)
class EmbeddingModel:
    """A model: what it makes of a text, and how it wants to be asked.

    `max_tokens` is its longest input: longer text is split by whoever can, else cut. `batch_size` texts go in one
    call, `concurrency` calls go side by side. `price` is US dollars for a million input tokens, `texts_per_second`
    what one function gets through, for estimates. `normalised`: its vectors have length 1 already. `remote` is the
    provider's own id of it, `endpoint` where it answers (http only).
    """

    model_id: str
    provider: Provider
    dimension: int
    metric: Metric
    max_tokens: int
    batch_size: int
    concurrency: int
    price: float
    texts_per_second: float
    normalised: bool = True
    remote: str | None = None
    endpoint: Endpoint | None = None


def _static(dimension: int) -> EmbeddingModel:
    # It takes any length, but the mean of more than some hundred tokens says little of any of them.
    return EmbeddingModel(
        model_id=f"static-{dimension}",
        provider=Provider.STATIC,
        dimension=dimension,
        metric=Metric.COSINE,
        max_tokens=512,
        batch_size=1024,
        concurrency=1,
        price=0.0,
        texts_per_second=10_000.0,
    )


STATIC_MODELS = (_static(256), _static(128))
DEFAULT_MODEL = "static-256"


class ModelRegistry(Mapping[str, EmbeddingModel]):
    """The models of a deployment, by id. `default` is that of a collection for which none was named."""

    def __init__(
        self,
        models: Iterable[EmbeddingModel] = STATIC_MODELS,
        *,
        default: str = DEFAULT_MODEL,
        prices: Mapping[str, float] | None = None,
    ) -> None:
        """`prices` replace those of the models, by id.

        Raises:
            ValueError: two models of one id, or a default or a price of a model that is not there.
        """
        listed = list(models)
        self._models = {
            model.model_id: replace(model, price=(prices or {}).get(model.model_id, model.price))
            for model in listed
        }
        if len(self._models) != len(listed):
            raise ValueError("two embedding models have one id")
        for name in (default, *(prices or {})):
            if name not in self._models:
                raise ValueError(f"there is no embedding model {name}")
        self.default = default

    def __getitem__(self, model_id: str) -> EmbeddingModel:
        return self._models[model_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._models)

    def __len__(self) -> int:
        return len(self._models)

    def find(self, model_id: str) -> EmbeddingModel:
        """The model of that id.

        Raises:
            NotFound: code `model_not_found`; the message lists those that there are.
        """
        found = self._models.get(model_id)
        if found is None:
            raise NotFound(
                "model_not_found",
                f"there is no embedding model {model_id!r:.140}; known are {', '.join(self._models)}",
            )
        return found
