"""Finds planted bugs: ``python -m tests.faults.planted``; 1 where one is missed, 2 where there is another.

Each bug is planted in a copy of the package in a temporary folder, on which the state machine then runs as it does
on the package itself. The table that is printed belongs into RESULTS.md.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import shoal
from tests.faults.plants import PLANTS, Plant

PACKAGE: Final = Path(shoal.__file__).parent
STEPS: Final = 500
_FOUND = re.compile(r"broken after (\d+) steps: (.*)")
_SEED = re.compile(r"seed (\d+), profile (\w+)")
_CELL_CHARACTERS = 110


@dataclass(frozen=True, slots=True)
class Finding:
    """How a bug was found: after so many steps, in the world of that seed, by that invariant."""

    steps: int
    seed: int
    invariant: str


def hunt(plant: Plant | None, *, seed: int, profile: str, steps: int = STEPS) -> Finding | None:
    """Plant a bug (None: leave the package as it is) and look for one; None where nothing was found.

    Raises:
        ValueError: the bug cannot be planted.
        RuntimeError: the run itself did not work.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / PACKAGE.name
        shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
        if plant is not None:
            plant.apply(copy)
        done = _run(folder, ["--seed", str(seed), "--profile", profile, "--steps", str(steps), "--no-shrink"])
    found, at = _FOUND.search(done.stdout), _SEED.search(done.stdout)
    if done.returncode == 0:
        return None
    if found is None or at is None:
        raise RuntimeError(f"{plant}: {done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return Finding(int(found[1]), int(at[1]), found[2])


def _run(folder: str, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """The state machine on the package in that folder."""
    environ = os.environ | {
        "PYTHONPATH": os.pathsep.join([folder, os.environ.get("PYTHONPATH", "")]),
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return subprocess.run(
        [sys.executable, "-m", "tests.faults", *arguments],
        capture_output=True,
        text=True,
        env=environ,
        timeout=900,
        check=False,
    )


def main() -> int:
    """Hunt all of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.planted", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the first world (default 1)")
    parser.add_argument("--profile", default="everything")
    chosen = parser.parse_args()
    if (found := hunt(None, seed=chosen.seed, profile=chosen.profile)) is not None:
        sys.stdout.write(f"without any planted bug: {found}\n")
        return 2
    sys.stdout.write("| planted bug | found after | seed | the invariant that failed |\n|---|---|---|---|\n")
    missed = 0
    for plant in PLANTS:
        found = hunt(plant, seed=chosen.seed, profile=chosen.profile)
        if found is None:
            missed += 1
            sys.stdout.write(f"| {plant.bug} | not in {STEPS} steps | – | – |\n")
        else:
            what = found.invariant.replace("|", "\\|")
            what = what if len(what) <= _CELL_CHARACTERS else what[: _CELL_CHARACTERS - 1] + "…"
            sys.stdout.write(f"| {plant.bug} | {found.steps} steps | {found.seed} | {what} |\n")
        sys.stdout.flush()
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
