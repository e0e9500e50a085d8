"""What the demo says while it works: a line for each step, a sign of life every few seconds, and its checks."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self, TextIO

SIGN_OF_LIFE_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class Check:
    """Something that must hold."""

    name: str
    held: bool
    found: str


class Steps:
    """Says lines with the time since the start, and keeps the checks. Used with `with`."""

    def __init__(
        self, stream: TextIO | None = None, *, sign_of_life_seconds: float = SIGN_OF_LIFE_SECONDS
    ) -> None:
        self.checks: list[Check] = []
        self._stream = stream or sys.stdout
        self._started = self._last = time.monotonic()
        self._doing = "starting"
        self._patience = sign_of_life_seconds
        self._quiet = 0
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._heart = threading.Thread(target=self._beat, daemon=True, name="sign of life")

    def __enter__(self) -> Self:
        self._heart.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._heart.join()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._started

    def begin(self, what: str) -> None:
        """A step starts."""
        self._doing = what
        self.say(what)

    def say(self, text: str) -> None:
        """One line, with the time."""
        self.plain(f"{self.seconds:6.1f} s  {text}")

    def plain(self, text: str = "") -> None:
        """Lines as they are."""
        with self._lock:
            self._stream.write(text + "\n")
            self._stream.flush()
            self._last = time.monotonic()

    def check(self, name: str, held: bool, found: str) -> None:
        """Keep a check, and say how it went."""
        self.checks.append(Check(name, held, found))
        self.say(f"{'✓' if held else '✗ FAILED:'} {name}: {found}")

    @contextmanager
    def moving(self) -> Iterator[None]:
        """Something else on the screen moves meanwhile: no sign of life is needed."""
        self._quiet += 1
        try:
            yield
        finally:
            self._quiet -= 1
            self._last = time.monotonic()

    def _beat(self) -> None:
        while not self._over.wait(0.25):
            if not self._quiet and time.monotonic() - self._last >= self._patience:
                self.say(f"… {self._doing}")
