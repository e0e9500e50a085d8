"""An import watched until it is over."""

import time
from collections.abc import Callable, Iterator

from infra.cli.imports.results import ImportInfo

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.1, 2.0


def follow(
    look: Callable[[], ImportInfo], *, sleep: Callable[[float], None] = time.sleep
) -> Iterator[ImportInfo]:
    """Each state that differs from the one before; the last is terminal.

    Small imports are over in a second and large ones take minutes: the pauses grow.
    """
    pause = _FIRST_PAUSE_SECONDS
    seen: ImportInfo | None = None
    while True:
        found = look()
        if seen is None or _shown(found) != _shown(seen):
            yield found
            seen = found
        if found.over:
            return
        sleep(pause)
        pause = min(pause * 1.3, _LONGEST_PAUSE_SECONDS)


def _shown(job: ImportInfo) -> tuple[object, ...]:
    """What makes a state another one: addresses are signed afresh each time."""
    return job.status, job.progress, job.records_accepted, job.records_rejected
