"""Made-up vectors with the shape of real ones: many clusters, and few directions in which a cluster spreads."""

import gzip
from collections.abc import Sequence

import numpy as np
import orjson

from shoal.model.records import Vectors

CENTRES = 1000


class Corpus:
    """Draws rows: float32, shape (n, dimension), C-contiguous, the same at every run.

    A row is one of `CENTRES` Gaussian centres plus Gaussian noise of half their spread.
    """

    def __init__(self, dimension: int, *, seed: int = 11) -> None:
        self._random = np.random.default_rng(seed)
        self._centres = self._random.standard_normal((CENTRES, dimension), dtype=np.float32)
        self.dimension = dimension

    def draw(self, count: int) -> Vectors:
        """`count` rows that were not drawn before."""
        rows = self._random.standard_normal((count, self.dimension), dtype=np.float32)
        rows *= np.float32(0.5)
        rows += self._centres[self._random.integers(0, CENTRES, count)]
        return rows


def names(start: int, count: int) -> list[str]:
    """The ids of rows `start` and following."""
    return [f"row-{number}" for number in range(start, start + count)]


def metadata_of(numbers: Sequence[int]) -> list[bytes]:
    """A little metadata for each row."""
    return [orjson.dumps({"title": f"Row {number}", "shelf": number % 97}) for number in numbers]


def ndjson(vectors: Vectors, *, start: int = 0) -> bytes:
    """An upload of these rows: the shortest digits that read back as the same float32."""
    option = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE
    lines = [
        {"id": f"row-{start + row}", "values": values, "metadata": {"title": f"Row {start + row}"}}
        for row, values in enumerate(vectors)
    ]
    return b"".join(orjson.dumps(line, option=option) for line in lines)


def packed(body: bytes) -> bytes:
    """Gzipped as the command line does."""
    return gzip.compress(body, compresslevel=3, mtime=0)
