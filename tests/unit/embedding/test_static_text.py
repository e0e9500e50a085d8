"""The static model in the registry: exact tokens, long texts cut, one copy of its weights."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shoal.embedding import static_text
from shoal.embedding.answers import NO_DIRECTION, NO_TOKENS, NOT_UNICODE
from shoal.embedding.static import StaticModel
from shoal.embedding.static_text import StaticTextModel, static_model
from shoal.errors import ModelError
from shoal.model.embedding_models import STATIC_MODELS

WHOLE, HALF = (StaticTextModel(spec) for spec in STATIC_MODELS)


@pytest.fixture
def unloaded() -> Iterator[None]:
    """As in a process that has not embedded anything yet."""
    static_text._loaded.cache_clear()
    yield
    static_text._loaded.cache_clear()


def test_vectors_are_those_of_the_bare_model() -> None:
    texts = ["detect faces", "send a message", "x" * 300]
    assert np.array_equal(WHOLE.embed(texts, purpose="document").vectors, static_model().embed(texts))
    assert np.array_equal(HALF.embed(texts, purpose="query").vectors, static_model().embed(texts, 128))


def test_tokens_are_counted_exactly() -> None:
    texts = ["detect faces in a photo", "", "hello", "a\ud800"]
    counts = WHOLE.count_tokens(texts)
    assert counts[1] == counts[3] == 0
    assert counts[2] == 1
    assert WHOLE.embed(texts, purpose="document").tokens == sum(counts)


def test_a_long_text_is_embedded_by_its_first_tokens() -> None:
    short, long = "red " * 40, "red " * 40 + "blue " * 1000
    spec = replace(STATIC_MODELS[0], max_tokens=40)
    found = StaticTextModel(spec).embed([short, long, "red"], purpose="document")
    assert StaticTextModel(spec).count_tokens([long])[0] > 1000
    assert found.truncated == {0, 1}  # the first has one token more: the space at its end
    assert np.allclose(found.vectors[0], found.vectors[1])
    assert found.tokens == 40 + 40 + 1


def test_of_a_huge_text_only_a_beginning_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    huge = "several words of a document " * 40_000
    seen: list[int] = []
    tokens = StaticModel._tokens

    def noted(self: StaticModel, texts: Sequence[str]) -> list[list[int]]:
        seen.extend(map(len, texts))
        return tokens(self, texts)

    monkeypatch.setattr(StaticModel, "_tokens", noted)
    found = WHOLE.embed([huge, "short"], purpose="document")
    assert max(seen) == static_text.CHARACTERS_A_TOKEN * 512
    assert found.truncated == {0}
    assert np.allclose(found.vectors[0], WHOLE.embed([huge[:10_000]], purpose="document").vectors[0])


def test_a_huge_text_of_few_tokens_is_cut_and_told_so() -> None:
    spaces = "word" + " " * 40_000 + "word"
    found = WHOLE.embed([spaces], purpose="document")
    assert found.truncated == {0}
    assert not found.failed


def test_nothing_to_embed_is_told_by_place() -> None:
    found = WHOLE.embed(["", "words", "\n\t ", "\ud800"], purpose="document")
    assert found.failed == {0: NO_TOKENS, 2: NO_TOKENS, 3: NOT_UNICODE}
    assert [bool(row.any()) for row in found.vectors] == [False, True, False, False]


def test_tokens_whose_vectors_cancel_out_have_no_direction(monkeypatch: pytest.MonkeyPatch) -> None:
    flat = StaticModel(np.zeros_like(static_model()._table), static_model()._tokenizer)
    monkeypatch.setattr(static_text, "_loaded", lambda: flat)
    assert WHOLE.embed(["words", ""], purpose="document").failed == {0: NO_DIRECTION, 1: NO_TOKENS}


@pytest.mark.usefixtures("unloaded")
def test_threads_that_come_at_once_read_the_weights_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[int] = []
    load = StaticModel.load

    def counted(weights: Path, tokenizer: Path) -> StaticModel:
        loads.append(1)
        return load(weights, tokenizer)

    monkeypatch.setattr(StaticModel, "load", counted)
    together = threading.Barrier(8)
    found: list[np.ndarray] = []

    def ask() -> None:
        together.wait(timeout=10)
        found.append(WHOLE.embed(["hello", "world"], purpose="document").vectors)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(loads) == 1
    assert len(found) == 8
    assert all(np.array_equal(vectors, found[0]) for vectors in found)


@pytest.mark.usefixtures("unloaded")
def test_without_its_files_it_is_a_fault_of_the_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise FileNotFoundError("no model")

    monkeypatch.setattr(static_text, "find_static_model", missing)
    with pytest.raises(FileNotFoundError) as caught:
        WHOLE.embed(["a"], purpose="document")
    assert not isinstance(caught.value, ModelError)
