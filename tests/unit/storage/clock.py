"""A clock that tests move."""


class ManualClock:
    """Seconds since the epoch, as set by the test."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
