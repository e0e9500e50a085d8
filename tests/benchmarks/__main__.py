"""Benchmarks: `python -m tests.benchmarks [--rows N] [name ...]` prints Markdown tables; without a name, all.

Each runs in a process of its own, so that none measures what another left in memory.
"""

import argparse
import importlib
import os
import platform
import subprocess
import sys
import time

NAMES = ("query", "upload", "cold", "engine", "stack")


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"one of {', '.join(NAMES)}")
    parser.add_argument(
        "--rows", type=int, help="rows of the dataset, where the benchmark has one (smaller: quicker)"
    )
    given = parser.parse_args()
    unknown = set(given.names) - set(NAMES)
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}")
    names = given.names or list(NAMES)
    if len(names) == 1:
        _run(names[0], given.rows)
        return 0
    rows = [] if given.rows is None else ["--rows", str(given.rows)]
    return max(
        subprocess.run([sys.executable, "-m", "tests.benchmarks", name, *rows]).returncode for name in names
    )


def _run(name: str, rows: int | None) -> None:
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - began:5.1f} s] {name}: {line}", file=sys.stderr, flush=True)

    module = importlib.import_module(f"tests.benchmarks.{name}")
    tables = module.run(say) if rows is None else module.run(say, rows=rows)
    command = f"python -m tests.benchmarks {name}" + (f" --rows {rows}" if rows else "")
    print(f"\n## {name}\n")
    print(
        f"`{command}`, {time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores ({platform.machine()}), "
        f"Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}, {time.monotonic() - began:.0f} s\n"
    )
    print("\n\n".join(table.markdown() for table in tables), flush=True)


if __name__ == "__main__":
    sys.exit(main())
