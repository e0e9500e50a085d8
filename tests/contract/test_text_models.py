"""What every embedding model does alike, whoever computes its vectors."""

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.embedding.answers import NO_TOKENS, NOT_UNICODE
from shoal.embedding.calling import PATIENCE
from shoal.embedding.text_models import Embedded
from shoal.errors import ModelBusy, ModelDenied
from tests.contract.text_models import REFUSED, REMOTE, STATIC, UnderTest, opened

SCRIPTS = [
    "naïve café",
    "漢字と仮名",
    "مرحبا بالعالم",
    "🙂🙃 fam: 👩‍👩‍👧‍👦",
    "é as e\u0301",
    "\x00\x01",
    "a\u200bb",
]


@pytest.fixture(params=[*STATIC, *REMOTE])
def under_test(request: pytest.FixtureRequest) -> UnderTest:
    """Each model."""
    return opened(request.param)


@pytest.fixture(params=REMOTE)
def remote(request: pytest.FixtureRequest) -> UnderTest:
    """Each model that somebody else computes."""
    return opened(request.param)


def check(found: Embedded, under_test: UnderTest, count: int) -> None:
    """What holds for every answer."""
    assert found.vectors.shape == (count, under_test.model.spec.dimension)
    assert found.vectors.dtype == np.float32
    assert np.isfinite(found.vectors).all()
    for place, row in enumerate(found.vectors):
        assert row.any() == (place not in found.failed)
    assert all(0 <= place < count for place in {*found.failed, *found.truncated})
    if under_test.model.spec.normalised:
        good = [row for place, row in enumerate(found.vectors) if place not in found.failed]
        assert np.allclose(np.linalg.norm(np.array(good or [[1.0]]), axis=1), 1, atol=1e-4)


@pytest.mark.parametrize("purpose", ["document", "query"])
def test_vectors_have_the_dimension_that_the_registry_says(under_test: UnderTest, purpose: Any) -> None:
    found = under_test.model.embed(["some words", "others"], purpose=purpose)
    check(found, under_test, 2)
    assert not found.failed
    assert not found.truncated
    assert 2 <= found.tokens <= 12


def test_nothing_becomes_nothing(under_test: UnderTest) -> None:
    found = under_test.model.embed([], purpose="document")
    check(found, under_test, 0)
    assert found.tokens == 0
    assert under_test.provider is None or under_test.provider.batches() == []


def test_empty_texts_fail_alone(under_test: UnderTest) -> None:
    found = under_test.model.embed(["", "words", " \t\n"], purpose="document")
    check(found, under_test, 3)
    assert found.failed == {0: NO_TOKENS, 2: NO_TOKENS}


def test_what_is_not_unicode_fails_alone(under_test: UnderTest) -> None:
    found = under_test.model.embed(["words", "half \ud83d of a pair", "more"], purpose="document")
    check(found, under_test, 3)
    assert found.failed == {1: NOT_UNICODE}


def test_every_script_is_read(under_test: UnderTest) -> None:
    found = under_test.model.embed(SCRIPTS, purpose="document")
    check(found, under_test, len(SCRIPTS))
    assert not found.failed
    for text, row in zip(SCRIPTS, found.vectors, strict=True):
        assert np.allclose(row, under_test.model.embed([text], purpose="document").vectors[0], atol=1e-5)


def test_a_very_long_text_is_read_in_part(under_test: UnderTest) -> None:
    long = "several words of a document of one megabyte " * 24_000
    assert len(long) > 1_000_000
    found = under_test.model.embed(["short", long, "also short"], purpose="document")
    check(found, under_test, 3)
    assert found.truncated == {1}
    assert not found.failed
    assert found.tokens <= 1.2 * under_test.model.spec.max_tokens + 20


def test_texts_come_back_in_order_across_batches(under_test: UnderTest) -> None:
    size = min(under_test.model.spec.batch_size, 100)
    alone = {
        text: under_test.model.embed([text], purpose="document").vectors[0] for text in ("one", "two", "six")
    }
    for count in sorted({size - 1, size, size + 1, 2 * size + 1}):
        texts = [list(alone)[place % 3] for place in range(count)]
        found = under_test.model.embed(texts, purpose="document")
        check(found, under_test, count)
        for text, row in zip(texts, found.vectors, strict=True):
            assert np.allclose(row, alone[text], atol=1e-6)


def test_no_call_holds_more_than_a_batch(remote: UnderTest) -> None:
    size = remote.model.spec.batch_size
    remote.model.embed([f"text {place}" for place in range(2 * size + 1)], purpose="document")
    assert sorted(map(len, remote.remote.batches())) == [1, size, size]


def test_many_threads_may_ask_at_once(under_test: UnderTest) -> None:
    texts = [f"text number {place}" for place in range(20)]
    expected = under_test.model.embed(texts, purpose="document").vectors
    found: list[bool] = []
    together = threading.Barrier(4)

    def ask() -> None:
        together.wait(timeout=10)
        got = under_test.model.embed(texts, purpose="document").vectors
        found.append(np.allclose(got, expected, atol=1e-6))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert found == [True] * 4


def test_tokens_are_known_beforehand_or_about(under_test: UnderTest) -> None:
    texts = ["", "a", "several words of a sentence", "漢字" * 30, "\ud800"]
    counts = under_test.model.count_tokens(texts)
    assert len(counts) == len(texts)
    assert counts[0] == 0
    if under_test.provider is not None:
        assert all(count >= len(text) / 4 for count, text in zip(counts, texts, strict=True))
    assert under_test.model.count_tokens([]) == []


def test_one_bad_text_among_many(remote: UnderTest) -> None:
    texts = [f"text {place}" for place in range(150)]
    texts[77] = f"an {REFUSED} text"
    found = remote.model.embed(texts, purpose="document")
    check(found, remote, 150)
    assert list(found.failed) == [77]
    assert found.failed[77]
    assert REFUSED not in found.failed[77]
    assert not remote.pauses


def test_busy_for_a_while(remote: UnderTest) -> None:
    remote.remote.throttle(3)
    found = remote.model.embed([f"text {place}" for place in range(30)], purpose="document")
    check(found, remote, 30)
    assert not found.failed
    assert len(remote.pauses) == 3
    assert all(0 <= pause <= PATIENCE["document"].longest_seconds for pause in remote.pauses)


@pytest.mark.parametrize("purpose", ["document", "query"])
def test_busy_for_ever(remote: UnderTest, purpose: Any) -> None:
    remote.remote.throttle()
    with pytest.raises(ModelBusy) as caught:
        remote.model.embed(["some words"], purpose=purpose)
    assert caught.value.model_id == remote.model.spec.model_id
    assert len(remote.remote.batches()) == PATIENCE[purpose].attempts
    assert sum(remote.pauses) <= PATIENCE[purpose].seconds


def test_denied_is_told_at_once(remote: UnderTest) -> None:
    remote.remote.deny()
    with pytest.raises(ModelDenied) as caught:
        remote.model.embed([f"text {place}" for place in range(1000)], purpose="document")
    assert caught.value.model_id == remote.model.spec.model_id
    assert len(remote.remote.batches()) <= 2 * remote.model.spec.concurrency
    assert not remote.pauses


@settings(max_examples=25)
@given(texts=st.lists(st.text(max_size=40), max_size=12))
@pytest.mark.parametrize("model_id", ["static-256", "bedrock:amazon.titan-embed-text-v2:0@256", "http:own"])
def test_whatever_the_text(model_id: str, texts: list[str]) -> None:
    under_test = opened(model_id)
    check(under_test.model.embed(texts, purpose="document"), under_test, len(texts))
