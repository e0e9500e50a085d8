"""The swap: between two tasks, with all of the line in both collections, and never twice."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial

import pytest

from shoal.errors import ShoalError
from shoal.model.bindings import Family
from shoal.model.tasks import Task, TaskKind, TaskStatus
from shoal.services.collections.blue import set_blue
from shoal.services.reindex.deploying import deploy
from shoal.services.tasks.accept import UpsertBody, accept
from shoal.services.tasks.family import LEASE_SECONDS, WANTED_SECONDS, acquire, release
from shoal.services.tasks.items import read_task
from shoal.services.tasks.worker import work
from shoal.storage.memory.faults import Call, Fault, Faults, SimulatedCrash
from shoal.storage.ports import Ports
from tests.unit.services.reindex.models import NEW, OLD, FakeModels, spec
from tests.unit.services.reindex.test_ending import run_up_to
from tests.unit.services.reindex.world import Documents, TextWorld, no_pause, numbered, texts

DOCUMENTS = numbered(6, words=10)
SLOW = spec("old", 3, rate=1.0)
"""Of which a worker does sixteen objects at a time."""


def ask(world: TextWorld, documents: Documents, *, task_id: str, model: str | None = None) -> Task:
    return accept(
        world.ports,
        world.tenant_id,
        kind=TaskKind.UPSERTION if model is None else TaskKind.INTERNAL_UPSERTION,
        family=Family.ITEMS,
        model_id=model or "old",
        asked_as="old",
        task_id=task_id,
        body=UpsertBody([{"object_id": name, "payload": payload} for name, payload in documents.items()]),
    )


def do_tasks(world: TextWorld, ports: Ports | None = None) -> None:
    mine = ports or world.ports
    work(
        mine,
        world.embedder(mine),
        world.tenant_id,
        Family.ITEMS,
        owner="test",
        pause=no_pause,
        threads=1,
    )


def is_half_done(world: TextWorld, task_id: str) -> bool:
    task = read_task(world.ports, world.tenant_id, TaskKind.UPSERTION, task_id)
    return task is not None and task.status is TaskStatus.PROCESSING and task.processed > 0


def do_half(world: TextWorld, task_id: str) -> None:
    """A worker dies when it has done some of a task."""

    def dies(_: Call) -> Fault | None:
        return Fault.CRASH_BEFORE if is_half_done(world, task_id) else None

    with suppress(SimulatedCrash):
        do_tasks(world, world.process(Faults(dies)))
    assert is_half_done(world, task_id)
    world.clock.pass_seconds(LEASE_SECONDS + 1)


def try_to_deploy(world: TextWorld, ports: Ports | None = None) -> bool:
    return deploy(ports or world.ports, world.job().import_id, seconds=0, pause=no_pause)


def committed(*, deploy_as_blue: bool = True, **more: object) -> TextWorld:
    """A reindex that has only to be deployed."""
    world = TextWorld(**more)  # type: ignore[arg-type] # its fields
    world.source(DOCUMENTS, world.models.registry["old"])
    world.reindex(source=world.models.registry["old"], deploy_as_blue=deploy_as_blue)
    run_up_to(world, "commit")
    return world


def check_equal(world: TextWorld, documents: Documents) -> None:
    world.drain_all()
    for model in world.models.registry.values():
        if model.model_id in ("old", "new"):
            dataset = world.found(model)
            assert world.records(dataset) == world.expected(dataset, documents), model.model_id


def test_not_while_a_task_is_half_done() -> None:
    world = committed(models=FakeModels(SLOW, NEW))
    more = texts((f"more-{n}" for n in range(40)), words=3)
    ask(world, more, task_id="large")
    do_half(world, "large")
    assert not try_to_deploy(world)
    world.clock.pass_seconds(1000)  # nobody waits any more for what was accepted earlier
    world.drain_all()
    assert not try_to_deploy(world)
    assert world.task().status is TaskStatus.PROCESSING
    assert world.state().wanted_until <= world.clock()  # and nobody keeps the worker from its task
    do_tasks(world)
    world.drain_all()
    assert try_to_deploy(world)
    check_equal(world, DOCUMENTS | more)


def test_not_before_what_was_accepted_earlier_is_done() -> None:
    world = committed()
    more = texts(["more"])
    ask(world, more, task_id="named", model="old")
    assert not try_to_deploy(world)
    later = texts(["later"])
    ask(world, later, task_id="later", model="old")
    do_tasks(world)
    world.drain_all()
    assert try_to_deploy(world)
    check_equal(world, DOCUMENTS | more | later)


def test_a_line_that_does_not_move_is_not_waited_for_for_ever() -> None:
    world = committed()
    ask(world, texts(["more"]), task_id="stuck")
    assert not try_to_deploy(world)
    world.clock.pass_seconds(601)
    assert try_to_deploy(world)
    do_tasks(world)  # it is for what is the active collection by now
    world.drain_all()
    assert world.records(world.found(NEW)) == world.expected(world.found(NEW), DOCUMENTS | texts(["more"]))
    assert world.records(world.found(OLD)) == world.expected(world.found(OLD), DOCUMENTS)


def test_not_before_the_destination_has_applied_its_log() -> None:
    world = committed()
    more = texts(["more"])
    ask(world, more, task_id="task")
    do_tasks(world)
    assert not try_to_deploy(world)
    assert world.blue() == "old"
    world.drain_all()
    assert try_to_deploy(world)
    check_equal(world, DOCUMENTS | more)


def test_a_worker_that_holds_the_lease_is_asked_for_it() -> None:
    world = committed()
    lease = acquire(world.ports, world.family, owner="worker")
    assert lease is not None
    assert not try_to_deploy(world)
    assert world.state().wanted_until > world.clock()
    release(world.ports, world.family, lease)
    assert acquire(world.ports, world.family, owner="another") is None  # it is kept for who has asked
    assert try_to_deploy(world)
    assert world.state().lease_owner is None
    assert world.tasks.receive()


def test_who_has_lost_the_lease_changes_nothing() -> None:
    for number in range(200):
        world = committed()
        more = texts(["more"])
        happened: list[int] = []
        active: list[str] = []
        faults = Faults(at(number, partial(overtaken, world, more, active), happened))
        with suppress(ShoalError):
            try_to_deploy(world, world.process(faults))
        if not happened:
            assert number > 10
            return
        # Whoever did the line has written to a collection that nobody has indexed since.
        assert active == [world.blue()], number
        world.clock.pass_seconds(LEASE_SECONDS + WANTED_SECONDS)
        do_tasks(world)
        world.drain_all()
        assert try_to_deploy(world), number
        dest = world.found(NEW)
        assert world.records(dest) == world.expected(dest, DOCUMENTS | more), number


def overtaken(world: TextWorld, more: Documents, active: list[str]) -> None:
    """Long after, somebody else does the line; `active` is told what is active then."""
    world.clock.pass_seconds(LEASE_SECONDS + WANTED_SECONDS + 1)
    ask(world, more, task_id="more")
    do_tasks(world)
    active.append(world.blue())


def at(number: int, act: Callable[[], None], happened: list[int]) -> Callable[[Call], Fault | None]:
    """Do something just before a call of another process."""

    def at_call(call: Call) -> Fault | None:
        if call.number == number and not happened:
            happened.append(number)
            act()
        return None

    return at_call


def test_tasks_that_arrive_at_any_moment_of_the_swap_reach_the_destination() -> None:
    for number in range(200):
        world = committed()
        more = texts(["more"])
        happened: list[int] = []
        faults = Faults(at(number, partial(arrives, world, more), happened))
        try_to_deploy(world, world.process(faults))
        if not happened:
            assert number > 10
            return
        world.rest()
        do_tasks(world)
        world.drain_all()
        assert try_to_deploy(world), number
        dest = world.found(NEW)
        assert (world.blue(), world.records(dest)) == ("new", world.expected(dest, DOCUMENTS | more)), number


def arrives(world: TextWorld, more: Documents) -> None:
    ask(world, more, task_id="more")
    do_tasks(world)


@pytest.mark.parametrize("deploy_as_blue", [True, False])
def test_tasks_that_name_the_source_reach_both_until_the_very_swap(deploy_as_blue: bool) -> None:
    reached: set[tuple[bool, bool]] = set()
    for number in range(200):
        world = committed(deploy_as_blue=deploy_as_blue)
        more = texts(["more"])
        before: list[bool] = []

        def act(world: TextWorld = world, more: Documents = more, before: list[bool] = before) -> None:
            ask(world, more, task_id="more", model="old")
            before.append(not world.task().status.terminal)

        try_to_deploy(world, world.process(Faults(at(number, act, []))))
        if not before:
            assert reached == {(True, True), (True, False), (False, True)}
            return
        at_once = world.task().status is TaskStatus.DONE
        world.rest()
        if not at_once:
            do_tasks(world)
            world.drain_all()
            assert try_to_deploy(world), number
        do_tasks(world)
        ask(world, texts(["later"]), task_id="later", model="old")
        do_tasks(world)
        world.drain_all()
        source, dest = world.found(world.models.registry["old"]), world.found(NEW)
        both = DOCUMENTS | more
        assert world.records(source) == world.expected(source, both | texts(["later"])), number
        assert world.records(dest) == world.expected(dest, both if before[0] else DOCUMENTS), number
        assert world.state().mirrors == () or world.state().copies == ()
        reached.add((before[0], at_once))


@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.BUSY_AFTER, Fault.TWICE])
def test_who_deploys_may_die_at_any_call(fault: Fault) -> None:
    for number in range(200):
        world = committed()
        faults = Faults(lambda call, number=number: fault if call.number == number else None)  # type: ignore[misc]
        with suppress(SimulatedCrash, ShoalError):
            try_to_deploy(world, world.process(faults))
        if faults.calls <= number:
            assert number > 20
            return
        world.rest()
        assert try_to_deploy(world), faults.describe()
        assert (world.task().status, world.blue()) == (TaskStatus.DONE, "new")
        assert world.state().reindexes == ()


def test_without_being_asked_the_alias_stays() -> None:
    world = committed(deploy_as_blue=False)
    assert try_to_deploy(world)
    assert (world.task().status, world.blue()) == (TaskStatus.DONE, "old")


def test_an_alias_that_was_moved_meanwhile_is_moved_all_the_same() -> None:
    world = committed()
    third = world.models.registry["third"]
    world.collection(third)
    set_blue(world.ports, world.tenant_id, Family.ITEMS, "third")
    assert try_to_deploy(world)
    assert world.blue() == "new"


def test_an_alias_that_points_there_already_stays() -> None:
    world = committed()
    set_blue(world.ports, world.tenant_id, Family.ITEMS, "new")
    assert try_to_deploy(world)
    assert (world.task().status, world.blue()) == (TaskStatus.DONE, "new")


def test_deployed_twice_is_deployed_once() -> None:
    world = committed()
    assert try_to_deploy(world)
    before = world.task()
    assert try_to_deploy(world)
    assert world.task() == before


def test_nothing_of_it_is_deployed_before_it_is_committed() -> None:
    world = TextWorld()
    world.source(DOCUMENTS)
    world.reindex(deploy_as_blue=True)
    run_up_to(world, "build_shard")
    assert not try_to_deploy(world)
    assert (world.task().status, world.blue()) == (TaskStatus.PROCESSING, "old")
