"""How vectors are laid out for hnswlib, so that nearest in its space is best under the metric.

l2: as they are. cosine: unit copies, compared by inner product. dot: one value more, which brings every row to the
same length; the inner product with (query, 0) is then the dot product, and among rows of one length the inner
product orders neighbours as l2 does, which a graph needs.

Without that value, graphs over 10,000 x 48 rows of one sign lost 88 to 100 % of the best ten once the longer half
was dead, or for queries of the other sign. With it, recall@10 falls as lengths differ: 0.9 at ef 200 for Gaussian
rows, 0.3 for rows whose logarithm of length has a deviation of 0.7. Calibration measures it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.errors import CorruptObject
from shoal.index import exact
from shoal.index.container import Attributes, count_of
from shoal.index.exact import Scores
from shoal.model.datasets import Metric
from shoal.model.limits import MAX_DIMENSION
from shoal.model.records import Vectors

_ROOM = 1.0 + 1 / 64
"""Later rows may be this much longer than the longest row of the build: embeddings meant as unit vectors differ
in their last digits, and must not force a rebuild each time."""
_SAFE_EXPONENT = 40
"""Lengths between 2^-40 and 2^40 square safely in float32; others are scaled by a power of two, which is exact.
Under dot the longest row is always brought to between 1/2 and 1."""
_AIMED_LENGTH = np.float32(2.0**20)
"""hnswlib returns 1 - product: with a long query the 1 costs no digits that the product has."""
_MOST_UNDER_L2 = 2.0**60
"""Differences of scaled rows shorter than this square safely in float32."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """The layout of one graph. `max_norm`: no row is longer. `exponent`: values are scaled by 2 to its power."""

    metric: Metric
    dimension: int
    max_norm: float
    exponent: int

    @property
    def space(self) -> str:
        """What hnswlib calls the space."""
        return "l2" if self.metric is Metric.L2 else "ip"

    @property
    def width(self) -> int:
        """Values that hnswlib keeps of a row."""
        return self.dimension + (self.metric is Metric.DOT)

    @property
    def attributes(self) -> dict[str, Any]:
        """What must be stored beside the graph."""
        return {
            "metric": self.metric.value,
            "dimension": self.dimension,
            "max_norm": self.max_norm,
            "exponent": self.exponent,
        }

    @classmethod
    def from_attributes(cls, attributes: Attributes) -> "Geometry":
        """Read `attributes` back.

        Raises:
            CorruptObject: they are not those of a geometry.
        """
        metric, max_norm = attributes.get("metric"), attributes.get("max_norm")
        exponent = attributes.get("exponent")
        if metric not in list(Metric) or type(exponent) is not int or abs(exponent) > 256:
            raise CorruptObject("graph: metric or exponent is malformed")
        if type(max_norm) is not float or not 0 <= max_norm < float("inf"):
            raise CorruptObject("graph: max_norm is malformed")
        dimension = count_of(attributes, "dimension", most=MAX_DIMENSION)
        return cls(Metric(metric), dimension, max_norm, exponent)

    def holds(self, vectors: Vectors) -> bool:
        """Whether rows (float32, shape (n, dimension)) can be added to a graph of this geometry."""
        if self.metric is Metric.COSINE or not len(vectors):
            return True
        longest = float(exact.vector_norms(vectors).max())
        if self.metric is Metric.DOT:
            return longest <= self.max_norm
        return float(np.ldexp(longest, self.exponent)) < _MOST_UNDER_L2

    def placed(self, vectors: Vectors) -> Vectors:
        """Rows as hnswlib keeps them: float32, shape (n, width)."""
        match self.metric:
            case Metric.L2:
                return vectors if self.exponent == 0 else _scaled(vectors, self.exponent)
            case Metric.COSINE:
                return unit_rows(vectors)
            case Metric.DOT:
                placed = np.empty((len(vectors), self.width), dtype=np.float32)
                placed[:, :-1] = scaled = _scaled(vectors, self.exponent)
                lengths = exact.vector_norms(scaled).astype(np.float64)
                missing = np.ldexp(self.max_norm, self.exponent) ** 2 - lengths**2
                placed[:, -1] = np.sqrt(np.maximum(missing, 0.0))
                return placed

    def unplaced(self, placed: Vectors) -> Vectors:
        """Rows as sent, from rows as hnswlib keeps them; unit copies under cosine."""
        raw = placed[:, : self.dimension]
        return np.ascontiguousarray(raw if self.exponent == 0 else _scaled(raw, -self.exponent))

    def aimed(self, query: Vectors) -> Vectors:
        """A query (float32, shape (dimension,)) as hnswlib is to see it: float32, shape (width,), finite.

        For inner products its length is `_AIMED_LENGTH`, which does not change the order.
        """
        if self.metric is Metric.L2:
            return query if self.exponent == 0 else _scaled(query, self.exponent)
        aimed = np.zeros(self.width, dtype=np.float32)
        aimed[: self.dimension] = unit_rows(query.reshape(1, -1))[0] * _AIMED_LENGTH
        return aimed

    def scored(self, distances: NDArray[np.float32], query: Vectors) -> Scores:
        """Scores as of `exact.scores`, to rounding, from hnswlib's distances; l2 of equal vectors is 0.0."""
        wide = distances.astype(np.float64)
        match self.metric:
            case Metric.L2:
                found = np.ldexp(wide, -2 * self.exponent)
            case Metric.COSINE:
                found = np.clip((1.0 - wide) / _AIMED_LENGTH, -1.0, 1.0)
                if not query.any():
                    found[:] = 0.0
            case Metric.DOT:
                length = query.astype(np.float64)
                found = np.ldexp((1.0 - wide) / _AIMED_LENGTH, -self.exponent)
                found *= np.sqrt(np.vecdot(length, length))
        return np.clip(found, -exact.LARGEST, exact.LARGEST).astype(np.float32)


def geometry_of(vectors: Vectors, metric: Metric) -> Geometry:
    """The geometry for building a graph over rows: float32, shape (n, dimension)."""
    dimension = int(vectors.shape[1])
    if metric is Metric.COSINE:
        return Geometry(metric, dimension, max_norm=1.0, exponent=0)
    longest = float(exact.vector_norms(vectors).max(initial=0.0))
    _, size = np.frexp(longest)
    exponent = 0 if metric is Metric.L2 and abs(int(size)) <= _SAFE_EXPONENT else -int(size)
    return Geometry(metric, dimension, longest * _ROOM, exponent)


def unit_rows(vectors: Vectors) -> Vectors:
    """Copies of length 1: float32, shape (n, dimension). A zero vector stays zero."""
    lengths = exact.vector_norms(vectors)
    plain = (lengths > 2.0**-_SAFE_EXPONENT) & (lengths < 2.0**_SAFE_EXPONENT)
    divisors: NDArray[np.float32] = np.where(plain, lengths, 1.0).astype(np.float32)
    units: Vectors = np.divide(vectors, divisors[:, None], dtype=np.float32)
    for row in np.flatnonzero(~plain & (lengths > 0)).tolist():
        wide = vectors[row].astype(np.float64)
        units[row] = wide / np.sqrt(np.vecdot(wide, wide))
    return units


def _scaled(values: Vectors, exponent: int) -> Vectors:
    """Times a power of two; what leaves the float32 range stops at its end."""
    with np.errstate(over="ignore", under="ignore"):
        scaled: Vectors = np.ldexp(values, exponent)
    return np.clip(scaled, -exact.LARGEST, exact.LARGEST, out=scaled)
