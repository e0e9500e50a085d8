"""How a state fails: the error names of Amazon States Language, and what a dead or failing function reports.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from shoal.storage.memory.faults import SimulatedCrash

ALL = "States.ALL"
TASK_FAILED = "States.TaskFailed"
TIMEOUT = "States.Timeout"
RUNTIME = "States.Runtime"
DATA_LIMIT = "States.DataLimitExceeded"
NO_CHOICE = "States.NoChoiceMatched"
MAP_FAILED = "States.ExceedToleratedFailureThreshold"
READER_FAILED = "States.ItemReaderFailed"
EXITED = "Runtime.ExitError"
"""What Lambda reports of a process that ended in the middle of a call: killed, or out of memory."""

_TERMINAL = frozenset({RUNTIME, DATA_LIMIT})
"""Not among what `States.ALL` stands for."""


class StateFailed(Exception):
    """A state failed with an error of that name. An `invoke` may raise it too, to play any failure of Lambda."""

    def __init__(self, error: str, cause: str = "") -> None:
        super().__init__(error, cause)
        self.error = error
        self.cause = cause


def failure_of(raised: BaseException) -> StateFailed:
    """What Step Functions learns of an exception in a function: its class, and a JSON text of the rest."""
    if isinstance(raised, StateFailed):
        return raised
    name = EXITED if isinstance(raised, SimulatedCrash) else type(raised).__name__
    return StateFailed(name, json.dumps({"errorType": name, "errorMessage": str(raised)}))


def matches(names: Sequence[str], error: str) -> bool:
    """Whether `ErrorEquals` holds for an error."""
    if error in names:
        return True
    if error in _TERMINAL:
        return False
    return ALL in names or (TASK_FAILED in names and error != TIMEOUT)


class Retries:
    """The retries that one visit of a state still has: each retrier counts by itself."""

    def __init__(self, retriers: Sequence[Mapping[str, Any]]) -> None:
        self._retriers = retriers
        self._used = [0] * len(retriers)

    def seconds_before_next(self, error: str) -> float | None:
        """How long to wait (jitter left out: the longest) before trying again; None: not again."""
        for place, retrier in enumerate(self._retriers):
            if not matches(retrier["ErrorEquals"], error):
                continue
            used = self._used[place]
            if used >= int(retrier.get("MaxAttempts", 3)):
                return None
            self._used[place] += 1
            seconds = (
                float(retrier.get("IntervalSeconds", 1)) * float(retrier.get("BackoffRate", 2.0)) ** used
            )
            return min(seconds, float(retrier.get("MaxDelaySeconds", seconds)))
        return None
