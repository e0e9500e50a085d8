"""The list of Bedrock's models: ids, profiles, and what a deployment grants."""

import pytest

from shoal.model.bedrock_models import BEDROCK_MODELS, foundation_model, granted, is_profile
from shoal.model.embedding_models import STATIC_MODELS, ModelRegistry, Provider


def test_ids_say_dimension_and_profile() -> None:
    found = {model.model_id: (model.remote, model.dimension) for model in BEDROCK_MODELS}
    assert len(found) == len(BEDROCK_MODELS)
    assert found["bedrock:amazon.titan-embed-text-v2:0"] == ("amazon.titan-embed-text-v2:0", 1024)
    assert found["bedrock:amazon.titan-embed-text-v2:0@256"] == ("amazon.titan-embed-text-v2:0", 256)
    assert found["bedrock:cohere.embed-multilingual-v3"] == ("cohere.embed-multilingual-v3", 1024)
    assert found["bedrock:global.cohere.embed-v4:0@512"] == ("global.cohere.embed-v4:0", 512)


def test_all_are_of_bedrock_and_bounded() -> None:
    for model in BEDROCK_MODELS:
        assert model.provider is Provider.BEDROCK
        assert model.model_id.removeprefix("bedrock:").partition("@")[0] == model.remote
        assert 1 <= model.batch_size <= 96
        assert 0 < model.price < 1


@pytest.mark.parametrize(
    ("remote", "model", "profile"),
    [
        ("cohere.embed-v4:0", "cohere.embed-v4:0", False),
        ("eu.cohere.embed-v4:0", "cohere.embed-v4:0", True),
        ("global.cohere.embed-v4:0", "cohere.embed-v4:0", True),
        ("amazon.titan-embed-text-v2:0", "amazon.titan-embed-text-v2:0", False),
    ],
)
def test_profiles(remote: str, model: str, profile: bool) -> None:
    assert foundation_model(remote) == model
    assert is_profile(remote) is profile


def test_what_is_granted_joins_a_registry_in_its_order() -> None:
    ids = ["bedrock:cohere.embed-english-v3", "bedrock:amazon.titan-embed-text-v2:0"]
    assert [model.model_id for model in granted(ids)] == ids
    assert list(ModelRegistry([*STATIC_MODELS, *granted(ids)])) == ["static-256", "static-128", *ids]
    assert granted([]) == []


@pytest.mark.parametrize(
    "model_id", ["cohere.embed-english-v3", "bedrock:", "bedrock:amazon.titan-embed-text-v2:0@128"]
)
def test_unknown_ids_are_named(model_id: str) -> None:
    with pytest.raises(ValueError, match=model_id):
        granted([model_id])
