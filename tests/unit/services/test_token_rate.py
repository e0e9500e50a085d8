"""Tokens of a minute: documents never have more than their share, queries never wait."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.embedding.models import Models
from shoal.errors import ModelBusy, StorageBusy
from shoal.model.embedding_models import STATIC_MODELS, ModelRegistry
from shoal.model.ids import new_tenant_id
from shoal.services.embedding import Embedder
from shoal.services.token_rate import SLOT_SECONDS, WINDOW_SECONDS, TokenRate
from shoal.storage.keys import model_rate
from shoal.storage.memory import (
    MemoryInference,
    MemoryObjects,
    MemoryOutbound,
    MemoryQueue,
    MemoryTable,
)
from shoal.storage.ports import Action, Condition, Item, Key, Ports

NOON = 1_780_012_800.0
MODEL = "static-128"
LIMIT = 1000
SHARE = 800
LONGEST_WAIT = WINDOW_SECONDS + SLOT_SECONDS


class Table(MemoryTable):
    """A table whose calls are counted, which can be broken, and where somebody else may come in between."""

    calls = 0
    broken = False
    meanwhile: "list[TokenRate]"

    def get(self, key: Key, *, consistent: bool = True) -> Item | None:
        self._call()
        found = super().get(key, consistent=consistent)
        others, self.meanwhile = self.meanwhile, []
        for other in others:
            other.admit(MODEL, 300)
        return found

    def update(self, key: Key, actions: Sequence[Action], *, condition: Condition | None = None) -> Item:
        self._call()
        return super().update(key, actions, condition=condition)

    def _call(self) -> None:
        self.calls += 1
        if self.broken:
            raise StorageBusy("throttled")


class World:
    """A minute or more of a model with a limit. Time moves when told, and when somebody waits."""

    def __init__(self, limit: int | None = LIMIT) -> None:
        self.now = NOON
        self.waited = 0.0
        self.table = Table(self.clock)
        self.table.meanwhile = []
        queues = MemoryQueue(self.clock), MemoryQueue(self.clock)
        self.ports = Ports(MemoryObjects(self.clock), self.table, *queues, self.clock)
        self.limits = {} if limit is None else {MODEL: limit}
        self.rate = self.another()
        self.tenant = new_tenant_id()

    def clock(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds
        self.waited += seconds

    def another(self) -> TokenRate:
        return TokenRate(self.ports, self.limits, pause=self.pause)

    def embedder(self, *, tokens_a_day: int | None = None) -> Embedder:
        models = Models(ModelRegistry(STATIC_MODELS), inference=MemoryInference(), outbound=MemoryOutbound())
        return Embedder(
            self.ports, models, tokens_a_day=tokens_a_day, tokens_a_minute=self.limits, pause=self.pause
        )

    def refused(self, tokens: int) -> int:
        """How long documents are told to wait."""
        with pytest.raises(ModelBusy, match=rf"{LIMIT} tokens .* in a minute are in use") as busy:
            self.rate.admit(MODEL, tokens)
        assert busy.value.retry_after is not None
        return busy.value.retry_after

    def item(self) -> Item:
        return self.table.get(model_rate(MODEL)) or {}


def test_without_a_limit_nobody_looks_at_the_table() -> None:
    world = World(limit=None)
    embedder = world.embedder()
    embedder.documents(world.tenant, MODEL, ["some words"])
    embedder.query(world.tenant, MODEL, "some words")
    assert world.rate.admit(MODEL, 10**9) is None
    assert world.table.calls == 0


def test_a_limit_is_of_one_model() -> None:
    world = World()
    world.rate.admit(MODEL, SHARE)
    assert world.rate.admit("static-256", 10**9) is None
    world.refused(1)


def test_documents_leave_a_reserve_and_are_told_how_long_to_wait() -> None:
    world = World()
    world.rate.admit(MODEL, SHARE - 1)
    world.rate.admit(MODEL, 1)
    seconds = world.refused(1)
    assert WINDOW_SECONDS <= seconds <= LONGEST_WAIT
    world.now += seconds - 1 - SLOT_SECONDS
    world.refused(1)
    world.now += SLOT_SECONDS + 1
    assert world.rate.admit(MODEL, SHARE) is not None


def test_the_wait_is_no_longer_than_what_is_asked_for_takes() -> None:
    world = World()
    for _ in range(4):
        world.rate.admit(MODEL, 200)
        world.now += 10
    assert world.refused(1) < world.refused(201) < world.refused(SHARE)


def test_more_than_a_share_goes_alone() -> None:
    world = World()
    admitted = world.rate.admit(MODEL, 10 * LIMIT)
    assert admitted is not None
    assert admitted.expected == SHARE
    world.refused(1)


def test_who_is_patient_waits_as_long_as_it_takes() -> None:
    world = World()
    world.rate.admit(MODEL, SHARE)
    assert world.rate.admit(MODEL, SHARE, patience_seconds=LONGEST_WAIT) is not None
    assert WINDOW_SECONDS <= world.waited <= LONGEST_WAIT
    before = world.waited
    with pytest.raises(ModelBusy):
        world.rate.admit(MODEL, SHARE, patience_seconds=WINDOW_SECONDS - 1)
    assert world.waited == before


def test_queries_go_on_whatever_is_in_use() -> None:
    world = World()
    world.rate.admit(MODEL, SHARE)
    embedder = world.embedder()
    for _ in range(50):
        embedder.query(world.tenant, MODEL, "where is the red chair " * 10)
    assert world.waited == 0
    assert sum(tokens for name, tokens in world.item().items() if name.startswith("q")) > LIMIT


def test_queries_go_on_while_the_table_is_busy() -> None:
    world = World()
    world.table.broken = True
    assert world.embedder().query(world.tenant, MODEL, "where").any()
    assert world.table.calls == 1


def test_documents_give_way_to_queries_beyond_their_reserve() -> None:
    world = World()
    world.rate.note_query(MODEL, LIMIT - SHARE)
    world.rate.admit(MODEL, 300)
    world.rate.note_query(MODEL, 400)
    world.rate.admit(MODEL, 100)
    world.refused(1)


def test_what_was_read_counts_in_place_of_what_was_expected() -> None:
    world = World()
    less = world.rate.admit(MODEL, 600)
    world.now += SLOT_SECONDS
    world.rate.settle(less, 100)
    more = world.rate.admit(MODEL, 100)
    world.rate.settle(more, 600)
    world.rate.admit(MODEL, 100)
    world.refused(1)
    world.now += LONGEST_WAIT
    world.rate.settle(less, 0)  # over long ago
    world.rate.admit(MODEL, SHARE)
    world.refused(1)


def test_somebody_else_may_take_what_was_seen_free() -> None:
    world = World()
    world.rate.admit(MODEL, 200)
    world.table.meanwhile = [world.another()]
    world.refused(400)
    world.table.meanwhile = [world.another()]
    with pytest.raises(ModelBusy):
        world.rate.admit(MODEL, 100)
    assert sum(tokens for name, tokens in world.item().items() if name.startswith("d")) == SHARE


def test_many_at_once_have_no_more_than_their_share() -> None:
    world = World()

    def taken(tokens: int) -> int:
        try:
            return (
                0
                if TokenRate(world.ports, world.limits, pause=lambda _: None).admit(MODEL, tokens) is None
                else tokens
            )
        except ModelBusy:
            return 0

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(taken, [7] * 400)) <= SHARE
    assert world.rate.admit(MODEL, SHARE % 7 or 7, patience_seconds=LONGEST_WAIT) is not None


def test_the_item_stays_small() -> None:
    world = World()
    for _ in range(2000):
        world.rate.note_query(MODEL, 1)
        world.now += SLOT_SECONDS
    assert len(world.item()) < 60
    world.rate.admit(MODEL, 1)
    assert len(world.item()) < 20


def test_a_call_that_is_too_much_for_a_minute_takes_several() -> None:
    world = World()
    texts = [f"number {number} of some words that go on for a while" for number in range(200)] + ["", "end"]
    found = world.embedder().documents(world.tenant, MODEL, texts)
    assert world.waited >= WINDOW_SECONDS
    plain = World(limit=None).embedder().documents(world.tenant, MODEL, texts)
    np.testing.assert_array_equal(found.vectors, plain.vectors)
    assert (found.tokens, found.failed, found.truncated) == (plain.tokens, plain.failed, plain.truncated)


def test_a_call_had_better_take_some_minutes_only() -> None:
    world = World(limit=10_000)
    most = world.embedder().texts_at_once(MODEL)
    assert most is not None
    longest = ModelRegistry(STATIC_MODELS)[MODEL].max_tokens
    assert 8000 < most * longest <= 4 * 8000
    assert World().embedder().texts_at_once(MODEL) == max(1, 4 * SHARE // longest)
    assert World(limit=None).embedder().texts_at_once(MODEL) is None


def test_a_call_that_is_not_let_in_counts_for_no_tenant() -> None:
    world = World()
    world.rate.admit(MODEL, SHARE)
    with pytest.raises(ModelBusy):
        world.embedder(tokens_a_day=100).documents(world.tenant, MODEL, ["some words " * 20])
    world.now += LONGEST_WAIT
    assert world.embedder(tokens_a_day=100).documents(world.tenant, MODEL, ["some words " * 20]).vectors.any()


@settings(max_examples=150, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["document", "query", "wait"]),
            st.integers(1, 2 * LIMIT),
            st.floats(0, 1.5 * WINDOW_SECONDS),
        ),
        max_size=60,
    ),
    start=st.floats(0, 120),
)
def test_no_minute_has_more_than_the_limit(steps: list[tuple[str, int, float]], start: float) -> None:
    world = World()
    world.now += start
    read: list[tuple[float, str, int]] = []

    def within(moment: float, *kinds: str) -> int:
        return sum(
            tokens for at, kind, tokens in read if moment - WINDOW_SECONDS < at <= moment and kind in kinds
        )

    def wait_for(tokens: int) -> int | None:
        """How long to wait; None: they were let in."""
        try:
            world.rate.admit(MODEL, tokens)
        except ModelBusy as busy:
            return busy.retry_after
        read.append((world.now, "document", tokens))
        # Queries alone may have more; documents never come on top of that.
        assert within(world.now, "document", "query") <= LIMIT
        return None

    for kind, tokens, seconds in steps:
        if kind == "query":
            world.rate.note_query(MODEL, tokens)
            read.append((world.now, kind, tokens))
        else:
            wait = wait_for(min(tokens, SHARE))
            assert wait is None or 0 < wait <= LONGEST_WAIT + 1
            if kind == "wait" and wait is not None:  # as long as it says is long enough
                world.now += wait
                assert wait_for(min(tokens, SHARE)) is None
        world.now += seconds / 4
    for at, _, _ in read:
        assert within(at, "document") <= SHARE
