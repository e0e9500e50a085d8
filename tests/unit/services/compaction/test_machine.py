"""Compactions among all else, against a dictionary: any order of writes, imports, builds, restores and steps."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shoal.model.limits import BUILD_LEASE_SECONDS, LEASE_SECONDS
from shoal.services.restore import restore
from shoal.services.snapshots import create_snapshot, delete_snapshot
from tests.unit.services.compaction.work import CompactWorld, Stepper, check, imported
from tests.unit.services.world import Record

NAMES = [f"id-{number:03}" for number in range(120)]
values = st.tuples(*[st.integers(-8, 8).map(float)] * 4)
ranges = st.tuples(st.integers(0, 119), st.integers(1, 60))


class CompactionsAgainstDictionary(RuleBasedStateMachine):
    """`there` is what all commits come to; every write is committed at once, unless others hold the lease."""

    @initialize()
    def begin(self) -> None:
        self.world = CompactWorld()
        self.dataset = self.world.create()
        self.there: dict[str, Record] = {}
        self.named: dict[str, Record] | None = None
        self.steppers: list[Stepper] = []
        self.count = 0
        self.bring((0, 60), (1.0, 2.0, 3.0, 4.0))
        self.upsert((50, 40), (4.0, 3.0, 2.0, 1.0))

    def rows(self, place: tuple[int, int], value: tuple[float, ...]) -> dict[str, Record]:
        self.count += 1
        return {name: (value, {"write": self.count}) for name in NAMES[place[0] : sum(place)]}

    @rule(place=ranges, value=values)
    def upsert(self, place: tuple[int, int], value: tuple[float, ...]) -> None:
        rows = self.rows(place, value)
        self.world.upsert(self.dataset, rows)
        self.there = {**self.there, **rows}
        self.world.drain(self.dataset)

    @rule(place=ranges)
    def delete(self, place: tuple[int, int]) -> None:
        names = NAMES[place[0] : sum(place)]
        self.world.delete(self.dataset, names)
        self.there = {name: row for name, row in self.there.items() if name not in names}
        self.world.drain(self.dataset)

    @rule(place=ranges, value=values)
    def bring(self, place: tuple[int, int], value: tuple[float, ...]) -> None:
        rows = self.rows(place, value)
        imported(self.world, self.dataset, rows)
        self.there = {**self.there, **rows}

    @rule()
    def build(self) -> None:
        self.world.build(self.dataset)

    @precondition(lambda self: all(stepper.over for stepper in self.steppers))
    @rule()
    def compact(self) -> None:
        self.decide(thorough=True)

    @rule(thorough=st.booleans())
    def decide(self, thorough: bool) -> None:
        known = set(self.world.compactions.started)
        self.world.decide(self.dataset, thorough=thorough)
        for _ in set(self.world.compactions.started) - known:
            self.steppers.append(Stepper(self.world, self.world.fresh_newest(self.dataset)))

    @precondition(lambda self: any(not stepper.over for stepper in self.steppers))
    @rule(data=st.data(), calls=st.integers(1, 25))
    def go_on(self, data: st.DataObject, calls: int) -> None:
        running = [stepper for stepper in self.steppers if not stepper.over]
        stepper = data.draw(st.sampled_from(running))
        for _ in range(calls):
            if not stepper.over:
                stepper.step()

    @rule()
    def wait(self) -> None:
        self.world.clock.pass_seconds(BUILD_LEASE_SECONDS + 1)

    @precondition(lambda self: self.there)
    @rule()
    def name_a_version(self) -> None:
        if self.named is not None:
            delete_snapshot(self.world.ports, self.dataset, "named")
        create_snapshot(self.world.ports, self.dataset, "named")
        self.named = dict(self.there)

    @precondition(lambda self: self.named is not None)
    @rule()
    def go_back(self) -> None:
        restore(self.world.ports, self.dataset, "named", vector_quota=None)
        self.world.clock.pass_seconds(LEASE_SECONDS + 1)
        self.world.drain(self.dataset)
        self.there = dict(self.named or {})

    @invariant()
    def all_of_it_is_right(self) -> None:
        if self.count:
            self.world.clock.pass_seconds(0.3)
            check(self.world, self.dataset, self.there)


CompactionsAgainstDictionary.TestCase.settings = settings(
    max_examples=20, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestCompactionsAgainstDictionary = CompactionsAgainstDictionary.TestCase
