"""An export on the disk: its manifest, and whether its files are those that the manifest names."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

from infra.cli.failures import UsageError
from shoal.errors import CorruptObject
from shoal.model.exports import EXPORT_FORMAT, MANIFEST_NAME, ExportManifest

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
_PIECE_BYTES = 1024 * 1024


def is_export(path: Path) -> bool:
    """Whether a path that somebody gives is that of an export: its folder, or its manifest."""
    return path.is_dir() or path.name == MANIFEST_NAME


def read_manifest(folder: Path) -> ExportManifest:
    """The manifest in a folder.

    Raises:
        UsageError: there is none, or it is not one that this release reads.
    """
    path = folder / MANIFEST_NAME
    try:
        manifest = ExportManifest.parse(path.read_bytes())
    except FileNotFoundError as error:
        raise UsageError(
            f"{folder} holds no {MANIFEST_NAME}: it is no export, or one whose download is not complete",
            hint=f"complete it: `shoal export DATASET {folder}`; or name the files to import",
        ) from error
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except CorruptObject as error:
        raise UsageError(
            f"{path} is not the manifest of an export that this release reads",
            hint="a newer release made it, or it was changed: export again, or name the files to import",
        ) from error
    if manifest.format > EXPORT_FORMAT:
        raise UsageError(f"{path} was made by a newer release", hint="import it with that one")
    for file in manifest.files:
        plain_name(file.name)
    return manifest


def plain_name(name: str) -> str:
    """The name of a file of an export, which cannot lead out of its folder.

    Raises:
        UsageError: it could.
    """
    if not _PLAIN_NAME.fullmatch(name):
        raise UsageError(f"{name!r} is not the name of a file of an export")
    return name


def check_files(
    folder: Path, manifest: ExportManifest, *, count: Callable[[int], None] = lambda _: None
) -> None:
    """Compare sizes, then SHA-256, of all files with what the manifest says; `count` gets bytes as they are read.

    Raises:
        UsageError: a file is missing, or another one than was exported.
    """
    wrong = [each.name for each in manifest.files if size_of(folder / each.name) != each.size]
    if not wrong:
        wrong = [each.name for each in manifest.files if sha256_of(folder / each.name, count) != each.sha256]
    if wrong:
        missing = size_of(folder / wrong[0]) is None
        raise UsageError(
            f"{folder / wrong[0]} {'is missing' if missing else 'is not the file that was exported'}"
            + (f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""),
            hint="get it again: `shoal exports DATASET` shows what is there, "
            f"`shoal export DATASET {folder} --export EXPORT` downloads what is not right",
        )


def size_of(path: Path) -> int | None:
    """The bytes of a file; None where there is none."""
    return path.stat().st_size if path.is_file() else None


def sha256_of(path: Path, count: Callable[[int], None] = lambda _: None) -> str:
    """The SHA-256 of a file, in hex.

    Raises:
        UsageError: it cannot be read.
    """
    found = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                found.update(piece)
                count(len(piece))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    return found.hexdigest()
