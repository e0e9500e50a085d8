"""Synthesizes the app for this machine's processor, and only when something that goes into it has changed."""

import hashlib
import json
import os
import platform
import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from infra.local.commands import Progress, run
from infra.local.errors import LocalStackError
from infra.local.locks import hold
from infra.local.paths import ASSEMBLY, ROOT

SOURCES: Final = ("cdk.json", "functions", "infra", "layers/shoal", "requirements.txt")
"""What the assembly is made of, apart from the built layers."""

LEFT_OUT: Final = frozenset({"__pycache__", "local", "cli"})
"""Folders in them that the assembly does not see."""

ARCHITECTURES: Final = {"x86_64": "x86_64", "amd64": "x86_64", "arm64": "arm64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class Assembly:
    """A synthesized stack: its template and the files that the template points at."""

    folder: Path
    stack_name: str
    template: Path
    assets: Path

    @property
    def digest(self) -> str:
        """Changes with the template; assets are named in it by what is in them."""
        return hashlib.sha256(self.template.read_bytes()).hexdigest()


def host_architecture() -> str:
    """Lambda's name for this machine's processor.

    Raises:
        LocalStackError: Lambda has no such processor.
    """
    machine = platform.machine().lower()
    try:
        return ARCHITECTURES[machine]
    except KeyError:
        raise LocalStackError(f"no layers can be built for a {machine} processor") from None


def ensure_assembly(progress: Progress, *, folder: Path = ASSEMBLY) -> Assembly:
    """The assembly of the app as it is now.

    Raises:
        CommandFailed: the app does not synthesize; the message holds what it said.
    """
    architecture = host_architecture()
    mark = folder.with_name(f"{folder.name}.sources")
    with hold(folder.with_name(f"{folder.name}.lock")):
        digest = sources_digest(architecture)
        if not (mark.is_file() and mark.read_text() == digest and (folder / "manifest.json").is_file()):
            progress("synthesizing the stack")
            mark.unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
            _synthesize(architecture, folder, progress)
            mark.write_text(digest)
    return read_assembly(folder)


def _synthesize(architecture: str, folder: Path, progress: Progress) -> None:
    run(
        [sys.executable, "-m", "infra.app"],
        step="synthesizing the stack",
        progress=progress,
        cwd=ROOT,
        environment={
            "CDK_OUTDIR": str(folder),
            "CDK_CONTEXT_JSON": json.dumps(
                # A model behind an endpoint on this machine can be tried, too.
                {
                    "shoal:architecture": architecture,
                    "shoal:outbound_allow_loopback": True,
                    "shoal:ingest_buckets": "upstream",
                }
            ),
        },
    )


def sources_digest(architecture: str) -> str:
    """Changes when a file that goes into the assembly is touched: told by path, size and time, without reading."""
    digest = hashlib.sha256(f"{sys.version}\n{architecture}\n".encode())
    layers = ROOT / "layers" / "vendor" / "build" / architecture
    for path in _files([*(ROOT / source for source in SOURCES), layers]):
        status = path.stat()
        digest.update(f"{path.relative_to(ROOT)}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _files(roots: Iterable[Path]) -> Iterator[Path]:
    for root in roots:
        if root.is_file():
            yield root
        for folder, folders, names in os.walk(root):
            folders[:] = sorted(set(folders) - LEFT_OUT)
            yield from (Path(folder, name) for name in sorted(names) if not name.endswith(".pyc"))


def read_assembly(folder: Path) -> Assembly:
    """The one stack of an assembly, as its manifest names it."""
    artifacts: dict[str, Any] = json.loads((folder / "manifest.json").read_text())["artifacts"]
    (stack,) = (item for item in artifacts.items() if item[1]["type"] == "aws:cloudformation:stack")
    name, artifact = stack
    return Assembly(
        folder=folder,
        stack_name=artifact["properties"].get("stackName", name),
        template=folder / artifact["properties"]["templateFile"],
        assets=folder / f"{name}.assets.json",
    )
