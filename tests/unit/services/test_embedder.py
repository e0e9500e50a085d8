"""Embedding on behalf of a tenant: what texts are taken, and how many tokens of a day it may have read."""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.embedding.estimates import estimate_tokens
from shoal.embedding.models import Models
from shoal.errors import (
    InvalidInput,
    LimitReached,
    ModelBusy,
    ModelDenied,
    ModelError,
    ModelFailed,
    NotFound,
    StorageBusy,
)
from shoal.model.bedrock_models import BEDROCK_MODELS
from shoal.model.embedding_models import STATIC_MODELS, ModelRegistry
from shoal.model.ids import new_tenant_id
from shoal.model.limits import MAX_QUERY_TEXT_BYTES
from shoal.services.embedding import Embedder
from shoal.storage.keys import TenantKeys
from shoal.storage.memory import MemoryInference, MemoryObjects, MemoryQueue, MemoryTable
from shoal.storage.memory.outbound import MemoryOutbound
from shoal.storage.ports import Action, Condition, Item, Key, Ports

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()
TODAY = date(2026, 11, 21)
REGISTRY = ModelRegistry([*STATIC_MODELS, *BEDROCK_MODELS])
STATIC = "static-128"
TITAN = "bedrock:amazon.titan-embed-text-v2:0@256"


class Table(MemoryTable):
    """A table whose updates are counted, and can be made to fail."""

    updates = 0
    broken_after: int | None = None

    def update(self, key: Key, actions: Sequence[Action], *, condition: Condition | None = None) -> Item:
        self.updates += 1
        if self.broken_after is not None and self.updates > self.broken_after:
            raise StorageBusy("throttled")
        return super().update(key, actions, condition=condition)


class World:
    """A deployment with a cap, and a day of it."""

    def __init__(self, tokens_a_day: int | None = None) -> None:
        self.now = NOON
        self.table = Table(self.clock)
        queues = (MemoryQueue(self.clock), MemoryQueue(self.clock))
        ports = Ports(MemoryObjects(self.clock), self.table, *queues, self.clock)
        self.inference = MemoryInference(marker="unspeakable")
        models = Models(
            REGISTRY, inference=self.inference, outbound=MemoryOutbound(), pause=lambda seconds: None
        )
        self.embedder = Embedder(ports, models, tokens_a_day=tokens_a_day)
        self.tenant = new_tenant_id()

    def clock(self) -> float:
        return self.now

    def counted(self, day: date = TODAY, tenant: str | None = None) -> int | None:
        """The counter of a day."""
        item = self.table.get(TenantKeys(tenant or self.tenant).tokens(day))
        return None if item is None else int(item["count"])


def test_documents_are_embedded_with_what_went_wrong() -> None:
    world = World()
    found = world.embedder.documents(world.tenant, STATIC, ["some words", "", "others"])
    assert found.vectors.shape == (3, 128)
    assert list(found.failed) == [1]


def test_documents_and_questions_are_told_apart() -> None:
    world = World()
    world.embedder.documents(world.tenant, "bedrock:cohere.embed-english-v3", ["a"])
    world.embedder.query(world.tenant, "bedrock:cohere.embed-english-v3", "a")
    asked = [call.body["input_type"] for call in world.inference.calls]
    assert asked == ["search_document", "search_query"]


def test_a_question_is_one_vector() -> None:
    world = World()
    found = world.embedder.query(world.tenant, STATIC, "some words")
    assert found.shape == (128,)
    assert found.dtype == np.float32
    assert np.array_equal(found, world.embedder.documents(world.tenant, STATIC, ["some words"]).vectors[0])


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "text_without_tokens"),
        (" \n\t", "text_without_tokens"),
        ("a\ud800", "invalid_text"),
        ("x" * (MAX_QUERY_TEXT_BYTES + 1), "text_too_long"),
        ("漢" * (MAX_QUERY_TEXT_BYTES // 3 + 1), "text_too_long"),
    ],
)
@pytest.mark.parametrize("model_id", [STATIC, TITAN])
def test_questions_that_are_none(model_id: str, text: str, code: str) -> None:
    world = World(tokens_a_day=1_000_000)
    with pytest.raises(InvalidInput) as caught:
        world.embedder.query(world.tenant, model_id, text)
    assert caught.value.code == code
    assert world.counted() in (None, 0)
    assert not world.inference.calls


def test_the_longest_question_is_taken() -> None:
    world = World()
    assert world.embedder.query(world.tenant, STATIC, "word " * (MAX_QUERY_TEXT_BYTES // 5)).any()


def test_a_question_that_the_model_refuses_fails() -> None:
    world = World()
    with pytest.raises(ModelFailed, match="refused"):
        world.embedder.query(world.tenant, TITAN, "unspeakable")


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        (lambda fake: fake.throttle(), ModelBusy),
        (lambda fake: fake.denied.add("amazon.titan-embed-text-v2:0"), ModelDenied),
        (lambda fake: setattr(fake, "dimension", 3), ModelFailed),
    ],
)
def test_errors_of_models_pass_through_and_cost_nothing(
    spoil: Callable[[MemoryInference], None], kind: type[ModelError]
) -> None:
    world = World(tokens_a_day=100)
    spoil(world.inference)
    with pytest.raises(kind):
        world.embedder.documents(world.tenant, TITAN, ["some words"])
    with pytest.raises(kind):
        world.embedder.query(world.tenant, TITAN, "some words")
    assert world.counted() == 0


def test_unknown_models_are_not_found() -> None:
    world = World(tokens_a_day=100)
    for ask in (
        lambda: world.embedder.documents(world.tenant, "static-1", ["a"]),
        lambda: world.embedder.query(world.tenant, "static-1", "a"),
        lambda: world.embedder.count_tokens("static-1", ["a"]),
    ):
        with pytest.raises(NotFound, match="static-256"):
            ask()
    assert world.counted() is None


def test_tokens_can_be_counted_without_being_read() -> None:
    world = World(tokens_a_day=0)
    assert world.embedder.count_tokens(STATIC, ["one two three", ""]) == [3, 0]
    assert world.embedder.registry is REGISTRY
    assert world.counted() is None


def test_without_a_cap_nothing_is_written() -> None:
    world = World()
    world.embedder.documents(world.tenant, STATIC, ["some words"] * 10)
    assert world.table.updates == 0


def test_what_was_read_is_counted_and_not_what_was_expected() -> None:
    world = World(tokens_a_day=1000)
    text = "supercalifragilisticexpialidocious" * 3
    found = world.embedder.documents(world.tenant, STATIC, [text, "", "word"])
    assert found.tokens != estimate_tokens(text) + 1
    assert world.counted() == found.tokens
    world.embedder.query(world.tenant, STATIC, "word")
    assert world.counted() == found.tokens + 1


def test_a_long_document_is_expected_to_be_read_in_part() -> None:
    """512 tokens of it, whatever its length: a cap of a thousand is enough."""
    world = World(tokens_a_day=1000)
    found = world.embedder.documents(world.tenant, STATIC, ["word " * 50_000])
    assert found.truncated == {0}
    assert world.counted() == 512


def test_a_day_has_an_end() -> None:
    world = World(tokens_a_day=10)
    world.embedder.documents(world.tenant, STATIC, ["one two three four five six seven eight"])
    with pytest.raises(LimitReached) as caught:
        world.embedder.query(world.tenant, STATIC, "one two three four five six")
    assert caught.value.code == "token_cap_reached"
    assert caught.value.retry_after == 12 * 3600 + 1
    assert caught.value.details == {"limit": 10, "expected": 7, "reset_at": "2026-11-22"}
    assert world.counted() == 8
    world.now += caught.value.retry_after
    world.embedder.query(world.tenant, STATIC, "one two three four five six")
    assert world.counted(date(2026, 11, 22)) == 6


def test_tenants_have_a_cap_each() -> None:
    world = World(tokens_a_day=4)
    other = new_tenant_id()
    world.embedder.query(world.tenant, STATIC, "one two")
    world.embedder.query(other, STATIC, "one two")
    assert (world.counted(), world.counted(tenant=other)) == (2, 2)


def test_more_than_a_day_holds_is_told_as_such() -> None:
    world = World(tokens_a_day=100)
    with pytest.raises(LimitReached, match="send less at once"):
        world.embedder.documents(world.tenant, STATIC, ["word " * 100])
    assert world.counted() is None


def test_the_count_of_a_day_goes_away_by_itself() -> None:
    world = World(tokens_a_day=100)
    world.embedder.query(world.tenant, STATIC, "word")
    item = world.table.get(TenantKeys(world.tenant).tokens(TODAY))
    assert item is not None
    assert item["expires_at"] == NOON + 2 * 86_400


def test_a_call_over_midnight_counts_for_the_day_on_which_it_began() -> None:
    world = World(tokens_a_day=100)

    def sleep(_: object) -> None:
        world.now += 13 * 3600

    world.inference.before = sleep
    world.embedder.documents(world.tenant, TITAN, ["four five"])
    assert world.counted() == 2
    assert world.counted(date(2026, 11, 22)) is None


def test_vectors_are_not_lost_because_they_could_not_be_settled(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("shoal.services.retry.time.sleep", lambda seconds: None)
    world = World(tokens_a_day=100)
    world.table.broken_after = 1
    with caplog.at_level(logging.WARNING):
        found = world.embedder.documents(world.tenant, STATIC, ["supercalifragilistic"])
    assert not found.failed
    assert [record.message for record in caplog.records] == ["tokens were not settled"]


def test_many_at_once_never_have_more_than_a_day_holds() -> None:
    world = World(tokens_a_day=20)

    def ask(_: int) -> bool:
        try:
            world.embedder.query(world.tenant, STATIC, "one two three")
        except LimitReached:
            return False
        return True

    with ThreadPoolExecutor(max_workers=8) as pool:
        admitted = sum(pool.map(ask, range(40)))
    assert 4 <= admitted <= 6
    assert world.counted() == 3 * admitted


@settings(max_examples=60)
@given(
    cap=st.integers(0, 60),
    asked=st.lists(
        st.tuples(
            st.lists(st.sampled_from(["", "word", "one two", "unspeakable", "é漢"]), max_size=6),
            st.booleans(),
        ),
        max_size=12,
    ),
)
def test_what_is_counted_is_what_was_read(cap: int, asked: list[tuple[list[str], bool]]) -> None:
    world = World(tokens_a_day=cap)
    read = 0
    for texts, busy in asked:
        world.inference.throttle(float("inf") if busy else 0)
        expected = sum(map(estimate_tokens, texts))
        try:
            found = world.embedder.documents(world.tenant, TITAN, texts)
        except LimitReached:
            assert read + expected > cap
        except ModelBusy:
            assert busy
            assert read + expected <= cap
        else:
            assert expected == 0 or read + expected <= cap
            read += found.tokens
        assert (world.counted() or 0) == read
