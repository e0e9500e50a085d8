"""Work that goes on without us, watched until it is over."""

import time
from collections.abc import Callable, Iterator
from typing import Protocol

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.1, 2.0


class Watched(Protocol):
    """An import, an export, a compaction."""

    @property
    def over(self) -> bool:
        """Terminal: it will not change any more."""

    @property
    def shown(self) -> object:
        """What makes a state another one: addresses, say, are signed afresh each time."""


def follow[T: Watched](look: Callable[[], T], *, sleep: Callable[[float], None] = time.sleep) -> Iterator[T]:
    """Each state that differs from the one before; the last is terminal.

    Small ones are over in a second and large ones take minutes: the pauses grow.
    """
    pause = _FIRST_PAUSE_SECONDS
    seen: T | None = None
    while True:
        found = look()
        if seen is None or found.shown != seen.shown:
            yield found
            seen = found
        if found.over:
            return
        sleep(pause)
        pause = min(pause * 1.3, _LONGEST_PAUSE_SECONDS)
