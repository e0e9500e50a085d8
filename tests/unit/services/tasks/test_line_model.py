"""The line of tasks as a property: whoever dies at whatever call, what is accepted is done once and in order.

A story is a list of steps that hypothesis chose; at its end nothing goes wrong any more, and every collection must
hold what all tasks come to, done one by one on dictionaries.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shoal.model.bindings import Family
from shoal.model.embedding_models import EmbeddingModel
from shoal.services.collections.blue import set_blue
from shoal.services.tasks.family import LEASE_SECONDS
from shoal.storage.memory.faults import AtCall, Call, Fault, Faults, RandomFaults, Schedule, no_faults
from shoal.storage.ports import Ports
from tests.faults.turns import Turns, both
from tests.unit.services.reindex.models import NEW, OLD, THIRD
from tests.unit.services.tasks.line_world import CANNOT, NOT_IN_THIRD, Asked, LineWorld, Operation

TITLES = (
    "one two three",
    "a b c d e f g h. i j k l m n o p. q r s t u v w x",
    "a b c d e f g h i j",
    CANNOT,
    f"almost {NOT_IN_THIRD}",
    "",
)
RATES = {
    Fault.CRASH_BEFORE: 0.01,
    Fault.CRASH_AFTER: 0.01,
    Fault.BUSY_BEFORE: 0.01,
    Fault.BUSY_AFTER: 0.01,
    Fault.TWICE: 0.03,
    Fault.PARTIAL: 0.01,
    Fault.LOST: 0.1,
}


@dataclass(frozen=True)
class Ask:
    asked: Asked
    to: EmbeddingModel | None = None
    luck: Schedule = no_faults


@dataclass(frozen=True)
class Work:
    luck: Schedule = no_faults
    tick: float = 0.0


@dataclass(frozen=True)
class TwoWork:
    """Two workers at once; the lease of one of them runs out while it waits for its turn."""

    order: tuple[int, ...]
    late: int


@dataclass(frozen=True)
class Meanwhile:
    """Something that happens after so many calls of a worker at work."""

    calls: int
    what: "Step"


@dataclass(frozen=True)
class TwoAsk:
    """Two requests at once."""

    order: tuple[int, ...]
    asked: tuple[Asked, Asked]


@dataclass(frozen=True)
class Cancel:
    which: int


@dataclass(frozen=True)
class Restart:
    which: int


@dataclass(frozen=True)
class Blue:
    new: bool


@dataclass(frozen=True)
class BeginPair:
    pass


@dataclass(frozen=True)
class EndPair:
    pass


@dataclass(frozen=True)
class Wait:
    seconds: float


type Step = Ask | Work | TwoWork | Meanwhile | TwoAsk | Cancel | Restart | Blue | BeginPair | EndPair | Wait

lucks: st.SearchStrategy[Schedule] = st.one_of(
    st.just(no_faults),
    st.builds(
        AtCall,
        st.integers(0, 60),
        st.sampled_from([Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.TWICE, Fault.BUSY_AFTER]),
    ),
    st.builds(RandomFaults, seed=st.integers(0, 1000), rates=st.just(RATES)),
)
names = st.sampled_from("abc")
payloads = st.sampled_from([{"title": title} for title in TITLES])


def asked_of(operation: Operation) -> st.SearchStrategy[Asked]:
    payload = st.none() if operation == "delete" else payloads
    objects = st.lists(st.tuples(names, payload), min_size=1, max_size=7).map(tuple)
    return st.builds(Asked, st.just(operation), objects)


operations: list[Operation] = ["upsert", "upsert", "upsert", "delete", "set", "insert"]
asked = st.sampled_from(operations).flatmap(asked_of)
which = st.integers(0, 20)
orders = st.lists(st.integers(0, 1), max_size=40).map(tuple)
asks = st.builds(Ask, asked, st.sampled_from([None, None, NEW, THIRD]), lucks)
sudden: st.SearchStrategy[Step] = st.one_of(
    st.builds(Cancel, which),
    st.builds(Restart, which),
    st.builds(Blue, st.booleans()),
    st.just(BeginPair()),
    st.just(EndPair()),
)
steps: st.SearchStrategy[Step] = st.one_of(
    asks,
    asks,
    asks,
    st.builds(Work, lucks, st.sampled_from([0.0, 0.0, 0.5, 3.0])),
    st.builds(TwoWork, orders, st.integers(0, 1)),
    st.builds(Meanwhile, st.integers(0, 50), sudden),
    st.builds(TwoAsk, orders, st.tuples(asked, asked)),
    sudden,
    st.builds(Wait, st.sampled_from([1.0, 6.0, LEASE_SECONDS + 1])),
)
stories = st.lists(steps, min_size=4, max_size=14)


@pytest.fixture(autouse=True)
def no_logs() -> Iterator[None]:
    """What the package logs of its bad luck fills no report."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def new_world() -> LineWorld:
    world = LineWorld()
    world.source({})
    world.collection(NEW)
    return world


def two_work(world: LineWorld, step: TwoWork) -> None:
    turns = Turns(step.order)

    def at_work(me: int) -> Callable[[], object]:
        def begin() -> None:
            ports: Ports = world.process(Faults(turns.taking(me, no_faults)))
            ports.table.get(world.family.state)
            if me == step.late:
                world.clock.pass_seconds(LEASE_SECONDS + 1)
            world.work(ports=ports)

        return begin

    both(turns, at_work(0), at_work(1))


def meanwhile(world: LineWorld, step: Meanwhile) -> None:
    """In the same thread: nothing else happens while it does."""

    def luck(call: Call) -> Fault | None:
        if call.number == step.calls:
            perform(world, step.what)
        return None

    world.work(ports=world.process(Faults(luck)))


def two_ask(world: LineWorld, step: TwoAsk) -> None:
    turns = Turns(step.order)

    def ask(me: int) -> Callable[[], object]:
        ports = world.process(Faults(turns.taking(me, no_faults)))
        return lambda: world.ask(step.asked[me], task_id=f"{me}-{len(world.attempts)}", ports=ports)

    both(turns, ask(0), ask(1))


def perform(world: LineWorld, step: Step) -> None:
    match step:
        case Ask(asked, to, luck):
            world.ask(asked, ports=world.process(Faults(luck)), model=to)
        case Work(luck, tick):
            world.work(ports=world.process(Faults(luck)), budget=10.0, tick=tick)
        case TwoWork():
            two_work(world, step)
        case Meanwhile():
            meanwhile(world, step)
        case TwoAsk():
            two_ask(world, step)
        case Cancel(which) if world.attempts:
            world.cancel(world.attempts[which % len(world.attempts)])
        case Restart(which) if world.attempts:
            world.restart(world.attempts[which % len(world.attempts)])
        case Blue(new):
            set_blue(world.ports, world.tenant_id, Family.ITEMS, (NEW if new else OLD).model_id)
        case BeginPair() if world.pair is None:
            world.begin_pair(OLD, THIRD)
        case EndPair() if world.pair is not None and not world.pair_ended:
            world.end_pair()
        case Wait(seconds):
            world.clock.pass_seconds(seconds)
        case _:
            return


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)
@given(story=stories)
def test_what_is_accepted_is_done_once_and_in_order(story: list[Step]) -> None:
    world = new_world()
    for step in story:
        perform(world, step)
    world.check()
