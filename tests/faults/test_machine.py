"""The state machine under faults, for a bounded number of steps: `python -m tests.faults` takes more."""

import logging
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.faults.machine import Machine
from tests.faults.perform import Failed, play
from tests.faults.planted import PACKAGE, STEPS, hunt
from tests.faults.plants import PLANTS, Plant
from tests.faults.run import Run
from tests.faults.schedules import PROFILES, steps_of

FAILED_ONCE: tuple[tuple[str, int], ...] = ()
"""Profile and seed of worlds that broke an invariant until the bug was mended."""
WORLDS = {
    "everything": range(1, 13),
    "calm": range(1, 3),
    "imports": range(1, 6),
    "meetings": range(1, 9),
    "versions": range(1, 6),
}

Machine.TestCase.settings = settings(
    max_examples=12,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
TestMachine = Machine.TestCase


@pytest.fixture(autouse=True)
def no_logs() -> Iterator[None]:
    """What the package logs of its bad luck fills no report."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def held(profile: str, seed: int) -> Run:
    """A world that must not break."""
    try:
        return play(seed, steps_of(seed, profile))
    except Failed as failed:
        pytest.fail(f"python -m tests.faults --profile {profile} --seed {seed} --steps 50: {failed}")


@pytest.mark.parametrize("profile", sorted(WORLDS))
def test_no_world_breaks_an_invariant(profile: str) -> None:
    runs = [held(profile, seed) for seed in WORLDS[profile]]
    assert all(run.answers["acknowledged"] for run in runs)
    injected: Counter[str] = sum((run.injected for run in runs), Counter())
    expected = {"busy-before", "busy-after", "twice", "crash-before", "crash-after"}
    assert expected <= injected.keys() if PROFILES[profile].unlucky else not injected


def test_what_broke_once_holds() -> None:
    for profile, seed in FAILED_ONCE:
        held(profile, seed)


def test_a_seed_replays_in_this_process_and_in_another() -> None:
    def trace(seed: int) -> str:
        run = play(seed, steps_of(seed, "meetings", 40))
        items = [sorted(item.items(), key=str) for item in run.stores.table.items()]
        return repr((items, [head.key for head in run.stores.objects.list("")], sorted(run.injected.items())))

    assert trace(7) == trace(7)
    code = (
        "import hashlib, logging; logging.disable(50); from tests.faults.perform import play; "
        "from tests.faults.schedules import steps_of; run = play(7, steps_of(7, 'meetings', 40)); "
        "print(hashlib.sha256(repr([head.key for head in run.stores.objects.list('')]).encode()).hexdigest())"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": hashes},
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        ).stdout
        for hashes in ("0", "1")
    }
    assert len(told) == 1


@pytest.mark.parametrize("plant", PLANTS, ids=[plant.bug for plant in PLANTS])
def test_a_planted_bug_still_fits(plant: Plant, tmp_path: Path) -> None:
    copy = tmp_path / "shoal"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    plant.apply(copy)
    for name in plant.changes:
        compile((copy / name).read_text(), name, "exec")
    with pytest.raises(ValueError, match="found 0 times"):
        plant.apply(copy)


def test_a_planted_bug_is_found_and_none_without_it() -> None:
    (plant,) = (plant for plant in PLANTS if "sequence" in plant.bug)
    found = hunt(plant, seed=1, profile="imports")
    assert found is not None
    assert found.steps <= STEPS
    assert hunt(None, seed=found.seed, profile="imports", steps=50) is None
