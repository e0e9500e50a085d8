"""Somebody who copies a page's Python blocks into files and runs them, with another address in them."""

import ast
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BLOCKS = Path(__file__).parent / "embedding_studio"
ORIGINAL = "https://api.embeddingstudio.com/api/v1"
PATIENCE_SECONDS = 90.0
_ENDED = {"done", "failed", "refused", "canceled"}


@dataclass(frozen=True, slots=True)
class PythonReader:
    """Somebody who runs the page's blocks. `address` has the key inside: `http://:KEY@host/api/v1`."""

    address: str

    def run(self, block: str, *, before: str = "", after: str = "") -> list[str]:
        """Run a block as it stands, but for the address; the lines it prints. `before` and `after` are ours."""
        source = (BLOCKS / f"{block}.py.txt").read_text()
        assert ORIGINAL in source
        script = "\n".join([before, source.replace(ORIGINAL, self.address), after])
        done = subprocess.run(
            [sys.executable, "-"],
            input=script,
            env={"PATH": os.environ["PATH"], "NO_PROXY": "127.0.0.1"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{block}: {done.stderr}"
        return done.stdout.splitlines()

    def answer(self, block: str) -> Any:
        """Run a block that prints the answer to its request; the answer."""
        (line,) = self.run(block)
        return ast.literal_eval(line)

    def shown(self, block: str) -> dict[str, str]:
        """Run a block that prints fields, a line each; the fields."""
        pairs = [line.partition(": ") for line in self.run(block)]
        return {name: value for name, _, value in pairs}

    def wait(self, block: str) -> tuple[dict[str, str], Sequence[str]]:
        """Run a block of fields until the task has ended; the fields, and the states that were seen, each once."""
        seen: list[str] = []

        def shown() -> dict[str, str]:
            fields = self.shown(block)
            seen.extend([fields["Status"]] if seen[-1:] != [fields["Status"]] else [])
            return fields

        return until_ended(shown, status="Status"), seen


def until_ended[T: Mapping[str, Any]](ask: Callable[[], T], *, status: str = "status") -> T:
    """Ask until a task has ended."""
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = ask()
        if found[status] in _ENDED:
            return found
        assert time.monotonic() < give_up_at, f"still {found}"
        time.sleep(0.1)
