"""What the stack leaves on disk: its file, its locks, its environments."""

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from infra.local.commands import run
from infra.local.environment import REQUIREMENTS, RUNTIME_PACKAGES, subset
from infra.local.errors import CommandFailed, NotRunning, PortInUse
from infra.local.info import Credentials, StackInfo, read_info, with_tenant, write_info
from infra.local.launcher import EMULATOR
from infra.local.lifecycle import down, say_nothing, status
from infra.local.locks import hold, holder
from infra.local.paths import ROOT
from infra.local.process import bind
from infra.local.session import local_session

INFO = StackInfo("http://127.0.0.1:1", "http://127.0.0.1:2", 3, Credentials.make(), outputs={"ApiId": "a"})


def test_the_file_is_for_its_owner_only_and_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "state" / "stack.json"
    write_info(path, INFO)
    write_info(path, replace(INFO, pid=4))
    assert read_info(path) == replace(INFO, pid=4)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["stack.json"]


@pytest.mark.parametrize("text", ["", "[]", '{"api_url": "x"}', '{"credentials": {}, "unknown": 1}'])
def test_a_file_that_is_not_ours_is_no_stack(tmp_path: Path, text: str) -> None:
    path = tmp_path / "stack.json"
    path.write_text(text)
    assert read_info(path) is None


def test_the_status_holds_what_is_promised() -> None:
    info = with_tenant(INFO, {"tenant_id": "ten_1", "api_key": "shl_1"})
    assert info.as_status() == {
        "api_url": "http://127.0.0.1:1",
        "api_key": "shl_1",
        "tenant_id": "ten_1",
        "aws_endpoint_url": "http://127.0.0.1:2",
        "pid": 3,
    }
    assert with_tenant(info, {}) == info


def test_a_stack_that_is_only_remembered_does_not_run(tmp_path: Path) -> None:
    write_info(tmp_path / "stack.json", INFO)
    assert status(state=tmp_path) is None
    assert down(state=tmp_path) is False
    with pytest.raises(NotRunning, match="make up"):
        local_session(tmp_path)


def test_a_lock_names_its_holder_only_while_that_lives(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert holder(path) is None
    path.write_text("12345")
    assert holder(path) is None
    with hold(path):
        assert holder(path) == 12345
    assert holder(path) is None


def test_a_given_port_that_is_taken_is_refused_and_a_remembered_one_replaced() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortInUse, match=str(port)):
            bind(port=port, last=None)
        ports = bind(port=None, last=(port, port))
        try:
            assert f"http://127.0.0.1:{port}" not in (ports.api_url, ports.endpoint_url)
        finally:
            ports.close()


def test_a_failed_command_says_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="no such thing"):
        run(
            [sys.executable, "-c", "import sys; sys.exit('no such thing')"],
            step="trying",
            progress=say_nothing,
            cwd=tmp_path,
        )
    with pytest.raises(CommandFailed, match="cannot run"):
        run([tmp_path / "missing"], step="trying", progress=say_nothing, cwd=tmp_path)


def test_functions_get_pinned_packages_only_and_the_emulator_the_version_that_we_patch() -> None:
    requirements = REQUIREMENTS.read_text()
    chosen = subset(requirements, RUNTIME_PACKAGES)
    names = {line.split("==")[0] for line in chosen.splitlines() if not line.startswith(" ")}
    assert names == RUNTIME_PACKAGES
    assert chosen.count("--hash=") >= len(RUNTIME_PACKAGES)
    assert f"ministack=={EMULATOR} " in requirements
    with pytest.raises(ValueError, match="not-there"):
        subset(requirements, frozenset({"not-there"}))


def test_nothing_of_what_runs_in_the_emulator_needs_our_environment() -> None:
    code = "import infra.local.front, infra.local.gateway, sys; assert 'boto3' not in sys.modules"
    environment = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    subprocess.run([sys.executable, "-S", "-c", code], check=True, cwd=ROOT, env=environment)
