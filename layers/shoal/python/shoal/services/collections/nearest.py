"""Rows that a search ranked as objects: each is as far as the nearest of its parts."""

from collections.abc import Iterator
from math import sqrt

from shoal.model.datasets import Metric
from shoal.services.collections.audience import Audience
from shoal.services.collections.pages import Place
from shoal.services.collections.rows import Row, with_records
from shoal.services.search import Ranked
from shoal.services.snapshot import Snapshot


def distance_of(metric: Metric, score: float) -> float:
    """A score as the distance of the original: 1 - cosine, the negative product, or the Euclidean distance."""
    match metric:
        case Metric.COSINE:
            return min(max(1.0 - score, 0.0), 2.0)
        case Metric.DOT:
            return -score
        case Metric.L2:
            return sqrt(max(score, 0.0))


class Merge:
    """The objects of ranked rows, nearest first, each once and only those that an audience sees.

    `strangers`: some that were passed are another user's. `far`: the first that is farther than `max_distance`
    was met, so that all that are not have been passed.
    """

    def __init__(self, snapshot: Snapshot, audience: Audience, max_distance: float | None) -> None:
        self._snapshot = snapshot
        self._audience = audience
        self._max_distance = max_distance
        self.strangers = False
        self.far = False

    def places(self, ranked: Ranked) -> Iterator[tuple[Place, bytes]]:
        """The objects, with the metadata of their nearest record."""
        metric = self._snapshot.dataset.metric
        seen: set[str] = set()
        rows: list[Row] = [(source, row) for source, row, _ in ranked.rows]
        records = with_records(self._snapshot, rows, ranked.loaded)
        for (_, _, score), (row, record) in zip(ranked.rows, records, strict=True):
            distance = distance_of(metric, score)
            if self._max_distance is not None and distance > self._max_distance:
                self.far = True
                return
            shown = self._audience.sees(record.id, record.metadata)
            self.strangers |= shown.stranger
            if shown.hidden or shown.object_id in seen:
                continue
            seen.add(shown.object_id)
            yield Place(shown.object_id, record.id, row, distance), record.metadata
