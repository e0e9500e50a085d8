"""Workflows in memory: what was started, for a test to run, and what became of it."""

from collections.abc import Mapping

from shoal.storage.ports import Workflows

RUNNING = "RUNNING"


class MemoryWorkflows(Workflows):
    """The port's fake: it starts nothing. `started` holds each execution's input by its name."""

    def __init__(self) -> None:
        self.started: dict[str, dict[str, str]] = {}
        self.statuses: dict[str, str] = {}

    def start(self, name: str, given: Mapping[str, str]) -> None:
        """Note an execution."""
        if name in self.started:
            if self.started[name] != dict(given):
                raise ValueError(f"execution {name} was started with another input")
            return
        self.started[name] = dict(given)
        self.statuses[name] = RUNNING

    def end(self, name: str, status: str) -> None:
        """What the state machine does when an execution is over."""
        self.statuses[name] = status

    def status(self, name: str) -> str | None:
        """How an execution is."""
        return self.statuses.get(name)

    def stop(self, name: str, *, cause: str) -> None:  # noqa: ARG002 - kept by Step Functions only
        """End an execution."""
        if self.statuses.get(name) == RUNNING:
            self.statuses[name] = "ABORTED"
