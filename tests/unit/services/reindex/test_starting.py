"""Asking for reindexes: what is refused, what waits, and what becomes of a destination that is there."""

import pytest

from shoal.errors import Conflict, InvalidInput, LimitReached, NotFound
from shoal.model.bindings import Aggregation, Binding, Family
from shoal.model.embedding_models import EmbeddingModel
from shoal.model.reindexes import MAX_REINDEXES
from shoal.model.tasks import TaskStatus
from shoal.services.collections.blue import set_blue
from shoal.services.collections.catalog import create_collection, delete_collection
from shoal.services.reindex.ending import cancel_reindex
from shoal.storage.keys import TenantKeys
from tests.unit.services.reindex.models import FIFTH, FOURTH, NEW, OLD, SIXTH, THIRD
from tests.unit.services.reindex.world import TextWorld, numbered

DOCUMENTS = numbered(5)


@pytest.fixture
def world() -> TextWorld:
    world = TextWorld()
    world.source(DOCUMENTS)
    return world


def test_a_reindex_begins_at_once(world: TextWorld) -> None:
    task = world.reindex()
    assert (task.status, task.model_id, task.asked_as) == (TaskStatus.PROCESSING, "new", "new")
    assert task.settings["source_asked_as"] == "old"
    (pair,) = world.state().reindexes
    assert (pair.source, pair.dest) == (world.found(OLD).dataset_id, world.found(NEW).dataset_id)
    assert world.reindexes.started == {pair.import_id: {"import_id": pair.import_id}}
    assert world.imports.started == {}
    world.drain_all()
    assert world.head(world.found(NEW)).open_imports == 1


def test_the_same_id_again_is_the_same_task(world: TextWorld) -> None:
    task = world.reindex()
    again = world.reindex(THIRD, source=NEW, replace=True)
    assert again == world.task() == task
    assert len(world.reindexes.started) == 1


def test_a_task_without_an_id_gets_one(world: TextWorld) -> None:
    task = world.reindex(task_id=None)
    assert len(task.task_id) == 24
    assert task.status is TaskStatus.PROCESSING


def test_onto_itself(world: TextWorld) -> None:
    with pytest.raises(InvalidInput) as caught:
        world.reindex(OLD)
    assert caught.value.code == "reindex_onto_itself"


def test_a_source_that_is_not_there(world: TextWorld) -> None:
    with pytest.raises(NotFound) as caught:
        world.reindex(NEW, source=THIRD)
    assert caught.value.code == "collection_not_found"
    assert not world.has_task()


def test_a_source_of_another_family(world: TextWorld) -> None:
    create_collection(world.ports, world.tenant_id, Family.CATEGORIES, THIRD)
    with pytest.raises(NotFound):
        world.reindex(NEW, source=THIRD)


def test_an_id_that_is_none(world: TextWorld) -> None:
    with pytest.raises(InvalidInput):
        world.reindex(task_id="no/id")


def test_no_room_in_the_quota(world: TextWorld) -> None:
    world.table.put({"pk": TenantKeys(world.tenant_id).quota.pk, "sk": "QUOTA", "used": 10})
    with pytest.raises(LimitReached):
        world.reindex(vector_quota=10)
    assert not world.has_task()


def test_a_quota_that_is_too_small_for_all(world: TextWorld) -> None:
    world.reindex(vector_quota=8)
    assert world.run().succeeded
    task = world.task()
    assert task.status is TaskStatus.FAILED
    assert "vector_quota_exceeded" in (task.detail or "")
    world.settle_down()
    assert [dataset.name for dataset in world.live()] == ["old"]


# --- one in the way of another


@pytest.mark.parametrize(("source", "dest"), [(OLD, THIRD), (NEW, THIRD), (THIRD, NEW)])
def test_two_of_one_collection(world: TextWorld, source: EmbeddingModel, dest: EmbeddingModel) -> None:
    world.collection(THIRD)
    world.reindex()
    other = world.reindex(dest, source=source, task_id="reindex-2")
    assert other.status is TaskStatus.REFUSED
    assert "reindex-1" in (other.detail or "")
    assert world.state().waiting == ()
    assert len(world.reindexes.started) == 1


def test_one_that_waits_begins_when_the_other_is_done(world: TextWorld) -> None:
    world.reindex(deploy_as_blue=True)
    second = world.reindex(THIRD, task_id="reindex-2", wait_on_conflict=True)
    assert second.status is TaskStatus.PENDING
    assert world.state().waiting == ("reindex-2",)
    world.run()
    assert world.task("reindex-2").status is TaskStatus.PROCESSING
    world.run(world.task("reindex-2"))
    assert world.task("reindex-2").status is TaskStatus.DONE
    assert world.records(world.found(THIRD)) == world.expected(world.found(THIRD), DOCUMENTS)
    assert world.state().waiting == ()


def test_one_that_waits_begins_when_the_other_is_cancelled(world: TextWorld) -> None:
    world.reindex()
    world.reindex(THIRD, task_id="reindex-2", wait_on_conflict=True)
    cancel_reindex(world.ports, world.tenant_id, "reindex-1")
    assert world.task("reindex-2").status is TaskStatus.PROCESSING


def test_those_that_wait_begin_in_their_order(world: TextWorld) -> None:
    world.reindex()
    for number, dest in ((2, THIRD), (3, FOURTH)):
        world.reindex(dest, task_id=f"reindex-{number}", wait_on_conflict=True)
    world.run()
    assert [world.task(f"reindex-{n}").status.value for n in (2, 3)] == ["processing", "pending"]
    world.run(world.task("reindex-2"))
    world.run(world.task("reindex-3"))
    assert world.task("reindex-3").status is TaskStatus.DONE


def test_so_many_at_once(world: TextWorld) -> None:
    world.collection(THIRD, DOCUMENTS)
    world.reindex(NEW)
    world.reindex(FOURTH, source=THIRD, task_id="reindex-2")
    assert len(world.state().reindexes) == MAX_REINDEXES
    world.collection(FIFTH, DOCUMENTS)
    third = world.reindex(SIXTH, source=FIFTH, task_id="reindex-3")
    assert third.status is TaskStatus.REFUSED
    assert "2 reindexes" in (third.detail or "")


def test_one_that_waits_for_a_source_that_goes_is_refused(world: TextWorld) -> None:
    world.collection(THIRD, DOCUMENTS)
    world.reindex(NEW)
    world.reindex(NEW, source=THIRD, task_id="reindex-2", wait_on_conflict=True)
    delete_collection(world.ports, world.tenant_id, Family.ITEMS, THIRD.model_id)
    world.run()
    second = world.task("reindex-2")
    assert second.status is TaskStatus.REFUSED
    assert "there is no collection" in (second.detail or "")


def test_one_that_waits_for_a_destination_that_is_filled_is_refused(world: TextWorld) -> None:
    world.reindex(NEW)
    world.reindex(NEW, task_id="reindex-2", wait_on_conflict=True)
    world.run()
    second = world.task("reindex-2")
    assert second.status is TaskStatus.REFUSED
    assert '"replace": true' in (second.detail or "")


def test_no_collection_of_a_reindex_can_be_deleted(world: TextWorld) -> None:
    world.reindex()
    for model in (OLD, NEW):
        with pytest.raises(Conflict, match="being reindexed"):
            delete_collection(world.ports, world.tenant_id, Family.ITEMS, model.model_id)


# --- the destination


def test_a_destination_is_made_as_the_source_is() -> None:
    world = TextWorld()
    source = world.collection(OLD, template="{title}", aggregation=Aggregation.AVERAGE)
    world.fill(source, DOCUMENTS)
    world.reindex()
    assert world.found(NEW).binding == Binding("new", "{title}", Aggregation.AVERAGE)
    world.run()
    assert world.records(world.found(NEW)) == world.expected(world.found(NEW), DOCUMENTS)


def test_an_empty_destination_stays_what_it_is(world: TextWorld) -> None:
    made = world.collection(NEW, template="{title}")
    world.reindex()
    assert world.found(NEW) == made
    world.run()
    assert world.records(made) == world.expected(made, DOCUMENTS)


def test_a_destination_with_objects_is_left_alone(world: TextWorld) -> None:
    made = world.collection(NEW, numbered(2))
    with pytest.raises(Conflict) as caught:
        world.reindex()
    assert caught.value.code == "destination_not_empty"
    assert not world.has_task()
    assert world.records(made) == world.expected(made, numbered(2))


def test_a_destination_is_replaced(world: TextWorld) -> None:
    made = world.collection(NEW, numbered(9, words=20), template="{title}")
    world.reindex(replace=True, deploy_as_blue=True)
    dest = world.found(NEW)
    assert dest.dataset_id != made.dataset_id
    assert dest.binding == made.binding
    world.run()
    assert world.records(dest) == world.expected(dest, DOCUMENTS)


def test_the_active_collection_is_not_replaced(world: TextWorld) -> None:
    world.collection(NEW, numbered(2))
    set_blue(world.ports, world.tenant_id, Family.ITEMS, NEW.model_id)
    with pytest.raises(Conflict) as caught:
        world.reindex(replace=True)
    assert caught.value.code == "collection_is_blue"


def test_an_empty_source(world: TextWorld) -> None:
    world.collection(THIRD)
    world.reindex(NEW, source=THIRD, deploy_as_blue=True)
    assert world.run().succeeded
    assert world.task().status is TaskStatus.DONE
    assert (world.task().total, world.blue()) == (0, "new")
    assert world.records(world.found(NEW)) == {}
