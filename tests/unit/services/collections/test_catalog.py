"""Collections of a family and its active one: made, found, listed, moved and deleted, by several at once."""

import contextlib
import threading
from dataclasses import replace

import pytest

from shoal.errors import Conflict, InvalidInput, NotFound, TransactionCancelled
from shoal.model.bindings import Aggregation, Binding, Family
from shoal.model.datasets import Dataset
from shoal.services import datasets
from shoal.services.collections import blue, catalog
from shoal.services.collections.counts import mark_many_parts, read_counts
from shoal.services.heads import keys_of
from shoal.services.tasks.family import Pair, with_pair
from shoal.storage.keys import FamilyKeys
from shoal.storage.memory.faults import AtCall, Call, Fault, Faults, SimulatedCrash
from shoal.storage.ports import Ports
from tests.faults.turns import Turns, both
from tests.unit.services.reindex.models import NEW, OLD, THIRD
from tests.unit.services.reindex.world import TextWorld

ITEMS = Family.ITEMS


def create(world: TextWorld, model: object = OLD, family: Family = ITEMS, **more: object) -> Dataset:
    return catalog.create_collection(world.ports, world.tenant_id, family, model, **more).dataset  # type: ignore[arg-type]


def listed(world: TextWorld, family: Family = ITEMS) -> list[tuple[str, bool]]:
    views = catalog.list_collections(world.ports, world.tenant_id, family)
    return [(view.view.dataset.name, view.blue) for view in views]


def active(world: TextWorld) -> str | None:
    found = blue.blue_of(world.ports, world.tenant_id, ITEMS)
    return found.name if found else None


def test_a_collection_is_named_by_its_model_and_bound_to_it() -> None:
    world = TextWorld()
    made = create(world, template="{title}", aggregation=Aggregation.AVERAGE)
    assert made.binding == Binding("old", "{title}", Aggregation.AVERAGE)
    assert catalog.find_collection(world.ports, world.tenant_id, ITEMS, "old") == made
    assert (made.dimension, made.metric, made.scope) == (OLD.dimension, OLD.metric, "collections/items")
    with pytest.raises(Conflict) as taken:
        create(world)
    assert taken.value.code == "collection_exists"
    create(world, family=Family.CATEGORIES)
    assert listed(world) == listed(world, Family.CATEGORIES) == [("old", False)]
    with pytest.raises(InvalidInput) as wrong:
        create(world, NEW, template="{title")
    assert wrong.value.code == "invalid_template"
    assert listed(world) == [("old", False)]


def test_no_collection_is_called_blue() -> None:
    world = TextWorld()
    with pytest.raises(ValueError, match="blue"):
        create(world, replace(OLD, model_id="blue"))
    create(world)
    blue.set_blue(world.ports, world.tenant_id, ITEMS, "old")
    with pytest.raises(NotFound) as missing:
        catalog.find_collection(world.ports, world.tenant_id, ITEMS, "blue")
    assert missing.value.code == "collection_not_found"
    with pytest.raises(Conflict) as refused:
        datasets.delete_dataset(world.ports, world.tenant_id, scope=ITEMS.scope, name="blue")
    assert refused.value.code == "is_alias"


def test_the_active_collection_is_moved_and_resolves_as_any_name() -> None:
    world = TextWorld()
    old, new = create(world), create(world, NEW)
    assert active(world) is None
    for dataset in (old, new, new, old):
        assert blue.set_blue(world.ports, world.tenant_id, ITEMS, dataset.name) == dataset
        found = datasets.resolve(world.ports, world.tenant_id, scope=ITEMS.scope, name="blue")
        assert found == dataset
    assert listed(world) == [("new", False), ("old", True)]
    read = blue.read_blue(world.ports, world.family)
    assert read is not None
    assert read.moves == 3, "a move to where it is moves nothing"
    with pytest.raises(NotFound) as missing:
        blue.set_blue(world.ports, world.tenant_id, ITEMS, "third")
    assert missing.value.code == "collection_not_found"
    assert active(world) == "old"


def test_the_first_use_makes_the_collection_of_the_default_model() -> None:
    world = TextWorld()
    made = blue.ensure_blue(world.ports, world.models.registry, world.tenant_id, ITEMS)
    assert blue.ensure_blue(world.ports, world.models.registry, world.tenant_id, ITEMS) == made
    assert listed(world) == [("old", True)]
    assert listed(world, Family.CATEGORIES) == []
    create(world, NEW)
    blue.set_blue(world.ports, world.tenant_id, ITEMS, "new")
    again = blue.ensure_blue(world.ports, world.models.registry, world.tenant_id, ITEMS)
    assert again.name == "new"


def test_the_first_use_by_many_at_once_makes_one() -> None:
    world = TextWorld()
    found: list[Dataset] = []

    def ensure() -> None:
        found.append(blue.ensure_blue(world.ports, world.models.registry, world.tenant_id, ITEMS))

    threads = [threading.Thread(target=ensure) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({dataset.dataset_id for dataset in found}) == 1
    assert len(found) == 6
    assert listed(world) == [("old", True)]


def test_who_dies_at_the_first_use_leaves_nothing_in_the_way() -> None:
    for fault in (Fault.CRASH_BEFORE, Fault.CRASH_AFTER):
        for number in range(20):
            world = TextWorld()
            ports = world.process(Faults(AtCall(number, fault)))
            with contextlib.suppress(SimulatedCrash):
                blue.ensure_blue(ports, world.models.registry, world.tenant_id, ITEMS)
            made = blue.ensure_blue(world.ports, world.models.registry, world.tenant_id, ITEMS)
            assert listed(world) == [("old", True)]
            assert read_counts(world.ports, keys_of(made)).most_parts in {1, 16}


@pytest.mark.parametrize("order", [(0, 1) * 10, (0, 0, 0, 1, 1, 1) * 4, (1, 0, 0) * 6, (0,) * 9, (1,) * 9])
def test_two_moves_at_once_leave_one_of_the_two(order: tuple[int, ...]) -> None:
    world = TextWorld()
    for model in (OLD, NEW, THIRD):
        create(world, model)
    blue.set_blue(world.ports, world.tenant_id, ITEMS, "third")
    turns = Turns(order)

    def move(me: int, model_id: str) -> None:
        ports = world.process(Faults(turns.taking(me, lambda _: None)))
        assert blue.set_blue(ports, world.tenant_id, ITEMS, model_id).name == model_id

    both(turns, lambda: move(0, "old"), lambda: move(1, "new"))
    assert active(world) in {"old", "new"}
    read = blue.read_blue(world.ports, world.family)
    assert read is not None
    assert read.moves == 3


@pytest.mark.parametrize("calls", range(8))
def test_a_collection_is_never_active_and_deleted(calls: int) -> None:
    """One is moved to, and deleted after so many calls; or deleted, and moved to."""
    for deletes in (False, True):
        world = TextWorld()
        create(world)
        create(world, NEW)
        blue.set_blue(world.ports, world.tenant_id, ITEMS, "old")

        def delete(ports: Ports, world: TextWorld = world) -> None:
            catalog.delete_collection(ports, world.tenant_id, ITEMS, "new")

        def move(ports: Ports, world: TextWorld = world) -> None:
            blue.set_blue(ports, world.tenant_id, ITEMS, "new")

        first, second = (delete, move) if deletes else (move, delete)

        def meanwhile(call: Call, world: TextWorld = world, second: object = second) -> Fault | None:
            if call.number == calls:
                assert callable(second)
                try:
                    second(world.ports)
                except (Conflict, NotFound):
                    return None
            return None

        with contextlib.suppress(Conflict, NotFound):
            first(world.process(Faults(meanwhile)))
        names = [name for name, _ in listed(world)]
        assert active(world) in names
        found = blue.blue_of(world.ports, world.tenant_id, ITEMS)
        assert found is not None
        assert world.head(found).live


def test_what_is_active_or_in_a_reindex_is_not_deleted() -> None:
    world = TextWorld()
    old, new = create(world), create(world, NEW)
    create(world, THIRD)
    blue.set_blue(world.ports, world.tenant_id, ITEMS, "third")
    pair = Pair("r", "imp_" + "0" * 32, old.dataset_id, new.dataset_id)
    world.table.transact([with_pair(world.family, world.state(), pair)], token="pair")
    codes = []
    for model_id in ("old", "new", "third", "fourth"):
        with pytest.raises((Conflict, NotFound)) as refused:
            catalog.delete_collection(world.ports, world.tenant_id, ITEMS, model_id)
        codes.append(refused.value.code)
    assert codes == [*["collection_in_reindex"] * 2, "collection_is_blue", "collection_not_found"]


def test_a_deleted_collection_makes_room_for_another_of_its_model() -> None:
    world = TextWorld()
    first = create(world)
    catalog.delete_collection(world.ports, world.tenant_id, ITEMS, "old")
    with pytest.raises(NotFound):
        catalog.find_collection(world.ports, world.tenant_id, ITEMS, "old")
    assert create(world).dataset_id != first.dataset_id


def test_the_move_of_a_reindex_fails_where_somebody_else_moved() -> None:
    world = TextWorld()
    old, new = create(world), create(world, NEW)
    keys = FamilyKeys(world.tenant_id, ITEMS.value)
    for read in (None, blue.read_blue(world.ports, keys)):
        write = blue.move_blue(keys, new.dataset_id, read, now=world.clock())
        blue.set_blue(world.ports, world.tenant_id, ITEMS, old.name)
        with pytest.raises(TransactionCancelled):
            world.table.transact([write], token=str(read))
    assert active(world) == "old"


def test_of_a_new_collection_it_is_known_that_no_object_has_parts() -> None:
    world = TextWorld()
    keys = keys_of(create(world))
    assert read_counts(world.ports, keys).most_parts == 1
    mark_many_parts(world.ports, keys)
    assert read_counts(world.ports, keys).most_parts == 16
    world.table.delete(keys.collection)
    assert read_counts(world.ports, keys).most_parts == 16
