"""The processes that run functions right now; the demo and the tests kill them."""

from pathlib import Path

from infra.local.control import ask
from infra.local.paths import STATE, Paths
from infra.local.session import running


def pids_of(function_name: str, state: Path = STATE) -> list[int]:
    """The ids of the processes of one function, by its short name (`indexer`) or its name in the stack.

    Raises:
        NotRunning: the local stack is not running.
    """
    workers: dict[str, list[int]] = ask(running(Paths(state)).aws_endpoint_url, "workers")
    return workers.get(function_name, [])
