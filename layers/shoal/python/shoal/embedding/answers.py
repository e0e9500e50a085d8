"""What is taken of a provider's answer, and why a text has no vector."""

from typing import Any

import numpy as np

from shoal.embedding.text_models import Embedded
from shoal.errors import ModelFailed
from shoal.model.datasets import Metric
from shoal.model.embedding_models import EmbeddingModel
from shoal.model.records import Vectors

NO_TOKENS = "no tokens: there is nothing in this text to embed"
"""Why a text without a single word in it fails."""
NO_DIRECTION = "the model answered a vector of zeros, which has no direction"
NOT_UNICODE = "this text is not Unicode: it holds one half of a surrogate pair"
_NUMBERS = {int, float, type(None)}
"""Of JSON, which writes what is not a number as null."""


def why_not(text: str) -> str | None:
    """Why no model is asked for the vector of a text, or None."""
    if not text or text.isspace():
        return NO_TOKENS
    try:
        text.encode()
    except UnicodeEncodeError:
        return NOT_UNICODE
    return None


def read_vectors(spec: EmbeddingModel, rows: Any, count: int) -> Vectors:
    """What a provider answered in JSON as vectors: float32, shape (count, dimension); not finite where it was not.

    Raises:
        ModelFailed: it is not that many lists of that many numbers.
    """
    if not isinstance(rows, list):
        raise ModelFailed(
            spec.model_id, "its answer holds no vectors: it is no embedding model, or another sort of one"
        )
    if len(rows) != count:
        raise ModelFailed(spec.model_id, f"answered {len(rows)} vectors to {count} texts")
    # numpy takes "0.2" and true for numbers.
    if not all(isinstance(row, list) and set(map(type, row)) <= _NUMBERS for row in rows):
        raise ModelFailed(spec.model_id, "answered vectors that are not lists of numbers")
    others = {len(row) for row in rows} - {spec.dimension}
    if others:
        raise ModelFailed(
            spec.model_id, f"answered vectors of {min(others)} dimensions, it is set up with {spec.dimension}"
        )
    with np.errstate(over="ignore"):  # what is too large for float32 is told as not finite
        vectors: Vectors = np.array(rows, dtype=np.float32).reshape(count, spec.dimension)
    return vectors


def checked(spec: EmbeddingModel, answer: Embedded, count: int) -> Embedded:
    """An answer in which every text has a vector that can be indexed, or has failed.

    Raises:
        ModelFailed: it has another shape.
    """
    if answer.vectors.shape != (count, spec.dimension):
        raise ModelFailed(spec.model_id, f"answered {answer.vectors.shape} for {count} x {spec.dimension}")
    failed = dict(answer.failed)
    finite = np.isfinite(answer.vectors).all(axis=1)
    for place in np.flatnonzero(~finite).tolist():
        failed.setdefault(place, "the model answered a vector that is not finite")
    if spec.metric is Metric.COSINE:
        for place in np.flatnonzero(~answer.vectors.any(axis=1)).tolist():
            failed.setdefault(place, NO_DIRECTION)
    if not failed:
        return answer
    vectors = answer.vectors.copy()
    vectors[list(failed)] = 0
    return Embedded(vectors, answer.tokens, failed, answer.truncated)
