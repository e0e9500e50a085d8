"""The README's blocks about content, run as they stand against the local stack."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from infra.local.info import StackInfo
from shoal.model.tenants import Scope
from shoal.services.api_keys import create_key
from shoal.services.tenants import create_tenant
from shoal.storage.ports import Ports

ROOT = Path(__file__).parents[2]
SECTION = "## Index your Sanity content\n"
CALL = """call() { curl -sS -w '\\n' -H "Authorization: Bearer $SHOAL_API_KEY" "$@"; }\n"""
"""As the README's first request has it."""


def blocks() -> list[str]:
    """The shell blocks of the section."""
    text = (ROOT / "README.md").read_text()
    section = text.split(SECTION, 1)[1].split("\n## ", 1)[0]
    assert CALL in text
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


@pytest.mark.e2e
def test_the_blocks_run(local_stack: StackInfo, ports: Ports, tmp_path: Path) -> None:
    tenant_id = create_tenant(ports, name="a reader").tenant_id
    scopes = frozenset({Scope.ADMIN})
    _, key = create_key(ports, tenant_id=tenant_id, name="readme", scopes=scopes, expires_at=None)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    environment = {
        **os.environ,
        "SHOAL_API_URL": local_stack.api_url,
        "SHOAL_API_KEY": key,
        "NO_PROXY": "127.0.0.1",
    }
    script = CALL + "".join(blocks())
    done = subprocess.run(
        ["sh", "-eu"],
        input=script,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers = [line for line in done.stdout.splitlines() if line.strip()]
    found = next(json.loads(line) for line in answers if line.startswith("[{"))
    assert found[0]["value"]["documentId"] == "cowboys-aliens"
    assert len(found) == 2
    created = next(json.loads(line) for line in answers if line.startswith('{"status":"ok"'))
    assert created["index"]["startDocumentCount"] == 3
    told = json.loads(answers[-1])
    assert f"{local_stack.api_url}{told['path']}" in answers
    assert told["secret"]
