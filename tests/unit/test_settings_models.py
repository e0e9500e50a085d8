"""The embedding models of a deployment, as its environment says."""

import json

import pytest

from shoal.model.datasets import Metric
from shoal.model.embedding_models import Endpoint, ModelRegistry, Provider
from shoal.settings import Settings, SettingsError

TITAN = "bedrock:amazon.titan-embed-text-v2:0"
OWN = {"id": "http:own", "url": "https://models.example/v1/embeddings", "model": "bge", "dimension": 384}


def registry(**variables: str) -> ModelRegistry:
    """What a function with these variables knows."""
    named = {f"SHOAL_{name.upper()}": value for name, value in variables.items()}
    return Settings.from_env({"SHOAL_TABLE": "t", **named}).embedding_registry()


def test_without_any_there_are_those_that_need_nobody() -> None:
    found = registry()
    assert list(found) == ["static-256", "static-128"]
    assert found.default == "static-256"


def test_granted_and_own_models_join_them() -> None:
    found = registry(
        bedrock_models=json.dumps([TITAN]),
        http_embedding_models=json.dumps([{**OWN, "metric": "dot", "key_parameter": "/shoal/key"}]),
        default_embedding_model=TITAN,
        embedding_prices=json.dumps({TITAN: 0.01, "http:own": 2}),
    )
    assert list(found) == ["static-256", "static-128", TITAN, "http:own"]
    assert found.default == TITAN
    assert (found[TITAN].price, found[TITAN].dimension, found[TITAN].provider) == (
        0.01,
        1024,
        Provider.BEDROCK,
    )
    own = found["http:own"]
    assert (own.price, own.dimension, own.metric) == (2, 384, Metric.DOT)
    assert own.endpoint == Endpoint("https://models.example/v1/embeddings", "bge", "/shoal/key")


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"bedrock_models": '["bedrock:amazon.titan-embed-text-v9"]'}, "titan-embed-text-v9"),
        ({"bedrock_models": f'["{TITAN}", "{TITAN}"]'}, "one id"),
        ({"default_embedding_model": TITAN}, TITAN),
        ({"embedding_prices": '{"static-512": 1}'}, "static-512"),
        ({"model_tokens_per_minute": '{"static-512": 1}'}, "static-512"),
        ({"http_embedding_models": json.dumps([OWN, OWN])}, "one id"),
    ],
)
def test_what_does_not_fit_is_named(variables: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=f"^embedding models: .*{named}"):
        registry(**variables)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("bedrock_models", '"static-256"'),
        ("bedrock_models", "bedrock:x"),
        ("bedrock_models", "[1]"),
        ("http_embedding_models", json.dumps([{**OWN, "id": "own"}])),
        ("http_embedding_models", json.dumps([{**OWN, "url": "ftp://models.example"}])),
        ("http_embedding_models", json.dumps([{**OWN, "key": "secret"}])),
        ("http_embedding_models", json.dumps([{**OWN, "dimension": 0}])),
    ],
)
def test_what_cannot_be_read_is_named_but_not_quoted(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"SHOAL_{name.upper()}") as caught:
        registry(**{name: value})
    assert "secret" not in str(caught.value)
