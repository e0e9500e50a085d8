"""An endpoint that answers as OpenAI's `/v1/embeddings` does, as far as a test does not want it otherwise."""

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from shoal.storage.model_ports import Answer
from shoal.storage.outbound_messages import Request

JSON = {"content-type": "application/json"}


def vector_of(text: str, dimension: int) -> list[float]:
    """A vector that belongs to a text: float32 values, of length 1."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
    drawn = np.random.default_rng(seed).standard_normal(dimension).astype(np.float32)
    vector = drawn / np.sqrt(np.vecdot(drawn, drawn))
    return [float(value) for value in vector]


class Embeddings:
    """The endpoint. `texts` holds what came in, call by call, and `requests` whole requests.

    `refuse` may answer instead: it is given the texts of a call and returns an answer or None. `change` may alter
    the JSON of a good answer.
    """

    def __init__(
        self,
        dimension: int,
        *,
        refuse: Callable[[Sequence[str]], Answer | None] = lambda _texts: None,
        change: Callable[[dict[str, Any]], Any] = lambda said: said,
    ) -> None:
        self._dimension = dimension
        self._refuse = refuse
        self._change = change
        self.texts: list[list[str]] = []
        self.requests: list[dict[str, Any]] = []

    def __call__(self, request: Request) -> Answer:
        """Answer a request."""
        asked = json.loads(request.body)
        self.requests.append(asked)
        texts = asked["input"]
        self.texts.append(texts)
        refused = self._refuse(texts)
        if refused is not None:
            return refused
        tokens = sum(len(text.split()) for text in texts)
        said = {
            "object": "list",
            "data": [
                {"object": "embedding", "index": place, "embedding": vector_of(text, self._dimension)}
                for place, text in enumerate(texts)
            ],
            "model": asked["model"],
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }
        # NaN and infinity come out as the words that only Python knows.
        return Answer(200, json.dumps(self._change(said)).encode(), JSON)


def error(status: int, said: Any) -> Answer:
    """An answer that is none."""
    return Answer(status, said if isinstance(said, bytes) else json.dumps(said).encode(), JSON)
