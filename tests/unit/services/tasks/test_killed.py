"""Workers that die, or are answered badly, at each call in turn: all the same everything is done once."""

import logging
from collections.abc import Iterator

import pytest

from shoal.services.tasks.family import LEASE_SECONDS
from shoal.storage.memory.faults import AtCall, Fault, Faults
from tests.unit.services.reindex.models import NEW, OLD, THIRD
from tests.unit.services.tasks.line_world import CANNOT, NOT_IN_THIRD, Asked, LineWorld

LONG = "a b c d e f g h. i j k l m n o p. q r s t u v w x"
STORY = (
    Asked("upsert", tuple((name, {"title": f"{name} {LONG}"}) for name in "abcde")),
    Asked("upsert", (("a", {"title": "a second"}),)),
    Asked("upsert", (("b", {"title": f"{CANNOT}"}), ("c", {"title": f"c {NOT_IN_THIRD}"}))),
    Asked("delete", (("d", None),)),
    Asked("set", (("e", {"title": "e", "size": 1}), ("f", {"title": "f"}))),
    Asked("insert", (("d", {"title": "d again"}), ("f", {"title": "not this"}))),
)


@pytest.fixture(autouse=True)
def no_logs() -> Iterator[None]:
    """What the package logs of its bad luck fills no report."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def told() -> LineWorld:
    world = LineWorld()
    world.source({})
    world.collection(NEW)
    world.begin_pair(OLD, THIRD)
    for asked in STORY:
        world.ask(asked)
    world.ask(Asked("upsert", (("a", {"title": "elsewhere"}),)), model=NEW)
    return world


def calls_of_a_good_day() -> int:
    world, faults = told(), Faults()
    world.work(ports=world.process(faults))
    world.check()
    return faults.calls


@pytest.mark.parametrize(
    ("fault", "stride"),
    # To die before a call is to die after the one before it.
    [(Fault.CRASH_AFTER, 1), (Fault.CRASH_BEFORE, 7), (Fault.BUSY_AFTER, 2), (Fault.TWICE, 2)],
)
def test_whatever_happens_at_any_call_everything_is_done_once(fault: Fault, stride: int) -> None:
    calls = calls_of_a_good_day()
    assert calls > 60
    injected = 0
    for number in range(0, calls, stride):
        world, faults = told(), Faults(AtCall(number, fault))
        world.work(ports=world.process(faults))
        injected += len(faults.log)
        world.clock.pass_seconds(LEASE_SECONDS + 1)
        world.check()
    assert injected > calls / stride / 3


def test_two_deaths_in_a_row_at_any_two_calls() -> None:
    calls = calls_of_a_good_day()
    for number in range(0, calls, 5):
        world = told()
        for again in (number, number // 2):
            world.work(ports=world.process(Faults(AtCall(again, Fault.CRASH_AFTER))))
            world.clock.pass_seconds(LEASE_SECONDS + 1)
        world.check()


@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.BUSY_AFTER, Fault.TWICE])
def test_an_accepted_task_is_found_and_done_whatever_happened_when_it_came(fault: Fault) -> None:
    asked = Asked("upsert", (("a", {"title": "a b c"}),))
    acknowledged = stored = 0
    for number in range(12):
        world = LineWorld()
        world.source({})
        answer = world.ask(asked, ports=world.process(Faults(AtCall(number, fault))))
        acknowledged += answer is not None
        stored += len(world.attempts)
        again = world.ask(asked, task_id="task-0")
        assert again is not None
        assert len(world.attempts) == 1, "accepted twice"
        world.check()
    assert stored >= acknowledged > 0
