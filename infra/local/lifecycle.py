"""Up, down and status of the local stack: what `make up`, `make down` and `shoal local` do."""

import contextlib
import http.client
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from infra.local import process
from infra.local.assembly import Assembly, ensure_assembly
from infra.local.commands import Progress, Ticker
from infra.local.control import ask
from infra.local.deploy import deploy, outputs_of
from infra.local.environment import Environment, ensure_environment
from infra.local.errors import NotRunning
from infra.local.info import Credentials, StackInfo, read_info, with_tenant, write_info
from infra.local.locks import hold, holder
from infra.local.paths import STATE, Paths
from infra.local.session import running, session_of

type AfterDeploy = Callable[[StackInfo], dict[str, Any]]
type MakeAssembly = Callable[[Progress], Assembly]


def say_nothing(_line: str) -> None:
    """No progress."""


def up(
    port: int | None = None,
    *,
    state: Path = STATE,
    progress: Progress = say_nothing,
    after_deploy: AfterDeploy | None = None,
    make_assembly: MakeAssembly = ensure_assembly,
) -> StackInfo:
    """Start the stack, or bring the running one up to date; either way the data stays.

    Args:
        port: of the API; None takes the last one, or any free one the first time.
        state: the folder of all that the stack keeps.
        progress: gets a line for each step, and every few seconds within one.
        after_deploy: gets the stack (with the tenant and the key of the last time, if there are), and returns
            `tenant_id` and `api_key` to be remembered.
        make_assembly: gives what is deployed; the synthesized app unless a test brings something smaller.

    Raises:
        LocalStackError: it cannot be brought up; the message says why.
    """
    paths = Paths(state.resolve())
    waiting = Ticker(progress, "waiting for another shoal to finish with the local stack")
    with hold(paths.turn_lock, waiting=waiting.tick):
        environment = ensure_environment(progress)
        assembly = make_assembly(progress)
        info = _ensure_process(paths, environment, port, progress)
        info = _ensure_deployed(info, assembly, progress)
        write_info(paths.stack_file, info)
        if after_deploy is not None:
            info = with_tenant(info, after_deploy(info))
            write_info(paths.stack_file, info)
            # A crash from here on loses what is written later, but not the stack, the tenant or the key.
            ask(info.aws_endpoint_url, "save")
        return info


def down(*, state: Path = STATE, progress: Progress = say_nothing) -> bool:
    """Stop the stack and nothing else; its data stays for the next time. False if it was not running."""
    paths = Paths(state.resolve())
    with hold(paths.turn_lock):
        return process.stop(paths, progress)


def status(*, state: Path = STATE) -> dict[str, Any] | None:
    """Where the running stack answers and with which key; None if it is not running."""
    try:
        return running(Paths(state.resolve())).as_status()
    except NotRunning:
        return None


def _ensure_process(
    paths: Paths, environment: Environment, port: int | None, progress: Progress
) -> StackInfo:
    """The running emulator if it is healthy and as wanted, or a new one."""
    info = read_info(paths.stack_file)
    started = process.running_digest(environment)
    wanted_port = info is not None and port in (None, urlsplit(info.api_url).port)
    if info is not None and wanted_port and info.started == started and _is_healthy(paths, info):
        return info
    if process.stop(paths, progress):
        progress("stopped the emulator, to start it anew")
    last = (_port(info.aws_endpoint_url), _port(info.api_url)) if info else None
    credentials = info.credentials if info else Credentials.make()
    ports = process.bind(port=port, last=last)
    progress("starting the emulator")
    try:
        child = process.launch(paths, environment, ports, credentials)
    finally:
        endpoint_url, api_url = ports.endpoint_url, ports.api_url
        ports.close()
    process.wait_until_ready(child, endpoint_url, paths.logs / "emulator.log", progress)
    fresh = StackInfo(api_url, endpoint_url, child.pid, credentials, started=started)
    if info is None:
        return fresh
    # Functions are told queue addresses, and those name the port: another one means deploying again.
    deployed = info.deployed if info.aws_endpoint_url == endpoint_url else ""
    return replace(
        info,
        api_url=api_url,
        aws_endpoint_url=endpoint_url,
        pid=child.pid,
        started=started,
        deployed=deployed,
    )


def _port(url: str) -> int:
    return urlsplit(url).port or 0


def _is_healthy(paths: Paths, info: StackInfo) -> bool:
    if holder(paths.process_lock) != info.pid:
        return False
    with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
        return bool(ask(info.aws_endpoint_url, "health", timeout=5.0)["pid"] == info.pid)
    return False


def _ensure_deployed(info: StackInfo, assembly: Assembly, progress: Progress) -> StackInfo:
    """The stack with the template of the assembly, and the front serving its API."""
    session = session_of(info)
    if info.deployed != assembly.digest or not _exists(info):
        is_new = deploy(session, assembly, progress)
        outputs = outputs_of(session, assembly.stack_name)
        info = replace(info, deployed=assembly.digest, outputs=outputs, api_id=outputs["ApiId"])
        if is_new:
            info = replace(info, tenant_id=None, api_key=None)
    ask(info.aws_endpoint_url, f"serve/{info.api_id}")
    return info


def _exists(info: StackInfo) -> bool:
    """Whether the emulator still has the API: it forgets what it could not save."""
    apis = session_of(info).client("apigatewayv2").get_apis()["Items"]
    return any(api["ApiId"] == info.api_id for api in apis)
