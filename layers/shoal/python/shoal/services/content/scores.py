"""Scores from 0 to 1, whatever an embedding model's metric: higher is better, and no order is changed.

====== ================================================= =========================================
metric what the engine says                              score
====== ================================================= =========================================
cosine the cosine c, -1 to 1                             (1 + c) / 2: 1 the same direction, 0.5 nothing in common
l2     the squared distance d, 0 and more                1 / (1 + d): 1 the same vector
dot    the product p, any number                         (1 + p / (1 + |p|)) / 2: 0.5 nothing in common
====== ================================================= =========================================
"""

from shoal.model.datasets import Metric


def score_of(metric: Metric, found: float) -> float:
    """What the engine says of a match, as a number from 0 to 1."""
    match metric:
        case Metric.COSINE:
            score = (1.0 + found) / 2.0
        case Metric.L2:
            score = 1.0 / (1.0 + max(found, 0.0))
        case Metric.DOT:
            score = (1.0 + found / (1.0 + abs(found))) / 2.0
    # Of float32 values a cosine may be a little over 1.
    return min(max(score, 0.0), 1.0)
