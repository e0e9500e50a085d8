"""What has an embedding model, and names that point elsewhere, once the table was lost."""

import pytest

from shoal.model.bindings import BLUE, Aggregation, Binding, Family
from shoal.model.datasets import NATIVE_SCOPE, Dataset
from shoal.model.embedding_models import STATIC_MODELS, ModelRegistry
from shoal.services.clone import clone_dataset
from shoal.services.collections.blue import blue_of, set_blue
from shoal.services.collections.catalog import create_collection, delete_collection, list_collections
from shoal.services.datasets import create_dataset, list_datasets, resolve
from shoal.services.descriptor_files import decode_tenant
from shoal.services.descriptors import describe_tenant
from shoal.services.heads import keys_of
from shoal.services.janitor.run import run_janitor
from shoal.services.model_aliases import drop_alias, list_aliases, set_alias
from shoal.services.recover import recover
from shoal.storage.keys import TenantKeys
from tests.unit.services.janitor.estate import LONG, Estate
from tests.unit.services.test_recover import lose_the_table, recovered
from tests.unit.services.world import World

REGISTRY = ModelRegistry()
ITEMS, CATEGORIES = Family.ITEMS, Family.CATEGORIES


@pytest.fixture
def world() -> World:
    """A tenant with two collections, the second of which is blue, and two names of models."""
    world = Estate().world
    for model in STATIC_MODELS:
        create_collection(
            world.ports, world.tenant_id, ITEMS, model, template="{title}", aggregation=Aggregation.AVERAGE
        )
    for alias in ("ada", "org/model"):
        set_alias(world.ports, REGISTRY, world.tenant_id, alias, "static-128")
    set_blue(world.ports, world.tenant_id, ITEMS, "static-128")
    describe_tenant(world.ports, world.tenant_id)
    return world


def collection(world: World, model_id: str) -> Dataset:
    return resolve(world.ports, world.tenant_id, scope=ITEMS.scope, name=model_id)


def test_bindings_survive_and_clones_keep_them(world: World) -> None:
    binding = Binding("static-256", "{title} {tags}", Aggregation.AVERAGE)
    view = create_dataset(
        world.ports,
        world.tenant_id,
        scope=NATIVE_SCOPE,
        name="docs",
        dimension=256,
        metric=STATIC_MODELS[0].metric,
        binding=binding,
    )
    clone = clone_dataset(world.ports, view.dataset, name="copy", vector_quota=None)
    recovered(world)
    for name, dataset in (("docs", view.dataset), ("copy", clone.dataset)):
        found = resolve(world.ports, world.tenant_id, scope=NATIVE_SCOPE, name=name)
        assert (found, found.binding) == (dataset, binding)


def test_the_active_collection_and_names_of_models_are_back(world: World) -> None:
    blue = blue_of(world.ports, world.tenant_id, ITEMS)
    before = list_collections(world.ports, world.tenant_id, ITEMS)
    moved = world.table.get(TenantKeys(world.tenant_id).name(ITEMS.scope, BLUE))
    report = recovered(world)
    assert (report.aliases, len(report.datasets)) == (3, 2)
    assert blue_of(world.ports, world.tenant_id, ITEMS) == blue == collection(world, "static-128")
    assert world.table.get(TenantKeys(world.tenant_id).name(ITEMS.scope, BLUE)) == moved
    assert blue_of(world.ports, world.tenant_id, CATEGORIES) is None
    assert [each.view.dataset.binding for each in before] == [
        each.view.dataset.binding for each in list_collections(world.ports, world.tenant_id, ITEMS)
    ]
    assert list_aliases(world.ports, world.tenant_id) == {"ada": "static-128", "org/model": "static-128"}
    set_blue(world.ports, world.tenant_id, ITEMS, "static-256")
    assert blue_of(world.ports, world.tenant_id, ITEMS) == collection(world, "static-256")


def test_what_is_there_already_stays_as_it_is(world: World) -> None:
    lose_the_table(world)
    assert recover(world.ports, dry_run=True).aliases == 3
    assert list_aliases(world.ports, world.tenant_id) == {}
    recover(world.ports)
    set_alias(world.ports, REGISTRY, world.tenant_id, "ada", "static-256")
    again = recover(world.ports, force_into=True)
    assert (again.aliases, again.damaged) == (3, {})
    assert list_aliases(world.ports, world.tenant_id)["ada"] == "static-256"


def test_an_alias_of_what_is_not_back_is_named_and_left_out(world: World) -> None:
    keys = keys_of(collection(world, "static-128"))
    world.objects.put(keys.descriptor, b"damaged")
    lose_the_table(world)
    report = recover(world.ports)
    tenant = TenantKeys(world.tenant_id)
    assert report.damaged.keys() == {keys.descriptor, tenant.descriptor}
    assert f"{ITEMS.scope}#blue" in report.damaged[tenant.descriptor]
    assert report.aliases == 2
    assert blue_of(world.ports, world.tenant_id, ITEMS) is None
    assert world.table.get(tenant.name(ITEMS.scope, BLUE)) is None
    set_blue(world.ports, world.tenant_id, ITEMS, "static-256")


def test_the_janitor_describes_an_alias_that_has_moved(world: World) -> None:
    estate = Estate()
    estate.world = world
    assert run_janitor(world.ports).described == 0
    set_blue(world.ports, world.tenant_id, ITEMS, "static-256")
    drop_alias(world.ports, world.tenant_id, "ada")
    run_janitor(world.ports)
    assert run_janitor(world.ports).described == 0
    told = decode_tenant(world.objects.get(TenantKeys(world.tenant_id).descriptor))
    assert [item["sk"] for item in told.aliases] == ["NAME#collections/items#blue", "MODEL#org/model"]
    assert told.aliases[0]["dataset_id"] == collection(world, "static-256").dataset_id


def test_to_the_janitor_an_alias_is_one_more_name_of_a_dataset(world: World) -> None:
    """What it points at is looked after once, and cleaned by its own name."""
    old, new = collection(world, "static-128"), collection(world, "static-256")
    for dataset in (old, new):
        world.upsert(dataset, {"a": ((1.0,) * dataset.dimension, {})})
        world.drain(dataset)
    set_blue(world.ports, world.tenant_id, ITEMS, "static-256")
    delete_collection(world.ports, world.tenant_id, ITEMS, "static-128")
    for _ in range(3):
        world.clock.pass_seconds(LONG)
        assert run_janitor(world.ports).finished
    assert world.stored(new, ["a"]) == {"a": ((1.0,) * 256, {})}
    assert world.table.get(keys_of(old).meta) is None
    assert not list(world.objects.list(keys_of(old).log_folder))
    (view,) = list_datasets(world.ports, world.tenant_id, scope=ITEMS.scope)
    assert view.dataset == new
    assert blue_of(world.ports, world.tenant_id, ITEMS) == new


def test_the_descriptor_of_another_tenant_is_refused(world: World) -> None:
    other = Estate()
    told = world.objects.get(TenantKeys(world.tenant_id).descriptor)
    world.objects.put(TenantKeys(other.world.tenant_id).descriptor, told)
    lose_the_table(world)
    assert TenantKeys(other.world.tenant_id).descriptor in recover(world.ports).damaged
