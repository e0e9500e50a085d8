"""Benchmarks: `python -m tests.benchmarks [--rows N] [name ...]` prints Markdown tables; without a name, all.

Each runs in a process of its own, so that none measures what another left in memory.
"""

import argparse
import importlib
import inspect
import os
import platform
import subprocess
import sys
import time

NAMES = (
    *("query", "upload", "cold", "engine", "stack", "compaction", "writes"),
    *("imports", "import_formats", "import_memory", "import_scaling", "validate", "parquet", "cells"),
    *("filters", "texts", "reindex", "derived", "content"),
)
_OPTIONS = {
    "rows": "rows of the dataset, where the benchmark has one (smaller: quicker)",
    "rounds": "how often each engine does it, where several are compared",
    "peers": "compare only with the first so many",
    "only": "make only the comparison of this number",
}


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"one of {', '.join(NAMES)}")
    for name, help_text in _OPTIONS.items():
        parser.add_argument(f"--{name}", type=int, help=help_text)
    given = parser.parse_args()
    unknown = set(given.names) - set(NAMES)
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}")
    names = given.names or list(NAMES)
    options = {name: value for name in _OPTIONS if (value := getattr(given, name)) is not None}
    if len(names) == 1:
        _run(names[0], options)
        return 0
    passed = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    return max(
        subprocess.run([sys.executable, "-m", "tests.benchmarks", name, *passed]).returncode for name in names
    )


def _run(name: str, options: dict[str, int]) -> None:
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - began:5.1f} s] {name}: {line}", file=sys.stderr, flush=True)

    if name.startswith("import") or name in ("filters", "compaction", "derived"):
        # As on Lambda, and before numpy is loaded: steps share work among threads of their own.
        os.environ["OPENBLAS_NUM_THREADS"] = "1"
    module = importlib.import_module(f"tests.benchmarks.{name}")
    known = {
        option: options[option] for option in options if option in inspect.signature(module.run).parameters
    }
    tables = module.run(say, **known)
    command = " ".join(
        ["python -m tests.benchmarks", name, *(f"--{option} {value}" for option, value in known.items())]
    )
    print(f"\n## {name}\n")
    print(
        f"`{command}`, {time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores ({platform.machine()}), "
        f"Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}, {time.monotonic() - began:.0f} s\n"
    )
    print("\n\n".join(table.markdown() for table in tables), flush=True)


if __name__ == "__main__":
    sys.exit(main())
