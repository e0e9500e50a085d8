"""Runs of many steps under faults: ``python -m tests.faults --steps 10000``.

Each world takes 50 steps out of one seed; ``--seed N --steps 50`` plays the world of one seed again. A run that
breaks an invariant prints the command that replays it, and the steps that are left once all that do not matter
have been taken out.
"""

import argparse
import logging
import os
import sys
import time
from collections import Counter

from tests.faults.perform import Failed, play
from tests.faults.schedules import PROFILES, STEPS_A_WORLD, steps_of
from tests.faults.smaller import smaller, written


def main() -> int:
    """Run; 1 where an invariant did not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the first world (default 1)")
    parser.add_argument("--steps", type=int, default=500, help="in all (default 500)")
    parser.add_argument("--profile", choices=sorted(PROFILES), default="everything")
    parser.add_argument("--no-shrink", action="store_true", help="print the whole failing schedule")
    parser.add_argument("--verbose", action="store_true", help="one line a world")
    chosen = parser.parse_args()
    logging.disable(logging.CRITICAL)
    injected: Counter[str] = Counter()
    answers: Counter[str] = Counter()
    began = time.monotonic()
    done = 0
    seed = chosen.seed
    while done < chosen.steps:
        count = min(STEPS_A_WORLD, chosen.steps - done)
        steps = steps_of(seed, chosen.profile, count)
        try:
            run = play(seed, steps)
        except Failed as failed:
            sys.stdout.write(
                f"broken after {done + failed.step + 1} steps: {failed.message}\n"
                f"seed {seed}, profile {chosen.profile}; replay: python -m tests.faults "
                f"--seed {seed} --profile {chosen.profile} --steps {count}\n"
            )
            left = steps if chosen.no_shrink else smaller(seed, steps)
            sys.stdout.write(f"{len(left)} steps:\n{written(left)}\n")
            return 1
        done += count
        injected += run.injected
        answers += run.answers
        if chosen.verbose:
            sys.stdout.write(f"seed {seed}: {done} steps, {time.monotonic() - began:.1f} s\n")
            sys.stdout.flush()
        seed += 1
    faults = ", ".join(f"{name} {number}" for name, number in injected.most_common())
    writes = ", ".join(f"{number} {name}" for name, number in answers.most_common())
    sys.stdout.write(
        f"{done} steps in {seed - chosen.seed} worlds, {time.monotonic() - began:.0f} s, profile "
        f"{chosen.profile}: every invariant held\nwrites: {writes}\n"
        f"faults injected: {injected.total()} ({faults})\n"
    )
    return 0


if __name__ == "__main__":
    # Sets of names have another order in each process, unless the seed of their hashes is the same.
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.execve(sys.executable, sys.orig_argv, os.environ | {"PYTHONHASHSEED": "0"})  # noqa: S606 - ourselves
    sys.exit(main())
