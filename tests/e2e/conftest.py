"""Local stacks for the tests: each on its own state folder and free ports, started once, gone at the end."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from infra.cli.local_stack import ensure_key
from infra.local.info import StackInfo
from infra.local.lifecycle import down, up
from infra.local.locks import holder
from infra.local.paths import Paths
from tests.e2e.probe.assembly import write_assembly


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


@pytest.fixture
def api(local_stack: StackInfo) -> Iterator[httpx.Client]:
    """A client of the stack's API with its key."""
    headers = {"authorization": f"Bearer {local_stack.api_key}"}
    with httpx.Client(base_url=local_stack.api_url, headers=headers, timeout=40.0, trust_env=False) as client:
        yield client


@pytest.fixture(scope="session")
def probe_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The state folder of `probe_stack`."""
    state = tmp_path_factory.mktemp("probe")
    yield state
    down(state=state)


@pytest.fixture(scope="session")
def probe_stack(probe_state: Path, tmp_path_factory: pytest.TempPathFactory) -> StackInfo:
    """A stack of one function that tells what it got: for what the emulator and its front do."""
    assembly = write_assembly(tmp_path_factory.mktemp("assembly"))
    return up(state=probe_state, progress=print, make_assembly=lambda _progress: assembly)


@pytest.fixture
def probe(probe_stack: StackInfo) -> Iterator[httpx.Client]:
    """A client of the probe's API."""
    with httpx.Client(base_url=probe_stack.api_url, timeout=40.0, trust_env=False) as client:
        yield client
