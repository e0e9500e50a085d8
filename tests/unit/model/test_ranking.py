"""Merging the winners of shards is sorting them all."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shoal.model.ranking import merge

SCORES = st.sampled_from([0.0, 0.5, 1.0, 2.0])
SHARD = st.dictionaries(st.integers(0, 9), SCORES, max_size=6)


@given(st.lists(SHARD, max_size=4), st.integers(-1, 12), st.booleans())
def test_it_is_the_sorted_whole(shards: list[dict[int, float]], k: int, lower: bool) -> None:
    sign = 1 if lower else -1
    results = []
    for place, shard in enumerate(shards):
        best = sorted(shard.items(), key=lambda item: (sign * item[1], item[0]))
        results.append(
            (
                f"s{place}",
                np.array([row for row, _ in best], dtype=np.int64),
                np.array([score for _, score in best], dtype=np.float32),
            )
        )
    every = [(sign * score, place, row) for place, shard in enumerate(shards) for row, score in shard.items()]
    expected = [(f"s{place}", row, sign * cost) for cost, place, row in sorted(every)[: max(k, 0)]]
    assert merge(results, k, lower) == expected


def test_sources_are_passed_through_as_they_are() -> None:
    source = object()
    found = merge([(source, np.array([3], dtype=np.int64), np.array([0.1], dtype=np.float32))], 5, False)
    assert found == [(source, 3, float(np.float32(0.1)))]
    assert isinstance(found[0][2], float)
