"""How our own tools reach the AWS services of the local stack."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import boto3
import botocore.session
from botocore.config import Config

from infra.local.errors import NotRunning
from infra.local.info import Credentials, StackInfo, read_info
from infra.local.locks import holder
from infra.local.paths import STATE, Paths

NOBODYS_SETTINGS: Final = {"profile": (None, None, None, None), "config_file": (None, None, os.devnull, None)}
"""No profile and no file of the developer's own AWS settings has a say here."""


@dataclass(frozen=True, slots=True)
class LocalSession:
    """What a boto3 client needs to talk to the local stack, and the stack's outputs."""

    endpoint_url: str
    region: str
    credentials: Credentials
    outputs: dict[str, str]

    def client(self, service: str) -> Any:
        """A boto3 client of one service. Proxies of the environment are not for loopback."""
        session = boto3.Session(
            aws_access_key_id=self.credentials.access_key_id,
            aws_secret_access_key=self.credentials.secret_access_key,
            region_name=self.region,
            botocore_session=botocore.session.Session(session_vars=NOBODYS_SETTINGS),
        )
        config = Config(signature_version="s3v4" if service == "s3" else None, proxies={})
        client: Any = session.client  # The stubs know one overload for each literal name, none for a string.
        return client(service, endpoint_url=self.endpoint_url, config=config)


def local_session(state: Path = STATE) -> LocalSession:
    """The session of the stack that runs with this state folder.

    Raises:
        NotRunning: none does.
    """
    return session_of(running(Paths(state)))


def session_of(info: StackInfo) -> LocalSession:
    """The session of a stack."""
    return LocalSession(info.aws_endpoint_url, info.region, info.credentials, info.outputs)


def running(paths: Paths) -> StackInfo:
    """The stack that runs with these files.

    Raises:
        NotRunning: none does.
    """
    info = read_info(paths.stack_file)
    if info is None or holder(paths.process_lock) != info.pid:
        raise NotRunning(
            "the local stack is not running; start it with: make up (or .venv/bin/shoal local up)"
        )
    return info
