"""The local stack, one for all tests that speak HTTP to it: on a state folder and ports of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.cli.local_stack import ensure_key
from infra.local.info import StackInfo
from infra.local.lifecycle import down, up
from infra.local.locks import holder
from infra.local.paths import Paths


@pytest.fixture(scope="session")
def local_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The state folder of `local_stack`; the stack in it is stopped at the end, whoever started it."""
    state = tmp_path_factory.mktemp("local")
    yield state
    down(state=state)
    assert holder(Paths(state).process_lock) is None


@pytest.fixture(scope="session")
def local_stack(local_state: Path) -> StackInfo:
    """The whole stack as `make up` starts it, with a tenant and a key that may do everything."""
    return up(state=local_state, progress=print, after_deploy=ensure_key)
