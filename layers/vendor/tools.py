"""The programs that build layers: uv, pip and zig, each from the project's requirements."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from layers.vendor.recipes import PYTHON, REQUIREMENTS, Architecture

SIGN_OF_LIFE_S = 4.0
"""Seconds after which who waits is told that it goes on."""


class BuildFailed(Exception):
    """A layer could not be built; the message says why."""


def say(text: str) -> None:
    """Tell whoever waits what is being done."""
    sys.stderr.write(f"layers: {text}\n")
    sys.stderr.flush()


def run(
    command: Sequence[str | Path], *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> None:
    """Run a program; what it says is shown only if it fails.

    Raises:
        BuildFailed: it failed.
    """
    started = time.monotonic()
    with subprocess.Popen(  # noqa: S603 - an argument list of our own making, no shell
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        while True:
            try:
                output, _ = process.communicate(timeout=SIGN_OF_LIFE_S)
                break
            except subprocess.TimeoutExpired:
                say(f"... {time.monotonic() - started:.0f} s")
            except BaseException:
                process.kill()
                raise
    if process.returncode != 0:
        program = " ".join(str(part) for part in command[:4])
        raise BuildFailed(f"{program} ... failed:\n{output.strip()[-4000:]}")


def install_wheels(requirements: Path, target: Path, architecture: Architecture | None = None) -> None:
    """Install a hashed requirement file into a folder: wheels for a processor, or for this machine."""
    platform = (
        ["--python-platform", architecture.wheels, "--python-version", ".".join(map(str, PYTHON))]
        if architecture
        else []
    )
    run(
        [
            *(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", sys.executable),
            # Copies, because a layer is trimmed: uv's cache must not be.
            *("--link-mode", "copy", "--no-deps", "--only-binary", ":all:", "--require-hashes"),
            *platform,
            *("--target", target, "-r", requirements),
        ]
    )


def download_source(name: str, requirements: Path, target: Path, *, tools: Path) -> Path:
    """Fetch the source archive of a package that publishes one, checked against its hash.

    pip asks a source for its metadata before it hands it over, which takes the build tools in `tools`.

    Raises:
        BuildFailed: there is none.
    """
    run(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", name),
            *("--require-hashes", "--no-build-isolation", "--dest", target, "-r", requirements),
        ],
        env={"PYTHONPATH": str(tools)},
    )
    found = sorted(target.glob(f"{name}-*.tar.gz"))
    if len(found) != 1:
        raise BuildFailed(f"no source archive of {name} came down")
    return found[0]


def install_tools(target: Path) -> Path:
    """Put what a source build needs into a folder: pip, setuptools, and pybind11's headers."""
    install_wheels(REQUIREMENTS / "tools.txt", target)
    return target
