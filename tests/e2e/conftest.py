"""Clients of the local stack, and a second stack for what the emulator and its front do."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from infra.cli.local_stack import ports_of
from infra.local.info import StackInfo
from infra.local.lifecycle import down, up
from infra.local.session import LocalSession, session_of
from shoal.model.tenants import Scope
from shoal.services.api_keys import create_key, revoke_key
from shoal.services.tenants import create_tenant
from shoal.storage.ports import Ports
from tests.e2e.probe.assembly import write_assembly
from tests.e2e.steps import Shoal

SHOAL = Path(sys.executable).parent / "shoal"
type ClientOf = Callable[[str], httpx.Client]


@dataclass(frozen=True, slots=True)
class Revoked:
    """A key that was in use when it was revoked; `at` is a monotonic time."""

    key: str
    at: float


@pytest.fixture
def session(local_stack: StackInfo) -> LocalSession:
    """The AWS side of the stack, as its operator sees it."""
    return session_of(local_stack)


@pytest.fixture
def ports(session: LocalSession) -> Ports:
    """The stack's storage, as a function sees it."""
    return ports_of(session)


@pytest.fixture
def client_of(local_stack: StackInfo) -> Iterator[ClientOf]:
    """Makes clients of the stack's API, each with the key that it is given."""
    with ExitStack() as open_clients:

        def make(key: str) -> httpx.Client:
            headers = {"authorization": f"Bearer {key}"}
            client = httpx.Client(
                base_url=local_stack.api_url, headers=headers, timeout=40.0, trust_env=False
            )
            return open_clients.enter_context(client)

        yield make


@pytest.fixture
def api(local_stack: StackInfo, client_of: ClientOf) -> httpx.Client:
    """A client of the stack's API with its key."""
    assert local_stack.api_key is not None
    return client_of(local_stack.api_key)


@pytest.fixture
def new_key(ports: Ports) -> Callable[..., str]:
    """Makes keys: of a new tenant unless one is named, with all scopes unless some are."""

    def make(*scopes: Scope, tenant_id: str | None = None, expires_at: float | None = None) -> str:
        owner = tenant_id or create_tenant(ports, name="another").tenant_id
        wanted = frozenset(scopes or Scope)
        return create_key(ports, tenant_id=owner, name="e2e", scopes=wanted, expires_at=expires_at)[1]

    return make


@pytest.fixture(scope="session")
def revoked(local_stack: StackInfo) -> Revoked:
    """Made early, so that the minute in which a cache may believe the key has passed when it is looked at."""
    ports = ports_of(session_of(local_stack))
    tenant_id = local_stack.tenant_id or ""
    _, key = create_key(
        ports, tenant_id=tenant_id, name="old", scopes=frozenset({Scope.READ}), expires_at=None
    )
    with httpx.Client(base_url=local_stack.api_url, timeout=40.0, trust_env=False) as client:
        headers = {"authorization": f"Bearer {key}"}
        assert client.get("/v1/datasets", headers=headers).status_code == 200
        assert client.post("/v1/query", headers=headers, json={"dataset": "none"}).status_code == 400
    revoke_key(ports, tenant_id, key.split("_")[1])
    return Revoked(key, time.monotonic())


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


@pytest.fixture
def shoal(local_stack: StackInfo, local_state: Path, tmp_path: Path) -> Shoal:
    """Runs the command in a process of its own; the profile is the local stack."""

    def call(*arguments: str, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "SHOAL_LOCAL_STATE": str(local_state),
            "AWS_EC2_METADATA_DISABLED": "true",
            **environ,
        }
        return subprocess.run(
            [SHOAL, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            env=variables,
            timeout=300,
            check=False,
        )

    return call
