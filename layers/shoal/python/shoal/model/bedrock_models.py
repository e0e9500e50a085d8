"""The embedding models of Amazon Bedrock that Shoal knows, with their limits and list prices.

Ids are `bedrock:` and Bedrock's own id, with `@` and a dimension where a model has several (none: the largest).
Cohere Embed v4 is in many regions reached by a profile that spreads calls over regions: `us.`, `eu.` or `global.`
before its id; its texts then leave the region of the stack.

Sources, in docs.aws.amazon.com/bedrock/latest/userguide: titan-embedding-models,
model-parameters-titan-embed-text, model-parameters-embed-v3, model-parameters-embed-v4,
model-card-cohere-embed-v4. Prices are those on demand in us-east-1 (aws.amazon.com/bedrock/pricing); a setting
replaces them.
"""

from collections.abc import Iterable

from shoal.model.datasets import Metric
from shoal.model.embedding_models import EmbeddingModel, Provider

PREFIX = f"{Provider.BEDROCK}:"
TITAN_V2 = "amazon.titan-embed-text-v2:0"
COHERE_ENGLISH_V3 = "cohere.embed-english-v3"
COHERE_MULTILINGUAL_V3 = "cohere.embed-multilingual-v3"
COHERE_V4 = "cohere.embed-v4:0"
PROFILES = ("us", "eu", "global")
"""Before the id of a model: the regions over which a call of it may be spread."""


def foundation_model(remote: str) -> str:
    """Bedrock's id of a model, without the profile by which it is called."""
    profile, _, model = remote.partition(".")
    return model if profile in PROFILES else remote


def is_profile(remote: str) -> bool:
    """Whether a model is called by a profile that spreads calls over regions."""
    return foundation_model(remote) != remote


def _titan(dimension: int) -> EmbeddingModel:
    return EmbeddingModel(
        model_id=_id(TITAN_V2, dimension, largest=1024),
        provider=Provider.BEDROCK,
        dimension=dimension,
        metric=Metric.COSINE,
        max_tokens=8192,
        batch_size=1,  # its request holds one text
        concurrency=8,
        price=0.02,
        texts_per_second=33.0,  # the default quota of 2,000 calls a minute, for one text each
        remote=TITAN_V2,
    )


def _cohere_v3(remote: str) -> EmbeddingModel:
    return EmbeddingModel(
        model_id=PREFIX + remote,
        provider=Provider.BEDROCK,
        dimension=1024,
        metric=Metric.COSINE,
        max_tokens=512,
        batch_size=96,
        concurrency=4,
        price=0.10,
        texts_per_second=200.0,
        normalised=False,  # nothing is said of it
        remote=remote,
    )


def _cohere_v4(remote: str, dimension: int) -> EmbeddingModel:
    return EmbeddingModel(
        model_id=_id(remote, dimension, largest=1536),
        provider=Provider.BEDROCK,
        dimension=dimension,
        metric=Metric.COSINE,
        # It reads 128,000, but one vector of a whole book finds none of its pages; its documentation says so too.
        max_tokens=8192,
        batch_size=96,
        concurrency=4,
        price=0.12,
        texts_per_second=200.0,
        normalised=False,
        remote=remote,
    )


def _id(remote: str, dimension: int, *, largest: int) -> str:
    return PREFIX + remote + ("" if dimension == largest else f"@{dimension}")


BEDROCK_MODELS = (
    *(_titan(dimension) for dimension in (1024, 512, 256)),
    _cohere_v3(COHERE_ENGLISH_V3),
    _cohere_v3(COHERE_MULTILINGUAL_V3),
    *(
        _cohere_v4(remote, dimension)
        for remote in (COHERE_V4, *(f"{profile}.{COHERE_V4}" for profile in PROFILES))
        for dimension in (1536, 1024, 512, 256)
    ),
)


def granted(model_ids: Iterable[str]) -> list[EmbeddingModel]:
    """The models of these ids.

    Raises:
        ValueError: there is none of an id; names it.
    """
    known = {model.model_id: model for model in BEDROCK_MODELS}
    wanted = list(model_ids)
    for model_id in wanted:
        if model_id not in known:
            raise ValueError(f"there is no embedding model {model_id!r:.140}; known are {', '.join(known)}")
    return [known[model_id] for model_id in wanted]
