"""A reader of the pages, with curl and with a stand-in for it."""

import shutil
import sys
from pathlib import Path

import pytest

from infra.local.info import StackInfo
from tests.compat.reader import BLOCKS, Reader

STAND_IN = Path(__file__).with_name("curl_stand_in.py")


@pytest.fixture(params=["curl", "stand-in"])
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Where a reader sits: with curl, told to print the status too, or with the stand-in."""
    stand_in = tmp_path / "bin" / "curl"
    stand_in.parent.mkdir()
    if shutil.which("curl") is None or request.param == "stand-in":
        stand_in.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STAND_IN}" "$@"\n')
        stand_in.chmod(0o755)
    (tmp_path / ".curlrc").write_text('write-out = "\\n%{http_code}"\n')
    return tmp_path


@pytest.fixture
def reader(local_stack: StackInfo, folder: Path) -> Reader:
    """A reader of RosalindDB's page."""
    for file in BLOCKS.iterdir():
        shutil.copy(file, folder)
    assert local_stack.api_key is not None
    return Reader(folder, local_stack.api_url, local_stack.api_key)
