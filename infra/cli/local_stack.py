"""The local stack as the command line uses it: with a tenant and a key, and errors for the user."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

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


def ensure_key(info: "StackInfo") -> dict[str, Any]:
    """The tenant and the key of last time if the table still knows them, or new ones with every scope."""
    from infra.local.session import session_of
    from shoal.model.tenants import Scope
    from shoal.services.api_keys import create_key, list_keys
    from shoal.services.tenants import create_tenant

    ports = ports_of(session_of(info))
    if info.tenant_id and info.api_key:
        now = ports.clock()
        valid = [key for key in list_keys(ports, info.tenant_id) if key.valid_at(now)]
        if any(info.api_key.startswith(f"shl_{key.key_id}_") for key in valid):
            return {"tenant_id": info.tenant_id, "api_key": info.api_key}
    tenant = create_tenant(ports, name="local")
    scopes = frozenset(Scope)
    _, secret = create_key(ports, tenant_id=tenant.tenant_id, name="local", scopes=scopes, expires_at=None)
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
