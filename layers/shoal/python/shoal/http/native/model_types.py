"""Bodies of what is said of embedding models."""

from typing import Literal

from pydantic import Field

from shoal.http.native.types import Body


class ModelOut(Body):
    """An embedding model of the deployment.

    `max_tokens` is its longest input, `price` US dollars for a million tokens, `default` whether it is that of a
    collection for which none is named.
    """

    embedding_model_id: str
    provider: Literal["static", "bedrock", "http"]
    dimension: int
    metric: Literal["l2", "cosine", "dot"]
    max_tokens: int
    price: float
    default: bool


class ModelList(Body):
    """All embedding models."""

    models: list[ModelOut]


class AliasIn(Body):
    """What an alias is to stand for: the id of a model, no other alias."""

    embedding_model_id: str = Field(min_length=1)


class AliasOut(Body):
    """A name of the tenant's own for a model."""

    alias: str
    embedding_model_id: str


class AliasList(Body):
    """The tenant's names, each with the id of its model."""

    aliases: dict[str, str]
