"""The emulator's own Python environments: it pins another botocore than we do, and functions must see neither."""

import hashlib
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from infra.local.commands import Progress, run
from infra.local.locks import hold
from infra.local.paths import EMULATOR_ENVIRONMENT, ROOT

REQUIREMENTS: Final = ROOT / "requirements-emulator.txt"

RUNTIME_PACKAGES: Final = frozenset(
    {
        "awslambdaric",
        "boto3",
        "botocore",
        "jmespath",
        "python-dateutil",
        "s3transfer",
        "simplejson",
        "six",
        "snapshot-restore-py",
        "urllib3",
    }
)
"""What Lambda's own Python brings: the runtime client and boto3. All else a function must have in its layers."""


@dataclass(frozen=True, slots=True)
class Environment:
    """Two interpreters: one runs the emulator, one runs the functions."""

    emulator: Path
    functions: Path
    digest: str


def ensure_environment(progress: Progress, *, folder: Path = EMULATOR_ENVIRONMENT) -> Environment:
    """Build both environments unless they are there and their requirements have not changed.

    Raises:
        CommandFailed: uv could not build them.
    """
    requirements = REQUIREMENTS.read_text()
    digest = hashlib.sha256(f"{sys.version}\n{requirements}".encode()).hexdigest()
    environment = Environment(folder / "venv/bin/python", folder / "runtime/bin/python", digest)
    mark = folder / "requirements.sha256"
    with hold(folder / "lock"):
        if not (mark.is_file() and mark.read_text() == digest):
            progress("installing the emulator")
            mark.unlink(missing_ok=True)
            functions = folder / "requirements-runtime.txt"
            functions.write_text(subset(requirements, RUNTIME_PACKAGES))
            _build(folder / "venv", REQUIREMENTS, progress)
            _build(folder / "runtime", functions, progress)
            mark.write_text(digest)
    return environment


def subset(requirements: str, names: frozenset[str]) -> str:
    """The pins of some packages, with their hashes.

    Raises:
        ValueError: one of them is not pinned.
    """
    blocks = re.split(r"\n(?=[A-Za-z0-9])", requirements.strip())
    chosen = {name: block for block in blocks if (name := re.split(r"[=\[ ;]", block)[0]) in names}
    if missing := names - chosen.keys():
        raise ValueError(f"not pinned in {REQUIREMENTS.name}: {', '.join(sorted(missing))}")
    return "\n".join(chosen.values()) + "\n"


def _build(folder: Path, requirements: Path, progress: Progress) -> None:
    """One virtual environment of this interpreter's version, with exactly these packages."""
    uv = Path(sys.executable).parent / "uv"
    step = f"installing the emulator: {folder.name}"
    # The interpreter is named, so that uv neither looks for another one nor downloads it.
    run([uv, "venv", "--clear", "--python", sys.executable, folder], step=step, progress=progress, cwd=ROOT)
    run(
        [uv, "pip", "install", "--python", folder / "bin/python", "--require-hashes", "-r", requirements],
        step=step,
        progress=progress,
        cwd=ROOT,
    )
