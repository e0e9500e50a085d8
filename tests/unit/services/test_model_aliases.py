"""A tenant's own names of embedding models."""

import pytest

from shoal.errors import Conflict, InvalidInput, NotFound
from shoal.model.bedrock_models import BEDROCK_MODELS
from shoal.model.embedding_models import STATIC_MODELS, ModelRegistry
from shoal.model.ids import new_tenant_id
from shoal.services.model_aliases import (
    MAX_ALIASES,
    check_alias,
    drop_alias,
    list_aliases,
    resolve_model,
    set_alias,
)
from shoal.storage.keys import MODEL_ALIAS_PREFIX, TenantKeys
from tests.unit.services.world import World

REGISTRY = ModelRegistry([*STATIC_MODELS, *BEDROCK_MODELS])
ADA = "text-embedding-ada-002"


@pytest.fixture
def world() -> World:
    """A tenant without aliases."""
    return World()


def test_an_alias_stands_for_a_model(world: World) -> None:
    set_alias(world.ports, REGISTRY, world.tenant_id, ADA, "static-128")
    assert resolve_model(world.ports, REGISTRY, world.tenant_id, ADA) == REGISTRY["static-128"]
    set_alias(world.ports, REGISTRY, world.tenant_id, ADA, "static-256")
    assert resolve_model(world.ports, REGISTRY, world.tenant_id, ADA).model_id == "static-256"
    assert list_aliases(world.ports, world.tenant_id) == {ADA: "static-256"}


def test_ids_need_no_alias(world: World) -> None:
    for model_id in REGISTRY:
        assert resolve_model(world.ports, REGISTRY, world.tenant_id, model_id).model_id == model_id


def test_another_tenants_aliases_do_not_exist(world: World) -> None:
    other = new_tenant_id()
    set_alias(world.ports, REGISTRY, other, ADA, "static-128")
    assert list_aliases(world.ports, world.tenant_id) == {}
    with pytest.raises(NotFound):
        resolve_model(world.ports, REGISTRY, world.tenant_id, ADA)
    with pytest.raises(NotFound):
        drop_alias(world.ports, world.tenant_id, ADA)
    assert list_aliases(world.ports, other) == {ADA: "static-128"}


def test_a_dropped_alias_is_unknown(world: World) -> None:
    set_alias(world.ports, REGISTRY, world.tenant_id, ADA, "static-128")
    drop_alias(world.ports, world.tenant_id, ADA)
    assert list_aliases(world.ports, world.tenant_id) == {}
    with pytest.raises(NotFound) as caught:
        resolve_model(world.ports, REGISTRY, world.tenant_id, ADA)
    assert caught.value.code == "model_not_found"
    with pytest.raises(NotFound) as caught:
        drop_alias(world.ports, world.tenant_id, ADA)
    assert caught.value.code == "alias_not_found"


def test_a_model_must_be_there_and_be_no_alias(world: World) -> None:
    set_alias(world.ports, REGISTRY, world.tenant_id, ADA, "static-128")
    for target in ("static-64", ADA, ""):
        with pytest.raises(NotFound) as caught:
            set_alias(world.ports, REGISTRY, world.tenant_id, "other", target)
        assert caught.value.code == "model_not_found"


def test_an_alias_of_a_model_that_went_away_says_so(world: World) -> None:
    set_alias(world.ports, REGISTRY, world.tenant_id, ADA, "bedrock:cohere.embed-english-v3")
    with pytest.raises(NotFound, match=r"stands for .*cohere\.embed-english-v3") as caught:
        resolve_model(world.ports, ModelRegistry(), world.tenant_id, ADA)
    assert caught.value.code == "model_not_found"


@pytest.mark.parametrize(
    "alias", ["a", "x" * 128, "text-embedding-v2", "with space", "Ünïcode/漢#:?", "NAME#a"]
)
def test_names_that_can_be_aliases(world: World, alias: str) -> None:
    set_alias(world.ports, REGISTRY, world.tenant_id, alias, "static-128")
    assert list_aliases(world.ports, world.tenant_id) == {alias: "static-128"}
    assert resolve_model(world.ports, REGISTRY, world.tenant_id, alias).model_id == "static-128"
    drop_alias(world.ports, world.tenant_id, alias)


@pytest.mark.parametrize(
    "alias",
    [
        "",
        "x" * 129,
        "a\nb",
        "\x00",
        "\ud800",
        "blue",
        "static-256",
        "static-512",
        "bedrock:anything",
        "http:mine",
    ],
)
def test_names_that_cannot(world: World, alias: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        set_alias(world.ports, REGISTRY, world.tenant_id, alias, "static-128")
    assert caught.value.code == "invalid_alias"
    assert list_aliases(world.ports, world.tenant_id) == {}


@pytest.mark.parametrize("name", ["", "x" * 5000, "a\nb", "\ud800", "blue", "static-512"])
def test_names_of_nothing_are_not_found(world: World, name: str) -> None:
    with pytest.raises(NotFound) as caught:
        resolve_model(world.ports, REGISTRY, world.tenant_id, name)
    assert caught.value.code == "model_not_found"
    assert len(caught.value.message) < 3000
    with pytest.raises(NotFound):
        drop_alias(world.ports, world.tenant_id, name)


def test_there_is_a_limit_and_what_is_there_can_still_be_moved(world: World) -> None:
    for number in range(MAX_ALIASES):
        set_alias(world.ports, REGISTRY, world.tenant_id, f"alias-{number:03d}", "static-128")
    with pytest.raises(Conflict) as caught:
        set_alias(world.ports, REGISTRY, world.tenant_id, "one-more", "static-128")
    assert caught.value.code == "too_many_aliases"
    set_alias(world.ports, REGISTRY, world.tenant_id, "alias-007", "static-256")
    found = list_aliases(world.ports, world.tenant_id)
    assert len(found) == MAX_ALIASES
    assert list(found) == sorted(found)
    assert found["alias-007"] == "static-256"
    drop_alias(world.ports, world.tenant_id, "alias-000")
    set_alias(world.ports, REGISTRY, world.tenant_id, "one-more", "static-128")


def test_a_name_is_checked_without_the_table() -> None:
    assert check_alias(REGISTRY, ADA) == ADA


def test_only_aliases_are_listed(world: World) -> None:
    """Their items lie among those of the tenant."""
    world.create()
    set_alias(world.ports, REGISTRY, world.tenant_id, ADA, "static-128")
    items = world.table.query(TenantKeys(world.tenant_id).partition).items
    assert [item["sk"] for item in items if item["sk"].startswith(MODEL_ALIAS_PREFIX)] == [f"MODEL#{ADA}"]
    assert list_aliases(world.ports, world.tenant_id) == {ADA: "static-128"}
