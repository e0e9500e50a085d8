"""The local stack as the command line uses it: with a tenant and a key, and errors for the user."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from infra.cli.failures import CliError
from infra.cli.results import LocalStack

if TYPE_CHECKING:
    from infra.local.info import StackInfo
    from infra.local.session import LocalSession
    from shoal.storage.ports import Ports

STATE_VARIABLE = "SHOAL_LOCAL_STATE"
"""Environment: another folder for the stack's state. The tests keep theirs apart with it."""


def state_folder(environ: Mapping[str, str]) -> Path:
    """The folder of the local stack's state."""
    from infra.local.paths import STATE

    given = environ.get(STATE_VARIABLE)
    return Path(given) if given else STATE


def running(state: Path) -> LocalStack | None:
    """The running stack with its key; None when it is down, or was never given a key."""
    from infra.local.lifecycle import status

    with _local_errors():
        found = status(state=state)
    return LocalStack(**found) if found and found["api_key"] else None


def start(state: Path, *, port: int | None, progress: Callable[[str], None]) -> LocalStack:
    """Bring the stack up, with a tenant and a key that works."""
    from infra.local.lifecycle import up

    with _local_errors():
        info = up(port, state=state, progress=progress, after_deploy=ensure_key)
    return LocalStack(**info.as_status())


def stop(state: Path, *, progress: Callable[[str], None]) -> bool:
    """Stop the stack; False when it was not running."""
    from infra.local.lifecycle import down

    with _local_errors():
        return down(state=state, progress=progress)


def ensure_key(info: "StackInfo") -> dict[str, str]:
    """The tenant and the key of last time if the table still knows them, or new ones with every scope."""
    from infra.local.session import session_of

    known = {"tenant_id": info.tenant_id or "", "api_key": info.api_key or ""}
    return _tenant(ports_of(session_of(info)), "local", known)


def tenant_of_its_own(stack: LocalStack, state: Path, name: str) -> LocalStack:
    """The running stack with another tenant and a key of it: those of last time if the table still knows them.

    They are kept in the state's folder, for its owner only.
    """
    from infra.local.info import write_private

    file = state / f"tenant-{name}.json"
    try:
        known = dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        known = {}
    found = _tenant(local_ports(state), name, known)
    if found != known:
        write_private(file, json.dumps(found))
    return replace(stack, tenant_id=found["tenant_id"], api_key=found["api_key"])


def _tenant(ports: "Ports", name: str, known: Mapping[str, str]) -> dict[str, str]:
    from shoal.model.tenants import Scope
    from shoal.services.api_keys import create_key, list_keys
    from shoal.services.tenants import create_tenant

    tenant_id, api_key = known.get("tenant_id"), known.get("api_key")
    if tenant_id and api_key:
        now = ports.clock()
        valid = [key for key in list_keys(ports, tenant_id) if key.valid_at(now)]
        if any(api_key.startswith(f"shl_{key.key_id}_") for key in valid):
            return {"tenant_id": tenant_id, "api_key": api_key}
    tenant = create_tenant(ports, name=name)
    scopes = frozenset(Scope)
    _, secret = create_key(ports, tenant_id=tenant.tenant_id, name=name, scopes=scopes, expires_at=None)
    return {"tenant_id": tenant.tenant_id, "api_key": secret}


def pids_of(function: str, state: Path) -> list[int]:
    """The processes that run a function at this moment."""
    from infra.local.workers import pids_of as find

    with _local_errors():
        return find(function, state)


def ports_of(session: "LocalSession", *, table: str | None = None) -> "Ports":
    """The AWS adapters on the emulator; over another table if one is named."""
    from infra.cli.aws_ports import ports_from

    return ports_from(session.client, session.outputs, table=table)


def local_ports(state: Path, *, table: str | None = None) -> "Ports":
    """The AWS adapters on the emulator that runs with this state; over another table if one is named.

    Raises:
        CliError: it is not running.
    """
    from infra.local.session import local_session

    with _local_errors():
        return ports_of(local_session(state.resolve()), table=table)


@contextmanager
def _local_errors() -> Iterator[None]:
    from infra.local.errors import DidNotStart, LocalStackError

    try:
        yield
    except LocalStackError as error:
        hint = "look into .local/logs" if isinstance(error, DidNotStart) else None
        raise CliError(str(error), hint=hint) from error
