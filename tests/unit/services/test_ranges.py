"""Ranges that lie close together are asked for together, and nothing else is."""

from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from shoal.services.ranges import neighbours

PLACES = st.lists(st.tuples(st.integers(0, 50), st.integers(1, 30)), max_size=20)


@given(PLACES, st.integers(0, 40), st.integers(1, 100), st.randoms())
def test_every_place_is_in_one_run_of_close_ones(
    steps: list[tuple[int, int]], gap: int, longest: int, shuffled: Random
) -> None:
    places, end = [], 0
    for skipped, size in steps:
        places.append((end + skipped, end + skipped + size))
        end += skipped + size
    shuffled.shuffle(places)
    runs = neighbours(places, gap=gap, longest=longest)
    assert sorted(position for run in runs for position in run) == list(range(len(places)))
    for run in runs:
        found = [places[position] for position in run]
        assert found == sorted(found)
        assert all(later[0] - earlier[1] <= gap for earlier, later in pairwise(found))
        assert len(run) == 1 or found[-1][1] - found[0][0] <= longest
    for first, second in pairwise([places[position] for position in run] for run in runs):
        assert second[0][0] - first[-1][1] > gap or second[0][1] - first[0][0] > longest
