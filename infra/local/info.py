"""What a running local stack is, and the file that remembers it."""

import json
import os
import secrets
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

ACCOUNT: Final = "000000000000"
REGION: Final = "us-east-1"


@dataclass(frozen=True, slots=True)
class Credentials:
    """The root user of the emulator's account, made up once for each stack."""

    access_key_id: str
    secret_access_key: str

    @classmethod
    def make(cls) -> "Credentials":
        """New ones. The emulator checks the id and not the secret, so it is the id that nobody can guess."""
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
        return cls("AKIA" + "".join(secrets.choice(alphabet) for _ in range(16)), secrets.token_urlsafe(30))


@dataclass(frozen=True, slots=True)
class StackInfo:
    """A local stack: its two addresses, its credentials, what its template put out, and who its tenant is."""

    api_url: str
    aws_endpoint_url: str
    pid: int
    credentials: Credentials
    region: str = REGION
    outputs: dict[str, str] = field(default_factory=dict)
    """The outputs of the CloudFormation stack by their keys."""
    api_id: str = ""
    deployed: str = ""
    """Digest of the template that is deployed."""
    started: str = ""
    """Digest of the code that runs the emulator."""
    tenant_id: str | None = None
    api_key: str | None = None

    def as_status(self) -> dict[str, Any]:
        """What `shoal local status --json` prints."""
        return {
            "api_url": self.api_url,
            "api_key": self.api_key,
            "tenant_id": self.tenant_id,
            "aws_endpoint_url": self.aws_endpoint_url,
            "pid": self.pid,
        }


def read_info(path: Path) -> StackInfo | None:
    """The stack that the file remembers; None if there is no such file, or not one of ours."""
    try:
        values = json.loads(path.read_text())
        return StackInfo(**{**values, "credentials": Credentials(**values["credentials"])})
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None


def write_info(path: Path, info: StackInfo) -> None:
    """Replace the file at once; only its owner may read it, as it holds keys."""
    write_private(path, json.dumps(asdict(info), indent=2))


def write_private(path: Path, text: str) -> None:
    """Replace a file at once, which only its owner may read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.replace(path)


def with_tenant(info: StackInfo, made: dict[str, Any]) -> StackInfo:
    """The stack with the tenant and the key that a hook returned."""
    return replace(
        info,
        tenant_id=made.get("tenant_id", info.tenant_id),
        api_key=made.get("api_key", info.api_key),
    )
