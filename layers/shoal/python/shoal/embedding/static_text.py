"""The static model as a model of the registry: `static-256` and `static-128` share one table and one tokenizer."""

import threading
from collections.abc import Collection, Sequence
from functools import cache

import numpy as np

from shoal.embedding.answers import NO_DIRECTION, NO_TOKENS, why_not
from shoal.embedding.static import StaticModel, find_static_model
from shoal.embedding.text_models import Embedded, Purpose, TextModel
from shoal.model.embedding_models import EmbeddingModel

CHARACTERS_A_TOKEN = 64
"""Characters of a text that are looked at for each token that is read: tokens have four, the longest of its words
some dozens, and a document of a megabyte would take the tokenizer more than a second.
"""
_loading = threading.Lock()


@cache
def _loaded() -> StaticModel:
    return StaticModel.load(*find_static_model())


def static_model() -> StaticModel:
    """The model, read at the first call and kept for as long as the process lives.

    Raises:
        FileNotFoundError: it is neither in the embed layer nor installed.
        CorruptObject: its files are not what they should be.
    """
    with _loading:  # two threads at once would read 16 MB twice
        return _loaded()


class StaticTextModel(TextModel):
    """The first `spec.dimension` dimensions of the static model. It counts tokens exactly."""

    def __init__(self, spec: EmbeddingModel) -> None:
        self._spec = spec

    @property
    def spec(self) -> EmbeddingModel:
        """What it is."""
        return self._spec

    def embed(self, texts: Sequence[str], *, purpose: Purpose) -> Embedded:  # noqa: ARG002 - makes no difference
        """Embed texts; of those with more than `spec.max_tokens` tokens the beginning.

        Raises:
            FileNotFoundError: the model is neither in the embed layer nor installed.
            CorruptObject: its files are not what they should be.
        """
        failed = {place: reason for place, text in enumerate(texts) if (reason := why_not(text))}
        longest = self._spec.max_tokens
        looked_at = CHARACTERS_A_TOKEN * longest
        cut = {place for place, text in enumerate(texts) if len(text) > looked_at}
        vectors, counts = static_model().embed_counted(
            [text[:looked_at] for text in _without(failed, texts)], self._spec.dimension, max_tokens=longest
        )
        for place in np.flatnonzero(~vectors.any(axis=1)).tolist():
            failed.setdefault(place, NO_DIRECTION if counts[place] else NO_TOKENS)
        return Embedded(
            vectors,
            tokens=sum(min(count, longest) for count in counts),
            failed=dict(sorted(failed.items())),
            truncated=frozenset(cut.union(place for place, count in enumerate(counts) if count > longest)),
        )

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each text has; 0 for one that cannot be embedded."""
        failed = {place for place, text in enumerate(texts) if why_not(text)}
        return static_model().count_tokens(_without(failed, texts))


def _without(places: Collection[int], texts: Sequence[str]) -> Sequence[str]:
    """The texts, empty at some places: the tokenizer takes no half of a surrogate pair."""
    if not places:
        return texts
    return ["" if place in places else text for place, text in enumerate(texts)]
