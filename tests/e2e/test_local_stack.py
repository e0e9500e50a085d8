"""The local stack: the unmodified template deploys whole, and lives through stops and starts."""

import socket
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.local.assembly import Assembly, ensure_assembly
from infra.local.info import StackInfo
from infra.local.lifecycle import down, say_nothing, status, up
from infra.local.paths import Paths
from infra.local.session import LocalSession, local_session, session_of
from tests.e2e.probe.assembly import write_assembly

pytestmark = pytest.mark.e2e


@pytest.fixture
def session(local_stack: StackInfo) -> LocalSession:
    return session_of(local_stack)


@pytest.fixture(scope="session")
def assembly() -> Assembly:
    return ensure_assembly(say_nothing)


def test_every_resource_of_the_unmodified_template_is_created(
    session: LocalSession, assembly: Assembly
) -> None:
    found = session.client("cloudformation").describe_stack_resources(StackName=assembly.stack_name)
    resources = found["StackResources"]
    assert len(resources) > 50
    assert {each["ResourceStatus"] for each in resources} == {"CREATE_COMPLETE"}


def test_the_api_answers_at_the_root_of_its_port(local_stack: StackInfo, api: httpx.Client) -> None:
    assert api.get("/healthz").status_code == 200
    assert api.get("/v1/datasets").status_code == 200
    assert api.get("/v1/datasets", headers={"authorization": "Bearer no"}).status_code == 401
    assert local_stack.api_url.startswith("http://127.0.0.1:")
    assert httpx.URL(local_stack.api_url).path in ("", "/")


def test_the_table_expires_items_and_can_go_back_in_time(session: LocalSession) -> None:
    client, table = session.client("dynamodb"), session.outputs["TableName"]
    expiry = client.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    assert expiry == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at"}
    backups = client.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"


def test_a_running_stack_is_left_alone(local_stack: StackInfo, local_state: Path) -> None:
    steps: list[str] = []
    assert up(state=local_state, progress=steps.append) == local_stack
    assert steps == []
    assert status(state=local_state) == local_stack.as_status()
    assert Paths(local_state).stack_file.stat().st_mode & 0o777 == 0o600


def test_the_state_survives_a_stop(tmp_path: Path) -> None:
    assembly = write_assembly(tmp_path / "assembly")
    state = tmp_path / "state"

    def start(port: int | None = None) -> StackInfo:
        return up(port, state=state, make_assembly=lambda _progress: assembly, after_deploy=remember)

    def remember(info: StackInfo) -> dict[str, Any]:
        return {"tenant_id": info.tenant_id or "ten_first", "api_key": info.api_key or "shl_first"}

    try:
        first = start()
        bucket = first.outputs["BucketName"]
        local_session(state).client("s3").put_object(Bucket=bucket, Key="kept", Body=b"v")
        assert httpx.get(f"{first.api_url}/echo", trust_env=False).status_code == 200
        assert down(state=state) is True
        assert status(state=state) is None
        assert processes_of(state) == []

        again = start()
        assert (again.api_url, again.aws_endpoint_url) == (first.api_url, first.aws_endpoint_url)
        assert (again.tenant_id, again.api_key, again.outputs) == ("ten_first", "shl_first", first.outputs)
        body = local_session(state).client("s3").get_object(Bucket=bucket, Key="kept")["Body"]
        assert body.read() == b"v"
        body.close()
        assert httpx.get(f"{again.api_url}/write", trust_env=False).json() == "ok"

        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        moved = start(port)
        assert moved.api_url == f"http://127.0.0.1:{port}"
        assert moved.pid != again.pid
        assert httpx.get(f"{moved.api_url}/write", trust_env=False).json() == "ok"
    finally:
        down(state=state)
    assert processes_of(state) == []


def test_nothing_listens_outside_of_loopback(local_stack: StackInfo) -> None:
    """IPv4 sockets of the stack's processes, as Linux lists them: local address, state 0A is listening."""
    table = Path("/proc/net/tcp")
    if not table.exists():
        pytest.skip("needs /proc")
    listening = {
        fields[9]: fields[1]
        for line in table.read_text().splitlines()[1:]
        if (fields := line.split())[3] == "0A"
    }
    ours = [listening[inode] for inode in sockets_of(local_stack.pid) if inode in listening]
    assert len(ours) >= 2
    assert {address.split(":")[0] for address in ours} == {"0100007F"}


def sockets_of(pid: int) -> list[str]:
    """The inodes of a process's sockets."""
    links = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()]
    return [link[8:-1] for link in links if link.startswith("socket:[")]


def processes_of(state: Path) -> list[str]:
    """The processes that have this state folder on their command line or run code out of it."""
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if str(state) in line and "pytest" not in line]
