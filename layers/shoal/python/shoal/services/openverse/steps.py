"""What a step of a task answers to its workflow: whether it is called again, and when."""

from dataclasses import dataclass
from enum import StrEnum

from shoal.model.openverse import OpenverseTask
from shoal.services.openverse.tasks import change_running
from shoal.storage.ports import Ports

LONGEST_WAIT_SECONDS = 30
"""An execution has 25,000 events, nine of them a turn: with this wait, half of them last for twelve hours."""
_WAITS_OF_AGE = 10
"""A task waits a tenth of its age, so that short ones end soon and long ones are seldom looked at."""
_LEAST_MOVE = 0.05


class State(StrEnum):
    """What the workflow does next."""

    AGAIN = "again"
    WAIT = "wait"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Next:
    """What the workflow does next, after so many seconds where it waits."""

    state: State
    seconds: int = 0


AGAIN = Next(State.AGAIN)
DONE = Next(State.DONE)


def wait(seconds: float) -> Next:
    """Wait so long, in whole seconds and at least one."""
    return Next(State.WAIT, max(1, round(seconds)))


def wait_for_others(ports: Ports, task: OpenverseTask, *, least: float = 0.0) -> Next:
    """Wait for something that others do, and of which nobody tells; at least so many seconds."""
    age = ports.clock() - task.created_at
    return wait(max(least, min(LONGEST_WAIT_SECONDS, age / _WAITS_OF_AGE)))


def move(ports: Ports, task: OpenverseTask, progress: float) -> OpenverseTask:
    """Say how far a task is (per cent); it never goes back, and is not done before it has ended."""
    progress = round(min(99.9, progress), 2)
    if progress < task.progress + _LEAST_MOVE:
        return task
    return change_running(ports, task, lambda now: {"progress": max(now.progress, progress)})
