"""What an embedding model is to those who use it, and what may go wrong with it.

Two sorts of failure: of one text, which is part of the answer, and of the whole call, which is raised.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from shoal.model.embedding_models import EmbeddingModel
from shoal.model.records import Vectors

type Purpose = Literal["document", "query"]
"""What a text is embedded for: some models make other vectors of questions than of what answers them."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """What became of n texts.

    `vectors`: float32, shape (n, dimension), finite; zero rows where a text failed or has nothing in it. `failed`
    says why, by place. `tokens` are what was read of all texts together, as the provider counts (an estimate where
    it does not say). `truncated` are the places of texts of which only a beginning was read.
    """

    vectors: Vectors
    tokens: int
    failed: Mapping[int, str] = field(default_factory=dict)
    truncated: frozenset[int] = frozenset()


class TextModel(Protocol):
    """An embedding model, ready to be asked. Several threads may ask at once."""

    @property
    def spec(self) -> EmbeddingModel:
        """What it is."""

    def embed(self, texts: Sequence[str], *, purpose: Purpose) -> Embedded:
        """Embed any number of texts: in batches, side by side, tried again where that may help.

        Raises:
            ModelBusy: throttled or not answering for as long as it was worth waiting.
            ModelDenied: we may not use it.
            ModelFailed: it answers something that no other try will make right.
        """

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each text has; an estimate (never less than a quarter of its characters) where only the
        provider knows.
        """
