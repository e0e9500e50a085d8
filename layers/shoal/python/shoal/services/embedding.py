"""Texts to vectors on behalf of a tenant: within its tokens of a day, and those of a minute of the model."""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from shoal.embedding.answers import NO_TOKENS
from shoal.embedding.estimates import estimate_tokens
from shoal.embedding.text_models import Embedded, Purpose, TextModel
from shoal.errors import InvalidInput, ModelFailed
from shoal.model.embedding_models import ModelRegistry
from shoal.model.limits import MAX_QUERY_TEXT_BYTES
from shoal.model.records import Vectors
from shoal.services.token_cap import TokenCap
from shoal.services.token_rate import TokenRate
from shoal.services.waiting import Pause
from shoal.storage.ports import Ports

if TYPE_CHECKING:  # tokenizers: only functions that make models have it
    from shoal.embedding.models import Models


_PATIENCE_SECONDS = 20.0
"""How long documents wait here for a model whose tokens of a minute are in use."""
_MINUTES_AT_ONCE = 4
_TO_THE_END_SECONDS = 600.0
"""The same, where some of them have been read already: that would be lost."""


class Embedder:
    """Asks models, and counts what they read. Several threads may use it."""

    def __init__(
        self,
        ports: Ports,
        models: "Models",
        *,
        tokens_a_day: int | None = None,
        tokens_a_minute: Mapping[str, int] | None = None,
        pause: Pause = time.sleep,
    ) -> None:
        """`tokens_a_day`: of one tenant, on one UTC day; None for no limit. `tokens_a_minute`: of all tenants, by
        model; one that is not there has no limit.
        """
        self._models = models
        self._cap = TokenCap(ports, tokens_a_day)
        self._rate = TokenRate(ports, tokens_a_minute, pause=pause)

    @property
    def registry(self) -> ModelRegistry:
        """The models that there are."""
        return self._models.registry

    def texts_at_once(self, model_id: str) -> int | None:
        """How many documents of any length one call had better have: with more, the rate of the model would make
        it take longer than some minutes, and what dies meanwhile is read again. None: any number.

        Raises:
            NotFound: code `model_not_found`.
        """
        share = self._rate.share_of_documents(model_id)
        longest = self.registry.find(model_id).max_tokens
        return None if share is None else max(1, _MINUTES_AT_ONCE * share // longest)

    def documents(self, tenant_id: str, model_id: str, texts: Sequence[str]) -> Embedded:
        """Embed what is to be found. What is wrong with a single text is in the answer, by its place.

        Raises:
            NotFound: code `model_not_found`.
            LimitReached: code `token_cap_reached`; nothing was embedded.
            ModelBusy: as the model raised it, or its tokens of the minute are in use.
            ModelDenied, ModelFailed: as the model raised it.
        """
        return self._embed(tenant_id, model_id, texts, "document")

    def query(self, tenant_id: str, model_id: str, text: str) -> Vectors:
        """Embed a question: float32, shape (dimension,).

        Raises:
            InvalidInput: `text_too_long`, or `text_without_tokens`: there is nothing in it.
            NotFound: code `model_not_found`.
            LimitReached: code `token_cap_reached`.
            ModelBusy, ModelDenied, ModelFailed: as the model raised it.
        """
        try:
            size = len(text.encode())
        except UnicodeEncodeError:
            raise InvalidInput("invalid_text", "text must be valid Unicode") from None
        if size > MAX_QUERY_TEXT_BYTES:
            raise InvalidInput(
                "text_too_long",
                f"the text of a query has at most {MAX_QUERY_TEXT_BYTES} bytes, this one has {size}",
                {"bytes": size, "limit": MAX_QUERY_TEXT_BYTES},
            )
        found = self._embed(tenant_id, model_id, [text], "query")
        if not found.failed:
            vector: Vectors = found.vectors[0]
            return vector
        if found.failed[0] == NO_TOKENS:
            raise InvalidInput(
                "text_without_tokens", "there is nothing in the text that could be searched for"
            )
        raise ModelFailed(model_id, found.failed[0])

    def count_tokens(self, model_id: str, texts: Sequence[str]) -> list[int]:
        """How many tokens each text has, as far as is known before the model reads it.

        Raises:
            NotFound: code `model_not_found`.
        """
        return self._models.open(model_id).count_tokens(texts)

    def _embed(self, tenant_id: str, model_id: str, texts: Sequence[str], purpose: Purpose) -> Embedded:
        model = self._models.open(model_id)
        share = self._rate.share_of_documents(model_id)
        expected: list[int] = []
        if share is not None or self._cap.is_set:
            # An estimate for every model: counting exactly takes a tokenizer as long as embedding does.
            longest = model.spec.max_tokens
            expected = [min(longest, estimate_tokens(text)) for text in texts]
        with self._cap.reserved(tenant_id, sum(expected)) as reserved:
            if share is None:
                found = model.embed(texts, purpose=purpose)
            elif purpose == "query":
                self._rate.note_query(model_id, sum(expected))
                found = model.embed(texts, purpose=purpose)
            else:
                found = self._at_its_rate(model, texts, expected, share)
            reserved.read = found.tokens
        return found

    def _at_its_rate(
        self, model: TextModel, texts: Sequence[str], expected: Sequence[int], share: int
    ) -> Embedded:
        """Embed documents when there is room for them; what is too much for one minute, in turns.

        Raises:
            ModelError: as the model raised it; ModelBusy also where there is no room.
        """
        model_id, found = model.spec.model_id, list[Embedded]()
        for start, stop in _turns(expected, share):
            patience = _TO_THE_END_SECONDS if found else _PATIENCE_SECONDS
            admitted = self._rate.admit(model_id, sum(expected[start:stop]), patience_seconds=patience)
            found.append(model.embed(texts[start:stop], purpose="document"))
            self._rate.settle(admitted, found[-1].tokens)
        return found[0] if len(found) == 1 else _in_a_row(found)


def _turns(expected: Sequence[int], most: int) -> list[tuple[int, int]]:
    """Runs of texts, as pairs of places, whose tokens are `most` together, or of a single text."""
    turns: list[tuple[int, int]] = []
    start = taken = 0
    for place, tokens in enumerate(expected):
        if place > start and taken + tokens > most:
            turns.append((start, place))
            start, taken = place, 0
        taken += tokens
    return [*turns, (start, len(expected))]


def _in_a_row(found: Sequence[Embedded]) -> Embedded:
    """The answers to runs of texts as one."""
    starts = np.cumsum([0, *(len(one.vectors) for one in found)]).tolist()
    return Embedded(
        np.concatenate([one.vectors for one in found]),
        sum(one.tokens for one in found),
        {
            start + place: why
            for start, one in zip(starts, found, strict=False)
            for place, why in one.failed.items()
        },
        frozenset(
            start + place for start, one in zip(starts, found, strict=False) for place in one.truncated
        ),
    )
