"""Runs the commands that setting up needs, with a line of progress every few seconds."""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from infra.local.errors import CommandFailed

type Progress = Callable[[str], None]

EVERY_S: Final = 4.0
"""Seconds between two lines about the same step: nobody should look at a silent screen for five."""

TAIL: Final = 3000
"""Characters of a failed command's output that go into the message."""


class Ticker:
    """Says that a step still runs, but only every few seconds."""

    def __init__(self, progress: Progress, step: str) -> None:
        self._progress, self._step = progress, step
        self._started = self._last = time.monotonic()

    def tick(self) -> None:
        """Say so if it is time."""
        now = time.monotonic()
        if now - self._last >= EVERY_S:
            self._last = now
            self._progress(f"{self._step} ({now - self._started:.0f} s)")


def run(
    command: Sequence[str | os.PathLike[str]],
    *,
    step: str,
    progress: Progress,
    cwd: Path,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run a command to its end; its output is shown only if it fails.

    Raises:
        CommandFailed: it ended with another code than 0, or there is no such program.
    """
    ticker = Ticker(progress, step)
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(  # noqa: S603 - our own programs, no shell
                command,
                cwd=cwd,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        except OSError as error:
            raise CommandFailed(f"{step}: cannot run {command[0]}: {error}") from error
        with process:
            while True:
                try:
                    code = process.wait(timeout=0.2)
                    break
                except subprocess.TimeoutExpired:
                    ticker.tick()
                except BaseException:
                    process.terminate()
                    raise
        if code != 0:
            output.seek(0)
            said = output.read().decode(errors="replace")[-TAIL:]
            raise CommandFailed(f"{step} failed ({' '.join(map(str, command))}):\n{said}")
