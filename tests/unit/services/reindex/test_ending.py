"""How reindexes end before their time: cancelled at any stage, failed, begun again; and what is left then."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import pytest

from shoal.errors import Conflict, ImportStopped, NotFound, ShoalError
from shoal.model.bindings import Family
from shoal.model.imports import ImportStatus
from shoal.model.limits import IMPORT_SECONDS
from shoal.model.tasks import TaskStatus
from shoal.services.collections.blue import set_blue
from shoal.services.datasets import delete_dataset
from shoal.services.imports.reconcile import reconcile_imports
from shoal.services.reindex.ending import cancel_reindex
from shoal.services.reindex.starting import restart_reindex
from shoal.storage.memory.faults import AtCall, Fault, Faults, SimulatedCrash
from tests.unit.services.reindex.models import NEW, OLD, THIRD
from tests.unit.services.reindex.world import TextWorld, numbered

DOCUMENTS = numbered(8, words=10)
STAGES = ("begun", "plan", "embed", "settle", "build_shard", "commit")


@pytest.fixture
def world() -> TextWorld:
    world = TextWorld()
    world.source(DOCUMENTS)
    return world


def run_up_to(world: TextWorld, stage: str) -> Callable[[], None]:
    """Run the workflow up to and with a step; what runs the rest of it, which must then not go on."""
    job = world.job()
    order: list[tuple[str, str]] = [
        ("reindex", "plan"),
        ("reindex", "embed"),
        ("import_cells", "settle"),
        ("import_cells", "build_shard"),
        ("import_finish", "commit"),
        ("reindex", "deploy"),
    ]
    item: Mapping[str, Any] = {}

    def do(function: str, step: str) -> None:
        nonlocal item
        payload = {"step": step, "import_id": job.import_id, "item": item if step == "embed" else None}
        answer = world.step(world.ports, function, payload)
        if step == "plan":
            item = world.lines(str(answer["items_key"]))[0]

    names = [step for _, step in order]
    done = 0 if stage == "begun" else names.index(stage) + 1
    for function, step in order[:done]:
        do(function, step)

    def rest() -> None:
        if done < len(order):
            function, step = order[done]
            if step == "deploy":
                do(function, step)
                return
            with pytest.raises(ImportStopped):
                do(function, step)

    return rest


def check_gone(world: TextWorld) -> None:
    """Nothing is left but the source, as it was."""
    world.settle_down()
    assert [dataset.name for dataset in world.live()] == ["old"]
    source = world.found(OLD)
    assert world.records(source) == world.expected(source, DOCUMENTS)
    assert world.blue() == "old"
    state = world.state()
    assert (state.reindexes, state.waiting) == ((), ())


def check_done(world: TextWorld) -> None:
    world.settle_down()
    assert world.task().status is TaskStatus.DONE
    dest = world.found(NEW)
    assert world.records(dest) == world.expected(dest, DOCUMENTS)


@pytest.mark.parametrize("stage", STAGES)
def test_cancelled_at_any_stage_and_begun_again(world: TextWorld, stage: str) -> None:
    world.reindex(deploy_as_blue=True)
    first = world.job()
    rest = run_up_to(world, stage)
    task = cancel_reindex(world.ports, world.tenant_id, "reindex-1")
    assert task.status is TaskStatus.CANCELED
    assert world.reindexes.status(first.import_id) == "ABORTED"
    assert cancel_reindex(world.ports, world.tenant_id, "reindex-1") == world.task()
    rest()
    assert world.task().status is TaskStatus.CANCELED
    check_gone(world)
    again = restart_reindex(world.ports, world.tenant_id, "reindex-1")
    assert (again.status, again.attempt) == (TaskStatus.PROCESSING, 1)
    assert world.job().import_id != first.import_id
    assert world.run().succeeded
    check_done(world)
    assert world.blue() == "new"


def test_cancelled_while_it_waits(world: TextWorld) -> None:
    world.reindex()
    world.reindex(THIRD, task_id="reindex-2", wait_on_conflict=True)
    assert cancel_reindex(world.ports, world.tenant_id, "reindex-2").status is TaskStatus.CANCELED
    assert world.state().waiting == ()
    world.run()
    assert world.task("reindex-2").status is TaskStatus.CANCELED
    assert restart_reindex(world.ports, world.tenant_id, "reindex-2").status is TaskStatus.PROCESSING


def test_cancel_after_done(world: TextWorld) -> None:
    world.reindex()
    world.run()
    with pytest.raises(Conflict) as caught:
        cancel_reindex(world.ports, world.tenant_id, "reindex-1")
    assert caught.value.code == "task_ended"
    check_done(world)


def test_what_is_not_there_and_what_has_not_ended(world: TextWorld) -> None:
    for act in (cancel_reindex, restart_reindex):
        with pytest.raises(NotFound, match="Task with ID `reindex-1` not found"):
            act(world.ports, world.tenant_id, "reindex-1")
    world.reindex()
    with pytest.raises(Conflict) as caught:
        restart_reindex(world.ports, world.tenant_id, "reindex-1")
    assert caught.value.code == "task_not_ended"


def test_a_destination_that_was_there_stays(world: TextWorld) -> None:
    made = world.collection(NEW, template="{title}")
    world.reindex()
    run_up_to(world, "embed")
    cancel_reindex(world.ports, world.tenant_id, "reindex-1")
    world.settle_down()
    assert world.found(NEW) == made
    assert world.records(made) == {}
    restart_reindex(world.ports, world.tenant_id, "reindex-1")
    world.run()
    check_done(world)


def test_a_restart_replaces_what_the_last_attempt_has_left(world: TextWorld) -> None:
    made = world.collection(NEW, template="{title}")
    world.reindex()
    run_up_to(world, "commit")
    cancel_reindex(world.ports, world.tenant_id, "reindex-1")
    assert world.records(made)  # it had been committed, and is not the reindex's to delete
    restart_reindex(world.ports, world.tenant_id, "reindex-1")
    dest = world.found(NEW)
    assert (dest.dataset_id != made.dataset_id, dest.binding) == (True, made.binding)
    world.run()
    check_done(world)


def test_a_destination_that_has_become_blue_stays(world: TextWorld) -> None:
    world.reindex()
    set_blue(world.ports, world.tenant_id, Family.ITEMS, "new")
    cancel_reindex(world.ports, world.tenant_id, "reindex-1")
    assert (world.blue(), world.state().reindexes) == ("new", ())
    assert world.head(world.found(NEW)).live


def test_done_once_more(world: TextWorld) -> None:
    world.reindex()
    world.run()
    first = world.found(NEW)
    assert restart_reindex(world.ports, world.tenant_id, "reindex-1").status is TaskStatus.PROCESSING
    assert world.found(NEW).dataset_id != first.dataset_id
    world.run()
    check_done(world)


def test_what_is_active_is_not_done_once_more(world: TextWorld) -> None:
    world.reindex(deploy_as_blue=True)
    world.run()
    before = world.task()
    with pytest.raises(Conflict, match="active"):
        restart_reindex(world.ports, world.tenant_id, "reindex-1")
    assert (world.task(), world.task().status) == (before, TaskStatus.DONE)


# --- what goes away under it


def delete(world: TextWorld, name: str) -> None:
    """As an operator might, past all that guards a collection."""
    delete_dataset(world.ports, world.tenant_id, scope=Family.ITEMS.scope, name=name)


@pytest.mark.parametrize("stage", STAGES)
def test_the_destination_is_deleted_half_way(world: TextWorld, stage: str) -> None:
    world.reindex(deploy_as_blue=True)
    run_up_to(world, stage)
    delete(world, "new")
    execution = world.run()
    world.settle_down()
    task = world.task()
    assert task.status is TaskStatus.FAILED, execution
    assert "deleted" in (task.detail or "")
    check_gone(world)
    restart_reindex(world.ports, world.tenant_id, "reindex-1")
    world.run()
    check_done(world)


@pytest.mark.parametrize("stage", ["begun", "plan"])
def test_the_source_is_deleted_half_way(world: TextWorld, stage: str) -> None:
    world.collection(THIRD, DOCUMENTS)
    world.reindex(source=THIRD)
    run_up_to(world, stage)
    delete(world, "third")
    assert world.run().succeeded  # its owner is told
    task = world.task()
    assert task.status is TaskStatus.FAILED
    assert task.detail == "the source has been deleted"
    check_gone(world)
    assert restart_reindex(world.ports, world.tenant_id, "reindex-1").status is TaskStatus.REFUSED


def test_a_source_that_is_deleted_once_it_is_read_changes_nothing(world: TextWorld) -> None:
    world.reindex(deploy_as_blue=True)
    run_up_to(world, "settle")
    delete(world, "old")
    assert world.run().succeeded
    check_done(world)


# --- workflows that die


@pytest.mark.parametrize("ended", ["FAILED", "TIMED_OUT", "ABORTED", "SUCCEEDED"])
def test_a_workflow_that_is_dead_fails_it(world: TextWorld, ended: str) -> None:
    world.reindex()
    run_up_to(world, "embed")
    world.reindexes.end(world.job().import_id, ended)
    world.settle_down()
    task = world.task()
    assert task.status is TaskStatus.FAILED
    assert "restart the reindex" in (task.detail or "")
    check_gone(world)


def test_a_workflow_that_died_before_the_end_is_made_up_for(world: TextWorld) -> None:
    world.reindex(deploy_as_blue=True)
    run_up_to(world, "commit")
    world.settle_down()
    assert world.task().status is TaskStatus.PROCESSING  # it is about to be deployed
    world.reindexes.end(world.job().import_id, "FAILED")
    world.settle_down()
    check_done(world)
    assert world.blue() == "new"


def test_a_workflow_that_was_not_started_is(world: TextWorld) -> None:
    world.reindex()
    started = world.reindexes.started
    started.clear()
    world.reindexes.statuses.clear()
    world.clock.pass_seconds(100)
    assert reconcile_imports(world.ports) == 1
    assert list(started) == [world.job().import_id]
    assert world.imports.started == {}


def test_one_that_takes_too_long_is_ended(world: TextWorld) -> None:
    world.reindex()
    world.clock.pass_seconds(IMPORT_SECONDS + 1)
    world.settle_down()
    assert world.reindexes.started
    assert "over 12 hours" in (world.task().detail or "")
    check_gone(world)


def test_one_that_awaits_no_upload_is_left_to_who_looks_after_it(world: TextWorld) -> None:
    def at_opening(call: Any) -> Fault | None:
        keys = world.reindexes.started or (world.has_task() and world.state().reindexes)
        return (
            Fault.CRASH_BEFORE if keys and call.operation == "table.update" and "SEQ" in call.target else None
        )

    with suppress(SimulatedCrash):
        world.reindex(ports=world.process(Faults(at_opening)))
    assert world.job().status is ImportStatus.AWAITING_UPLOAD
    world.clock.pass_seconds(5 * 3600)
    assert reconcile_imports(world.ports) == 0
    assert world.job().status is ImportStatus.AWAITING_UPLOAD
    world.settle_down()
    assert world.job().status is ImportStatus.VALIDATING
    world.run()
    check_done(world)


# --- who ends it dies


@pytest.mark.parametrize("stage", ["begun", "embed", "commit"])
@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.BUSY_AFTER, Fault.TWICE])
def test_who_cancels_may_die_at_any_call(stage: str, fault: Fault) -> None:
    for number in range(0, 200, 1 if stage == "embed" else 3):
        world = TextWorld()
        world.source(DOCUMENTS)
        world.reindex(deploy_as_blue=True)
        run_up_to(world, stage)
        faults = Faults(AtCall(number, fault))
        with suppress(SimulatedCrash, ShoalError):
            cancel_reindex(world.process(faults), world.tenant_id, "reindex-1")
        if faults.calls <= number:
            assert number > 5
            return
        with suppress(Conflict):
            cancel_reindex(world.ports, world.tenant_id, "reindex-1")
        assert world.task().status is TaskStatus.CANCELED, faults.describe()
        check_gone(world)


@pytest.mark.parametrize("fault", [Fault.CRASH_AFTER, Fault.TWICE])
def test_who_begins_again_may_die_at_any_call(fault: Fault) -> None:
    for number in range(200):
        world = TextWorld()
        world.source(DOCUMENTS)
        world.reindex(deploy_as_blue=True)
        cancel_reindex(world.ports, world.tenant_id, "reindex-1")
        faults = Faults(AtCall(number, fault))
        with suppress(SimulatedCrash, ShoalError):
            restart_reindex(world.process(faults), world.tenant_id, "reindex-1")
        if faults.calls <= number:
            assert number > 20
            return
        world.settle_down()
        if world.task().status is TaskStatus.CANCELED:
            restart_reindex(world.ports, world.tenant_id, "reindex-1")
        assert world.task().status is TaskStatus.PROCESSING, faults.describe()
        world.run()
        check_done(world)
