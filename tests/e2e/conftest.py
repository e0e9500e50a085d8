"""Clients of the local stack, and a second stack for what the emulator and its front do."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from infra.local.info import StackInfo
from infra.local.lifecycle import down, up
from tests.e2e.probe.assembly import write_assembly


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
