"""Texts to vectors on behalf of a tenant: within its tokens of a day."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from shoal.embedding.answers import NO_TOKENS
from shoal.embedding.estimates import estimate_tokens
from shoal.embedding.text_models import Embedded, Purpose
from shoal.errors import InvalidInput, ModelFailed
from shoal.model.embedding_models import ModelRegistry
from shoal.model.limits import MAX_QUERY_TEXT_BYTES
from shoal.model.records import Vectors
from shoal.services.token_cap import TokenCap
from shoal.storage.ports import Ports

if TYPE_CHECKING:  # tokenizers: only functions that make models have it
    from shoal.embedding.models import Models


class Embedder:
    """Asks models, and counts what they read. Several threads may use it."""

    def __init__(self, ports: Ports, models: "Models", *, tokens_a_day: int | None = None) -> None:
        """`tokens_a_day`: of one tenant, on one UTC day; None for no limit."""
        self._models = models
        self._cap = TokenCap(ports, tokens_a_day)

    @property
    def registry(self) -> ModelRegistry:
        """The models that there are."""
        return self._models.registry

    def documents(self, tenant_id: str, model_id: str, texts: Sequence[str]) -> Embedded:
        """Embed what is to be found. What is wrong with a single text is in the answer, by its place.

        Raises:
            NotFound: code `model_not_found`.
            LimitReached: code `token_cap_reached`; nothing was embedded.
            ModelBusy, ModelDenied, ModelFailed: as the model raised it.
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
        longest = model.spec.max_tokens
        expected = 0
        if self._cap.is_set:
            # An estimate for every model: counting exactly takes a tokenizer as long as embedding does.
            expected = sum(min(longest, estimate_tokens(text)) for text in texts)
        with self._cap.reserved(tenant_id, expected) as reserved:
            found = model.embed(texts, purpose=purpose)
            reserved.read = found.tokens
        return found
