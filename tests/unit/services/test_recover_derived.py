"""The table is lost: derived datasets still know of what they are made, and their sources know of them."""

from dataclasses import replace

import pytest

from shoal.errors import Conflict
from shoal.model.derivations import Condition
from shoal.services.derived.starting import lineage_of, start_rebuild
from shoal.services.followers import children_of
from shoal.services.following import follow
from shoal.services.heads import keys_of
from shoal.services.recover import recover
from shoal.services.tenants import create_tenant
from tests.unit.services.derived.deriving import DeriveWorld, no_models, seen
from tests.unit.services.test_recover import lose_the_table
from tests.unit.services.world import record

CHEAP = Condition(
    filter={"price": {"$lt": 20}}, terms=("rude",), term_fields=("title",), list_name="sensitive"
)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shoal.services.retry.LONGEST_PAUSE_SECONDS", 0.0)


@pytest.fixture
def world() -> DeriveWorld:
    """A source, and two datasets derived from it: one that goes its own way, one that follows."""
    world = DeriveWorld()
    world.tenant_id = create_tenant(world.ports, name="test").tenant_id
    source = world.create("source")
    world.upsert(
        source,
        {
            "a": record(1, 0, 0, 1, price=10),
            "b": record(2, 0, 0, 1, price=30),
            "c": record(3, 0, 0, 1, price=10, title="a rude one"),
        },
    )
    world.drain(source)
    world.derive(source, "own", CHEAP)
    world.derive(source, "mirror", CHEAP, follow=True)
    return world


def lost_and_found(world: DeriveWorld) -> None:
    lose_the_table(world)
    report = recover(world.ports)
    assert report.whole, (report.damaged, [each.lost for each in report.datasets])


def test_lineage_comes_back_with_the_dataset(world: DeriveWorld) -> None:
    names = ("own", "mirror")
    before = {name: lineage_of(world.ports, world.named(name)) for name in names}
    children = children_of(world.ports, keys_of(world.named("source")))
    lost_and_found(world)
    assert {name: lineage_of(world.ports, world.named(name)) for name in names} == before
    again = children_of(world.ports, keys_of(world.named("source")))
    assert sorted(again, key=lambda child: child.name) == sorted(children, key=lambda child: child.name)
    for name in names:
        assert seen(world, world.named(name)).keys() == {"a"}


def test_a_follower_keeps_on_following(world: DeriveWorld) -> None:
    lost_and_found(world)
    source, mirror = world.named("source"), world.named("mirror")
    assert mirror.follows
    assert world.head(source).followed
    with pytest.raises(Conflict):
        world.upsert(mirror, {"x": record(9, 0, 0, 1)})
    world.upsert(source, {"d": record(4, 0, 0, 1, price=1), "a": record(1, 0, 0, 1, price=99)})
    world.drain(source)
    follow(
        world.ports,
        no_models(),
        world.reader,
        world.tenant_id,
        source.dataset_id,
        owner="test",
        budget_seconds=60,
    )
    world.drain(mirror)
    assert seen(world, mirror).keys() == {"d"}


def test_a_run_that_was_under_way_is_lost_and_another_one_may_begin(world: DeriveWorld) -> None:
    own = world.named("own")
    start_rebuild(world.ports, world.tenant_id, dataset=own, vector_quota=None)
    world.upsert(own, {"x": record(9, 0, 0, 1)})
    world.drain(own)  # each commit describes the dataset
    lost_and_found(world)
    lineage = lineage_of(world.ports, world.named("own"))
    assert lineage is not None
    assert lineage.running is None
    world.derivations = type(world.derivations)()
    world.ports = replace(world.ports, derivations=world.derivations)
    world.rebuild(world.named("own"))
    assert seen(world, world.named("own")).keys() == {"a"}


def test_a_dataset_whose_source_is_gone_comes_back_alone(world: DeriveWorld) -> None:
    from shoal.services.datasets import delete_dataset

    delete_dataset(world.ports, world.tenant_id, scope="native", name="source")
    lost_and_found(world)
    assert seen(world, world.named("own")).keys() == {"a"}
    assert lineage_of(world.ports, world.named("own")) is not None


def test_a_dry_run_tells_nobody(world: DeriveWorld) -> None:
    lose_the_table(world)
    recover(world.ports, dry_run=True)
    assert list(world.table.items()) == []
