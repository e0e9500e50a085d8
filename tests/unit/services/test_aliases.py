"""Aliases: made, moved, moved back, dropped; what they keep from being deleted; how they outlive the table."""

from dataclasses import replace
from typing import Any

import pytest

from shoal.errors import Conflict, NotFound, ShoalError
from shoal.model.aliases import MAX_ALIASES, MAX_HISTORY, MAX_OF_DATASET
from shoal.model.bindings import BLUE, Family
from shoal.model.datasets import NATIVE_SCOPE, Metric
from shoal.model.ids import new_tenant_id
from shoal.services import aliases, datasets
from shoal.services.append import Requirement
from shoal.services.heads import keys_of
from shoal.services.recover import recover
from shoal.services.tenants import create_tenant
from shoal.services.term_lists import get_terms, put_terms
from shoal.storage.keys import TenantKeys
from shoal.storage.memory import MemoryTable
from shoal.storage.ports import Absent, CheckItem, Exists
from tests.unit.services.alias_world import LIVE, consistent, drop, point, roll_back, target
from tests.unit.services.world import World, record


@pytest.fixture
def world() -> World:
    """Two datasets, `one` and `two`, each with a record that says which it is."""
    world = World()
    world.tenant_id = create_tenant(world.ports, name="test").tenant_id
    for name in ("one", "two"):
        dataset = world.create(name)
        world.upsert(dataset, {"a": record(1, 2, 3, 4, of=name)})
        world.drain(dataset)
    return world


def refused(code: str, call: object) -> ShoalError:
    assert callable(call)
    with pytest.raises(ShoalError) as caught:
        call()
    assert getattr(caught.value, "code", None) == code
    return caught.value


def moves(world: World, alias: str = LIVE) -> list[tuple[str | None, str]]:
    _, history = aliases.get_alias(world.ports, world.tenant_id, scope=NATIVE_SCOPE, alias=alias)
    return [(move.before.name if move.before else None, move.after.name) for move in history]


def test_an_alias_is_made_moved_and_dropped(world: World) -> None:
    made = point(world, "one")
    assert (made.created, made.moved, made.alias.target.name, made.alias.moves) == (True, False, "one", 1)
    world.clock.pass_seconds(60)
    again = point(world, "one")
    assert (again.created, again.moved, again.alias) == (False, False, made.alias)
    moved = point(world, "two")
    assert (moved.created, moved.moved) == (False, True)
    assert moved.alias.moves == 2
    assert moved.alias.moved_at - moved.alias.created_at == 60
    assert moves(world) == [("one", "two"), (None, "one")]
    assert target(world) == "two"
    consistent(world)
    drop(world)
    assert target(world) is None
    refused("alias_not_found", lambda: drop(world))
    consistent(world)
    point(world, "one")
    assert moves(world) == [(None, "one")], "what is made anew has no past"


def test_an_alias_is_a_name_wherever_one_is_looked_up(world: World) -> None:
    point(world, "one")
    for name in ("one", "two"):
        point(world, name)
        found = datasets.resolve(world.ports, world.tenant_id, scope=NATIVE_SCOPE, name=LIVE)
        assert found.name == name
        view = datasets.get_dataset(world.ports, world.tenant_id, scope=NATIVE_SCOPE, name=LIVE)
        assert (view.dataset.name, view.aliases) == (name, (LIVE,))
        assert world.query(replace(found, name=LIVE), (1, 2, 3, 4)).matches[0].metadata == (
            b'{"of":"%s"}' % name.encode()
        )
    listed = datasets.list_datasets(world.ports, world.tenant_id, scope=NATIVE_SCOPE)
    assert [(view.dataset.name, view.aliases) for view in listed] == [("one", ()), ("two", (LIVE,))]


def test_expected_targets(world: World) -> None:
    error = refused("alias_moved", lambda: point(world, "one", if_dataset="one"))
    assert "no alias" in str(error)
    point(world, "one")
    error = refused("alias_moved", lambda: point(world, "two", if_dataset="two-old"))
    assert "points at one" in str(error)
    assert point(world, "two", if_dataset="one").moved
    done_already = point(world, "two", if_dataset="one")
    assert not done_already.moved
    refused("alias_moved", lambda: roll_back(world, if_dataset="one"))
    assert roll_back(world, if_dataset="two").target.name == "one"


def test_rollback_goes_to_where_it_was_before_and_forth_again(world: World) -> None:
    refused("alias_not_found", lambda: roll_back(world))
    point(world, "one")
    refused("nothing_to_roll_back", lambda: roll_back(world))
    point(world, "two")
    assert roll_back(world).target.name == "one"
    assert target(world) == "one"
    assert roll_back(world).target.name == "two"
    assert moves(world) == [("one", "two"), ("two", "one"), ("one", "two"), (None, "one")]
    consistent(world)


def test_rollback_is_refused_where_the_target_is_gone_also_if_another_has_its_name(world: World) -> None:
    point(world, "one")
    point(world, "two")
    datasets.delete_dataset(world.ports, world.tenant_id, scope=NATIVE_SCOPE, name="one")
    refused("rollback_target_gone", lambda: roll_back(world))
    world.create("one")
    refused("rollback_target_gone", lambda: roll_back(world))
    assert target(world) == "two"
    assert point(world, "one").moved, "by its name it can be chosen"
    consistent(world)


def test_names_and_targets_that_cannot_be(world: World) -> None:
    refused("dataset_not_found", lambda: point(world, "none"))
    refused("name_taken", lambda: point(world, "one", alias="two"))
    refused("name_taken", lambda: point(world, "one", alias="one"))
    point(world, "one")
    refused("is_alias", lambda: point(world, LIVE, alias="other"))
    refused("is_alias", lambda: point(world, LIVE))
    refused("alias_not_found", lambda: drop(world, "one"))
    error = refused("dataset_exists", lambda: world.create(LIVE))
    assert str(error) == "live already exists: it is an alias of the dataset one"
    other = new_tenant_id()
    with pytest.raises(NotFound):
        aliases.point_alias(world.ports, other, scope=NATIVE_SCOPE, alias=LIVE, dataset="one")
    assert aliases.list_aliases(world.ports, other, scope=NATIVE_SCOPE) == []
    with pytest.raises(NotFound):
        aliases.point_alias(world.ports, world.tenant_id, scope="openverse", alias=LIVE, dataset="one")


def test_scopes_are_apart(world: World) -> None:
    made = datasets.create_dataset(
        world.ports,
        world.tenant_id,
        scope="openverse",
        name="image-1",
        dimension=4,
        metric=Metric.L2,
    ).dataset
    aliases.point_alias(world.ports, world.tenant_id, scope="openverse", alias="one", dataset="image-1")
    assert datasets.resolve(world.ports, world.tenant_id, scope="openverse", name="one") == made
    assert datasets.resolve(world.ports, world.tenant_id, scope=NATIVE_SCOPE, name="one").name == "one"
    assert aliases.list_aliases(world.ports, world.tenant_id, scope=NATIVE_SCOPE) == []
    consistent(world)


def test_an_active_collection_is_no_alias_of_ours(world: World) -> None:
    family = Family.ITEMS
    made = datasets.create_dataset(
        world.ports, world.tenant_id, scope=family.scope, name="m", dimension=4, metric=Metric.L2
    ).dataset
    key = TenantKeys(world.tenant_id).name(family.scope, BLUE)
    world.table.put(
        {
            "pk": key.pk,
            "sk": key.sk,
            "dataset_id": made.dataset_id,
            "alias": True,
            "moves": 1,
            "moved_at": 1.0,
        }
    )
    ours: Any = {"scope": family.scope, "alias": BLUE}
    refused("name_taken", lambda: aliases.point_alias(world.ports, world.tenant_id, dataset="m", **ours))
    refused("alias_not_found", lambda: aliases.drop_alias(world.ports, world.tenant_id, **ours))
    assert aliases.list_aliases(world.ports, world.tenant_id, scope=family.scope) == []


def test_a_target_is_deleted_only_with_force_and_then_with_its_aliases(world: World) -> None:
    def delete(name: str, *, force: bool = False) -> None:
        datasets.delete_dataset(world.ports, world.tenant_id, scope=NATIVE_SCOPE, name=name, force=force)

    point(world, "one")
    point(world, "one", alias="other")
    point(world, "two", alias="elsewhere")
    for force in (False, True):
        refused("is_alias", lambda force=force: delete(LIVE, force=force))
    error = refused("alias_target", lambda: delete("one"))
    assert isinstance(error, Conflict)
    assert error.details == {"aliases": [LIVE, "other"]}
    delete("one", force=True)
    left = aliases.list_aliases(world.ports, world.tenant_id, scope=NATIVE_SCOPE)
    assert [alias.name for alias in left] == ["elsewhere"]
    refused("alias_not_found", lambda: roll_back(world))
    consistent(world)
    drop(world, "elsewhere")
    delete("two")
    consistent(world)
    assert world.create(LIVE).name == LIVE, "the name is free again"


def test_as_many_as_can_point_at_a_dataset_go_with_it(world: World) -> None:
    for number in range(MAX_OF_DATASET):
        point(world, "one", alias=f"a{number}")
    refused("too_many_aliases", lambda: point(world, "one"))
    point(world, "two")
    refused("too_many_aliases", lambda: point(world, "one"))
    datasets.delete_dataset(world.ports, world.tenant_id, scope=NATIVE_SCOPE, name="one", force=True)
    assert [a.name for a in aliases.list_aliases(world.ports, world.tenant_id, scope=NATIVE_SCOPE)] == [LIVE]
    consistent(world)


def test_a_scope_has_only_so_many(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_ALIASES >= MAX_OF_DATASET
    monkeypatch.setattr(aliases, "MAX_ALIASES", 2)
    point(world, "one", alias="a")
    point(world, "one", alias="b")
    refused("too_many_aliases", lambda: point(world, "one", alias="c"))
    assert point(world, "two", alias="b").moved


def test_the_last_hundred_moves_are_remembered(world: World) -> None:
    for number in range(MAX_HISTORY + 5):
        world.clock.pass_seconds(1)
        point(world, ("one", "two")[number % 2])
    alias, history = aliases.get_alias(world.ports, world.tenant_id, scope=NATIVE_SCOPE, alias=LIVE)
    assert (alias.moves, len(history)) == (MAX_HISTORY + 5, MAX_HISTORY)
    assert [move.at for move in history] == [world.clock.now - n for n in range(MAX_HISTORY)]
    assert history[0].after == alias.target
    name = world.table.get(TenantKeys(world.tenant_id).name(NATIVE_SCOPE, LIVE))
    assert name is not None
    assert len(repr(name)) < 600, "every query reads it"


def test_what_else_is_required_decides_too(world: World) -> None:
    head = keys_of(datasets.resolve(world.ports, world.tenant_id, scope=NATIVE_SCOPE, name="one")).head
    no, yes = Conflict("not_so", "no"), Conflict("not_so_either", "no")
    unmet = [Requirement(CheckItem(keys_of(world.create("x")).head, Exists("pk")), yes)]
    unmet.append(Requirement(CheckItem(TenantKeys(world.tenant_id).quota, Exists("nothing")), no))
    everything: Any = {"scope": NATIVE_SCOPE, "alias": LIVE}
    with pytest.raises(Conflict) as caught:
        aliases.point_alias(world.ports, world.tenant_id, dataset="one", requires=unmet, **everything)
    assert caught.value is no
    assert target(world) is None
    point(world, "one")
    point(world, "two")
    with pytest.raises(Conflict):
        aliases.roll_back_alias(world.ports, world.tenant_id, requires=unmet, **everything)
    with pytest.raises(Conflict):
        aliases.drop_alias(world.ports, world.tenant_id, requires=unmet, **everything)
    assert target(world) == "two"
    met = [Requirement(CheckItem(TenantKeys(world.tenant_id).quota, Absent("nothing")), no)]
    assert world.table.get(head) is not None
    aliases.drop_alias(world.ports, world.tenant_id, requires=met, **everything)
    assert target(world) is None


def test_aliases_their_past_and_lists_of_terms_survive_the_loss_of_the_table(world: World) -> None:
    point(world, "one")
    point(world, "two")
    point(world, "two", alias="other")
    put_terms(world.ports, world.tenant_id, "sensitive", ["Hot  Dog", "b"])
    put_terms(world.ports, world.tenant_id, "empty", [])
    before = moves(world), get_terms(world.ports, world.tenant_id, "sensitive")
    world.table = MemoryTable(world.clock)
    world.ports = replace(world.ports, table=world.table)
    report = recover(world.ports)
    assert (report.whole, report.aliases) == (True, 2), report.damaged
    assert (moves(world), get_terms(world.ports, world.tenant_id, "sensitive")) == before
    assert get_terms(world.ports, world.tenant_id, "empty").terms == ()
    consistent(world)
    refused(
        "alias_target",
        lambda: datasets.delete_dataset(world.ports, world.tenant_id, scope=NATIVE_SCOPE, name="two"),
    )
    assert roll_back(world).target.name == "one"
    recover(world.ports, force_into=True)
    assert target(world) == "one", "what is there stays as it is"
    consistent(world)


def test_an_alias_whose_dataset_is_not_back_is_reported(world: World) -> None:
    point(world, "one")
    point(world, "two", alias="other")
    lost = datasets.resolve(world.ports, world.tenant_id, scope=NATIVE_SCOPE, name="one")
    world.objects.delete([keys_of(lost).descriptor])
    world.table = MemoryTable(world.clock)
    world.ports = replace(world.ports, table=world.table)
    report = recover(world.ports)
    assert "native#live: what it pointed at is not back" in str(report.damaged)
    assert (target(world), target(world, "other")) == (None, "two")
    consistent(world)
