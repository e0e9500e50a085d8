"""A failing schedule made smaller: whatever can be left out is, as long as the run still breaks."""

from collections.abc import Sequence

from tests.faults.perform import Failed, play
from tests.faults.steps import Step

_MOST_TRIES = 150


def smaller(seed: int, steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps that matter."""
    left = tuple(steps)
    failed = _fails(seed, left)
    if failed is None:
        return left
    left = left[: failed + 1]
    tries = 0
    size = max(1, len(left) // 2)
    while size and tries < _MOST_TRIES:
        place = 0
        while place < len(left) and tries < _MOST_TRIES:
            without = left[:place] + left[place + size :]
            tries += 1
            failed = _fails(seed, without)
            if failed is None:
                place += size
            else:
                left = without[: failed + 1]
        size //= 2
    return left


def _fails(seed: int, steps: Sequence[Step]) -> int | None:
    """The step after which it breaks; None where it does not."""
    try:
        play(seed, steps)
    except Failed as failed:
        return failed.step
    return None


def written(steps: Sequence[Step]) -> str:
    """The steps as Python, for a test."""
    return "\n".join(f"    {step!r}," for step in steps)
