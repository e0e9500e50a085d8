"""Leave out of a layer what no function reads, and ship its byte code."""

import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from layers.vendor.symbols import drop_symbols
from layers.vendor.tools import BuildFailed, run

UNREAD_FOLDERS = frozenset({"__pycache__", "bin", "f2py", "include", "tests", "_pyinstaller"})
"""`f2py` and `include` are numpy's compilers and headers; the rest explains itself."""

UNREAD_SUFFIXES = frozenset(
    {".a", ".c", ".h", ".hpp", ".lock", ".pxd", ".pxi", ".pyc", ".pyi", ".pyx", ".typed"}
)

READ_OF_METADATA = frozenset({"METADATA", "licenses"})
"""What stays of a *.dist-info: versions are looked up in it, and licences must go along."""


def trim(layer: Path, unread: Iterable[str] = ()) -> None:
    """Delete what is not read at run time: what never is in any layer, and the patterns `unread` of this one.

    Raises:
        BuildFailed: a pattern matches nothing, so the package is not what it was when that was written.
    """
    for pattern in unread:
        found = sorted(layer.glob(pattern))
        if not found:
            raise BuildFailed(f"nothing is left out by {pattern}: has the package changed?")
        for path in found:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in sorted(layer.rglob("*")):
        if not path.exists():
            continue
        if path.is_dir():
            if path.name in UNREAD_FOLDERS:
                shutil.rmtree(path)
        elif path.suffix in UNREAD_SUFFIXES or path.name.startswith(".") or path.is_symlink():
            path.unlink()
        elif ".so" in path.suffixes:
            drop_symbols(path)
    for path in layer.glob("*.dist-info/*"):
        if path.name not in READ_OF_METADATA and not path.name.upper().startswith(
            ("LICEN", "COPYING", "NOTICE")
        ):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def add_byte_code(layer: Path) -> None:
    """Compile every module, so that a cold start only loads.

    Lambda unpacks layers with times of its own, which would make ordinary byte code look stale: this one is not
    checked. It names the place where Lambda puts the source. How Python writes byte code depends on what else the
    process knows (a string in use elsewhere is marked as shared), so a process that knows nothing else writes it:
    the same sources give the same bytes.

    Raises:
        BuildFailed: a module does not compile.
    """
    run([sys.executable, "-S", "-s", "-P", "-c", _COMPILE, layer.name], cwd=layer.parent, env=_NOTHING_ELSE)


_NOTHING_ELSE = {
    "PYTHONHASHSEED": "0",
    "PYTHONPATH": "",
    "PYTHONDONTWRITEBYTECODE": "",
    "PYTHONPYCACHEPREFIX": "",
}

_COMPILE = """
import pathlib, py_compile, sys
for module in sorted(pathlib.Path(sys.argv[1]).rglob("*.py")):
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(str(module), dfile=f"/opt/{module}", doraise=True, invalidation_mode=mode)
"""
