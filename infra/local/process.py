"""Starts and ends the one process of the local stack: the emulator with the API's front in it."""

import contextlib
import hashlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from infra.local.commands import Progress, Ticker
from infra.local.control import ask
from infra.local.environment import Environment
from infra.local.errors import DidNotStart, LocalStackError, PortInUse
from infra.local.info import ACCOUNT, REGION, Credentials
from infra.local.locks import holder
from infra.local.paths import ROOT, Paths

HOST: Final = "127.0.0.1"
STARTS_WITHIN_S: Final = 60.0
SAVES_WITHIN_S: Final = 60.0
_started: Final[dict[int, subprocess.Popen[bytes]]] = {}
"""Emulators that this very process started, to collect them when they end. Usually it is gone long before."""

RUNNING_CODE: Final = (
    "dispatch.py",
    "emulator.py",
    "emulator_s3.py",
    "front.py",
    "gateway.py",
    "launcher.py",
    "server.py",
)


@dataclass(frozen=True, slots=True)
class Ports:
    """Two bound sockets: nobody can take the ports before the emulator listens on them."""

    emulator: socket.socket
    front: socket.socket

    @property
    def endpoint_url(self) -> str:
        """Where the AWS services answer."""
        return f"http://{HOST}:{self.emulator.getsockname()[1]}"

    @property
    def api_url(self) -> str:
        """Where the API answers."""
        return f"http://{HOST}:{self.front.getsockname()[1]}"

    def close(self) -> None:
        """Let go of them here; the emulator has them."""
        self.emulator.close()
        self.front.close()


def bind(*, port: int | None, last: tuple[int, int] | None) -> Ports:
    """Bind the given port for the API, or else the last ones, or else any.

    Raises:
        PortInUse: somebody listens on the given port.
    """
    last_emulator, last_front = last or (0, 0)
    try:
        front = _bind(port or last_front)
    except OSError as error:
        if port:
            raise PortInUse(
                f"port {port} is in use; choose another one, or none to get a free one"
            ) from error
        front = _bind(0)
    try:
        return Ports(_bind(last_emulator), front)
    except OSError:
        return Ports(_bind(0), front)


def _bind(port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # Connections of the last run that the system has not forgotten yet are no reason to refuse its port.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((HOST, port))
    except OSError:
        bound.close()
        raise
    return bound


def running_digest(environment: Environment) -> str:
    """Changes when the emulator has to be started again: its packages, or our code in it."""
    digest = hashlib.sha256(environment.digest.encode())
    for name in RUNNING_CODE:
        digest.update((ROOT / "infra" / "local" / name).read_bytes())
    return digest.hexdigest()


def launch(
    paths: Paths, environment: Environment, ports: Ports, credentials: Credentials
) -> subprocess.Popen[bytes]:
    """Start the emulator; it outlives this process, and answers after a second or two."""
    shutil.rmtree(paths.scratch, ignore_errors=True)
    for folder in (paths.logs, paths.data, paths.data / "s3", paths.scratch):
        # Keys, vectors and documents lie in them: they are for their owner only.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for old in paths.logs.glob("*.log"):
        old.replace(old.with_suffix(".log.1"))
    descriptors = (ports.emulator.fileno(), ports.front.fileno())
    with (paths.logs / "emulator.log").open("ab") as output:
        child = subprocess.Popen(  # noqa: S603 - our own program, no shell
            [
                environment.emulator,
                "-m",
                "infra.local.launcher",
                *map(str, descriptors),
                str(ports.front.getsockname()[1]),
                paths.process_lock,
                environment.functions,
                paths.logs,
            ],
            cwd=paths.scratch,
            env=_environment(paths, ports, credentials),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=descriptors,
            start_new_session=True,
        )
    _started[child.pid] = child
    return child


def _environment(paths: Paths, ports: Ports, credentials: Credentials) -> dict[str, str]:
    """All that the emulator sees of the environment; a developer's own AWS settings and proxies are not in it."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return inherited | {
        "AUTH": "true",
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
        "AWS_ENDPOINT_URL": ports.endpoint_url,
        "BIND_HOST": HOST,
        "GATEWAY_PORT": str(ports.emulator.getsockname()[1]),
        "IOT_MTLS_ENABLED": "0",
        "LAMBDA_EXECUTOR": "local",
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "MINISTACK_HOST": HOST,
        "MINISTACK_REGION": REGION,
        "PERSIST_STATE": "1",
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "S3_DATA_DIR": str(paths.data / "s3"),
        "S3_PERSIST": "1",
        "SFTP_ENABLED": "0",
        "STATE_DIR": str(paths.data),
        "TMPDIR": str(paths.scratch),
        "TZ": "UTC",
    }


def wait_until_ready(
    process: subprocess.Popen[bytes], endpoint_url: str, log: Path, progress: Progress
) -> None:
    """Wait for the emulator's first answer.

    Raises:
        DidNotStart: it ended, or did not answer in time.
    """
    ticker = Ticker(progress, "starting the emulator")

    def answers() -> bool:
        if process.poll() is not None:
            raise DidNotStart(f"the emulator ended with code {process.returncode}; see {log}")
        ticker.tick()
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
            return bool(ask(endpoint_url, "health", timeout=2.0)["pid"] == process.pid)
        return False

    if not _until(answers, STARTS_WITHIN_S):
        stop_group(process.pid)
        _started.pop(process.pid).wait()
        raise DidNotStart(f"the emulator did not answer within {STARTS_WITHIN_S:.0f} s; see {log}")


def stop(paths: Paths, progress: Progress) -> bool:
    """End the emulator of these files and the functions' processes; it saves its state first.

    Returns:
        Whether there was one.
    """
    pid = holder(paths.process_lock)
    if pid is None:
        return False
    os.kill(pid, signal.SIGTERM)
    ticker = Ticker(progress, "saving the state")

    def ended() -> bool:
        ticker.tick()
        return holder(paths.process_lock) is None

    saved = _until(ended, SAVES_WITHIN_S)
    stop_group(pid)
    if child := _started.pop(pid, None):
        child.wait()
    if not saved:
        raise LocalStackError(f"the emulator (process {pid}) did not end in time and was killed unsaved")
    return True


def stop_group(pid: int) -> None:
    """Kill what is left of the emulator's process group: a function that was just starting, at most."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False
