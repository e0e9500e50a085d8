"""Know whether a built layer is still what its inputs would make."""

import hashlib
import importlib.util
from importlib.metadata import version
from pathlib import Path

from layers.vendor.recipes import BUILD, FOLDER, LAYERS, REQUIREMENTS


def layer_folder(name: str, architecture: str) -> Path:
    """Where a built layer is."""
    return BUILD / architecture / name


def stamp_file(name: str, architecture: str) -> Path:
    """Where the digest of its inputs is: beside the layer, so that it is not deployed."""
    return BUILD / architecture / f"{name}.inputs"


def is_current(name: str, architecture: str) -> bool:
    """Whether the layer is built, and from just these inputs."""
    stamp = stamp_file(name, architecture)
    return stamp.is_file() and stamp.read_text() == inputs_digest(name, architecture)


def inputs_digest(name: str, architecture: str) -> str:
    """A digest of all that a layer depends on: pins, these scripts, the compiler and the byte code's format."""
    layer = LAYERS[name]
    files = [REQUIREMENTS / f"{name}.txt", *sorted(FOLDER.glob("*.py"))]
    if layer.has_hnswlib:
        files += [REQUIREMENTS / "hnswlib.txt", REQUIREMENTS / "tools.txt"]
    if layer.has_static_model:
        files.append(REQUIREMENTS / "static_model.txt")
    digest = hashlib.sha256(f"{name} {architecture} {version('ziglang')}".encode())
    digest.update(importlib.util.MAGIC_NUMBER)
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()
