"""Names of datasets that are being built: had by nobody else, and none to whoever looks them up."""

from collections.abc import Callable

import pytest

from shoal.errors import Conflict, NotFound, RequestError, TransactionCancelled
from shoal.model.datasets import NATIVE_SCOPE, Dataset, Metric
from shoal.model.ids import new_dataset_id, new_derivation_id, new_token, transaction_token
from shoal.model.selection import Selection
from shoal.services import aliases, datasets
from shoal.services.clone import clone_dataset
from shoal.services.descriptors import describe_dataset
from shoal.services.fetch import fetch
from shoal.services.heads import keys_of, new_head_item
from shoal.services.listing import ListRequest, count_records, list_records
from shoal.services.name_items import appearance, built_by, visible
from shoal.services.recover import recover
from shoal.services.tenants import create_tenant
from shoal.storage.keys import TenantKeys
from shoal.storage.ports import Write
from tests.unit.services.alias_world import LIVE, consistent, point, target
from tests.unit.services.test_recover import lose_the_table
from tests.unit.services.world import World, record

RUN = new_derivation_id(1_800_000_000.0)
OTHER_RUN = new_derivation_id(1_800_000_001.0)


@pytest.fixture
def world() -> World:
    world = World()
    world.tenant_id = create_tenant(world.ports, name="test").tenant_id
    world.create("old")
    return world


def transact(world: World, writes: list[Write]) -> None:
    world.table.transact(writes, token=transaction_token("test", new_token()))


def hidden(world: World, name: str = "young", *, run_id: str = RUN) -> Dataset:
    """A dataset that a run is making: two records are in it by now."""
    dataset = Dataset(
        tenant_id=world.tenant_id,
        dataset_id=new_dataset_id(),
        scope=NATIVE_SCOPE,
        name=name,
        dimension=4,
        metric=Metric.L2,
        created_at=world.clock(),
        hash_key=b"k" * 16,
    )
    transact(world, datasets.creation(dataset, new_head_item(keys_of(dataset)), building=run_id))
    describe_dataset(world.ports, keys_of(dataset))
    world.upsert(dataset, {"a": record(1, 2, 3, 4), "b": record(4, 3, 2, 1)})
    world.drain(dataset)
    return dataset


def shown(world: World, dataset: Dataset, *, run_id: str = RUN) -> None:
    transact(world, appearance(dataset, run_id=run_id))
    describe_dataset(world.ports, keys_of(dataset))


LOOKS: dict[str, Callable[[World, Dataset], object]] = {
    "resolve": lambda world, at: datasets.resolve(
        world.ports, at.tenant_id, scope=NATIVE_SCOPE, name=at.name
    ),
    "view": lambda world, at: datasets.get_dataset(
        world.ports, at.tenant_id, scope=NATIVE_SCOPE, name=at.name
    ),
    "query": lambda world, at: world.query(at, (1, 2, 3, 4)),
    "fetch": lambda world, at: fetch(
        world.searcher, at.tenant_id, scope=NATIVE_SCOPE, name=at.name, ids=["a"], include_values=False
    ),
    "list": lambda world, at: list_records(
        world.ports,
        world.searcher,
        at.tenant_id,
        scope=NATIVE_SCOPE,
        name=at.name,
        request=ListRequest(Selection(), b"", 10),
    ),
    "count": lambda world, at: count_records(
        world.searcher, at.tenant_id, scope=NATIVE_SCOPE, name=at.name, selection=Selection()
    ),
    "alias": lambda world, at: point(world, at.name),
    "delete": lambda world, at: datasets.delete_dataset(
        world.ports, at.tenant_id, scope=NATIVE_SCOPE, name=at.name, force=True
    ),
}


@pytest.mark.parametrize("look", LOOKS)
def test_who_looks_up_the_name_finds_nothing_until_it_appears(world: World, look: str) -> None:
    dataset = hidden(world)
    with pytest.raises(NotFound) as caught:
        LOOKS[look](world, dataset)
    assert caught.value.code == "dataset_not_found"
    consistent(world)
    shown(world, dataset)
    LOOKS[look](world, dataset)
    consistent(world)


def test_it_is_in_no_list_until_it_appears(world: World) -> None:
    def names() -> list[str]:
        listed = datasets.list_datasets(world.ports, world.tenant_id, scope=NATIVE_SCOPE)
        return [view.dataset.name for view in listed]

    dataset = hidden(world)
    assert names() == ["old"]
    shown(world, dataset)
    assert names() == ["old", "young"]


def test_the_name_is_taken_from_the_first_moment(world: World) -> None:
    dataset = hidden(world)
    other = datasets.resolve(world.ports, world.tenant_id, scope=NATIVE_SCOPE, name="old")
    takers: tuple[Callable[[], object], ...] = (
        lambda: world.create("young"),
        lambda: clone_dataset(world.ports, other, name="young", vector_quota=None),
    )
    for take in takers:
        with pytest.raises(Conflict) as caught:
            take()
        assert (caught.value.code, caught.value.details) == ("dataset_exists", {"building": RUN})
        assert "being built" in caught.value.message
    with pytest.raises(Conflict) as caught:
        point(world, "old", alias="young")
    assert caught.value.code == "name_taken"
    assert aliases.pointed_at(world.ports, world.tenant_id, scope=NATIVE_SCOPE, name="young") is None
    shown(world, dataset)
    with pytest.raises(Conflict) as caught:
        world.create("young")
    assert caught.value.details is None


def test_an_alias_keeps_off_it_also_while_it_points_elsewhere(world: World) -> None:
    dataset = hidden(world)
    point(world, "old")
    with pytest.raises(NotFound):
        point(world, "young")
    assert target(world, LIVE) == "old"
    shown(world, dataset)
    assert point(world, "young").moved


def test_only_the_run_that_builds_it_lets_it_appear_and_only_once(world: World) -> None:
    dataset = hidden(world)
    with pytest.raises(TransactionCancelled) as lost:
        shown(world, dataset, run_id=OTHER_RUN)
    assert lost.value.failed[0]
    shown(world, dataset)
    with pytest.raises(TransactionCancelled):
        shown(world, dataset)
    item = world.table.get(TenantKeys(world.tenant_id).name(NATIVE_SCOPE, "young"))
    assert built_by(item) is None
    assert visible(item) == item
    assert built_by(world.table.get(keys_of(dataset).head)) is None
    assert (built_by(None), visible(None)) == (None, None)


def test_only_the_run_that_builds_it_clears_it_away_and_only_while_it_does(world: World) -> None:
    def clear(run_id: str) -> None:
        datasets.delete_dataset(
            world.ports, world.tenant_id, scope=NATIVE_SCOPE, name="young", building=run_id
        )

    dataset = hidden(world)
    with pytest.raises(NotFound):
        clear(OTHER_RUN)
    assert world.head(dataset).live
    clear(RUN)
    assert not world.head(dataset).live
    assert world.table.get(TenantKeys(world.tenant_id).name(NATIVE_SCOPE, "young")) is None
    with pytest.raises(NotFound):
        clear(RUN)
    again = hidden(world)
    shown(world, again)
    with pytest.raises(NotFound):
        clear(RUN)
    assert world.head(again).live, "what is to be seen, a run that was late does not take away"


def test_who_deletes_what_appears_at_this_moment_is_told_that_it_was_not_there(world: World) -> None:
    """Between the look at the name and the transaction, the run finishes: it is not cleared away any more."""
    dataset = hidden(world)
    transact_as_it_is = world.table.transact

    def later(writes: list[Write], *, token: str) -> None:
        world.table.transact = transact_as_it_is  # type: ignore[method-assign]
        shown(world, dataset)
        transact_as_it_is(writes, token=token)

    world.table.transact = later  # type: ignore[method-assign, assignment]
    with pytest.raises(NotFound):
        datasets.delete_dataset(world.ports, world.tenant_id, scope=NATIVE_SCOPE, name="young", building=RUN)
    assert world.head(dataset).live
    assert len(world.query(dataset, (1, 2, 3, 4)).matches) == 2


def test_a_table_that_is_made_anew_does_not_show_what_was_half_built(world: World) -> None:
    half, whole = hidden(world), hidden(world, "grown", run_id=OTHER_RUN)
    shown(world, whole, run_id=OTHER_RUN)
    lose_the_table(world)
    report = recover(world.ports)
    assert {each.name for each in report.datasets} == {"grown", "old"}
    assert list(report.damaged) == [keys_of(half).descriptor]
    assert "young was being built" in report.damaged[keys_of(half).descriptor]
    world.upsert(whole, {"c": record(0, 0, 0, 1)})
    world.drain(whole)
    assert len(world.query(whole, (1, 2, 3, 4)).matches) == 3
    with pytest.raises(RequestError):
        world.query(half, (1, 2, 3, 4))
    world.create("young")
