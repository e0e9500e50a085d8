"""Many texts and one provider: batches, patience, bad texts alone, and nothing more asked once it is hopeless."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.embedding.answers import NO_DIRECTION, NO_TOKENS, NOT_UNICODE
from shoal.embedding.calling import (
    PATIENCE,
    PROBE,
    Call,
    Caller,
    TextsRefused,
    _Run,
)
from shoal.embedding.text_models import Embedded
from shoal.errors import ModelBusy, ModelDenied, ModelError, ModelFailed
from shoal.model.datasets import Metric
from shoal.model.embedding_models import EmbeddingModel, Provider

SPEC = EmbeddingModel(
    model_id="http:test",
    provider=Provider.HTTP,
    dimension=2,
    metric=Metric.COSINE,
    max_tokens=100,
    batch_size=4,
    concurrency=1,
    price=0.0,
    texts_per_second=1.0,
)


class Model:
    """A provider that answers (length of the text, 1) and refuses texts with an `!`."""

    def __init__(self, *, busy: int = 0, error: ModelError | None = None) -> None:
        self.asked: list[list[str]] = []
        self.busy = busy
        self.error = error

    def __call__(self, texts: Sequence[str]) -> Embedded:
        self.asked.append(list(texts))
        if self.busy:
            self.busy -= 1
            raise ModelBusy(SPEC.model_id, "throttled")
        if self.error is not None:
            raise self.error
        if any("!" in text for text in texts):
            raise TextsRefused(SPEC.model_id, "no exclamations")
        return Embedded(np.array([[len(text), 1] for text in texts], dtype=np.float32), tokens=len(texts))


class Clock:
    """Time that passes only in pauses, which it keeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def caller(spec: EmbeddingModel = SPEC, *, clock: Clock | None = None, batch_bytes: int = 1000) -> Caller:
    clock = clock or Clock()
    return Caller(spec, pause=clock.pause, clock=clock, batch_bytes=batch_bytes)


def embed(call: Call, texts: Sequence[str], spec: EmbeddingModel = SPEC) -> Embedded:
    return caller(spec).embed_all(call, texts, purpose="document")


def lengths(found: Embedded) -> list[float]:
    return [float(value) for value in found.vectors[:, 0]]


def test_texts_go_in_batches_and_come_back_in_order() -> None:
    model = Model()
    found = embed(model, ["a" * n for n in range(1, 11)])
    assert [len(texts) for texts in model.asked] == [4, 4, 2]
    assert lengths(found) == list(range(1, 11))
    assert found.tokens == 10
    assert not found.failed
    assert not found.truncated


def test_nothing_is_asked_for_nothing() -> None:
    model = Model()
    assert embed(model, []).vectors.shape == (0, 2)
    found = embed(model, ["", " \n", "a\ud800"])
    assert model.asked == []
    assert found.failed == {0: NO_TOKENS, 1: NO_TOKENS, 2: NOT_UNICODE}
    assert not found.vectors.any()


def test_a_batch_holds_no_more_bytes_than_it_may_but_for_one_text() -> None:
    model = Model()
    caller(batch_bytes=10).embed_all(model, ["aaaa", "öööö", "b", "c" * 50, "d"], purpose="document")
    assert model.asked == [["aaaa"], ["öööö", "b"], ["c" * 50], ["d"]]


def test_a_bad_text_costs_its_neighbours_nothing() -> None:
    model = Model()
    found = embed(model, ["a", "bb", "ccc!", "dddd", "e"])
    assert found.failed == {2: "no exclamations"}
    assert lengths(found) == [1, 2, 0, 4, 1]
    assert model.asked == [
        ["a", "bb", "ccc!", "dddd"],
        ["a", "bb"],
        ["ccc!", "dddd"],
        ["ccc!"],
        [PROBE],
        ["dddd"],
        ["e"],
    ]
    assert found.tokens == 5  # four texts, and the probe


def test_bad_texts_are_all_found_with_one_probe() -> None:
    model = Model()
    found = embed(model, ["!", "b", "!", "!"])
    assert set(found.failed) == {0, 2, 3}
    assert model.asked.count([PROBE]) == 1


def test_a_model_that_refuses_everything_is_told_as_such() -> None:
    def refuse(texts: Sequence[str]) -> Embedded:
        raise TextsRefused(SPEC.model_id, "malformed request")

    with pytest.raises(ModelFailed, match="malformed request") as caught:
        embed(refuse, ["a", "b"])
    assert not isinstance(caught.value, TextsRefused)


def test_a_busy_model_is_asked_again() -> None:
    model, clock = Model(busy=3), Clock()
    found = caller(clock=clock).embed_all(model, ["a", "bb"], purpose="document")
    assert lengths(found) == [1, 2]
    assert len(model.asked) == 4
    assert len(clock.pauses) == 3


@pytest.mark.parametrize("purpose", ["document", "query"])
def test_but_not_for_ever(purpose: str) -> None:
    patience = PATIENCE["query" if purpose == "query" else "document"]
    model, clock = Model(busy=10_000), Clock()
    with pytest.raises(ModelBusy, match="http:test: throttled"):
        caller(clock=clock).embed_all(model, ["a"], purpose="query" if purpose == "query" else "document")
    assert len(model.asked) == patience.attempts
    for attempt, pause in enumerate(clock.pauses):
        assert 0 <= pause <= patience.ceiling(attempt) <= patience.longest_seconds


def test_slow_refusals_are_waited_for_less_often() -> None:
    clock = Clock()
    calls = 0

    def times_out(texts: Sequence[str]) -> Embedded:
        nonlocal calls
        calls += 1
        clock.now += 8
        raise ModelBusy(SPEC.model_id, "no answer")

    with pytest.raises(ModelBusy):
        caller(clock=clock).embed_all(times_out, ["a"], purpose="query")
    assert calls == 2
    assert clock.now < 29


@pytest.mark.parametrize("kind", [ModelDenied, ModelFailed])
def test_hopeless_errors_end_it_at_once(kind: type[ModelError]) -> None:
    model = Model(error=kind(SPEC.model_id, "no"))
    with pytest.raises(kind):
        embed(model, ["a"] * 100)
    assert len(model.asked) == 1


def test_calls_go_side_by_side_and_never_too_many() -> None:
    spec = replace(SPEC, concurrency=3, batch_size=1)
    meet = threading.Barrier(3)
    lock = threading.Lock()
    under_way, most = 0, 0

    def call(texts: Sequence[str]) -> Embedded:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        meet.wait(timeout=10)  # broken unless three calls are under way at once
        with lock:
            under_way -= 1
        return Model()(texts)

    asking = caller(spec)
    texts = ["a" * n for n in range(1, 7)]
    outcomes: list[list[float]] = []
    threads = [
        threading.Thread(
            target=lambda: outcomes.append(lengths(asking.embed_all(call, texts, purpose="document")))
        )
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert outcomes == [list(range(1, 7))] * 2
    assert most == 3


def test_side_by_side_a_hopeless_error_stops_the_others() -> None:
    spec = replace(SPEC, concurrency=2, batch_size=1)
    model = Model(error=ModelDenied(SPEC.model_id, "no access"))
    with pytest.raises(ModelDenied):
        embed(model, ["a"] * 1000, spec)
    assert len(model.asked) <= 20  # those that were on their way


def test_the_error_that_ended_it_is_told_not_those_that_followed() -> None:
    def call(texts: Sequence[str]) -> Embedded:
        if texts[0] == "denied":
            raise ModelDenied(SPEC.model_id, "no access")
        with pytest.raises(ModelDenied):  # meanwhile, as it were in another thread
            run.ask([1])
        raise ModelBusy(SPEC.model_id, "throttled")

    run = _Run(caller(replace(SPEC, concurrency=2)), call, ["busy", "denied", "never"], PATIENCE["document"])
    with pytest.raises(ModelBusy):
        run.ask([0])
    run.ask([2])
    with pytest.raises(ModelDenied):
        run.outcome()


def test_what_was_stopped_while_it_waited_is_not_asked_again() -> None:
    model, stopped = Model(busy=10), threading.Event()
    asking = Caller(SPEC, pause=lambda seconds: stopped.set(), clock=Clock())
    with pytest.raises(ModelBusy):
        asking.once(model, ["a"], PATIENCE["document"], stopped)
    assert len(model.asked) == 1


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (np.zeros((1, 3), dtype=np.float32), r"\(1, 3\)"),
        (np.zeros((2, 2), dtype=np.float32), r"\(2, 2\)"),
    ],
)
def test_an_answer_of_another_shape_fails(answer: np.ndarray, message: str) -> None:
    with pytest.raises(ModelFailed, match=message):
        embed(lambda texts: Embedded(answer, 1), ["a"])


def answering(rows: list[list[float]]) -> Callable[[Sequence[str]], Embedded]:
    return lambda texts: Embedded(np.array(rows, dtype=np.float32), 1)


def test_vectors_that_cannot_be_indexed_fail_alone() -> None:
    found = embed(answering([[np.nan, 1], [1, np.inf], [0, 0], [3, 4]]), ["a", "b", "c", "d"])
    assert set(found.failed) == {0, 1, 2}
    assert "finite" in found.failed[0]
    assert found.failed[2] == NO_DIRECTION
    assert found.vectors.tolist() == [[0, 0], [0, 0], [0, 0], [3, 4]]


def test_zeros_are_fine_where_the_direction_does_not_matter() -> None:
    spec = replace(SPEC, metric=Metric.L2)
    assert not embed(answering([[0, 0]]), ["a"], spec).failed


def test_what_a_call_says_of_single_texts_is_kept() -> None:
    def call(texts: Sequence[str]) -> Embedded:
        found = Model()(texts)
        return replace(found, failed={0: "odd"}, truncated=frozenset({1}))

    found = embed(call, ["", "a", "b", "", "c"])
    assert found.failed == {0: NO_TOKENS, 1: "odd", 3: NO_TOKENS}
    assert found.truncated == {2}
    assert lengths(found) == [0, 0, 1, 0, 1]


@given(
    texts=st.lists(st.sampled_from(["", "a", "bb", "!", "ccc", "\ud800", " ", "long" * 9]), max_size=30),
    batch_size=st.integers(1, 7),
    batch_bytes=st.integers(1, 60),
    concurrency=st.integers(1, 3),
    busy=st.integers(0, 3),
)
def test_every_text_has_a_vector_or_a_reason(
    texts: list[str], batch_size: int, batch_bytes: int, concurrency: int, busy: int
) -> None:
    spec = replace(SPEC, batch_size=batch_size, concurrency=concurrency)
    model = Model(busy=busy)
    found = caller(spec, batch_bytes=batch_bytes).embed_all(model, texts, purpose="document")
    bad = {place for place, text in enumerate(texts) if not text.strip() or text in {"!", "\ud800"}}
    assert set(found.failed) == bad
    for place, text in enumerate(texts):
        assert found.vectors[place].tolist() == ([0, 0] if place in bad else [len(text), 1])
    for asked in model.asked:
        assert len(asked) <= batch_size
        assert len(asked) == 1 or sum(len(text) for text in asked) <= batch_bytes
