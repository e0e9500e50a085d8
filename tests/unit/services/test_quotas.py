"""Quotas and rates hold however many ask at once."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.errors import LimitReached
from shoal.model.tenants import Principal, RateLimit, Scope, microseconds
from shoal.services.quotas import charge_query, check_rate, refund_query, usage
from shoal.storage.memory import MemoryObjects, MemoryQueue, MemoryTable
from shoal.storage.ports import Action, Condition, Item, Key, Ports

START = 1_780_000_000.0


class CountingTable(MemoryTable):
    """A table that counts updates, those that lost too."""

    updates = 0

    def update(self, key: Key, actions: Sequence[Action], *, condition: Condition | None = None) -> Item:
        self.updates += 1
        return super().update(key, actions, condition=condition)


class World:
    """A key, and time that moves when told."""

    def __init__(self, query_quota: int | None = None) -> None:
        self.now = START
        self.table = CountingTable(self.clock)
        queues = (MemoryQueue(self.clock), MemoryQueue(self.clock))
        self.ports = Ports(MemoryObjects(self.clock), self.table, *queues, self.clock)
        self.principal = Principal(
            "ten_" + "0" * 32, "0" * 16, frozenset({Scope.READ}), query_quota=query_quota
        )

    def clock(self) -> float:
        return self.now

    def admitted(self, limit: RateLimit) -> bool:
        before = self.table.updates
        details = None
        try:
            check_rate(self.ports, self.principal, limit)
        except LimitReached as refused:
            details = refused.details
        assert self.table.updates - before <= 2
        assert details in (None, {"limit_rps": limit.rps, "burst": limit.burst})
        return details is None

    def charged(self) -> bool:
        try:
            charge_query(self.ports, self.principal)
        except LimitReached:
            return False
        return True


@settings(max_examples=100, deadline=None)
@given(
    rps=st.integers(1, 50),
    burst=st.integers(1, 10),
    pauses=st.lists(st.integers(0, 500_000), min_size=1, max_size=60),
)
def test_a_rate_is_kept_as_by_a_bucket_of_tokens(rps: int, burst: int, pauses: list[int]) -> None:
    world = World()
    limit = RateLimit(rps, burst)
    now = microseconds(START)
    tokens, last = burst * limit.interval, now
    for pause in pauses:
        now += pause
        world.now = (now + 0.5) / 1_000_000  # half a microsecond keeps the rounding of floats out of it
        tokens, last = min(burst * limit.interval, tokens + now - last), now
        wanted = tokens >= limit.interval
        if wanted:
            tokens -= limit.interval
        assert world.admitted(limit) == wanted


def test_exactly_the_burst_is_admitted_of_many_at_once() -> None:
    world = World()
    limit = RateLimit(1, 7)
    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(lambda _: _admitted(world, limit), range(64))) == 7


def _admitted(world: World, limit: RateLimit) -> bool:
    try:
        check_rate(world.ports, world.principal, limit)
    except LimitReached:
        return False
    return True


def test_without_a_limit_nothing_is_written() -> None:
    world = World()
    check_rate(world.ports, world.principal, None)
    assert world.table.updates == 0


def test_exactly_the_quota_is_charged_of_many_at_once() -> None:
    world = World(query_quota=10)
    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(lambda _: world.charged(), range(64))) == 10
    assert usage(world.ports, world.principal).queries_today == 10


def test_a_refund_gives_one_query_back_and_never_more_than_was_charged() -> None:
    world = World(query_quota=1)
    assert [world.charged(), world.charged()] == [True, False]
    for _ in range(3):
        refund_query(world.ports, world.principal)
    assert usage(world.ports, world.principal).queries_today == 0
    assert [world.charged(), world.charged()] == [True, False]


def test_a_new_day_starts_at_midnight_utc_and_old_counters_expire() -> None:
    world = World(query_quota=1)
    assert [world.charged(), world.charged()] == [True, False]
    item = world.table.query(f"T#{world.principal.tenant_id}", prefix="QUERIES#").items[0]
    assert item["expires_at"] > START + 86_400
    world.now = START + 86_400 - START % 86_400
    assert [world.charged(), world.charged()] == [True, False]


def test_a_quota_of_none_counts_and_of_nothing_refuses() -> None:
    world = World()
    assert all(world.charged() for _ in range(3))
    assert usage(world.ports, world.principal).queries_today == 3
    assert not World(query_quota=0).charged()
