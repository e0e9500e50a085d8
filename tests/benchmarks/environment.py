"""The peers' own Python environment: other databases, and hnswlib compiled for the very processor it runs on."""

import hashlib
import subprocess
import sys
from pathlib import Path

from infra.local.commands import run
from infra.local.locks import hold
from infra.local.paths import ROOT, STATE
from tests.benchmarks.harness import Say

REQUIREMENTS = ROOT / "requirements-bench.txt"
FOLDER = STATE / "benchmarks"
"""What benchmarks keep between runs: this environment, and the files they read."""


def peers_python(say: Say, *, folder: Path = FOLDER / "peers") -> Path:
    """The interpreter that has the peers; built unless it is there and its requirements have not changed.

    Raises:
        CommandFailed: uv could not build it.
    """
    digest = hashlib.sha256(f"{sys.version}\n{REQUIREMENTS.read_text()}".encode()).hexdigest()
    python, mark = folder / "venv/bin/python", folder / "requirements.sha256"
    with hold(folder / "lock"):
        if not (mark.is_file() and mark.read_text() == digest):
            mark.unlink(missing_ok=True)
            uv = Path(sys.executable).parent / "uv"
            made: list[str | Path] = [uv, "venv", "--clear", "--python", sys.executable, folder / "venv"]
            run(made, step="installing the peers", progress=say, cwd=ROOT)
            # Our own configuration would have hnswlib compiled for any processor. Here it may be as fast as it
            # can, in a cache of its own: elsewhere such a build would die of an illegal instruction.
            installed: list[str | Path] = [
                uv,
                "pip",
                "install",
                "--no-config",
                "--cache-dir",
                folder / "cache",
            ]
            installed += ["--python", python, "--require-hashes", "-r", REQUIREMENTS]
            native = {"HNSWLIB_NO_NATIVE": ""}
            run(installed, step="installing the peers", progress=say, cwd=ROOT, environment=native)
            mark.write_text(digest)
    return python


def peers_say(python: Path, program: str) -> str:
    """What a line of Python prints in the peers' environment."""
    done = subprocess.run([python, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()
