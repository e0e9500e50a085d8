"""A process that does one step of an import: asked as JSON on standard input, answering on standard output."""

import json
import logging
import resource
import sys

from tests.benchmarks.workers import one_step


def main() -> None:
    """Do it, within the memory that its function has."""
    asked = json.load(sys.stdin)
    limit = asked["memory_mb"] * 1024 * 1024
    # As the local stack's `ulimit -d` does, and about as Lambda does.
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    logging.getLogger("shoal").setLevel(logging.ERROR)
    json.dump(one_step(asked), sys.stdout)


if __name__ == "__main__":
    main()
