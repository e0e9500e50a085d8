"""Reindexes among upserts and deletes, deaths and searches: the destination holds what the line of tasks says."""

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.unit.services.reindex.story import OFTEN, RARE, Story

# A seed does not shrink: another one is another story.
patient = settings(
    max_examples=8,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
seeds = st.integers(0, 2**32)


@pytest.mark.parametrize("in_cells", [False, True], ids=["one shard", "cells"])
@patient
@given(seed=seeds)
def test_without_a_fault(in_cells: bool, seed: int) -> None:
    Story(seed, in_cells=in_cells, faults=0.0).tell()


@pytest.mark.parametrize("rate", [RARE, OFTEN], ids=["some", "many"])
@patient
@given(seed=seeds)
def test_with_faults(rate: float, seed: int) -> None:
    Story(seed, faults=rate).tell()


@patient
@given(seed=seeds)
def test_cancelled_and_begun_again(seed: int) -> None:
    Story(seed, faults=RARE, cancels=True).tell()
