"""Whatever happens, each index holds what its filter selects of the latest documents, and nothing else."""

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from shoal.services.imports import documents
from tests.unit.services.content.story import OFTEN, RARE, Story

# A seed does not shrink: another one is another story.
patient = settings(
    max_examples=6,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
seeds = st.integers(0, 2**32)


@pytest.mark.parametrize("rate", [0.0, RARE, OFTEN], ids=["no faults", "some", "many"])
@patient
@given(seed=seeds)
def test_each_index_holds_what_it_selects(rate: float, seed: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(documents, "_WAIT_SECONDS", 0.0)  # the workflow tries again, and time passes in between
        Story(seed, faults=rate).tell()
